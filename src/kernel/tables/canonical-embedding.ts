/**
 * The canonical embedding of R[Y]/(Y^(2s) + 1) into C^s: slot j is the value at zeta^(5^j), zeta = exp(pi i / (2s)) of order 4s.
 * A Galois element 5^r then shifts the slots left by r, and conjugation conjugates them. O(s log s).
 *
 * Source: [CKKS17] for the embedding; the butterflies are those of the HEAAN library's special FFT.
 */
import { rootOfUnity } from './root-of-unity.ts';

/** 2^52: every double of at least this size is an integer. */
const WHOLE_FROM = 2 ** 52;

/** To the nearest integer, ties to even, never -0. */
export function roundTiesToEven(x: number): number {
  const size = Math.abs(x);
  const rounded = size >= WHOLE_FROM ? size : size + WHOLE_FROM - WHOLE_FROM;
  return (x < 0 ? -rounded : rounded) + 0;
}

/** The roots of {@link Kernel.embed} for one number of slots, a power of two. */
export class CanonicalEmbedding {
  readonly slots: number;
  /** Per stage of distance half: exp(2 pi i 5^j / (8 half)) for j < half, at offset half. */
  readonly cos: Float64Array;
  readonly sin: Float64Array;

  constructor(slots: number) {
    this.slots = slots;
    this.cos = new Float64Array(slots);
    this.sin = new Float64Array(slots);
    for (let half = 1; half < slots; half *= 2) {
      let power = 1;
      for (let j = 0; j < half; j++) {
        const [c, s] = rootOfUnity(power, 8 * half);
        this.cos[half + j] = c;
        this.sin[half + j] = s;
        power = (power * 5) % (8 * half);
      }
    }
  }
}
