/**
 * A linear map between two layouts as diagonals: out[t] = sum over rotations d of weight_d[t] in[t + d]. For every weight of the map a
 * source copy is chosen whose rotation is short, so that few rotations serve all of them. Diagonals are in slots of the target, zero
 * wherever the target has no element: what slots without elements hold never enters, but for the precision of the encoding.
 *
 * Diagonals split into baby and giant steps [HS18]; where the target takes partial sums, as many rows as its period serve as many
 * diagonals, and log2(sums) rotations and additions follow: the hybrid form of GAZELLE (Juvekar, Vaikuntanathan, Chandrakasan 2018).
 */
import { InvalidParamsError, LimitError } from '../../base/errors.ts';
import type { GiantStep } from '../../schemes/rlwe/giant-steps.ts';
import { forEachMapRow, type IntegerMap } from '../integer-map.ts';
import {
  diagonalCost,
  giantCost,
  keyProductCost,
  keySwitchCost,
  keyWeight,
  passCost,
  transformBaseCost,
} from '../reference-costs.ts';
import {
  type GiantGroup,
  giantGroups,
  type KeyPlanName,
  pathsOf,
  positiveStep,
  standardDepth,
  standardDigits,
} from './key-plans.ts';
import { addressesOf, ciphertextOf, isPeriodic, type Layout, layoutText, slotOf } from './layout.ts';

/** Steps between -slots/2 and slots/2; by output and input ciphertext. */
export interface TransformPart {
  readonly out: number;
  readonly in: number;
  /** Ascending. */
  readonly rotations: readonly number[];
}

/** No map is lowered into more products of an element and a place: 2^27 take about a second. */
const MAX_PLACEMENTS = 2 ** 27;

/** What {@link forEachPlacement} tells: weight (an integer of the map) at slot `slot` of ciphertext `out`, from `rotation` slots further in `in`. */
type PlacementVisitor = (out: number, source: number, rotation: number, slot: number, weight: number) => void;

/** The representative of smallest size; of two of one size the negative one. */
export function signedStep(step: number, slots: number): number {
  const positive = positiveStep(step, slots);
  return 2 * positive >= slots ? positive - slots : positive;
}

function isShorter(step: number, other: number): boolean {
  const [a, b] = [Math.abs(step), Math.abs(other)];
  return a < b || (a === b && step < other);
}

/**
 * Walks the weights of a map. A whole target takes the full sum in each copy. A target of partial sums has a place for every row in each
 * of its periods, so that any rotation modulo the period will do: the source copy with the shortest is taken, of those to the left
 * alone with `isLeft`.
 *
 * @throws {LimitError} {@link InvalidParamsError} for partial sums that do not go around the cycle, or repeat where the source does not.
 */
function forEachPlacement(
  map: IntegerMap,
  from: Layout,
  to: Layout,
  isLeft: boolean,
  visit: PlacementVisitor,
): void {
  const { slots } = to;
  const stepOf = isLeft ? positiveStep : signedStep;
  const [sources, targets] = [addressesOf(from), addressesOf(to)];
  const isWhole = to.sums === 1;
  const span = to.sums * to.period;
  const alike = isWhole ? 1 : to.copies / to.sums;
  if (!isWhole && (!isPeriodic(to) || (alike > 1 && !(isPeriodic(from) && span % from.period === 0))))
    throw new InvalidParamsError('partial sums that do not go around the slots', { sums: to.sums });
  // Copies of a periodic source are all as far from where a sum may stand.
  const copies = isPeriodic(from) ? 1 : from.copies;
  const cycle = isWhole ? (isPeriodic(from) ? from.period : slots) : to.period;
  let work = 0;
  forEachMapRow(map, (row, weights, inputOf) => {
    work += weights.length * (isWhole ? to.copies : alike);
    if (work > MAX_PLACEMENTS)
      throw new LimitError('the weights of a map in its layouts', MAX_PLACEMENTS, work);
    const target = targets[row]!;
    const [out, first] = [ciphertextOf(to, target), slotOf(to, target)];
    for (let col = 0; col < weights.length; col++) {
      const weight = weights[col]!;
      if (weight === 0) continue;
      const source = sources[inputOf(col)]!;
      const [read, start] = [ciphertextOf(from, source), slotOf(from, source)];
      for (let copy = 0; copy < (isWhole ? to.copies : 1); copy++) {
        const slot = (first + copy * to.period) % slots;
        let [best, at] = [stepOf(start - slot, cycle), start];
        for (let other = 1; other < copies; other++) {
          const place = start + other * from.period;
          const step = stepOf(place - slot, cycle);
          if (isShorter(step, best)) [best, at] = [step, place];
        }
        if (isWhole) visit(out, read, best, slot, weight);
        else
          for (let again = 0; again < alike; again++)
            visit(out, read, best, (at - best + again * span + slots) % slots, weight);
      }
    }
  });
}

/** The rotations that a map between two layouts takes. @throws {LimitError} */
export function transformParts(map: IntegerMap, from: Layout, to: Layout, isLeft = false): TransformPart[] {
  const sets = new Map<string, { out: number; in: number; steps: Set<number> }>();
  forEachPlacement(map, from, to, isLeft, (out, source, rotation) => {
    const key = `${out}:${source}`;
    let set = sets.get(key);
    if (set === undefined) {
      set = { out, in: source, steps: new Set() };
      sets.set(key, set);
    }
    set.steps.add(rotation);
  });
  return [...sets.values()]
    .sort((a, b) => a.out - b.out || a.in - b.in)
    .map(({ out, in: source, steps }) => ({
      out,
      in: source,
      rotations: [...steps].sort((a, b) => a - b),
    }));
}

/** The weights themselves, for one part at a time: what they take is freed before the next. Real values: integer times the map's step. */
export function forEachTransformPart(
  map: IntegerMap,
  from: Layout,
  to: Layout,
  visit: (part: TransformPart, diagonals: ReadonlyMap<number, Float64Array>) => void,
  isLeft = false,
): void {
  const parts = transformParts(map, from, to, isLeft);
  for (const part of parts) {
    const diagonals = new Map(part.rotations.map((step) => [step, new Float64Array(to.slots)]));
    forEachPlacement(map, from, to, isLeft, (out, source, rotation, slot, weight) => {
      if (out === part.out && source === part.in) diagonals.get(rotation)![slot]! += weight * map.step;
    });
    visit(part, diagonals);
  }
}

/** Baby steps 0 .. width - 1, giant steps multiples of the width; with width 0 every rotation is a baby step. */
export interface StepSplit {
  readonly width: number;
  readonly babies: readonly number[];
  readonly giants: readonly GiantStep[];
}

export function splitSteps(rotations: readonly number[], width: number): StepSplit {
  const giants = new Map<number, number[]>();
  for (const rotation of rotations) {
    const giant = width === 0 ? 0 : width * Math.floor(rotation / width);
    giants.set(giant, [...(giants.get(giant) ?? []), rotation - giant]);
  }
  const babies = [...new Set([...giants.values()].flat())].sort((a, b) => a - b);
  return { width, babies, giants: [...giants].map(([step, own]) => ({ step, babies: own })) };
}

/** Where a transform is computed. */
export interface TransformPlace {
  readonly logN: number;
  readonly level: number;
  /** Special primes; 1 when absent. */
  readonly specials?: number;
  /** Which rotations have keys; tailored when absent. */
  readonly plan?: KeyPlanName;
  /** Level of the query, where it is known: what a standard plan has keys for. */
  readonly top?: number;
}

/** A pair of ciphertexts of a transform, split into steps. */
export interface PlannedPart {
  readonly out: number;
  readonly in: number;
  readonly split: StepSplit;
  /** The same giant steps as rotations that have keys. */
  readonly groups: readonly GiantGroup[];
  readonly diagonals: number;
  readonly keySwitches: number;
  /** On one thread of the reference processor. */
  readonly cost: number;
}

/** A transform with baby steps of one width. */
export function plannedTransform(
  map: IntegerMap,
  from: Layout,
  to: Layout,
  { width, ...place }: TransformPlace & { readonly width: number },
): PlannedPart[] {
  const { plan = 'tailored' } = place;
  const subject = [from, to, width, place.logN, place.level, place.specials ?? 1, plan] as const;
  return remembered(PLANNED, map, subject, () =>
    partsOf(map, from, to, plan === 'standard').map(({ out, in: source, rotations }) => {
      const split = splitSteps(rotations, width);
      const groups = giantGroups(split.giants, plan, to.slots);
      return {
        ...{ out, in: source, split, groups, diagonals: rotations.length },
        keySwitches: groups.reduce((sum, group) => sum + switchesOf(group), pathsOf(groups).length),
        cost: groupsCost(groups, rotations.length, place),
      };
    }),
  );
}

interface WidthFound {
  readonly width: number;
  /** Of a standard plan infinite where a baby step has no key. */
  readonly withKeys: number;
}

/** Rotations themselves are tried as widths where they are few: the lines of an image are such. */
const MOST_WIDTHS = 128;

/**
 * The cheapest width of a transform, keys weighed in, but for those in `owned`, which others need as well; of equal ones the smallest.
 */
export function cheapestWidth(
  map: IntegerMap,
  from: Layout,
  to: Layout,
  place: TransformPlace,
  owned?: ReadonlySet<number>,
): WidthFound {
  const { plan = 'tailored' } = place;
  const search = () => {
    const parts = partsOf(map, from, to, plan === 'standard');
    const all = parts.flatMap(({ rotations }) => rotations);
    const few = all.length <= MOST_WIDTHS ? all.map(Math.abs).filter((step) => step > 0) : [];
    const widths = new Set<number>([0, 1, 2, 4, 8, 16, 32, 64, 128, ...layoutStrides(from), ...few]);
    let best: WidthFound = { width: 0, withKeys: Number.POSITIVE_INFINITY };
    for (const width of [...widths].sort((a, b) => a - b)) {
      const splits = parts.map(({ rotations }) => ({
        groups: giantGroups(splitSteps(rotations, width).giants, plan, to.slots),
        count: rotations.length,
      }));
      const steps = new Set(splits.flatMap(({ groups }) => keyedSteps(groups)));
      if (plan === 'standard' && ![...steps].every((step) => hasStandardKey(step, place))) continue;
      const keys =
        plan === 'standard'
          ? []
          : [...steps].filter((step) => owned?.has(positiveStep(step, to.slots)) !== true);
      const cost = splits.reduce((sum, { groups, count }) => sum + groupsCost(groups, count, place), 0);
      const withKeys = cost + keys.length * keyWeight({ ...place, parts: 2 });
      if (withKeys < best.withKeys) best = { width, withKeys };
    }
    return best;
  };
  if (owned !== undefined) return search();
  const subject = [from, to, place.logN, place.level, place.specials ?? 1, plan, place.top ?? -1] as const;
  return remembered(WIDTHS, map, subject, search);
}

/** The rotations that groups take keys of. */
export function keyedSteps(groups: readonly GiantGroup[]): number[] {
  const inner = groups.flatMap(({ path, giants }) => [
    ...path,
    ...giants.flatMap(({ step, babies }) => [step, ...babies]),
  ]);
  return [...new Set(inner)].filter((step) => step !== 0);
}

/** Whether the standard plan has a key for a rotation at a level. */
export function hasStandardKey(
  step: number,
  { level, top = level }: Pick<TransformPlace, 'level' | 'top'>,
): boolean {
  const depth = standardDepth(step);
  return depth !== undefined && level <= Math.max(0, top - depth);
}

/** Rotations that one by `step` is made of. */
export function rotationPath(step: number, slots: number, plan: KeyPlanName | undefined): number[] {
  return plan === 'standard' ? standardDigits(step, slots) : [positiveStep(step, slots)];
}

/** Scales are searched by many plans of the same maps. */
type Remembered<T> = WeakMap<IntegerMap, Map<string, T>>;
const PARTS: Remembered<TransformPart[]> = new WeakMap();
const PLANNED: Remembered<PlannedPart[]> = new WeakMap();
const WIDTHS: Remembered<WidthFound> = new WeakMap();

function remembered<T>(
  made: Remembered<T>,
  map: IntegerMap,
  subject: readonly (Layout | number | string)[],
  make: () => T,
): T {
  let known = made.get(map);
  if (known === undefined) {
    known = new Map();
    made.set(map, known);
  }
  const key = subject
    .map((each) => (typeof each === 'object' ? `${each.slots}:${layoutText(each)}` : each))
    .join('|');
  let value = known.get(key);
  if (value === undefined) {
    value = make();
    known.set(key, value);
  }
  return value;
}

function partsOf(map: IntegerMap, from: Layout, to: Layout, isLeft: boolean): TransformPart[] {
  return remembered(PARTS, map, [from, to, isLeft ? 1 : 0], () => transformParts(map, from, to, isLeft));
}

/** Milliseconds. */
function groupsCost(groups: readonly GiantGroup[], diagonals: number, place: TransformPlace): number {
  const at = { ...place, parts: 2 };
  const turn = keySwitchCost(at) + 2 * passCost(at);
  return groups.reduce(
    (sum, group) => {
      const large = group.giants.filter(({ step }) => step !== 0).length;
      const small = switchesOf(group) - large;
      return sum + transformBaseCost(at) + small * keyProductCost(at) + large * giantCost(at);
    },
    diagonals * diagonalCost(at) + pathsOf(groups).length * turn,
  );
}

/** Of its baby and giant steps. */
function switchesOf({ giants }: GiantGroup): number {
  const babies = new Set(giants.flatMap((giant) => giant.babies));
  babies.delete(0);
  return babies.size + giants.filter(({ step }) => step !== 0).length;
}

/** Distances in a layout at which baby steps may end. */
export function layoutStrides({ digits }: Layout): number[] {
  return digits.flatMap(({ extent, weight }) => (weight > 1 ? [weight] : []).concat(extent * weight));
}
