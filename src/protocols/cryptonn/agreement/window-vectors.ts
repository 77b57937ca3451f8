/** What is encrypted of a convolution's input, and so what its keys are for. */
import { ShapeError } from '../../../base/errors.ts';
import { unfold, type WindowGeometry } from '../../../nn/tensor/im2col.ts';

/**
 * The windows of `[samples, channels, height, width]` integers as vectors, `[samples * positions, taps]`: what is encrypted of a
 * convolution's input, zeros of the padding included. Integers stay below 2^24. @throws {ShapeError}
 */
export function windowVectors(images: Int32Array, geometry: WindowGeometry): Int32Array {
  const { channels, height, width, outHeight, outWidth, size } = geometry;
  const image = channels * height * width;
  const samples = images.length / image;
  if (!Number.isInteger(samples)) throw new ShapeError('images', `a multiple of ${image}`, images.length);
  const taps = channels * size[0] * size[1];
  const vectors = samples * outHeight * outWidth;
  const columns = new Float32Array(taps * vectors);
  unfold(columns, Float32Array.from(images), geometry, 0, image, 0, channels, samples);
  const out = new Int32Array(columns.length);
  for (let tap = 0; tap < taps; tap++)
    for (let v = 0; v < vectors; v++) out[v * taps + tap] = columns[tap * vectors + v]!;
  return out;
}
