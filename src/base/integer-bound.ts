/** Bounds of many integers at once: a training step checks hundreds of thousands, several times on their way. */

const LARGEST_INT32 = 2 ** 31 - 1;

/** The first index where |value| is above `bound`, an integer that is not negative; -1 when there is none. */
export function indexBeyond(values: Int32Array, bound: number): number {
  if (bound > LARGEST_INT32) return -1;
  const whole = values.length - (values.length % 4);
  // A negative sum, or one that wraps, calls for a closer look; where the bound is above 2^30 legal values may wrap, too.
  let signs = 0;
  for (let i = 0; i < whole; i += 4) {
    const a = values[i];
    const b = values[i + 1];
    const c = values[i + 2];
    const d = values[i + 3];
    signs |= (bound - a) | (bound + a) | (bound - b) | (bound + b);
    signs |= (bound - c) | (bound + c) | (bound - d) | (bound + d);
  }
  for (let i = signs < 0 ? 0 : whole; i < values.length; i++) {
    const value = values[i];
    if (value > bound || value < -bound) return i;
  }
  return -1;
}
