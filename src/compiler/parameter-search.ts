/**
 * The first parameter set that holds a circuit at the asked precision: ring degrees in ascending order, primes as wide as the
 * ceiling of 128-bit security lets them be, placements from the cheapest on, and for each the largest input scale that keeps
 * every margin.
 */
import { InvalidParamsError } from '../base/errors.ts';
import { fitsAnyVector } from '../schemes/ckks/encoder.ts';
import { CkksParams, type CkksSpec } from '../schemes/ckks/params.ts';
import { logQPCeiling } from '../schemes/rlwe/security.ts';
import type { Circuit } from './circuit.ts';
import { depthsOf, type FactorForm, type Placement, placementsByCost } from './placement.ts';
import type { StepList } from './program.ts';
import { keepsMargins, replyDeviation, SMALLEST_BLOCK, type StepsInRing } from './step-analysis.ts';
import { planSteps } from './step-planner.ts';

/**
 * Primes at most 42 bits wide keep the low-bit matrix product exact without intermediate reductions; wider ones make it slower, and
 * are tried where these are too narrow.
 */
const PRIME_BITS = [42, 45, 48];
const LEAST_PRIME_BITS = 25;
/** Standard deviations of the scheme's own noise, in the smallest bucket, that half of the error budget holds; the rest is flooding's. */
const DEVIATIONS = 5.75;
/** Input scales that are tried, in quarter bits. */
const LARGEST_SCALE = 48 * 4;
const SMALLEST_SCALE = 10 * 4;

export interface FoundPlan {
  readonly spec: CkksSpec;
  readonly params: CkksParams;
  readonly list: StepList;
  /** Standard deviation of a score's error from the scheme's noise, in score units (before flooding). */
  readonly schemeError: number;
}

export interface SearchOptions {
  /** Largest accepted error of a score. */
  readonly wanted: number;
  readonly logN: readonly number[];
  readonly placement?: Placement;
}

interface Candidate {
  readonly spec: CkksSpec;
  readonly form: FactorForm;
}

/** A first prime of this width leaves room for the scores where the others are narrow. */
const WIDE_FIRST = 48;

/** Narrow primes before wide ones, a larger scale before another level. */
function candidatesFor(circuit: Circuit, logN: number): Candidate[] {
  const depths = (['scale', 'level'] as const).map((form) => ({
    form,
    depth: Math.max(...depthsOf(circuit, form)),
  }));
  const forms = depths[0]!.depth === depths[1]!.depth ? depths.slice(0, 1) : depths;
  return forms.flatMap(({ form, depth }) => {
    const even = PRIME_BITS.map((bits) => parametersFor(logN, depth, bits));
    const specs = [even[0], withWideFirst(even[0], logN), ...even.slice(1)];
    const widths = new Set<string>();
    return specs.flatMap((spec) => {
      const key = spec?.logQ.join() ?? '';
      if (spec === undefined || widths.has(key)) return [];
      widths.add(key);
      return [{ spec, form }];
    });
  });
}

/** @throws {InvalidParamsError} when there is none: the depth, and the precision or the layer that came nearest. */
export function searchParameters(circuit: Circuit, { wanted, logN, placement }: SearchOptions): FoundPlan {
  let best: number | undefined;
  for (const degree of logN) {
    for (const { spec, form } of candidatesFor(circuit, degree)) {
      const params = CkksParams.create(spec);
      const placements = placement === undefined ? placementsByCost(circuit, degree, form) : [placement];
      for (const each of placements) {
        const list = largestScale(circuit, each, params, form);
        if (list === undefined) continue;
        const schemeError = replyDeviation(inRing(list, params), params.slots / SMALLEST_BLOCK);
        if (2 * DEVIATIONS * schemeError <= wanted) return { spec, params, list, schemeError };
        best = Math.min(best ?? schemeError, schemeError);
      }
    }
  }
  const depth = Math.max(...depthsOf(circuit, 'scale'));
  throw refusal(circuit, { wanted, logN, depth, best });
}

/** Special primes are two bits wider than the others, so that key switching noise stays below rounding. */
function parametersFor(logN: number, depth: number, widest: number): CkksSpec | undefined {
  const bits = Math.min(widest, Math.floor((logQPCeiling(logN) - 2) / (depth + 2)));
  if (bits < LEAST_PRIME_BITS) return undefined;
  return { logN, logQ: new Array<number>(depth + 1).fill(bits), logP: [bits + 2], logScale: bits - 10 };
}

function withWideFirst(spec: CkksSpec | undefined, logN: number): CkksSpec | undefined {
  if (spec === undefined) return undefined;
  const logQ = [WIDE_FIRST, ...spec.logQ.slice(1)];
  const logP = [WIDE_FIRST + 2];
  const total = [...logQ, ...logP].reduce((a, b) => a + b, 0);
  return total <= logQPCeiling(logN) ? { ...spec, logQ, logP } : undefined;
}

/** The plan with the largest input scale (in quarter bits) that keeps the margins and that clients can encode at. */
function largestScale(
  circuit: Circuit,
  placement: Placement,
  params: CkksParams,
  form: FactorForm,
): StepList | undefined {
  const primes = primesOf(params);
  for (let quarterBits = LARGEST_SCALE; quarterBits >= SMALLEST_SCALE; quarterBits--) {
    const inputScale = 2 ** (quarterBits / 4);
    if (!fitsAnyVector(params, params.maxLevel, circuit.inputBound, inputScale)) continue;
    const list = planSteps({ circuit, placement, primes, inputScale, form });
    if (keepsMargins(inRing(list, params))) return list;
  }
  return undefined;
}

function primesOf(params: CkksParams): number[] {
  return params.q.map((modulus) => modulus.q);
}

function inRing(list: StepList, params: CkksParams): StepsInRing {
  return { list, primes: primesOf(params), n: params.n };
}

interface Failure {
  readonly wanted: number;
  readonly logN: readonly number[];
  readonly depth: number;
  /** The least error that was reached. */
  readonly best: number | undefined;
}

function refusal(circuit: Circuit, { wanted, logN, depth, best }: Failure): InvalidParamsError {
  const largest = Math.max(...logN);
  const products = circuit.ops.filter((op) => op.op === 'multiply').length;
  const [low, high] = circuit.outputRange;
  const about = { depth, products, logN: largest };
  const held = logN.filter((degree) => parametersFor(degree, depth, LEAST_PRIME_BITS) !== undefined);
  if (held.length === 0) {
    const room = Math.floor((logQPCeiling(largest) - 2) / LEAST_PRIME_BITS) - 2;
    const first = firstBeyond(circuit, room);
    return new InvalidParamsError(
      `the network is ${depth} products deep, and rings up to 2^${largest} hold ${room}: the first that does not fit is ${first}. Use activations of lower degree, fewer layers, or cut the model there and run the rest on the client`,
      about,
    );
  }
  if (best === undefined) {
    return new InvalidParamsError(
      `no scale keeps the values of the network inside the modulus of rings up to 2^${largest}: their range is too wide for ${depth} products. Calibrate on data, use a smaller input bound, or retrain with a range penalty`,
      about,
    );
  }
  const reached = (2 * DEVIATIONS * best) / (high - low);
  return new InvalidParamsError(
    `no parameter set up to 2^${largest} holds ${depth} products with the asked precision: needed 2^${Math.log2(wanted / (high - low)).toFixed(1)} of the scores' range, reached 2^${Math.log2(reached).toFixed(1)}. Ask for less precision, use fewer bits per weight, or activations of lower degree`,
    about,
  );
}

function firstBeyond(circuit: Circuit, room: number): string {
  const depths = depthsOf(circuit, 'scale');
  const first = circuit.ops.find((op) => depths[op.to]! > room);
  return first === undefined ? 'the last' : circuit.values[first.to]!.name;
}
