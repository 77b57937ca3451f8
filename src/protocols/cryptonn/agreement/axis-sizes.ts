/** How long the encrypted vectors of a data set are on each axis, how many there are, and how large their keys may be. */
import { InvalidParamsError } from '../../../base/errors.ts';
import type { InnerProductSpec } from '../../../fe/inner-product-scheme.ts';
import { type WindowGeometry, windowGeometry } from '../../../nn/tensor/im2col.ts';
import { type AxisName, type DatasetSpec, PROJECTION_BOUND } from './dataset-spec.ts';
import { noiseBound, noiseCoordinates } from './projection-noise.ts';

/** Combinations of projection rows may have larger entries than the rows: sums of a few of them are of use to nobody else. */
const COMBINATION_BOUND = 4 * PROJECTION_BOUND;

/** Of -100 log p in key vectors for cross-entropy: probabilities below e^-10.23 count as that. */
export const LOG_BOUND = 1023;

export interface AxisSizes extends InnerProductSpec {
  /** Vectors that one batch has on this axis and that share every key. */
  readonly vectors: number;
  /** Parts of the batch that are encrypted, and get keys, each for itself. */
  readonly parts: number;
}

/** The windows of a data set for a convolution. */
export function datasetWindows(convolution: NonNullable<DatasetSpec['convolution']>): WindowGeometry {
  const { channels, height, width, size, stride, padding } = convolution;
  const shape = [channels, height, width];
  return windowGeometry('a data set', shape, [size, size], [stride, stride], [padding, padding]);
}

/** @throws {InvalidParamsError} for an axis that the data set does not have. {@link ShapeError} when no window fits. */
export function axisSizes(spec: DatasetSpec, axis: AxisName): AxisSizes {
  const { features, batch, inputBound, faithful, projection, convolution } = spec;
  if (axis === 'projection' && projection !== undefined) {
    const noise = projection.noise === undefined ? 0 : noiseBound(projection.noise.sigma);
    return {
      ...{ length: features + noiseCoordinates(spec), inputBound: Math.max(inputBound, noise) },
      ...{ weightBound: COMBINATION_BOUND, vectors: batch, parts: 1 },
    };
  }
  if (faithful === undefined || axis === 'projection')
    throw new InvalidParamsError(`"${spec.id}" has no axis ${axis}`, {});
  const { weightBound, gradientBound, labels } = faithful;
  if (axis === 'labels') {
    if (labels === undefined) throw new InvalidParamsError(`"${spec.id}" has no axis ${axis}`, {});
    return { length: spec.classes, inputBound: 1, weightBound: LOG_BOUND, vectors: batch, parts: 1 };
  }
  let [taps, positions, parts] = [features, 1, 1];
  if (convolution !== undefined) {
    const { outHeight, outWidth } = datasetWindows(convolution);
    taps = convolution.channels * convolution.size ** 2;
    positions = outHeight * outWidth;
    parts = batch / convolution.gradientSamples;
  }
  if (axis === 'forward')
    return { length: taps, inputBound, weightBound, vectors: batch * positions, parts: 1 };
  const length = (batch * positions) / parts;
  return { length, inputBound, weightBound: gradientBound, vectors: taps, parts };
}

/** Entries of a key vector on an axis, also where the data set issues none. */
export function vectorLength(spec: DatasetSpec, axis: AxisName): number {
  if (axis === 'labels') return spec.classes;
  if (spec.faithful !== undefined && axis !== 'projection') return axisSizes(spec, axis).length;
  return axis === 'gradient' ? spec.batch : spec.features + noiseCoordinates(spec);
}
