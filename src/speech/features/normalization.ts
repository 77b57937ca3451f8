/** Mean and standard deviation of every input dimension, measured in training and stored with the model. */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { ShapeError } from '../../base/errors.ts';

export interface InputNormalization {
  readonly mean: Float32Array;
  /** One over the standard deviation. */
  readonly inverseDeviation: Float32Array;
}

// A dimension that hardly moves in training must not be blown up when it moves in use.
const SMALLEST_DEVIATION = 1e-3;

/** Sums for an `InputNormalization`, fed in pieces. */
export class NormalizationStatistics {
  readonly #dim: number;
  readonly #sum: Float64Array;
  readonly #squares: Float64Array;
  #rows = 0;

  constructor(dim: number) {
    arg.checkArguments('new NormalizationStatistics', [dim], { dim: arg.number });
    this.#dim = dim;
    this.#sum = new Float64Array(dim);
    this.#squares = new Float64Array(dim);
  }

  /** Adds the rows of a [rows, dim] matrix. */
  add(input: Float32Array): void {
    const dim = this.#dim;
    if (input.length % dim !== 0) throw new ShapeError('input length', `a multiple of ${dim}`, input.length);
    for (let row = 0; row < input.length; row += dim) {
      for (let d = 0; d < dim; d++) {
        const value = input[row + d];
        this.#sum[d] += value;
        this.#squares[d] += value * value;
      }
    }
    this.#rows += input.length / dim;
  }

  /** @throws {ShapeError} when no row was added. */
  finish(): InputNormalization {
    if (this.#rows === 0) throw new ShapeError('rows of statistics', 'at least 1', 0);
    const mean = new Float32Array(this.#dim);
    const inverseDeviation = new Float32Array(this.#dim);
    for (let d = 0; d < this.#dim; d++) {
      const average = this.#sum[d] / this.#rows;
      const variance = Math.max(0, this.#squares[d] / this.#rows - average * average);
      mean[d] = average;
      inverseDeviation[d] = 1 / Math.max(SMALLEST_DEVIATION, Math.sqrt(variance));
    }
    return { mean, inverseDeviation };
  }
}

/** Replaces every row x of a [rows, dim] matrix by (x - mean) / deviation. */
export function normalizeInto(input: Float32Array, normalization: InputNormalization): void {
  const { mean, inverseDeviation } = normalization;
  const dim = mean.length;
  if (input.length % dim !== 0) throw new ShapeError('input length', `a multiple of ${dim}`, input.length);
  for (let row = 0; row < input.length; row += dim) {
    for (let d = 0; d < dim; d++) input[row + d] = (input[row + d] - mean[d]) * inverseDeviation[d];
  }
}

printOnOneLine(NormalizationStatistics);
arg.guard('NormalizationStatistics', NormalizationStatistics.prototype, {
  add: { input: arg.typed('a Float32Array', Float32Array) },
});
