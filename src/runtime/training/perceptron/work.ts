/**
 * What a step of training computes outside its bootstraps, counted as the circuit does it: predictions are made of it before there is a key,
 * and a test holds the counts against those of a run.
 */
import { type HomomorphicWork, type MachineCosts, predictedSeconds } from '../../../circuits/cost.ts';
import { identityFunction } from '../../../circuits/circle/circle-function.ts';
import type { PerceptronProgram } from './program.ts';
import { fillSteps, restOf, sumSteps } from './program.ts';
import { gradientStages, inputStages, leafStages } from './plan.ts';
import { activationsOf, guardOf } from './spec.ts';
import type { SlotAxis } from './layout.ts';

/** Limbs that each works on. */
export interface StepWork {
  /** Rotations, products and relinearisations. */
  readonly keySwitches: readonly number[];
  /** Products of a ciphertext with a mask. */
  readonly masks: readonly number[];
  /** Products of ciphertexts that are added up before they are relinearised. */
  readonly products: readonly number[];
  readonly rescalings: readonly number[];
}

/** A division by a prime of both parts against a key switch with the same limbs. */
const RESCALING_SHARE = 0.15;

class WorkCount {
  readonly keySwitches: number[] = [];
  readonly masks: number[] = [];
  readonly products: number[] = [];
  readonly rescalings: number[] = [];

  /** A sum of products, which is at this level. */
  productSum(level: number, terms: number): void {
    for (let i = 0; i < terms; i++) this.products.push(level + 1);
    this.keySwitch(level);
    this.rescalings.push(level + 1);
  }

  keySwitch(level: number, count = 1): void {
    for (let i = 0; i < count; i++) this.keySwitches.push(level + 1);
  }

  /** A masked sum that ends at this level. */
  maskedSum(level: number, terms: number, fill = 0): void {
    for (let i = 0; i < terms; i++) this.masks.push(level + 2);
    this.keySwitch(level + 1, fill);
    this.rescalings.push(level + 2);
  }

  /** `wanted` of the parts of an axis, at these levels. */
  parts({ size }: SlotAxis, levels: readonly number[], isCyclic: boolean, fill = 0): void {
    const top = Math.max(...levels) + 1;
    // All distances but none: as many as there are indices, or on both sides of the wanted ones.
    this.keySwitch(top, isCyclic ? size - 1 : size + levels.length - 2);
    for (const level of levels) this.maskedSum(level, size, fill);
  }

  gathered({ size }: SlotAxis, inputs: number, level: number, isCyclic: boolean): void {
    const distances = isCyclic ? size : size + inputs - 1;
    for (let i = 0; i < distances; i++) this.rescalings.push(level + 2);
    for (let i = 0; i < inputs * size; i++) this.masks.push(level + 2);
    this.keySwitch(level, distances - 1);
  }
}

function inputWork(work: WorkCount, { layout, levels }: PerceptronProgram): void {
  const stages = inputStages(layout).reverse();
  const low = Math.max(levels.forwardProduct, levels.gradientProduct);
  const { inputChunks, out } = layout.layers[0]!;
  const visit = (stage: number, from: number): void => {
    const axis = stages[stage];
    if (axis === undefined) return;
    const each = stages.slice(stage + 1).reduce((size, next) => size * next.size, 1);
    const wanted = Array.from({ length: axis.size }, (_, i) => from + i * each).filter(
      (k) => k < inputChunks,
    );
    work.parts(
      axis,
      wanted.map(() => low + stages.length - stage - 1),
      false,
    );
    for (const first of wanted) visit(stage + 1, first);
  };
  for (let i = 0; i < layout.inputCiphertexts; i++) visit(0, i * out.size);
}

function leafWork(work: WorkCount, program: PerceptronProgram): void {
  const { layout } = program;
  const stages = leafStages(layout);
  const visit = (stage: number, from: number): void => {
    const axis = stages[stage];
    if (axis === undefined) return;
    const each = stages.slice(stage + 1).reduce((size, next) => size * next.size, 1);
    const indices = layout.isPacked && stage === 0 ? 1 : axis.size;
    const wanted = Array.from({ length: indices }, (_, i) => from + i * each).filter(
      (k) => k < layout.leaves,
    );
    const levels = wanted.map((first) => {
      const last = Math.min(first + each, layout.leaves);
      const own = Array.from({ length: last - first }, (_, k) => program.leafLevel(first + k));
      return Math.max(...own) + stages.length - stage - 1;
    });
    work.parts(axis, levels, true);
    for (const first of wanted) visit(stage + 1, first);
  };
  for (let i = 0; i < layout.weightStates; i++) visit(0, i * 2 ** layout.leafBits);
}

function layerWork(work: WorkCount, { layout, levels, spec }: PerceptronProgram): void {
  const { forwardProduct, gradientProduct, input } = levels;
  layout.layers.forEach(({ reduce, out, outputChunks, inputChunks }, l) => {
    const own = levels.layers[l]!;
    const isLast = l === layout.layers.length - 1;
    const size = 2 ** Math.ceil(Math.log2(outputChunks));
    const rest = sumSteps(restOf(reduce, size)).length;
    // Forward.
    if (l === 0) work.productSum(forwardProduct, inputChunks);
    else work.keySwitch(forwardProduct, outputChunks);
    if (outputChunks > 1) work.gathered({ stride: reduce.stride, size }, outputChunks, input, false);
    work.keySwitch(outputChunks > 1 ? input : input + 1, rest);
    if (!isLast)
      work.maskedSum(
        Math.max(forwardProduct, gradientProduct),
        1,
        fillSteps(layout.layers[l + 1]!.out).length,
      );
    // Backward.
    if (isLast && spec.loss === 'squared') {
      work.keySwitch(levels.labels);
      work.keySwitch(levels.labels - 1);
      work.rescalings.push(levels.labels + 1);
    }
    if (outputChunks === 1) work.maskedSum(own.spread, 1, fillSteps(reduce).length);
    else
      work.parts(
        { stride: reduce.stride, size },
        Array.from({ length: outputChunks }, () => own.spread),
        false,
        rest,
      );
    if (l > 0) {
      work.productSum(own.spread, outputChunks);
      work.keySwitch(own.spread - 1, sumSteps(out).length);
      work.keySwitch(own.spread, 1);
      work.keySwitch(own.spread - 1, 1);
    }
    // The gradient of each chunk.
    work.keySwitch(gradientProduct, Math.max(inputChunks, outputChunks));
  });
}

function moveWork(work: WorkCount, { layout, levels, params }: PerceptronProgram): void {
  const stages = gradientStages(layout);
  const visit = (stage: number, from: number): boolean => {
    const axis = stages[stage];
    if (axis === undefined) return from < layout.leaves;
    const each = stages.slice(0, stage).reduce((size, next) => size * next.size, 1);
    const there = Array.from({ length: axis.size }, (_, i) => visit(stage - 1, from + i * each));
    const count = there.filter(Boolean).length;
    if (count > 0) work.gathered(axis, count, levels.input + stages.length - 1 - stage, true);
    return count > 0;
  };
  for (let i = 0; i < layout.weightStates; i++) {
    visit(stages.length - 1, i * 2 ** layout.leafBits);
    const end = layout.places * 2 ** layout.leafBits;
    work.keySwitch(levels.input, Math.log2(params.slots / end));
  }
  if (layout.isPacked) {
    work.keySwitch(levels.input + 1);
    work.maskedSum(levels.input, 2);
  } else for (let i = 0; i < layout.states; i++) work.rescalings.push(levels.input + 2);
}

/** A step without its bootstraps. */
export function stepWork(program: PerceptronProgram): StepWork {
  const work = new WorkCount();
  inputWork(work, program);
  leafWork(work, program);
  layerWork(work, program);
  moveWork(work, program);
  if (program.spec.guard === true) {
    const { input } = program.levels;
    const count = program.layout.layers.length;
    work.keySwitch(input + 2, count);
    work.maskedSum(input, count);
  }
  return work;
}

function bootstrapWork({ spec, bootstrap, levels, layout }: PerceptronProgram): HomomorphicWork[] {
  const { hidden, output } = activationsOf(spec);
  const errors = levels.layers.filter(({ isErrorRefreshed }) => isErrorRefreshed);
  const guard = guardOf(spec);
  const guards = guard === undefined ? [] : [guard];
  return [
    ...Array.from({ length: layout.states }, () => [identityFunction(spec.weightBound)]),
    ...errors.map(() => [identityFunction(spec.errorBound)]),
    ...layout.layers.slice(1).map(() => [hidden, ...guards]),
    [output, ...guards],
  ].map((functions) => bootstrap.workOfMany(functions));
}

/** Seconds of one thread for a step, as far as the costs of a machine are known. */
export function stepSeconds(
  program: PerceptronProgram,
  costs: MachineCosts,
): { readonly bootstraps: number; readonly rest: number } {
  const perLimb = costs.diagonal(1) - costs.diagonal(0);
  const { keySwitches, masks, products, rescalings } = stepWork(program);
  const divisions = rescalings.reduce((sum, limbs) => sum + RESCALING_SHARE * costs.keySwitch(limbs), 0);
  const limbsOf = (list: readonly number[]): number => list.reduce((sum, limbs) => sum + limbs, 0);
  const passes = (2 * limbsOf(masks) + 4 * limbsOf(products)) * perLimb;
  return {
    bootstraps: bootstrapWork(program).reduce((sum, work) => sum + predictedSeconds(work, costs), 0),
    rest: predictedSeconds({ keySwitches, diagonals: [] }, costs) + (divisions + passes) / 1000,
  };
}
