/**
 * What follows from the steps of a packed program alone: rotations and diagonals of its transforms, the keys that they take, room below
 * the modulus, noise. Computed anew for every program that is read.
 *
 * Noise is the variance of a slot's real part at its value's scale. Encoded weights are off by the rounding of their coefficients: in a
 * slot sqrt(N/24), less for vectors that repeat, times whatever stands in the slot they meet, summed over the diagonals; a third of
 * the largest value of the calibration data stands for what is in a slot.
 */
import { keySwitchNoise, publicKeyNoise, roundingNoise } from '../../schemes/rlwe/noise.ts';
import { rotationElement, rotationSteps } from '../../schemes/rlwe/keys/key-plan.ts';
import type { CkksParams } from '../../schemes/ckks/params.ts';
import { largestOf, mapBounds, mapNoiseGain } from '../integer-map.ts';
import type { PackedKeys } from '../offer.ts';
import type { LayerBound, Program, ProgramValue, Step, StepList } from '../program.ts';
import { logModulus } from '../step-analysis.ts';
import { fillOf, isPeriodic, type Layout, tracePeriod } from './layout.ts';
import { type KeyPlanName, pathsOf, standardKeys } from './key-plans.ts';
import {
  cheapestWidth,
  hasStandardKey,
  keyedSteps,
  type PlannedPart,
  plannedTransform,
  rotationPath,
} from './rotations.ts';
import type { PackedSteps } from './packed-planner.ts';

/** What a transform rotates by. */
export function plannedParts(
  { values, maps, layouts, logN, specials, plan }: PackedSubject,
  { map, from, to, width }: Extract<Step, { readonly op: 'transform' }>,
): PlannedPart[] {
  const [source, target] = [values[from]!, values[to]!].map(({ layout }) => layouts[layout!]!) as [
    Layout,
    Layout,
  ];
  const place = { logN, specials, level: values[from]!.level, ...(plan && { plan }) };
  return plannedTransform(maps[map]!, source, target, { width, ...place });
}

export interface PackedSubject extends PackedSteps {
  readonly logN: number;
  /** Special primes. */
  readonly specials: number;
  /** Which rotations have keys; tailored when absent. */
  readonly plan?: KeyPlanName;
}

/** A packed program as what is analysed here. */
export function packedSubject(
  program: StepList & Pick<Program, 'packed'> & { readonly params: Pick<Program['params'], 'logN' | 'logP'> },
): PackedSubject {
  const { values, maps, constants, steps, params, packed } = program;
  const { logN, logP } = params;
  const { layouts, plan } = packed!;
  return { values, maps, constants, steps, layouts, logN, specials: logP.length, ...(plan && { plan }) };
}

/** The keys that the steps take, each for the highest level at which it is used. */
export function keysOf(subject: PackedSubject): PackedKeys {
  const n = 2 ** subject.logN;
  if (subject.plan === 'standard') return standardKeys(subject.logN, subject.values[0]!.level);
  const levels = new Map<number, number>();
  let relinearize = -1;
  const want = (step: number, level: number): void => {
    if (step % (n / 2) === 0) return;
    const element = rotationElement(n, step);
    levels.set(element, Math.max(level, levels.get(element) ?? 0));
  };
  for (const step of subject.steps) {
    const { level } = subject.values[step.to]!;
    if (step.op === 'relinearize') relinearize = Math.max(relinearize, level);
    else if (step.op === 'rotateAdd') want(step.step, level);
    else if (step.op === 'transform')
      for (const { groups } of plannedParts(subject, step))
        for (const rotation of keyedSteps(groups)) want(rotation, level);
  }
  const galois = [...levels].sort(([a], [b]) => a - b).map(([element, maxLevel]) => ({ element, maxLevel }));
  return { ...(relinearize >= 0 && { relinearize }), galois };
}

/**
 * The same steps with widths that take keys which are needed anyway: for each transform in turn, those that all others take weigh
 * nothing.
 */
export function withSharedKeys<T extends PackedSubject>(subject: T): T {
  const { values, maps, layouts, logN, specials } = subject;
  if (subject.plan === 'standard') return subject;
  let steps = [...subject.steps];
  steps.forEach((step, i) => {
    if (step.op !== 'transform') return;
    const others = { ...subject, steps: steps.filter((_, at) => at !== i) };
    const { level } = values[step.from]!;
    const elements = new Map(keysOf(others).galois.map(({ element, maxLevel }) => [element, maxLevel]));
    const slots = 2 ** (logN - 1);
    const owned = new Set<number>();
    for (const [element, at] of rotationSteps(2 * slots))
      if ((elements.get(element) ?? -1) >= level) owned.add((at + slots) % slots);
    const [from, to] = [values[step.from]!, values[step.to]!].map(({ layout }) => layouts[layout!]!);
    const { width } = cheapestWidth(maps[step.map]!, from!, to!, { logN, level, specials }, owned);
    steps = steps.map((each, at) => (at === i ? { ...step, width } : each));
  });
  return { ...subject, steps };
}

/** Of the diagonals over ciphertext and special primes, and of vectors of slots. */
export function encodedBytes(program: Program): number {
  const subject = packedSubject(program);
  const n = 2 ** subject.logN;
  return program.steps.reduce((sum, step) => {
    const { level, count } = program.values[step.to]!;
    if (step.op === 'addPlain' || step.op === 'multiplyPlain') return sum + 8 * n * count * (level + 1);
    if (step.op !== 'transform') return sum;
    const diagonals = plannedParts(subject, step).reduce((total, part) => total + part.diagonals, 0);
    return sum + 8 * n * diagonals * (level + 1 + subject.specials);
  }, 0);
}

/** Key switches of the transforms and sums of one sample. */
export function rotationsOf(program: Program): number {
  const subject = packedSubject(program);
  return program.steps.reduce((sum, step) => {
    if (step.op === 'rotateAdd')
      return sum + program.values[step.to]!.count * rotationsIn(subject, step.step);
    if (step.op !== 'transform') return sum;
    return plannedParts(subject, step).reduce((total, { keySwitches }) => total + keySwitches, sum);
  }, 0);
}

/** Slots of the subring that a traced reply is in; undefined for a whole one. */
export function replySlots({ steps, values, layouts }: Pick<PackedSteps, 'steps' | 'values' | 'layouts'>) {
  return steps.at(-1)?.op === 'trace' ? tracePeriod(layouts[values.at(-1)!.layout!]!) : undefined;
}

/**
 * How many partial sums a value has of which only the mean must fit the modulus: everything behind the last transform of a traced reply works
 * coefficient by coefficient, and other coefficients may wrap around.
 */
export function traceSums({
  steps,
  values,
  layouts,
}: Pick<PackedSteps, 'steps' | 'values' | 'layouts'>): (value: number) => number {
  const first = replyStart({ steps });
  const isTraced = steps.at(-1)?.op === 'trace';
  return (value) => (isTraced && value >= first ? (layouts[values[value]!.layout!]?.sums ?? 1) : 1);
}

/** From which value on there is the reply: a traced one from the last transform on, as its coefficients are those of the reply. */
function replyStart({ steps }: Pick<PackedSteps, 'steps'>): number {
  const last = steps.findLastIndex(({ op }) => op === 'transform');
  return steps.at(-1)?.op === 'trace' && last >= 0 ? last + 1 : steps.length;
}

/** Key switches of a rotation by `step`. */
export function rotationsIn({ logN, plan }: PackedSubject, step: number): number {
  return rotationPath(step, 2 ** (logN - 1), plan).length;
}

/** The rotations without a key of the standard plan at their level: none in a program that may take it. */
export function missingStandardSteps(subject: PackedSubject): number[] {
  const top = subject.values[0]!.level;
  return subject.steps.flatMap((step) => {
    const { level } = subject.values[step.to]!;
    const taken =
      step.op === 'rotateAdd'
        ? rotationPath(step.step, 2 ** (subject.logN - 1), 'standard')
        : step.op === 'transform'
          ? plannedParts(subject, step).flatMap(({ groups }) => keyedSteps(groups))
          : [];
    return taken.filter((rotation) => !hasStandardKey(rotation, { level, top }));
  });
}

/** Factors of two between the largest trained value and the modulus: hidden values, scores. */
const HIDDEN_MARGIN = 2 ** 3;
export const OUTPUT_MARGIN = 2 ** 2;

/** True when every value keeps its margin to the modulus. */
export function packedKeepsMargins(list: PackedSteps, primes: readonly number[]): boolean {
  const { values, steps } = list;
  const sumsOf = traceSums(list);
  const reply = replyStart(list);
  return values.every(({ level, scale: whole, trained }, i) => {
    const scale = whole / sumsOf(i);
    const isQuery = i === 0;
    const isReply = i >= reply;
    // The bound of an input is one, and a product is rescaled with what it is.
    const margin = isQuery
      ? 2
      : isReply
        ? OUTPUT_MARGIN
        : steps[i - 1]!.op === 'multiply'
          ? 2
          : HIDDEN_MARGIN;
    const most = logModulus(primes, level);
    // However small its numbers are, a scale beyond the modulus is none.
    if (!(scale > 1 && Math.log2(scale) <= most)) return false;
    return trained === 0 || Math.log2(trained * margin * scale) <= most - 1 + 1e-9;
  });
}

/** Standard deviation of a score's error from the scheme's own noise, the encryption of zero that a reply gets included, in score units. */
export function packedDeviation(subject: PackedSubject, params: CkksParams): number {
  const slots = replySlots(subject) ?? params.n / 2;
  const variance = packedVariances(subject, params).at(-1)! + slots * publicKeyNoise(params.n);
  return Math.sqrt(variance) / subject.values.at(-1)!.scale;
}

/**
 * Standard deviations of what each value gets anew in a slot, in its own units: of the query, of every step, and in the end of the encryption of
 * zero that a reply gets. What comes from earlier values is not in it.
 */
export function packedNoiseOfSteps(subject: PackedSubject, params: CkksParams): number[] {
  const { values } = subject;
  const slots = replySlots(subject) ?? params.n / 2;
  const variances = packedVariances(subject, params, () => 0);
  variances[values.length - 1]! += slots * publicKeyNoise(params.n);
  return variances.map((variance, i) => Math.sqrt(variance) / values[i]!.scale);
}

/** Per value, at its scale. `carried`: how much of the variance of an earlier value counts. */
function packedVariances(
  subject: PackedSubject,
  params: CkksParams,
  carried: (variance: number) => number = (variance) => variance,
): number[] {
  const { values, steps, maps, constants, layouts } = subject;
  const { n } = params;
  const half = n / 2;
  const rounding = half * roundingNoise(n);
  const switching = (level: number): number => half * keySwitchNoise(params, level);
  const layoutOf = ({ layout }: ProgramValue): Layout => layouts[layout!]!;
  const squares = meanSquares(subject);
  const meanSquare = (value: number): number => squares[value]! * values[value]!.scale ** 2;
  const variances = [half * (10.5 + 1 / 12)];
  for (const step of steps) {
    const first = step.op === 'multiply' || step.op === 'add' ? step.a : step.from;
    const [from, to] = [values[first]!, values[step.to]!];
    let variance = carried(variances[first]!);
    if (step.op === 'transform') {
      const parts = plannedParts(subject, step);
      const map = maps[step.map]!;
      // Partial sums share the weights of a row.
      const gain = (mapNoiseGain(map) * (map.step * (to.scale / from.scale)) ** 2) / layoutOf(to).sums;
      const diagonals = diagonalsPerOutput(parts);
      const giants = parts.reduce(
        (most, { split, groups }) => Math.max(most, split.giants.length + pathsOf(groups).length),
        0,
      );
      const sums = parts.reduce((most, { groups }) => Math.max(most, groups.length), 0);
      const sources = new Set(parts.map((part) => part.in)).size;
      const encoding = encodingVariance(layoutOf(from), layoutOf(to), half);
      variance =
        gain * (variance + switching(from.level)) +
        diagonals * encoding * fillOf(layoutOf(from)) * meanSquare(first) +
        sources * (giants * switching(from.level) + sums * rounding);
    } else if (step.op === 'trace')
      // The mean over as many partial sums; copies that are alike have equal errors.
      variance /= layoutOf(from).sums;
    else if (step.op === 'rotateAdd')
      // Copies are made into slots that hold noise alone.
      variance = 2 * variance + rotationsIn(subject, step.step) * switching(from.level);
    else if (step.op === 'multiply') {
      const other = values[step.b]!;
      variance =
        step.a === step.b
          ? 4 * variance * meanSquare(first)
          : variance * (other.scale * other.trained) ** 2 +
            carried(variances[step.b]!) * (from.scale * from.trained) ** 2;
    } else if (step.op === 'add') variance += carried(variances[step.b]!);
    else if (step.op === 'relinearize') variance += switching(from.level);
    else if (step.op === 'rescale') variance = variance / params.q[from.level]!.q ** 2 + rounding;
    else if (step.op === 'multiplyPlain') {
      const bits = to.scale / from.scale;
      variance =
        variance * (largestOf(constants[step.factors]!) * bits) ** 2 + (half / 12) * meanSquare(first);
    } else if (step.op === 'addPlain') variance += half / 12;
    variances.push(variance);
  }
  return variances;
}

/** Of the elements: a third of the largest, and of a product what two normal factors of that size have, where that is less. */
function meanSquares({ values, steps }: PackedSteps): number[] {
  const squares: number[] = [];
  values.forEach(({ trained }, i) => {
    const step = steps[i - 1];
    const third = (trained / 3) ** 2;
    if (step?.op === 'multiply') squares.push(Math.min(third, 3 * squares[step.a]! * squares[step.b]!));
    else if (step !== undefined && PRESERVING.has(step.op))
      squares.push(Math.min(third, squares[(step as { from: number }).from]!));
    else squares.push(third);
  });
  return squares;
}

/** Steps that leave the elements as they are; rotations of copies, not of sums, do so, too. */
const PRESERVING: ReadonlySet<Step['op']> = new Set(['relinearize', 'rescale', 'lower', 'trace']);

/** Of the diagonals of a transform, in a slot: the coefficients of a vector that repeats are zero but for every so many. */
function encodingVariance(from: Layout, to: Layout, half: number): number {
  const isRepeating = isPeriodic(from) && isPeriodic(to);
  const period = isRepeating ? Math.max(from.period, to.sums * to.period) : half;
  return Math.min(half, period) / 12;
}

function diagonalsPerOutput(parts: readonly PlannedPart[]): number {
  const sums = new Map<number, number>();
  for (const { out, diagonals } of parts) sums.set(out, (sums.get(out) ?? 0) + diagonals);
  return Math.max(0, ...sums.values());
}

/** What the range guard knows; a bound that holds for every input is that of the elements, by the sizes of the weights. */
export function packedBounds(
  subject: PackedSubject,
  primes: readonly number[],
  inputBound: number,
): LayerBound[] {
  const { values, steps } = subject;
  const proven = packedProvenBounds(subject, inputBound);
  const bounds: LayerBound[] = [];
  for (const step of steps) {
    if (step.op !== 'multiply') continue;
    const [a, b] = [values[step.a]!, values[step.b]!];
    const isSquare = step.a === step.b;
    const capacity = 2 ** ((logModulus(primes, a.level) - 1) / 2 - Math.log2(a.scale * b.scale) / 2);
    bounds.push({
      layer: bounds.length,
      name: a.name,
      trained: isSquare ? a.trained : Math.sqrt(a.trained * b.trained),
      capacity,
      proven: isSquare ? largestOf(proven[step.a]!) : Math.sqrt(largestOf(proven[step.to]!)),
    });
  }
  const reply = values.at(-1)!;
  const capacity = primes[0]! / 2 / reply.scale;
  const { name, trained } = reply;
  bounds.push({ layer: bounds.length, name, trained, capacity, proven: largestOf(proven.at(-1)!) });
  return bounds;
}

/** Bounds of |element| for every value and every input within `inputBound`; partial sums are bounded by the sum of all. */
export function packedProvenBounds(
  { values, maps, constants, steps, layouts }: PackedSteps,
  inputBound: number,
): Float64Array<ArrayBufferLike>[] {
  const countOf = (value: number): number => layouts[values[value]!.layout!]!.count;
  const bounds: Float64Array<ArrayBufferLike>[] = [new Float64Array(countOf(0)).fill(inputBound)];
  for (const step of steps) {
    const from = bounds[step.op === 'multiply' || step.op === 'add' ? step.a : step.from]!;
    if (step.op === 'transform') bounds.push(mapBounds(maps[step.map]!, from));
    else if (step.op === 'multiply') bounds.push(from.map((bound, i) => bound * bounds[step.b]![i]!));
    else if (step.op === 'add') bounds.push(from.map((bound, i) => bound + bounds[step.b]![i]!));
    else if (step.op === 'multiplyPlain')
      bounds.push(from.map((bound, i) => bound * Math.abs(constants[step.factors]![i]!)));
    else if (step.op === 'addPlain')
      bounds.push(from.map((bound, i) => bound + Math.abs(constants[step.addends]![i]!)));
    else bounds.push(from);
  }
  return bounds;
}
