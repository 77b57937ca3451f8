/**
 * The parameters and scales of a packed program: per ring degree the layouts, then numbers of primes in ascending order, widths of primes
 * and a grid of scales; of the plans that keep every margin at the asked precision the cheapest, of equal ones the most precise.
 */
import { InvalidParamsError } from '../../base/errors.ts';
import { fitsAnyVector } from '../../schemes/ckks/encoder.ts';
import { CkksParams, type CkksSpec } from '../../schemes/ckks/params.ts';
import { logQPCeiling } from '../../schemes/rlwe/security.ts';
import type { Circuit } from '../circuit.ts';
import { fusedSquareCost, keySwitchCost, passCost, rescaleCost } from '../reference-costs.ts';
import { searchLayouts } from './layout-search.ts';
import {
  type PackedSubject,
  packedDeviation,
  packedKeepsMargins,
  missingStandardSteps,
  OUTPUT_MARGIN,
  plannedParts,
  rotationsIn,
  withSharedKeys,
} from './packed-analysis.ts';
import type { KeyPlanName } from './key-plans.ts';
import { type PackedCircuit, withTracedReply } from './packed-circuit.ts';
import { planPackedSteps, type PackedScales, type PackedSteps } from './packed-planner.ts';

/** Standard deviations of the scheme's own noise that half of the error budget holds; the rest is flooding's. */
const DEVIATIONS = 5.75;
const LEAST_PRIME_BITS = 26;
const WIDEST_PRIME_BITS = 48;
const MAX_PRIMES = 20;

export interface FoundPacked {
  readonly spec: CkksSpec;
  readonly params: CkksParams;
  readonly list: PackedSteps;
  readonly plan: KeyPlanName;
  readonly schemeError: number;
  /** Milliseconds of one thread of the reference processor. */
  readonly cost: number;
}

interface SearchedPacked extends FoundPacked {
  readonly scales: PackedScales;
}

export interface PackedSearchOptions {
  readonly wanted: number;
  readonly logN: readonly number[];
  /** Whether replies are traced where the layout allows it; default true. */
  readonly isTraced?: boolean;
  /** Default tailored. */
  readonly plan?: KeyPlanName;
}

/** @throws {InvalidParamsError} {@link UnsupportedOpError} when there is none. */
export function searchPacked(circuit: Circuit, options: PackedSearchOptions): FoundPacked {
  const { wanted, logN, isTraced = true, plan = 'tailored' } = options;
  let nearest = Number.POSITIVE_INFINITY;
  for (const degree of logN) {
    const layouts = searchLayouts(circuit, degree, plan);
    const packed = isTraced ? withTracedReply(layouts) : layouts;
    for (let count = 2; count <= MAX_PRIMES; count++) {
      // More special primes make keys smaller where there are many levels, and leave fewer bits for them.
      const found: SearchedPacked[] = [];
      for (const specials of [1, 2, 3].filter((each) => each === 1 || 2 * each <= count)) {
        const spec = evenPrimes(degree, count, specials);
        if (spec === undefined) continue;
        const subject = { packed, spec, wanted, plan };
        const coarse = bestPlan(subject, [...scaleGrid()]);
        nearest = Math.min(nearest, coarse.nearest);
        // A finer grid around the plan that just misses.
        const made = coarse.found ?? bestPlan(subject, scalesAround(coarse.scales)).found;
        if (made !== undefined) found.push(made);
      }
      found.sort((a, b) => a.cost - b.cost);
      if (found[0] !== undefined)
        return settled(
          packed.isTraced ? raised({ packed, wanted, plan, spec: found[0].spec }, found[0]) : found[0],
        );
    }
  }
  throw refusal(circuit, wanted, logN, nearest);
}

/** In which steps the scale of the last transform is raised, in bits, and how many below the largest are tried. */
const [RAISE_STEP, MOST_RAISES] = [1 / 8, 8];

/**
 * With the largest scale of the reply that costs no more: how many bits of a traced reply must be sent depends on nothing but its share
 * of the modulus.
 */
function raised(subject: PlanSubject, found: SearchedPacked): SearchedPacked {
  const { scale, trained } = found.list.values.at(-1)!;
  const room = Math.log2(found.params.q[0]!.q / (2 * OUTPUT_MARGIN * trained * scale));
  const most = Math.floor(room / RAISE_STEP) * RAISE_STEP;
  for (let tried = 0; tried < MOST_RAISES; tried++) {
    const more = most - tried * RAISE_STEP;
    if (!(more > 0 && Number.isFinite(more))) break;
    const scales = { ...found.scales, lastBits: found.scales.lastBits + more };
    const plan = bestPlan(subject, [scales]).found;
    if (plan !== undefined && plan.cost <= found.cost && plan.list.values.at(-1)!.scale > scale) return plan;
  }
  return found;
}

/** With the fewest keys. */
function settled({ scales: _scales, ...found }: SearchedPacked): FoundPacked {
  if (found.plan === 'standard') return found;
  const { logN, logP } = found.spec;
  const { logN: _, specials: __, ...list } = withSharedKeys({ ...found.list, logN, specials: logP.length });
  return { ...found, list, cost: packedCost({ ...list, logN, specials: logP.length }) };
}

/** Standard deviation of the scheme's own error that is accepted. */
function acceptedError(wanted: number): number {
  return wanted / (2 * DEVIATIONS);
}

interface BestPlan {
  readonly found: SearchedPacked | undefined;
  /** Least error of a plan that keeps the margins. */
  readonly nearest: number;
  readonly scales: PackedScales | undefined;
}

interface PlanSubject {
  readonly packed: PackedCircuit;
  readonly spec: CkksSpec;
  readonly wanted: number;
  readonly plan: KeyPlanName;
}

function bestPlan({ packed, spec, wanted, plan }: PlanSubject, choices: readonly PackedScales[]): BestPlan {
  const params = CkksParams.create(spec);
  const primes = params.q.map(({ q }) => q);
  let best: BestPlan = { found: undefined, nearest: Number.POSITIVE_INFINITY, scales: undefined };
  for (const scales of choices) {
    if (!fitsAnyVector(params, params.maxLevel, packed.inputBound, scales.inputScale)) continue;
    const place = { logN: spec.logN, specials: spec.logP.length, plan };
    const list = planPackedSteps(packed, primes, scales, place);
    if (list === undefined || !packedKeepsMargins(list, primes)) continue;
    const subject = { ...list, ...place };
    if (plan === 'standard' && missingStandardSteps(subject).length > 0) continue;
    const schemeError = packedDeviation(subject, params);
    if (schemeError < best.nearest) best = { ...best, nearest: schemeError, scales };
    if (schemeError > acceptedError(wanted)) continue;
    const cost = packedCost(subject);
    const { found } = best;
    const isBetter =
      found === undefined || cost < found.cost || (cost === found.cost && schemeError < found.schemeError);
    if (isBetter) best = { ...best, found: { spec, params, list, plan, schemeError, cost, scales } };
  }
  return best;
}

/** As wide as the ceiling lets `count` primes and the special ones, two bits wider, be. */
function evenPrimes(logN: number, count: number, specials: number): CkksSpec | undefined {
  const bits = Math.min(
    WIDEST_PRIME_BITS,
    Math.floor((logQPCeiling(logN) - 2 * specials) / (count + specials)),
  );
  if (bits < LEAST_PRIME_BITS) return undefined;
  const [logQ, logP] = [new Array<number>(count).fill(bits), new Array<number>(specials).fill(bits + 2)];
  return { logN, logQ, logP, logScale: bits - 10 };
}

/** Every other bit of everything. */
function* scaleGrid(): Generator<PackedScales> {
  for (let waterline = LEAST_WATERLINE; waterline <= MOST_WATERLINE; waterline += 4)
    for (let weightBits = MOST_WEIGHT_BITS; weightBits >= LEAST_WEIGHT_BITS; weightBits -= 2)
      for (let lastBits = weightBits; lastBits >= LEAST_LAST_BITS; lastBits -= 2)
        for (let input = MOST_INPUT_BITS; input >= LEAST_INPUT_BITS; input -= 2)
          yield { inputScale: 2 ** input, weightBits, lastBits, waterline };
}

/** Every bit, two in each direction. */
function scalesAround(scales: PackedScales | undefined): PackedScales[] {
  if (scales === undefined) return [];
  const near = [-2, -1, 0, 1, 2];
  return near.flatMap((input) =>
    near.flatMap((weight) =>
      near.flatMap((last) =>
        [-4, 0, 4].map((waterline) => ({
          inputScale: scales.inputScale * 2 ** input,
          weightBits: scales.weightBits + weight,
          lastBits: scales.lastBits + last,
          waterline: scales.waterline + waterline,
        })),
      ),
    ),
  );
}

const [LEAST_INPUT_BITS, MOST_INPUT_BITS] = [20, 40];
const [LEAST_WEIGHT_BITS, MOST_WEIGHT_BITS, LEAST_LAST_BITS] = [14, 26, 10];
const [LEAST_WATERLINE, MOST_WATERLINE] = [20, 32];

function refusal(
  { ops, outputRange: [low, high] }: Circuit,
  wanted: number,
  logN: readonly number[],
  nearest: number,
): InvalidParamsError {
  const share = (error: number) => Math.log2((2 * DEVIATIONS * error) / (high - low)).toFixed(1);
  const reached = Number.isFinite(nearest)
    ? `reached 2^${share(nearest)} of the range of the scores`
    : 'no scale keeps its values inside the modulus';
  return new InvalidParamsError(
    `no parameter set up to 2^${Math.max(...logN)} holds the network in the layout for one sample at the asked precision: needed 2^${share(acceptedError(wanted))}, ${reached}. Compile for batches (layout batch), ask for less precision, or use fewer layers`,
    { depth: ops.filter(({ op }) => op === 'multiply').length },
  );
}

/** Of all steps, without reading the query and writing the reply. */
export function packedCost(subject: PackedSubject): number {
  const { values, steps, logN, specials } = subject;
  let cost = 0;
  for (const step of steps) {
    const from = values[step.op === 'multiply' || step.op === 'add' ? step.a : step.from]!;
    const at = { logN, level: from.level, parts: from.parts, specials };
    if (step.op === 'transform') for (const part of plannedParts(subject, step)) cost += part.cost;
    else if (step.op === 'rotateAdd')
      cost += from.count * (rotationsIn(subject, step.step) * keySwitchCost(at) + passCost(at));
    else if (step.op === 'relinearize') cost += from.count * fusedSquareCost(at);
    else if (step.op === 'rescale') cost += from.count * rescaleCost(at);
    else cost += from.count * passCost(at);
  }
  return cost;
}
