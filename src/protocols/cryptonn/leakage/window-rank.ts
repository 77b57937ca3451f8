/** What keys for the windows of a convolution reveal: every key opens a product with every window, and windows overlap. */
import type { WindowGeometry } from '../../../nn/tensor/im2col.ts';
import { solveForInputs } from './linear-attack.ts';

/** Rank of {@link imageEquations}, at most the number of pixels: all of them are known when it is that many. */
export function imageRank(keys: Int32Array, geometry: WindowGeometry): number {
  const { channels, height, width } = geometry;
  return solveForInputs(imageEquations(keys, geometry), [], channels * height * width).rank;
}

/**
 * The equations that one image under these keys gives, `[keys * positions, pixels]`: each key's products with all windows. `keys`
 * is `[count, taps]` with rows channel by channel, as the filters of a convolution.
 */
export function imageEquations(keys: ArrayLike<number>, geometry: WindowGeometry): Float64Array {
  const { channels, height, width, size, stride, padding, outHeight, outWidth } = geometry;
  const taps = channels * size[0] * size[1];
  const pixels = channels * height * width;
  const positions = outHeight * outWidth;
  const equations = new Float64Array((keys.length / taps) * positions * pixels);
  for (let row = 0; row * pixels < equations.length; row++) {
    const key = Math.floor(row / positions) * taps;
    const top = Math.floor((row % positions) / outWidth) * stride[0] - padding[0];
    const left = (row % outWidth) * stride[1] - padding[1];
    for (let tap = 0; tap < taps; tap++) {
      const channel = Math.floor(tap / (size[0] * size[1]));
      const y = top + (Math.floor(tap / size[1]) % size[0]);
      const x = left + (tap % size[1]);
      // Outside is the padding, zeros that everybody knows.
      if (y < 0 || y >= height || x < 0 || x >= width) continue;
      equations[row * pixels + (channel * height + y) * width + x] = keys[key + tap] as number;
    }
  }
  return equations;
}
