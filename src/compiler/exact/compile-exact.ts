/**
 * Model graph -> exact program. The integer network is that of the quantised graph: weights and inputs are integers, activations
 * squares. Its values are bounded in whole numbers; plaintext moduli are taken until their product holds twice the largest bound; then the
 * smallest ring is taken in which the proven noise fits and replies hide what was asked.
 */
import * as arg from '../../base/arguments.ts';
import { InvalidParamsError, OutOfRangeError } from '../../base/errors.ts';
import { type ModelGraph, wireSize } from '../../nn/graph/model-graph.ts';
import { toModelGraph } from '../../nn/graph/polynomial-model.ts';
import { PolynomialNetwork } from '../../nn/polynomial/polynomial-network.ts';
import { isPrime } from '../../kernel/tables/primitive-root.ts';
import { MAX_PLAINTEXT_MODULI } from '../../schemes/bgv/intent.ts';
import type { BgvModulusBits } from '../../schemes/bgv/noise-bound.ts';
import { logQPCeiling } from '../../schemes/rlwe/security.ts';
import type { Circuit } from '../circuit.ts';
import { descriptionOf } from '../compile.ts';
import { lowerGraph } from '../lower-graph.ts';
import { exactReply } from './exact-noise.ts';
import type { ExactProgram, ExactRing } from './exact-program.ts';
import { bitsOf, integerIntervals, largestInteger } from './integer-intervals.ts';
import { type ExactPlan, planExact, type SwitchRule } from './plan-exact.ts';
import { validateExactProgram } from './validate-exact.ts';

export interface ExactOptions {
  /** Names the model on the wire: ^[a-z0-9][a-z0-9_-]{0,63}$. */
  readonly name: string;
  /** Inputs are clipped to it; default: what the input's description clips to. */
  readonly inputRange?: readonly [low: number, high: number];
  /** Integers that inputs are rounded to: 2^inputBits of them over their interval; default 4. */
  readonly inputBits?: number;
  /** Bits of a weight, sign included, for models that bring no integers; default 8. */
  readonly weightBits?: number;
  /** Ring degrees to try, smallest first; default 2^12 to 2^15. */
  readonly logN?: readonly number[];
  /** Bits of statistical security with which a reply must hide how it came about; default 40. */
  readonly hiding?: number;
}

const DEFAULT_INPUT_BITS = 4;
const DEFAULT_WEIGHT_BITS = 8;
const DEFAULT_LOG_N = [12, 13, 14, 15];
/** As the house's releases promise. */
const DEFAULT_HIDING = 40;
/** Wider plaintext moduli cost more noise than they save in number. */
const WIDEST_MODULUS = 24;
/** Numbers of moduli that are tried, from the fewest. */
const MOST_FAMILIES = 4;
const LEAST_PRIME_BITS = 25;
/** Up to this width the matrix product is exact without reductions in between. */
const WIDEST_PRIME = 42;
const MOST_PRIMES = 20;
const RULES: readonly SwitchRule[] = ['early', 'late'];

/**
 * @throws {UnsupportedOpError} that lists what has no exact form.
 * @throws {InvalidParamsError} when values outgrow every choice of moduli, naming the wire and its bits; when no ring holds the noise.
 * @throws {OutOfRangeError} without an interval of the inputs.
 */
export function compileExact(model: ModelGraph | PolynomialNetwork, options: ExactOptions): ExactProgram {
  arg.checkArguments('compileExact', [model, options], {
    model: arg.either(
      arg.like('a ModelGraph', 'inputs', 'output'),
      arg.like('a PolynomialNetwork', 'layers', 'ranges'),
    ),
    options: arg.options,
  });
  const graph = model instanceof PolynomialNetwork ? toModelGraph(model) : model;
  const inputRange = options.inputRange ?? graph.inputs[0]?.clip ?? [-Infinity, Infinity];
  const [low, high] = inputRange;
  if (!(Number.isFinite(low) && Number.isFinite(high) && low < high))
    throw new OutOfRangeError('inputRange of an exact program', 'a finite interval', `${low} .. ${high}`);
  const inputBits = options.inputBits ?? DEFAULT_INPUT_BITS;
  if (!(Number.isInteger(inputBits) && inputBits >= 1 && inputBits <= 16))
    throw new OutOfRangeError('inputBits', 'an integer of 1 to 16', inputBits);
  const weightBits = options.weightBits ?? DEFAULT_WEIGHT_BITS;
  const inputBound = Math.max(Math.abs(low), Math.abs(high));
  const circuit = lowerGraph(graph, { inputBound, weightBits });
  const inputScale = (2 ** inputBits - 1) / (high - low);
  const found = search(circuit, {
    ...{ inputRange, inputScale, weightBits },
    logN: options.logN ?? DEFAULT_LOG_N,
    hiding: options.hiding ?? DEFAULT_HIDING,
  });
  const about = descriptionOf(graph, inputBound);
  return validateExactProgram({
    version: 1,
    scheme: 'bgv',
    name: options.name,
    params: found.ring,
    moduli: found.moduli,
    buckets: [{ block: 2 ** found.ring.logN, interleave: 1 }],
    inputs: wireSize(graph, 0),
    outputs: wireSize(graph, graph.output),
    inputRange,
    outputRange: scoreRange(circuit, found.plan, inputRange),
    hiding: Math.floor(found.hiding),
    ...found.plan.list,
    ...(about && { about }),
  });
}

/** Over the calibration data, as far as inputs within their interval reach. */
function scoreRange(
  { outputRange: [low, high] }: Circuit,
  { list }: ExactPlan,
  inputRange: readonly [number, number],
): readonly [number, number] {
  const { scale } = list.values.at(-1)!;
  const scores = integerIntervals({ ...list, inputRange }).at(-1)!;
  const least = Math.min(...scores.map((each) => Number(each.low))) / scale;
  const most = Math.max(...scores.map((each) => Number(each.high))) / scale;
  const range = [Math.max(low, least), Math.min(high, most)] as const;
  const known = range[0] < range[1] ? range : ([least, most] as const);
  if (known[0] < known[1]) return known;
  throw new InvalidParamsError('the scores of the model are constant: nothing is left to compute', { least });
}

interface SearchSubject {
  readonly inputRange: readonly [number, number];
  readonly inputScale: number;
  readonly weightBits: number;
  readonly logN: readonly number[];
  readonly hiding: number;
}

interface FoundExact {
  readonly ring: ExactRing;
  readonly moduli: readonly number[];
  readonly plan: ExactPlan;
  readonly hiding: number;
}

/** The first ring degree that holds it, and the cheapest of its choices. */
function search(circuit: Circuit, subject: SearchSubject): FoundExact {
  const needed = boundOf(circuit, subject);
  let nearest: number | undefined;
  for (const logN of subject.logN) {
    let best: FoundExact | undefined;
    for (const moduli of familiesOf(needed.bits, 2 ** logN)) {
      const { found, hiding } = firstRing(circuit, subject, logN, moduli);
      if (hiding !== undefined) nearest = Math.max(nearest ?? hiding, hiding);
      if (found !== undefined && (best === undefined || cost(found) < cost(best))) best = found;
    }
    if (best !== undefined) return best;
  }
  throw refusal(needed, nearest, subject);
}

/** Key switching grows with the square of the number of primes. */
function cost({ ring, moduli }: FoundExact): number {
  return moduli.length * ring.logQ.length ** 2;
}

/** The ring with the fewest primes; else, the most bits that a reply could hide. */
function firstRing(
  circuit: Circuit,
  { inputScale, weightBits, hiding }: SearchSubject,
  logN: number,
  moduli: readonly number[],
): { readonly found?: FoundExact; readonly hiding?: number } {
  let nearest: number | undefined;
  for (const ring of ringsOf(logN)) {
    const bits = ringBits(ring, Math.max(...moduli));
    for (const rule of RULES) {
      const plan = planExact(circuit, { bits, inputScale, weightBits, rule });
      if (plan === undefined) continue;
      const { level, count } = plan.list.values.at(-1)!;
      const reply = exactReply(bits, { level, noiseBits: plan.noise.at(-1)!, count });
      if (reply.hiding >= hiding) return { found: { ring, moduli, plan, hiding: reply.hiding } };
      nearest = Math.max(nearest ?? reply.hiding, reply.hiding);
    }
  }
  return nearest === undefined ? {} : { hiding: nearest };
}

interface NeededBound {
  /** Of the product of the plaintext moduli. */
  readonly bits: number;
  readonly wire: string;
}

/** Twice the largest integer of any wire. Bounds do not depend on primes, so any that are wide enough serve to find them. */
function boundOf(circuit: Circuit, { inputRange, inputScale, weightBits }: SearchSubject): NeededBound {
  const bits: BgvModulusBits = {
    ...{ n: 2 ** 13, alpha: 1, logT: 1 },
    ...{ logQ: new Array<number>(MOST_PRIMES).fill(50), logP: [50] },
  };
  const list = planExact(circuit, { bits, inputScale, weightBits, rule: 'late' })?.list;
  if (list === undefined)
    throw new InvalidParamsError('the network is too deep for exact evaluation in any ring', {});
  const all = integerIntervals({ ...list, inputRange });
  let worst = { bits: 0, wire: 'input' };
  all.forEach((intervals, value) => {
    const each = bitsOf(2n * largestInteger(intervals) + 1n);
    if (each > worst.bits) worst = { bits: each, wire: list.values[value]!.name };
  });
  return worst;
}

/** For each number of moduli, few first, the smallest that have a product above 2^bits. */
function familiesOf(bits: number, n: number): number[][] {
  const families: number[][] = [];
  const all = primesUpTo(WIDEST_MODULUS, n);
  for (let count = 1; count <= MAX_PLAINTEXT_MODULI && families.length < MOST_FAMILIES; count++) {
    for (let first = all.length - count; first >= 0; first--) {
      const moduli = all.slice(first, first + count);
      // A margin for the rounding of the logarithms; the validator compares whole numbers.
      if (moduli.reduce((sum, t) => sum + Math.log2(t), 0) <= bits + 1e-6) continue;
      families.push(moduli);
      break;
    }
  }
  return families;
}

/** Every prime 1 mod 2n from 4n to 2^bits, descending. */
function primesUpTo(bits: number, n: number): number[] {
  const known = PRIMES.get(n);
  if (known !== undefined) return known;
  const found: number[] = [];
  for (let t = 2 ** bits - 2 * n + 1; t > 4 * n; t -= 2 * n) if (isPrime(t)) found.push(t);
  PRIMES.set(n, found);
  return found;
}

const PRIMES = new Map<number, number[]>();

/** From few primes to many, each as wide as the ceiling allows. */
function ringsOf(logN: number): ExactRing[] {
  const rings: ExactRing[] = [];
  for (let primes = 1; primes <= MOST_PRIMES; primes++) {
    // Special primes are two bits wider, so that the noise of key switching stays below that of rounding.
    const bits = Math.min(WIDEST_PRIME, Math.floor((logQPCeiling(logN) - 2) / (primes + 1)));
    if (bits < LEAST_PRIME_BITS) break;
    rings.push({ logN, logQ: new Array<number>(primes).fill(bits), logP: [bits + 2] });
  }
  return rings;
}

/** Primes are a little below their bits: half a bit in all is left for that. */
function ringBits({ logN, logQ, logP }: ExactRing, t: number): BgvModulusBits {
  const share = (each: number) => each - 0.5 / logQ.length;
  return { n: 2 ** logN, alpha: 1, logT: Math.log2(t), logQ: logQ.map(share), logP };
}

function refusal(
  { bits, wire }: NeededBound,
  nearest: number | undefined,
  { logN, hiding }: SearchSubject,
): InvalidParamsError {
  const rings = `rings of degree 2^${logN.join(', 2^')}`;
  if (nearest !== undefined)
    return new InvalidParamsError(
      `a reply would hide how it came about with ${Math.max(0, Math.floor(nearest))} bits at most, ${hiding} were asked (hiding), in ${rings}`,
      { hiding, nearest },
    );
  return new InvalidParamsError(
    `the integers of ${wire} need ${bits.toFixed(1)} bits, which no plaintext moduli and primes of ${rings} hold: use fewer bits for weights or inputs, or fewer layers`,
    { wire, bits },
  );
}
