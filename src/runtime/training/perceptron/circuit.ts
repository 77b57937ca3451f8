/**
 * One step of training, and the network alone, on ciphertexts. See layout.ts for where values are and plan.ts for levels.
 *
 * A step: the state is bootstrapped and taken apart into leaves; the network runs forward, every activation inside a bootstrap; errors run
 * backward; gradients are summed over samples by rotations that end in the state's own order, so that all weights move at once.
 * Slots that hold no value of the network carry whatever rotations left there. No slot touches another before it is masked: where an axis
 * is spread, and where gradients are gathered.
 */
import type { Bootstrapper } from '../../../circuits/bootstrap/bootstrapper.ts';
import { type CircleFunction, identityFunction } from '../../../circuits/circle/circle-function.ts';
import type { ExactTarget } from '../../../circuits/exact-operations.ts';
import type { CkksCiphertext } from '../../../schemes/ckks/ciphertext.ts';
import { gradientStages, inputStages, leafStages } from './plan.ts';
import { fillSteps, type PerceptronProgram, restOf, sumSteps } from './program.ts';
import {
  bothMasks,
  indexMask,
  type SlotMask,
  type MaskedOperations,
  type WantedPart,
} from './masked-operations.ts';
import { activationsOf, guardOf, PERCEPTRON_INPUT_BOUND } from './spec.ts';

/** Activations, their derivatives and differences are at most this large, noise included. */
const UNIT_BOUND = 1.25;
/** Squares of what a guard says, where it goes from 0 to 1 included. */
const GUARD_BOUND = 1.5;

/** What the owner encrypts for a step: inputs by chunk, and labels. */
export interface EncryptedBatch {
  readonly inputs: readonly CkksCiphertext[];
  readonly labels: CkksCiphertext;
}

/** Weights of a step, taken out of the state. */
interface Leaves {
  /** By layer, from the second: a ciphertext per chunk of outputs. */
  readonly weights: readonly CkksCiphertext[][];
  readonly biases: readonly CkksCiphertext[];
  /** Products of the first layer: its weights are used as they come off. */
  readonly first: CkksCiphertext;
}

/** Of each layer: activations as they left the bootstrap, and spread for the next layer. */
interface Activations {
  readonly values: CkksCiphertext;
  readonly spread: CkksCiphertext | undefined;
}

/** The error of a layer, and spread for products. */
interface LayerError {
  readonly error: CkksCiphertext;
  readonly spread: readonly CkksCiphertext[];
}

function log2Ceiling(count: number): number {
  return Math.ceil(Math.log2(count));
}

export class PerceptronCircuit {
  readonly program: PerceptronProgram;
  #on: MaskedOperations;
  #bootstrapper: Bootstrapper;
  #hidden: CircleFunction;
  #output: CircleFunction;
  #guard: CircleFunction | undefined;

  /** Results of the methods belong to the arena of `on`. */
  constructor(program: PerceptronProgram, on: MaskedOperations, bootstrapper: Bootstrapper) {
    this.program = program;
    this.#on = on;
    this.#bootstrapper = bootstrapper;
    const { hidden, output } = activationsOf(program.spec);
    this.#hidden = hidden;
    this.#output = output;
    this.#guard = guardOf(program.spec);
  }

  /** One step. States are where `levels.input` says, results as well; arguments are borrowed. */
  step(states: readonly CkksCiphertext[], batch: EncryptedBatch): CkksCiphertext[] {
    const { layout, levels, spec } = this.program;
    const fresh = this.#freshStates(states.slice(0, layout.states));
    const chunks = this.#inputChunks(batch.inputs, Math.max(levels.forwardProduct, levels.gradientProduct));
    const leaves = this.#leaves(fresh, chunks);
    const squares: CkksCiphertext[] = [];
    const activations = this.#forward(leaves, this.#guard && ((square) => squares.push(square)));
    const seen = this.#guard && this.#seen(squares, states[layout.states]!);
    const errors: LayerError[] = [];
    let error = this.#lastError(activations.at(-1)!.values, batch.labels);
    for (let l = layout.layers.length - 1; l >= 0; l--) {
      if (levels.layers[l]!.isErrorRefreshed) error = this.#applied(error, identityFunction(spec.errorBound));
      const spread = this.#spreadError(error, l);
      errors[l] = { error, spread };
      if (l > 0) error = this.#errorBelow(l, leaves.weights[l]!, spread, activations[l - 1]!.values);
    }
    const moved = this.#moved(fresh, (leaf) => this.#gradient(leaf, errors, activations, chunks));
    return seen === undefined ? moved : [...moved, seen];
  }

  /** Scores of the last layer for every sample, at the level that their bootstrap leaves. Arguments are borrowed. */
  scores(states: readonly CkksCiphertext[], inputs: readonly CkksCiphertext[]): CkksCiphertext {
    const { layout, levels } = this.program;
    const weights = this.#freshStates(states.slice(0, layout.weightStates));
    const chunks = this.#inputChunks(inputs, levels.forwardProduct);
    return this.#forward(this.#leaves(weights, chunks)).at(-1)!.values;
  }

  #target(level: number, maxAbs: number, scale: number = this.program.params.defaultScale): ExactTarget {
    return { level, scale, maxAbs };
  }

  #freshStates(states: readonly CkksCiphertext[]): CkksCiphertext[] {
    const { exact } = this.#on;
    const f = identityFunction(this.program.spec.weightBound);
    return states.map((state) => this.#applied(exact.lowered(state, state.level), f));
  }

  /** A circle function by a bootstrap; `a` is used up. */
  #applied(a: CkksCiphertext, f: CircleFunction): CkksCiphertext {
    return this.#appliedAll(a, [f])[0]!;
  }

  #appliedAll(a: CkksCiphertext, functions: readonly CircleFunction[]): CkksCiphertext[] {
    const { exact } = this.#on;
    const known = exact.restate(a, { maxAbs: functions[0]!.bound });
    const all = this.#bootstrapper.applyMany(known, functions, exact.arena);
    known[Symbol.dispose]();
    return all;
  }

  /** The activations of a layer's sums, which are used up; `watch` is given the square of what the guard says of each slot. */
  #activated(
    sums: CkksCiphertext,
    f: CircleFunction,
    watch: ((square: CkksCiphertext) => void) | undefined,
  ): CkksCiphertext {
    if (this.#guard === undefined || watch === undefined) return this.#applied(sums, f);
    const { exact } = this.#on;
    const [values, guard] = this.#appliedAll(sums, [f, this.#guard]) as [CkksCiphertext, CkksCiphertext];
    const low = exact.lowered(guard, this.program.levels.input + 2);
    guard[Symbol.dispose]();
    watch(exact.multiply(low, low, GUARD_BOUND));
    low[Symbol.dispose]();
    return values;
  }

  /** What guards saw before, and at the outputs of this step's samples: in each slot how often its sums left their range. */
  #seen(squares: readonly CkksCiphertext[], before: CkksCiphertext): CkksCiphertext {
    const { levels, spec } = this.program;
    const { exact } = this.#on;
    const samples = this.#sampleMask();
    const terms = squares.map((ciphertext, l) => ({
      ciphertext,
      mask: bothMasks(this.#outputMask(l), samples),
    }));
    const most = GUARD_BOUND * squares.length;
    const now = this.#on.maskedSum(terms, this.#target(levels.input, most));
    for (const square of squares) square[Symbol.dispose]();
    return exact.addUp(now, exact.lowered(before, levels.input), most * spec.steps);
  }

  /** The chunks of a batch's inputs, each at every output. */
  #inputChunks(inputs: readonly CkksCiphertext[], level: number): CkksCiphertext[] {
    const { layout } = this.program;
    const { inputChunks, out } = layout.layers[0]!;
    const stages = inputStages(layout).reverse();
    const chunks: CkksCiphertext[] = [];
    const visit = (node: CkksCiphertext, stage: number, from: number): void => {
      const axis = stages[stage];
      if (axis === undefined) {
        chunks[from] = node;
        return;
      }
      const each = stages.slice(stage + 1).reduce((size, next) => size * next.size, 1);
      const target = this.#target(level + stages.length - stage - 1, PERCEPTRON_INPUT_BOUND);
      const wanted: WantedPart[] = [];
      for (let index = 0; index < axis.size; index++)
        if (from + index * each < inputChunks) wanted.push({ index, target });
      const parts = this.#on.parts(node, axis, wanted, { isCyclic: false });
      node[Symbol.dispose]();
      parts.forEach((part, i) => visit(part, stage + 1, from + wanted[i]!.index * each));
    };
    inputs.forEach((input, i) => {
      const own = this.#on.exact.lowered(input, level + stages.length);
      visit(own, 0, i * out.size);
    });
    return chunks;
  }

  /** Level and scale of a leaf: constants are added to the sums of their layer. */
  #leafTarget(leaf: number): ExactTarget {
    const { levels, spec } = this.program;
    const { layer, isBias } = this.program.layout.leafOf(leaf);
    if (isBias) return { ...this.#sumTarget(layer), maxAbs: spec.weightBound };
    return this.#target(levels.layers[layer]!.weights, spec.weightBound);
  }

  /** Where the sums of a layer are before their activation. */
  #sumTarget(layer: number): ExactTarget {
    const { layout, levels, params, spec } = this.program;
    const level = this.program.sumLevel(layer);
    if (layout.layers[layer]!.outputChunks > 1) return this.#target(level, spec.sumBound);
    const scale = params.defaultScale ** 2 / params.q[levels.forwardProduct]!.q;
    return this.#target(level, spec.sumBound, scale);
  }

  /** Bootstrapped states taken apart: `take` is given every leaf of the weights once, and owns it. */
  #takeApart(
    states: readonly CkksCiphertext[],
    take: (leaf: number, ciphertext: CkksCiphertext) => void,
  ): void {
    const { layout, spec } = this.program;
    const stages = leafStages(layout);
    const visit = (node: CkksCiphertext, stage: number, from: number): void => {
      const axis = stages[stage];
      if (axis === undefined) {
        take(from, node);
        return;
      }
      const each = stages.slice(stage + 1).reduce((size, next) => size * next.size, 1);
      const wanted: WantedPart[] = [];
      // Of weights and velocities side by side, the weights alone.
      const count = layout.isPacked && stage === 0 ? 1 : axis.size;
      for (let index = 0; index < count; index++) {
        const first = from + index * each;
        const inside = Array.from({ length: each }, (_, k) => first + k).filter((k) => k < layout.leaves);
        if (inside.length === 0) continue;
        const own = inside.map((k) => this.program.leafLevel(k));
        const level = Math.max(...own) + stages.length - stage - 1;
        const isLeaf = stage === stages.length - 1;
        wanted.push({
          index,
          target: isLeaf ? this.#leafTarget(first) : this.#target(level, spec.weightBound),
        });
      }
      const parts = this.#on.parts(node, axis, wanted, { isCyclic: true });
      if (stage > 0) node[Symbol.dispose]();
      parts.forEach((part, i) => visit(part, stage + 1, from + wanted[i]!.index * each));
    };
    states.slice(0, layout.weightStates).forEach((state, i) => visit(state, 0, i * 2 ** layout.leafBits));
  }

  #leaves(states: readonly CkksCiphertext[], chunks: readonly CkksCiphertext[]): Leaves {
    const { layout, levels, spec } = this.program;
    const weights: CkksCiphertext[][] = layout.layers.map(() => []);
    const biases: CkksCiphertext[] = [];
    const first = this.#on.productSum(levels.forwardProduct, spec.sumBound);
    this.#takeApart(states, (leaf, ciphertext) => {
      const { layer, isBias, chunk } = this.program.layout.leafOf(leaf);
      if (isBias) biases[layer] = ciphertext;
      else if (layer > 0) weights[layer]![chunk] = ciphertext;
      else {
        first.add(ciphertext, chunks[chunk]!);
        ciphertext[Symbol.dispose]();
      }
    });
    return { weights, biases, first: first.finish() };
  }

  /** Activations of every layer; products and constants are used up. */
  #forward({ weights, biases, first }: Leaves, watch?: (square: CkksCiphertext) => void): Activations[] {
    const { layout, levels, spec } = this.program;
    const done: Activations[] = [];
    layout.layers.forEach((layer, l) => {
      const spread = done[l - 1]?.spread;
      const sums =
        spread === undefined
          ? this.#on.rotateSum(first, sumSteps(layer.reduce))
          : this.#layerSums(
              weights[l]!.map((chunk) =>
                this.#on.product(spread, chunk, levels.forwardProduct, spec.sumBound),
              ),
              l,
            );
      const all = this.#on.exact.addUp(sums, biases[l]!, spec.sumBound);
      const isLast = l === layout.layers.length - 1;
      const values = this.#activated(all, isLast ? this.#output : this.#hidden, watch);
      done.push({ values, spread: isLast ? undefined : this.#spreadValues(values, l) });
    });
    return done;
  }

  /** Sums of products over the inputs' axis, chunks of outputs side by side on it. `products` are used up. */
  #layerSums(products: readonly CkksCiphertext[], l: number): CkksCiphertext {
    const { reduce } = this.program.layout.layers[l]!;
    if (products.length === 1) return this.#on.rotateSum(products[0]!, sumSteps(reduce));
    const size = 2 ** log2Ceiling(products.length);
    const near = this.#on.gathered(products, { stride: reduce.stride, size }, this.#sumTarget(l), {
      isCyclic: false,
    });
    return this.#on.rotateSum(near, sumSteps(restOf(reduce, size)));
  }

  /** Activations of layer l at every output of the next; the rest of the slots are filled with the same. */
  #spreadValues(values: CkksCiphertext, l: number): CkksCiphertext {
    const { layout, levels } = this.program;
    const level = Math.max(levels.forwardProduct, levels.gradientProduct);
    const fill = fillSteps(layout.layers[l + 1]!.out);
    return this.#on.maskedSum(
      [{ ciphertext: values, mask: this.#outputMask(l) }],
      this.#target(level, UNIT_BOUND),
      fill,
    );
  }

  /** 1 where the outputs of a layer are. */
  #outputMask(l: number): SlotMask {
    const { layout } = this.program;
    const { outputs } = layout.layers[l]!;
    const places = new Set(Array.from({ length: outputs }, (_, j) => layout.outputPlace(l, j)));
    return { name: `outputs ${l}`, value: (slot) => (places.has(slot % layout.places) ? 1 : 0) };
  }

  /** a - y, or 4 (a - y) a (1 - a). */
  #lastError(values: CkksCiphertext, labels: CkksCiphertext): CkksCiphertext {
    const { spec, levels } = this.program;
    const { exact } = this.#on;
    const difference = exact.lowered(values, levels.labels);
    exact.subtractFrom(difference, labels);
    const error = exact.restate(difference, { maxAbs: UNIT_BOUND });
    if (spec.loss === 'cross-entropy') return error;
    const low = exact.lowered(values, levels.labels);
    const square = exact.multiply(low, low, UNIT_BOUND);
    const { level, scale } = square;
    const slope = exact.weightedSum([{ ciphertext: low, re: 4, im: 0 }], {
      level,
      scale,
      maxAbs: 4 * UNIT_BOUND,
    });
    exact.multiplyInteger(square, 4);
    exact.subtractFrom(slope, square);
    const out = exact.multiply(error, slope, UNIT_BOUND);
    for (const used of [error, low, square, slope]) used[Symbol.dispose]();
    return out;
  }

  /** The error of layer l at every input of it, a ciphertext for each chunk of outputs. */
  #spreadError(error: CkksCiphertext, l: number): CkksCiphertext[] {
    const { layout, levels, spec } = this.program;
    const { reduce, outputChunks } = layout.layers[l]!;
    const target = this.#target(levels.layers[l]!.spread, spec.errorBound);
    if (outputChunks === 1)
      return [
        this.#on.maskedSum([{ ciphertext: error, mask: this.#outputMask(l) }], target, fillSteps(reduce)),
      ];
    const chunks = { stride: reduce.stride, size: 2 ** log2Ceiling(outputChunks) };
    const rest = restOf(reduce, chunks.size);
    const wanted = Array.from({ length: outputChunks }, (_, index) => ({ index, target }));
    return this.#on.parts(error, chunks, wanted, {
      isCyclic: false,
      base: indexMask(rest, 0),
      fill: fillSteps(rest),
    });
  }

  /** The error of layer l - 1: weights times errors, summed over the outputs, times 1 - a^2. */
  #errorBelow(
    l: number,
    weights: readonly CkksCiphertext[],
    spread: readonly CkksCiphertext[],
    values: CkksCiphertext,
  ): CkksCiphertext {
    const { layout, levels, spec } = this.program;
    const { exact } = this.#on;
    const sum = this.#on.productSum(levels.layers[l]!.spread, spec.errorBound);
    weights.forEach((chunk, c) => sum.add(chunk, spread[c]!));
    const back = this.#on.rotateSum(sum.finish(), sumSteps(layout.layers[l]!.out));
    const low = exact.lowered(values, Math.min(values.level, back.level + 1));
    const slope = exact.multiply(low, low, UNIT_BOUND);
    exact.multiplyInteger(slope, -1);
    exact.addConstant(slope, 1);
    const error = exact.multiply(back, slope, spec.errorBound);
    for (const used of [low, back, slope]) used[Symbol.dispose]();
    return error;
  }

  /** The gradient of a leaf, sample by sample. */
  #gradient(
    leaf: number,
    errors: readonly LayerError[],
    activations: readonly Activations[],
    chunks: readonly CkksCiphertext[],
  ): CkksCiphertext {
    const { levels, spec } = this.program;
    const { layer, isBias, chunk } = this.program.layout.leafOf(leaf);
    const { error, spread } = errors[layer]!;
    const level = levels.gradientProduct;
    if (isBias) return this.#on.exact.lowered(error, level - 1);
    const input = layer === 0 ? chunks[chunk]! : activations[layer - 1]!.spread!;
    return this.#on.product(spread[layer === 0 ? 0 : chunk]!, input, level, spec.errorBound);
  }

  /** The states after the step. */
  #moved(fresh: readonly CkksCiphertext[], gradient: (leaf: number) => CkksCiphertext): CkksCiphertext[] {
    const { layout, levels, spec } = this.program;
    const { exact } = this.#on;
    const { weightBound, momentum, decay } = spec;
    const target = this.#target(levels.input, weightBound);
    const half = layout.places * 2 ** layout.leafBits;
    if (layout.isPacked) {
      const [state] = fresh as [CkksCiphertext];
      using low = exact.lowered(state, levels.input + 1);
      using swapped = exact.rotate(low, half);
      const isWeight = (slot: number): boolean => Math.floor(slot / half) % 2 === 0;
      const kept = { name: 'kept', value: (slot: number) => (isWeight(slot) ? 1 - decay : momentum) };
      const carried = { name: 'carried', value: (slot: number) => (isWeight(slot) ? momentum : 0) };
      const terms = [
        { ciphertext: low, mask: kept },
        { ciphertext: swapped, mask: carried },
      ];
      return [exact.addUp(this.#on.maskedSum(terms, target), this.#move(0, gradient), weightBound)];
    }
    const count = layout.weightStates;
    const velocities = fresh.slice(count).map((velocity, i) => {
      const kept = exact.weightedSum([{ ciphertext: velocity, re: momentum, im: 0 }], target);
      return exact.addUp(kept, this.#move(i, gradient), weightBound);
    });
    const weights = velocities.map((velocity, i) => {
      const kept = exact.weightedSum([{ ciphertext: fresh[i]!, re: 1 - decay, im: 0 }], target);
      return exact.addUp(kept, exact.lowered(velocity, velocity.level), weightBound);
    });
    return [...weights, ...velocities];
  }

  /** Minus the rate times the mean gradient of the weights of one ciphertext, in the order of its leaves. */
  #move(state: number, gradient: (leaf: number) => CkksCiphertext): CkksCiphertext {
    const { layout, levels, spec } = this.program;
    const stages = gradientStages(layout);
    const visit = (stage: number, from: number): CkksCiphertext | undefined => {
      const axis = stages[stage];
      if (axis === undefined) return from < layout.leaves ? gradient(from) : undefined;
      const each = stages.slice(0, stage).reduce((size, next) => size * next.size, 1);
      const inputs = Array.from({ length: axis.size }, (_, i) => visit(stage - 1, from + i * each));
      if (inputs.every((input) => input === undefined)) return undefined;
      const target = this.#target(levels.input + stages.length - 1 - stage, spec.errorBound);
      const base = (index: number): SlotMask | undefined => {
        const samples = stage === 0 ? this.#sampleMask() : undefined;
        if (stage < stages.length - 1) return samples;
        return bothMasks(this.#rateMask(from + index * each, each), samples);
      };
      return this.#on.gathered(inputs, axis, target, { isCyclic: true, base });
    };
    const sum = visit(stages.length - 1, state * 2 ** layout.leafBits)!;
    const end = layout.places * 2 ** layout.leafBits;
    return this.#on.rotateSum(sum, sumSteps({ stride: end, size: this.program.params.slots / end }));
  }

  /** 1 for samples that there are. */
  #sampleMask(): SlotMask | undefined {
    const { layout, spec } = this.program;
    if (spec.batch === layout.samples) return undefined;
    return { name: 'samples', value: (slot) => (slot < spec.batch * layout.places ? 1 : 0) };
  }

  /** Minus the rate over the batch where leaf `from` + (sample modulo `count`) has a weight, else 0. */
  #rateMask(from: number, count: number): SlotMask {
    const { layout, spec } = this.program;
    const factor = -spec.rate / spec.batch;
    return {
      name: `rate ${from} ${count}`,
      value: (slot) => {
        const leaf = from + (Math.floor(slot / layout.places) % count);
        return layout.hasWeight(leaf, slot % layout.places) ? factor : 0;
      },
    };
  }
}
