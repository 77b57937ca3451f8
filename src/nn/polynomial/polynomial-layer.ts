/** One layer of a polynomial network: what it holds, what must be true of it, and what it computes. */
import { OutOfRangeError, ShapeError } from '../../base/errors.ts';
import { largestLevel } from '../quantise/quantise.ts';

/** a = (W x + offset)^2, or W x + offset where `square` is false (the last layer only), with W = weights * step. */
export interface PolynomialLayer {
  /** Row-major rows x cols; each in [-(2^(bits-1) - 1), 2^(bits-1) - 1]. */
  readonly weights: Int32Array;
  readonly rows: number;
  readonly cols: number;
  /** A real weight is integer * step; positive. */
  readonly step: number;
  /** One per output: `rows`, or `rows * positions` with a gather. In the unit of the product, not of the integers. */
  readonly offset: Float64Array;
  readonly square: boolean;
  /**
   * A convolution: the same rows x cols matrix at `positions` places. Place p reads the inputs rowIndex[p * cols .. ] and
   * writes output row * positions + p (channel-major, as `[channels, height, width]`).
   */
  readonly gather?: { readonly positions: number; readonly rowIndex: Uint32Array };
}

/** The interval of z = W x + offset (before the square) of one layer, both ends included. */
export type ActivationRange = readonly [low: number, high: number];

/** Outputs of a layer: rows, times the places of a convolution. */
export function polynomialLayerOutputs(layer: PolynomialLayer): number {
  return layer.rows * (layer.gather?.positions ?? 1);
}

/** @throws {ShapeError} {@link OutOfRangeError} */
export function checkPolynomialLayer(
  layer: PolynomialLayer,
  index: number,
  inputs: number,
  bits: number,
): void {
  const { rows, cols, weights, offset, step, gather } = layer;
  const name = `layer ${index}`;
  if (!(rows >= 1 && cols >= 1) || weights.length !== rows * cols) {
    throw new ShapeError(`the weights of ${name}`, `${rows} x ${cols}`, weights.length);
  }
  if (gather === undefined) {
    if (cols !== inputs) throw new ShapeError(`the columns of ${name}`, inputs, cols);
  } else {
    if (!(gather.positions >= 1) || gather.rowIndex.length !== gather.positions * cols) {
      throw new ShapeError(`the gather of ${name}`, `${gather.positions} x ${cols}`, gather.rowIndex.length);
    }
    for (let i = 0; i < gather.rowIndex.length; i++) {
      if (gather.rowIndex[i] >= inputs) {
        throw new OutOfRangeError(`an input index of ${name}`, `below ${inputs}`, gather.rowIndex[i]);
      }
    }
  }
  if (offset.length !== polynomialLayerOutputs(layer)) {
    throw new ShapeError(`the offsets of ${name}`, polynomialLayerOutputs(layer), offset.length);
  }
  if (!offset.every(Number.isFinite))
    throw new OutOfRangeError(`the offsets of ${name}`, 'finite', 'not finite');
  if (!(step > 0 && Number.isFinite(step)))
    throw new OutOfRangeError(`the step of ${name}`, 'positive', step);
  const level = largestLevel(bits);
  for (let i = 0; i < weights.length; i++) {
    if (Math.abs(weights[i]) > level) {
      throw new OutOfRangeError(`a weight of ${name}`, `within +-${level}`, weights[i]);
    }
  }
}

/** z = step * (W x) + offset for `[batch, inputs]`, in double precision. The integer sums are exact. */
export function applyPolynomialLayer(layer: PolynomialLayer, x: Float64Array, batch: number): Float64Array {
  const { rows, cols, weights, step, offset, gather } = layer;
  const positions = gather?.positions ?? 1;
  const inputs = x.length / batch;
  const z = new Float64Array(batch * rows * positions);
  const taps = new Float64Array(cols);
  for (let sample = 0; sample < batch; sample++) {
    for (let p = 0; p < positions; p++) {
      for (let j = 0; j < cols; j++) taps[j] = x[sample * inputs + (gather?.rowIndex[p * cols + j] ?? j)];
      for (let row = 0; row < rows; row++) {
        let sum = 0;
        for (let j = 0, at = row * cols; j < cols; j++) sum += weights[at++] * taps[j];
        const output = row * positions + p;
        z[sample * rows * positions + output] = step * sum + offset[output];
      }
    }
  }
  return z;
}
