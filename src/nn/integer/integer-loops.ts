/** The loops of the non-linear steps, `[batch, ...shape]` in and out. See integer-step.ts for what each computes. */
import { HIGHEST_INT8, LOWEST_INT8 } from './integer-step.ts';
import type { IntegerStepOf } from './integer-step.ts';
import { sizeOf } from '../tensor/tensor.ts';
import type { SampleShape } from '../tensor/tensor.ts';

export function rectify(x: Int32Array): Int32Array {
  const y = new Int32Array(x.length);
  for (let i = 0; i < x.length; i++) y[i] = x[i] > 0 ? x[i] : 0;
  return y;
}

/** clamp(floor((v + 2^(shift-1)) / 2^shift)) in doubles: exact, see {@link Requantisation}; 2^-shift only moves the point. */
function fixedPointRounding({
  shift,
  low = LOWEST_INT8,
  high = HIGHEST_INT8,
}: IntegerStepOf<'requantise' | 'add'>): (v: number) => number {
  const [half, unit] = [2 ** (shift - 1), 2 ** -shift];
  return (v) => {
    const value = Math.floor((v + half) * unit);
    return value < low ? low : value > high ? high : value;
  };
}

export function requantise(step: IntegerStepOf<'requantise'>, x: Int32Array, shape: SampleShape): Int32Array {
  const { multipliers } = step;
  const rounded = fixedPointRounding(step);
  const y = new Int32Array(x.length);
  const run = multipliers.length === 1 ? x.length : sizeOf(shape) / shape[0];
  for (let at = 0, row = 0; at < x.length; row++) {
    const multiplier = multipliers[row % multipliers.length];
    for (const end = at + run; at < end; at++) y[at] = rounded(x[at] * multiplier);
  }
  return y;
}

export function addScaled(
  step: IntegerStepOf<'add'>,
  x: Int32Array,
  other: Int32Array,
  shape: SampleShape,
): Int32Array {
  const { multipliers, otherMultipliers } = step;
  const rounded = fixedPointRounding(step);
  const y = new Int32Array(x.length);
  const single = multipliers.length === 1 && otherMultipliers.length === 1;
  const run = single ? x.length : sizeOf(shape) / shape[0];
  for (let at = 0, row = 0; at < x.length; row++) {
    const [a, b] = [multipliers[row % multipliers.length], otherMultipliers[row % otherMultipliers.length]];
    for (const end = at + run; at < end; at++) y[at] = rounded(x[at] * a + other[at] * b);
  }
  return y;
}

/** Calls `value` for each window of each image, from the window's first row and column, which padding may put outside. */
function overWindows(
  { stride }: IntegerStepOf<'max-pool' | 'sum-pool'>,
  padding: readonly [number, number],
  x: Int32Array,
  from: SampleShape,
  to: SampleShape,
  value: (image: number, top: number, left: number) => number,
): Int32Array {
  const [outHeight, outWidth] = to.slice(1);
  const maps = x.length / (from[1] * from[2]);
  const y = new Int32Array(maps * outHeight * outWidth);
  for (let map = 0, out = 0; map < maps; map++) {
    const image = map * from[1] * from[2];
    for (let oy = 0; oy < outHeight; oy++) {
      const top = oy * stride[0] - padding[0];
      for (let ox = 0; ox < outWidth; ox++) y[out++] = value(image, top, ox * stride[1] - padding[1]);
    }
  }
  return y;
}

export function maxPool(
  step: IntegerStepOf<'max-pool'>,
  x: Int32Array,
  from: SampleShape,
  to: SampleShape,
): Int32Array {
  const { size, padding = [0, 0] } = step;
  const [, height, width] = from;
  return overWindows(step, padding, x, from, to, (image, top, left) => {
    const [firstX, endX] = [Math.max(0, left), Math.min(width, left + size[1])];
    let best = -(2 ** 31);
    for (let iy = Math.max(0, top); iy < Math.min(height, top + size[0]); iy++) {
      const row = image + iy * width;
      for (let at = row + firstX; at < row + endX; at++) if (x[at] > best) best = x[at];
    }
    return best;
  });
}

/** Twice a sum plus the divisor stays far below 2^53, so the quotient's floor is exact. */
export function sumPool(
  step: IntegerStepOf<'sum-pool'>,
  x: Int32Array,
  from: SampleShape,
  to: SampleShape,
): Int32Array {
  const { size, divisor } = step;
  return overWindows(step, [0, 0], x, from, to, (image, top, left) => {
    let sum = 0;
    for (let ky = 0; ky < size[0]; ky++) {
      const row = image + (top + ky) * from[2] + left;
      for (let at = row; at < row + size[1]; at++) sum += x[at];
    }
    return divisor === 1 ? sum : Math.floor((2 * sum + divisor) / (2 * divisor));
  });
}

export function zeroExtend<T extends Int32Array | Float32Array>(
  x: T,
  from: SampleShape,
  to: SampleShape,
  batch: number,
): T {
  const y = new (x.constructor as new (length: number) => T)(batch * sizeOf(to));
  const [channels, height, width] = from;
  for (let image = 0; image < batch; image++) {
    for (let channel = 0; channel < channels; channel++) {
      for (let row = 0; row < height; row++) {
        const start = ((image * channels + channel) * height + row) * width;
        const target = ((image * to[0] + channel) * to[1] + row) * to[2];
        y.set(x.subarray(start, start + width), target);
      }
    }
  }
  return y;
}
