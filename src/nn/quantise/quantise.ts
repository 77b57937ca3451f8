/**
 * Uniform symmetric quantisation of weights. "b bits" are the integers of [-(2^(b-1) - 1), 2^(b-1) - 1], so two bits are
 * {-1, 0, 1}; a real weight is integer * step, one step per tensor. Gradients pass straight through the rounding
 * (Bengio et al. 2013) and stop where a weight is clipped; a learnable step follows LSQ (Esser et al., ICLR 2020).
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { OutOfRangeError } from '../../base/errors.ts';
import { newParameter } from '../layers/layer.ts';
import type { Parameter } from '../layers/layer.ts';
import type { Lanes, LoopBody } from '../tensor/vector-assembler.ts';
import { VectorLoop } from '../tensor/vector-loop.ts';

/** Largest integer of `bits` bits. @throws {OutOfRangeError} unless 2 <= bits <= 16. */
export function largestLevel(bits: number): number {
  arg.checkArguments('largestLevel', [bits], { bits: arg.number });
  if (!Number.isInteger(bits) || bits < 2 || bits > 16) {
    throw new OutOfRangeError('the number of weight bits', 'an integer of 2 to 16', bits);
  }
  return 2 ** (bits - 1) - 1;
}

/** The nearest integer multiple, clipped to `level`: a float32 ratio, ties to even, as in the vector loops below. */
function nearestLevel(weight: number, step: number, level: number): number {
  const ratio = Math.fround(weight / step);
  let rounded = Math.round(ratio);
  if (rounded - ratio === 0.5 && rounded % 2 !== 0) rounded -= 1;
  return rounded > level ? level : rounded < -level ? -level : rounded;
}

/** Scalars 0, 1, 2: step, largest level, its negative. */
function clippedLevel(body: LoopBody, ratio: Lanes): Lanes {
  return body.max(body.min(body.nearest(ratio), body.scalar(1)), body.scalar(2));
}

const QUANTISE = new VectorLoop({ streams: 2, scalars: 3, reads: [0], writes: [1] }, (body) => {
  const ratio = body.div(body.stream(0), body.scalar(0));
  body.setStream(1, body.mul(body.scalar(0), clippedLevel(body, ratio)));
});

// Stream 1, the gradient, loses its entries where the weight is clipped; total 0 is the gradient of the step.
const ROUTE_GRADIENT = new VectorLoop(
  { streams: 2, scalars: 3, totals: 1, reads: [0, 1], writes: [1] },
  (body) => {
    const ratio = body.keep(body.div(body.stream(0), body.scalar(0)));
    const gradient = body.stream(1);
    const level = body.keep(clippedLevel(body, ratio));
    const free = body.keep(body.equal(level, body.nearest(ratio)));
    body.addToTotal(0, body.mul(gradient, body.sub(level, body.and(ratio, free))));
    body.setStream(1, body.and(gradient, free));
  },
);

/** Integers of the weights at a step. */
export function integerWeights(weights: ArrayLike<number>, step: number, bits: number): Int32Array {
  arg.checkArguments('integerWeights', [weights, step, bits], {
    weights: arg.numbers,
    step: arg.number,
    bits: arg.number,
  });
  const level = largestLevel(bits);
  const out = new Int32Array(weights.length);
  for (let i = 0; i < out.length; i++) out[i] = nearestLevel(weights[i], step, level);
  return out;
}

/** Mean squared error of the weights quantised at a step. */
export function quantisationError(weights: ArrayLike<number>, step: number, bits: number): number {
  arg.checkArguments('quantisationError', [weights, step, bits], {
    weights: arg.numbers,
    step: arg.number,
    bits: arg.number,
  });
  const level = largestLevel(bits);
  let sum = 0;
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i];
    const error = weight - step * nearestLevel(weight, step, level);
    sum += error * error;
  }
  return sum / Math.max(1, weights.length);
}

const SEARCH_SAMPLE = 65_536;

/**
 * The step of least mean squared error: a geometric grid from the clip-nothing step down, then two refinements around the
 * best. Large tensors are searched on an evenly spaced sample of 65,536 weights that keeps the largest. All-zero
 * weights get step 1.
 */
export function searchStep(weights: ArrayLike<number>, bits: number): number {
  arg.checkArguments('searchStep', [weights, bits], { weights: arg.numbers, bits: arg.number });
  const level = largestLevel(bits);
  let largest = 0;
  for (let i = 0; i < weights.length; i++) largest = Math.max(largest, Math.abs(weights[i]));
  if (largest === 0) return 1;
  const stride = Math.max(1, Math.ceil(weights.length / SEARCH_SAMPLE));
  const sample = new Float64Array(Math.ceil(weights.length / stride));
  for (let i = 0; i < sample.length; i++) sample[i] = weights[i * stride];
  let best = largest / level;
  let least = quantisationError(sample, best, bits);
  let ratio = 1.08;
  let candidates = Array.from({ length: 36 }, (_, i) => best / ratio ** i);
  for (let round = 0; round < 3; round++) {
    for (const step of candidates) {
      const error = quantisationError(sample, step, bits);
      if (error < least) {
        least = error;
        best = step;
      }
    }
    const centre = best;
    ratio = ratio ** 0.2;
    candidates = [-4, -3, -2, -1, 1, 2, 3, 4].map((i) => centre * ratio ** i);
  }
  return best;
}

/** How a layer's weights are rounded in the forward pass while the real ones are trained. */
export interface WeightRounding {
  /** Of the integers, sign included. */
  readonly bits: number;
  /** One value: the real weight of integer 1. */
  readonly step: Parameter;
  /** Chooses the step for the weights. */
  calibrate(weights: Float32Array): void;
  /** The rounded weights, valid until the next call. */
  apply(weights: Float32Array): Float32Array;
  /**
   * Turns d(loss)/d(rounded) in `gradient` into d(loss)/d(weights), in place, and fills the gradient of the step. Absent where the
   * one is taken for the other and the step stays.
   */
  routeGradient?(weights: Float32Array, gradient: Float32Array): void;
}

/** Replaces a weight matrix by its quantised values in the forward pass and routes the gradients back. */
export class WeightQuantiser implements WeightRounding {
  readonly bits: number;
  readonly level: number;
  /** One value. Trained when `learned`; its gradient is scaled by 1/sqrt(weights * level) as in LSQ. */
  readonly step: Parameter;
  readonly learned: boolean;
  readonly #quantised: Float32Array;

  constructor(length: number, bits: number, learned: boolean) {
    arg.checkArguments('new WeightQuantiser', [length, bits, learned], {
      length: arg.number,
      bits: arg.number,
      learned: arg.flag,
    });
    this.bits = bits;
    this.level = largestLevel(bits);
    this.learned = learned;
    this.step = newParameter('step', 1, { bounds: [1e-12, 1e12] });
    this.#quantised = new Float32Array(length);
  }

  /** Chooses the step by least squared error; the learning rate of the step becomes relative to it. */
  calibrate(weights: Float32Array): void {
    this.step.value[0] = searchStep(weights, this.bits);
    this.step.rate = this.step.value[0];
  }

  /** The quantised weights, valid until the next call. */
  apply(weights: Float32Array): Float32Array {
    const scalars = [this.step.value[0], this.level, -this.level];
    QUANTISE.run(1, weights.length, { streams: [weights, this.#quantised], scalars });
    return this.#quantised;
  }

  /** Turns d(loss)/d(quantised) in `gradient` into d(loss)/d(weights), in place, and fills the gradient of the step. */
  routeGradient(weights: Float32Array, gradient: Float32Array): void {
    const scalars = [this.step.value[0], this.level, -this.level];
    const [sum] = ROUTE_GRADIENT.run(1, weights.length, { streams: [weights, gradient], scalars });
    this.step.gradient[0] = this.learned ? sum / Math.sqrt(weights.length * this.level) : 0;
  }
}

printOnOneLine(WeightQuantiser);
arg.guard('WeightQuantiser', WeightQuantiser.prototype, {
  calibrate: { weights: arg.typed('a Float32Array', Float32Array) },
  apply: { weights: arg.typed('a Float32Array', Float32Array) },
  routeGradient: {
    weights: arg.typed('a Float32Array', Float32Array),
    gradient: arg.typed('a Float32Array', Float32Array),
  },
});
