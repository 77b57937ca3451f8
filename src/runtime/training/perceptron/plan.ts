/**
 * The levels of one step of training, fixed before a key is made. Everything runs as low as what comes after it allows: lower is faster.
 *
 * Backwards from the result: a bootstrap takes its input at `input`; products are two levels above it or more; the error of a layer must be
 * `need` high for its gradient and for the error of the layer below. Where the levels do not reach, the error is bootstrapped itself; the
 * fewest such layers are chosen.
 */
import { InvalidParamsError } from '../../../base/errors.ts';
import type { BootstrapPlan } from '../../../circuits/bootstrap/plan.ts';
import { identityFunction } from '../../../circuits/circle/circle-function.ts';
import type { PerceptronLayout, SlotAxis } from './layout.ts';
import { padded } from './layout.ts';
import { activationsOf, type PerceptronSpec } from './spec.ts';

export interface LayerLevels {
  /** Of the activations as the bootstrap leaves them. */
  readonly activation: number;
  /** Whether the error of this layer's outputs is bootstrapped. */
  readonly isErrorRefreshed: boolean;
  /** The least level of the error that the rest of the step takes. */
  readonly error: number;
  /** Where the error is spread for products with the weights. */
  readonly spread: number;
  /** Of the weights as leaves. */
  readonly weights: number;
}

export interface StepLevels {
  /** Where states are between steps and what a bootstrap takes. */
  readonly input: number;
  /** Where a bootstrapped state is. */
  readonly state: number;
  readonly forwardProduct: number;
  readonly gradientProduct: number;
  readonly layers: readonly LayerLevels[];
  /** Where the owner encrypts inputs and labels. */
  readonly inputs: number;
  readonly labels: number;
}

/** Bits of an axis that are taken apart or put together in one level. */
const STAGE_BITS = 3;

/** An axis in stages of at most 2^3, the nearest first. */
export function stagesOf({ stride, size }: SlotAxis): SlotAxis[] {
  const bits = Math.log2(size);
  const count = Math.ceil(bits / STAGE_BITS);
  const stages: SlotAxis[] = [];
  let [at, left] = [stride, bits];
  for (let i = 0; i < count; i++) {
    const own = Math.ceil(left / (count - i));
    stages.push({ stride: at, size: 2 ** own });
    at *= 2 ** own;
    left -= own;
  }
  return stages;
}

/** Stages in which the leaves of a state come off, farthest first: where weights and velocities are side by side, these come apart first. */
export function leafStages({ places, leafBits, isPacked }: PerceptronLayout): SlotAxis[] {
  const stages = stagesOf({ stride: places, size: 2 ** leafBits }).reverse();
  return isPacked ? [{ stride: places * 2 ** leafBits, size: 2 }, ...stages] : stages;
}

/** Stages in which gradients are put together. */
export function gradientStages({ places, leafBits }: PerceptronLayout): SlotAxis[] {
  return stagesOf({ stride: places, size: 2 ** leafBits });
}

/** Stages in which the chunks of an input come apart. */
export function inputStages({ layers }: PerceptronLayout): SlotAxis[] {
  const { inputChunks, out } = layers[0]!;
  return stagesOf({ stride: out.stride, size: Math.min(out.size, padded(inputChunks)) });
}

/** The levels with the errors of these layers bootstrapped, or nothing where they do not fit. */
function chosen(
  refreshed: readonly boolean[],
  spec: PerceptronSpec,
  layout: PerceptronLayout,
  plan: BootstrapPlan,
): StepLevels | undefined {
  const { hidden, output } = activationsOf(spec);
  const count = layout.layers.length;
  const input = plan.inputLevel;
  const forwardProduct = input + 2;
  const gradientProduct = input + 1 + gradientStages(layout).length;
  const errorTop = plan.outputLevel(identityFunction(spec.errorBound));
  const layers: LayerLevels[] = [];
  let fits = true;
  for (let l = 0; l < count; l++) {
    const isLast = l === count - 1;
    const activation = plan.outputLevel(isLast ? output : hidden);
    const below = layers[l - 1];
    const wanted = below === undefined ? 0 : below.isErrorRefreshed ? input + 1 : below.error;
    const spread = Math.max(gradientProduct, below === undefined ? 0 : wanted + 2);
    const error = spread + 1;
    // Of the last layer, a - y, or 4 (a - y) (a - a^2); of others, the product with 1 - a^2, which is a level below a.
    const made = isLast ? activation - (spec.loss === 'squared' ? 2 : 0) : activation - 2;
    const isErrorRefreshed = refreshed[l]!;
    fits &&= isErrorRefreshed ? made >= input + 1 && errorTop >= error : made >= error;
    // Activations are spread for the products of the next layer and of its gradient.
    fits &&= isLast || activation > Math.max(forwardProduct, gradientProduct);
    const weights = Math.max(forwardProduct, l === 0 ? 0 : spread);
    layers.push({ activation, isErrorRefreshed, error, spread, weights });
  }
  const state = plan.outputLevel(identityFunction(spec.weightBound));
  fits &&= layers.every(({ weights }) => weights + leafStages(layout).length <= state);
  const last = layers.at(-1)!;
  const levels: StepLevels = {
    ...{ input, state, forwardProduct, gradientProduct, layers },
    inputs: Math.max(forwardProduct, gradientProduct) + inputStages(layout).length,
    labels: last.isErrorRefreshed ? last.activation : last.error + (spec.loss === 'squared' ? 2 : 0),
  };
  return fits ? levels : undefined;
}

/** @throws {InvalidParamsError} when no choice of bootstraps gives a step enough levels. */
export function stepLevels(spec: PerceptronSpec, layout: PerceptronLayout, plan: BootstrapPlan): StepLevels {
  const count = layout.layers.length;
  const choices = Array.from({ length: 2 ** count }, (_, bits) =>
    Array.from({ length: count }, (_v, l) => ((bits >> l) & 1) === 1),
  ).sort((a, b) => a.filter(Boolean).length - b.filter(Boolean).length);
  for (const choice of choices) {
    const levels = chosen(choice, spec, layout, plan);
    if (levels !== undefined) return levels;
  }
  throw new InvalidParamsError('a step of this network needs more levels than a bootstrap leaves', {
    levels: plan.params.maxLevel,
  });
}
