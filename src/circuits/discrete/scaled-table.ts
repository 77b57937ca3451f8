/**
 * Tables of integers with precision, scale and sign, as in [CGHPS18]: a function of integers that have more bits than a table. Below 2^bits
 * the table is exact; above, the lowest `drop` bits are cut off and the value in the middle of what is left stands for all of them. Two
 * bootstraps serve any number of functions: one for the low digits, one for the integers without their lowest bits.
 */
import type { CkksCiphertext } from '../../schemes/ckks/ciphertext.ts';
import { OutOfRangeError } from '../../base/errors.ts';
import type { Bootstrapper } from '../bootstrap/bootstrapper.ts';
import { type CircleFunction, tableFunction } from '../circle/circle-function.ts';
import type { ExactOperations } from '../exact-operations.ts';

export interface TableScales {
  /** Bits of a table's index. */
  readonly bits: number;
  /** Bits that the second table leaves out. */
  readonly drop: number;
  /** Whether integers may be negative: they are then from -2^(bits + drop - 1), else from 0. */
  readonly isSigned: boolean;
}

export interface ScaledTableFunction {
  readonly name: string;
  at(x: number): number;
}

/** Whether an integer is one of those that the first table has exactly. */
function isExact({ bits, isSigned }: TableScales, x: number): boolean {
  return isSigned ? x >= -(2 ** (bits - 1)) && x < 2 ** (bits - 1) : x >= 0 && x < 2 ** bits;
}

/** @throws {OutOfRangeError} for tables that do not exist. */
export function assertScales({ bits, drop }: TableScales): void {
  if (!Number.isInteger(bits) || bits < 1 || bits > 8)
    throw new OutOfRangeError('bits of a table', 'an integer from 1 to 8', bits);
  if (!Number.isInteger(drop) || drop < 1 || drop >= bits)
    throw new OutOfRangeError('bits that a table leaves out', `an integer from 1 to ${bits - 1}`, drop);
}

/** What stands for x: itself, or the middle of the integers that share its upper bits. */
function representative(scales: TableScales, x: number): number {
  if (isExact(scales, x)) return x;
  const unit = 2 ** scales.drop;
  return Math.floor(x / unit) * unit + (unit - 1) / 2;
}

/** f at x as the tables have it, in the clear. */
export function scaledTableValue(f: ScaledTableFunction, scales: TableScales, x: number): number {
  return f.at(representative(scales, x));
}

/** Of a table's index, the integer that it stands for. */
function indexed({ bits, isSigned }: TableScales, index: number): number {
  return isSigned && index >= 2 ** (bits - 1) ? index - 2 ** bits : index;
}

interface TablePair {
  readonly low: CircleFunction;
  readonly high: CircleFunction;
  /** The high table holds its values times this: small ones would drown in the noise of a table. */
  readonly gain: number;
}

function tablePair(f: ScaledTableFunction, scales: TableScales): TablePair {
  const entries = Array.from({ length: 2 ** scales.bits }, (_, index) => indexed(scales, index));
  const low = entries.map((x) => f.at(x));
  const unit = 2 ** scales.drop;
  const high = entries.map((x) => (isExact(scales, x * unit) ? 0 : scaledTableValue(f, scales, x * unit)));
  const largest = (values: readonly number[]): number => Math.max(...values.map(Math.abs));
  const gain = 2 ** Math.max(0, Math.floor(Math.log2(largest(low) / largest(high))));
  return {
    low: tableFunction(`${f.name}, low`, low),
    high: tableFunction(
      `${f.name}, high`,
      high.map((value) => value * gain),
    ),
    gain,
  };
}

/** The circle functions of both bootstraps: what their cost follows from. */
export function scaledTableBootstraps(functions: readonly ScaledTableFunction[], scales: TableScales) {
  assertScales(scales);
  const pairs = functions.map((f) => tablePair(f, scales));
  const entries = Array.from({ length: 2 ** scales.bits }, (_, index) => index);
  const unit = 2 ** scales.drop;
  const digit = tableFunction(
    'lowest bits',
    entries.map((index) => index % unit),
  );
  const exact = entries.map((index) => (isExact(scales, indexed(scales, index) * unit) ? 1 : 0));
  const indicator = tableFunction('is exact', exact);
  return {
    pairs,
    low: [digit, ...pairs.map(({ low }) => low)],
    high: [indicator, ...pairs.map(({ high }) => high)],
  };
}

/**
 * f(x) for every function, x the integer in each slot. Results are at one level, one below that of a table's bootstrap, at scales of their
 * own; the arena of `operations` owns them.
 *
 * - noise: (pi^2 / 3) e^2 (max f - min f) for noise e of x, and that of the bootstraps
 *
 * @throws {OutOfRangeError} {@link LevelExhaustedError} one level above the input of a bootstrap is needed. {@link MissingKeyError}
 */
export function lookUpScaled(
  operations: ExactOperations,
  bootstrapper: Bootstrapper,
  x: CkksCiphertext,
  functions: readonly ScaledTableFunction[],
  scales: TableScales,
): CkksCiphertext[] {
  const { arena } = operations;
  const { plan } = bootstrapper;
  const { defaultScale: scale } = plan.params;
  const { pairs, low, high } = scaledTableBootstraps(functions, scales);
  const size = 2 ** scales.bits;
  // Integers beyond the table go round the circle: the bound of what the table sees is its size.
  using wrapped = operations.restate(operations.lowered(x, x.level), { maxAbs: size });
  const [digit, ...lows] = bootstrapper.applyMany(wrapped, low, arena);
  const shift = 2 ** -scales.drop;
  const terms = [
    { ciphertext: x, re: shift, im: 0 },
    { ciphertext: digit!, re: -shift, im: 0 },
  ];
  using upper = operations.weightedSum(terms, { level: plan.inputLevel, scale, maxAbs: size });
  digit![Symbol.dispose]();
  const [indicator, ...highs] = bootstrapper.applyMany(upper, high, arena);
  const results = pairs.map(({ low: f, high: g, gain }, i) => {
    const maxAbs = Math.max(f.maxAbs, g.maxAbs / gain);
    const product = operations.multiply(indicator!, lows[i]!, maxAbs);
    const { level, scale: reached } = product;
    const other = operations.weightedSum([{ ciphertext: highs[i]!, re: 1 / gain, im: 0 }], {
      level,
      scale: reached,
      maxAbs,
    });
    return operations.addUp(product, other, maxAbs);
  });
  for (const used of [indicator!, ...lows, ...highs]) used[Symbol.dispose]();
  return results;
}
