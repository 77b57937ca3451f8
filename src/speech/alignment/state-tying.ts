/**
 * Which states of phones in context share a network output. One tree per phone and position asks about the neighbours of the
 * phone; the question that raises the likelihood of the training frames most is asked first, until there are as many
 * leaves as outputs are wanted. A phone in a context that training lacks falls into a leaf all the same. Source: [YOW94].
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { OutOfRangeError, ShapeError } from '../../base/errors.ts';
import { SILENCE, WORD_EDGE } from '../decoding/state-inventory.ts';
import type { StateInventory } from '../decoding/state-inventory.ts';
import type { FeatureMatrix } from '../features/features.ts';
import { NEIGHBOUR_CLASSES } from './phone-classes.ts';

/** Variances below this share of that of all frames are taken for it. */
const VARIANCE_FLOOR = 0.02;
/** Fewest frames of a leaf. */
const LEAST_FRAMES = 180;

/** Frames, sums and sums of squares of features per state. */
export class StateStatistics {
  readonly dim: number;
  readonly counts: Float64Array;
  readonly sums: Float64Array;
  readonly squares: Float64Array;

  constructor(stateCount: number, dim: number) {
    arg.checkArguments('new StateStatistics', [stateCount, dim], { stateCount: arg.number, dim: arg.number });
    this.dim = dim;
    this.counts = new Float64Array(stateCount);
    this.sums = new Float64Array(stateCount * dim);
    this.squares = new Float64Array(stateCount * dim);
  }

  /** Adds an aligned utterance, one state per frame. @throws {ShapeError} */
  add(states: Uint16Array, { data, frames, dim }: FeatureMatrix): void {
    if (dim !== this.dim) throw new ShapeError('features per frame', this.dim, dim);
    if (states.length !== frames) throw new ShapeError('states of an utterance', frames, states.length);
    for (const [t, state] of states.entries()) {
      this.counts[state]++;
      for (let d = 0; d < dim; d++) {
        const value = data[t * dim + d];
        this.sums[state * dim + d] += value;
        this.squares[state * dim + d] += value * value;
      }
    }
  }
}

/** States of one phone and position, the neighbours of each, and the best question to divide them by. */
interface Leaf {
  readonly states: readonly number[];
  readonly split: { readonly gain: number; readonly yes: number[]; readonly no: number[] } | undefined;
}

type Neighbours = readonly [before: string, after: string];

interface Sums {
  count: number;
  readonly sums: Float64Array;
  readonly squares: Float64Array;
}

class TreeBuilder {
  readonly #statistics: StateStatistics;
  readonly #neighboursOf: (state: number) => Neighbours;
  readonly #floor: Float64Array;

  constructor(statistics: StateStatistics, neighboursOf: (state: number) => Neighbours) {
    this.#statistics = statistics;
    this.#neighboursOf = neighboursOf;
    const all = this.#gather(Array.from(statistics.counts.keys()));
    this.#floor = all.squares.map((square, d) => {
      const mean = all.sums[d] / all.count;
      return Math.max(1e-9, VARIANCE_FLOOR * (square / all.count - mean * mean));
    });
  }

  leaf(states: readonly number[]): Leaf {
    return { states, split: this.#bestSplit(states) };
  }

  #empty(): Sums {
    const { dim } = this.#statistics;
    return { count: 0, sums: new Float64Array(dim), squares: new Float64Array(dim) };
  }

  #gather(states: readonly number[]): Sums {
    const { dim, counts, sums, squares } = this.#statistics;
    const total = this.#empty();
    for (const state of states) {
      total.count += counts[state];
      for (let d = 0; d < dim; d++) {
        total.sums[d] += sums[state * dim + d];
        total.squares[d] += squares[state * dim + d];
      }
    }
    return total;
  }

  /** Log likelihood of frames under the one Gaussian that fits them, up to what no division changes. */
  #logLikelihood({ count, sums, squares }: Sums): number {
    if (count < 1) return 0;
    let logs = 0;
    for (let d = 0; d < sums.length; d++) {
      const mean = sums[d] / count;
      logs += Math.log(Math.max(this.#floor[d], squares[d] / count - mean * mean));
    }
    return -0.5 * count * logs;
  }

  #bestSplit(states: readonly number[]): Leaf['split'] {
    const all = this.#gather(states);
    if (all.count < 2 * LEAST_FRAMES) return undefined;
    const whole = this.#logLikelihood(all);
    let best: { gain: number; side: 0 | 1; phones: ReadonlySet<string> } | undefined;
    for (const side of [0, 1] as const) {
      const groups = groupedBy(states, (state) => this.#neighboursOf(state)[side]);
      const sums = new Map([...groups].map(([phone, members]) => [phone, this.#gather(members)]));
      for (const phones of NEIGHBOUR_CLASSES) {
        const [yes, no] = [this.#empty(), this.#empty()];
        for (const [phone, part] of sums) accumulate(phones.has(phone) ? yes : no, part);
        if (yes.count < LEAST_FRAMES || no.count < LEAST_FRAMES) continue;
        const gain = this.#logLikelihood(yes) + this.#logLikelihood(no) - whole;
        if (gain > (best?.gain ?? 0)) best = { gain, side, phones };
      }
    }
    if (best === undefined) return undefined;
    const { gain, side, phones } = best;
    const isYes = (state: number): boolean => phones.has(this.#neighboursOf(state)[side]);
    return { gain, yes: states.filter(isYes), no: states.filter((state) => !isYes(state)) };
  }
}

function accumulate(into: Sums, part: Sums): void {
  into.count += part.count;
  for (let d = 0; d < part.sums.length; d++) {
    into.sums[d] += part.sums[d];
    into.squares[d] += part.squares[d];
  }
}

function groupedBy(states: readonly number[], keyOf: (state: number) => string): Map<string, number[]> {
  const groups = new Map<string, number[]>();
  for (const state of states) {
    const key = keyOf(state);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [state]);
    else group.push(state);
  }
  return groups;
}

/**
 * The output of every state of a `triphone` inventory, `outputs` of them or fewer when the frames do not suffice. Silence keeps
 * its states, which come first; then the outputs of one phone and position are neighbours, phones in alphabetical order.
 *
 * @throws {OutOfRangeError} when there are fewer outputs than phones and positions. @throws {ShapeError} for statistics of
 * other states.
 */
export function tieStates(
  inventory: StateInventory,
  statistics: StateStatistics,
  outputs: number,
): Uint16Array {
  arg.checkArguments('tieStates', [inventory, statistics, outputs], {
    inventory: arg.like('a StateInventory', 'unitOf', 'stateName'),
    statistics: arg.like('StateStatistics', 'add'),
    outputs: arg.number,
  });
  const { stateCount, statesPerUnit, unitNames } = inventory;
  if (statistics.counts.length !== stateCount)
    throw new ShapeError('statistics of states', stateCount, statistics.counts.length);
  const parts = unitNames.map((name) => name.split(/[-+]/));
  const neighboursOf = (state: number): Neighbours => {
    const [before = WORD_EDGE, , after = WORD_EDGE] = parts[inventory.unitOf(state)];
    return [before, after];
  };
  const phoneOf = (state: number): string => parts[inventory.unitOf(state)][1] ?? SILENCE;
  const builder = new TreeBuilder(statistics, neighboursOf);
  const states = Array.from({ length: stateCount }, (_, state) => state);
  const roots = groupedBy(states, (state) => `${phoneOf(state)}.${state % statesPerUnit}`);
  if (!(Number.isInteger(outputs) && outputs >= roots.size && outputs <= stateCount))
    throw new OutOfRangeError('outputs of tied states', `${roots.size} to ${stateCount}`, outputs);
  const leaves: Leaf[] = [...roots.values()].map((members) => builder.leaf(members));
  while (leaves.length < outputs) {
    const best = leaves.reduce(
      (most, { split }, i) => ((split?.gain ?? 0) > (leaves[most].split?.gain ?? 0) ? i : most),
      0,
    );
    const { split } = leaves[best];
    if (split === undefined) break;
    leaves.splice(best, 1, builder.leaf(split.yes), builder.leaf(split.no));
  }
  const tying = new Uint16Array(stateCount);
  const rankOf = ({ states: [first] }: Leaf): string => (inventory.unitOf(first) === 0 ? '' : phoneOf(first));
  const positionOf = ({ states: [first] }: Leaf): number => first % statesPerUnit;
  leaves.sort((a, b) => compare(rankOf(a), rankOf(b)) || positionOf(a) - positionOf(b));
  for (const [output, leaf] of leaves.entries()) for (const state of leaf.states) tying[state] = output;
  return tying;
}

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

printOnOneLine(StateStatistics);
arg.guard('StateStatistics', StateStatistics.prototype, {
  add: {
    states: arg.typed('a Uint16Array', Uint16Array),
    features: arg.like('a FeatureMatrix', 'data', 'frames'),
  },
});
