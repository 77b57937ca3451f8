/**
 * Which integers every value of an exact program can take, by interval arithmetic in whole numbers: signs are followed, and a square
 * is never negative. What holds for every input within its interval holds for the calibration data as well, so nothing here depends
 * on data.
 */
import { forEachMapRow } from '../integer-map.ts';
import type { StepList } from '../program.ts';
import { type ExactProgram, inputIntegers } from './exact-program.ts';

/** What the intervals follow from. */
type IntegerSteps = StepList & Pick<ExactProgram, 'inputRange'>;

/** Per ciphertext. */
export interface IntegerInterval {
  readonly low: bigint;
  readonly high: bigint;
}

/** The integer that stands for the real number `constant` at `scale`. */
export function scaledInteger(constant: number, scale: number): bigint {
  return BigInt(Math.round(constant * scale));
}

/** The intervals of every value, in the order of the program. */
export function integerIntervals(program: IntegerSteps): IntegerInterval[][] {
  const { steps, values, maps, constants } = program;
  const [low, high] = inputIntegers(program).map(BigInt) as [bigint, bigint];
  const all: IntegerInterval[][] = [Array.from({ length: values[0]!.count }, () => ({ low, high }))];
  for (const step of steps) {
    const { scale, count } = values[step.to]!;
    if (step.op === 'linear') {
      const map = maps[step.map]!;
      const from = all[step.from]!;
      const made: IntegerInterval[] = [];
      forEachMapRow(map, (output, weights, inputOf) => {
        const offset = scaledInteger(map.offsets[output]!, scale);
        let [least, most] = [offset, offset];
        for (let col = 0; col < weights.length; col++) {
          const weight = BigInt(weights[col]!);
          const of = from[inputOf(col)]!;
          least += weight * (weight < 0n ? of.high : of.low);
          most += weight * (weight < 0n ? of.low : of.high);
        }
        made[output] = { low: least, high: most };
      });
      all.push(made);
    } else if (step.op === 'multiply') {
      const b = all[step.b]!;
      all.push(all[step.a]!.map((a, i) => (step.a === step.b ? squared(a) : multiplied(a, b[i]!))));
    } else if (step.op === 'affine') {
      const list = (at: number | undefined) => (at === undefined ? undefined : constants[at]!);
      const [order, factors, sums] = [list(step.order), list(step.multipliers), list(step.addends)];
      all.push(
        Array.from({ length: count }, (_, i) => {
          const factor = BigInt(factors?.[i] ?? 1);
          const { low: l, high: h } = multiplied(all[step.from]![order?.[i] ?? i]!, {
            low: factor,
            high: factor,
          });
          const sum = scaledInteger(sums?.[i] ?? 0, scale);
          return { low: l + sum, high: h + sum };
        }),
      );
    } else if (step.op === 'pack') {
      const from = all[step.from]!;
      all.push(Array.from(constants[step.places]!, (place) => from[place]!));
    } else if (step.op === 'add') {
      const b = all[step.b]!;
      all.push(all[step.a]!.map((a, i) => ({ low: a.low + b[i]!.low, high: a.high + b[i]!.high })));
    } else all.push(all[step.from]!);
  }
  return all;
}

/** The largest absolute value in a list of intervals. */
export function largestInteger(intervals: readonly IntegerInterval[]): bigint {
  let most = 0n;
  for (const { low, high } of intervals) {
    if (-low > most) most = -low;
    if (high > most) most = high;
  }
  return most;
}

/** log2, for people and for the choice of moduli: right to about 2^-40. */
export function bitsOf(value: bigint): number {
  if (value === 0n) return 0;
  const text = value.toString(2);
  const head = Number.parseInt(text.slice(0, 50), 2);
  return Math.log2(head) + Math.max(0, text.length - 50);
}

function squared({ low, high }: IntegerInterval): IntegerInterval {
  const [a, b] = [low * low, high * high];
  const most = a > b ? a : b;
  if (low <= 0n && high >= 0n) return { low: 0n, high: most };
  return { low: a < b ? a : b, high: most };
}

function multiplied(a: IntegerInterval, b: IntegerInterval): IntegerInterval {
  const ends = [a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high];
  let [low, high] = [ends[0]!, ends[0]!];
  for (const end of ends) {
    if (end < low) low = end;
    if (end > high) high = end;
  }
  return { low, high };
}
