/**
 * The canonical embedding of R[Y]/(Y^(2s) + 1) into C^s: slot j is the value at zeta^(5^j), zeta = exp(pi i / (2s)) of order 4s.
 * A Galois element 5^r then shifts the slots left by r, and conjugation conjugates them. O(s log s).
 *
 * Source: [CKKS17] for the embedding; the butterflies are those of the HEAAN library's special FFT.
 */
import { rootOfUnity } from './root-of-unity.ts';

export class CanonicalEmbedding {
  readonly slots: number;
  /** Per stage of length len: exp(2 pi i 5^j / (4 len)) for j < len/2, at offset len/2. */
  #cos: Float64Array;
  #sin: Float64Array;
  #reversed: Uint32Array;

  /** `slots` is a power of two, at least 1. */
  constructor(slots: number) {
    this.slots = slots;
    this.#cos = new Float64Array(Math.max(1, slots));
    this.#sin = new Float64Array(Math.max(1, slots));
    for (let half = 1; half < slots; half *= 2) {
      let power = 1;
      for (let j = 0; j < half; j++) {
        const [c, s] = rootOfUnity(power, 8 * half);
        this.#cos[half + j] = c;
        this.#sin[half + j] = s;
        power = (power * 5) % (8 * half);
      }
    }
    const bits = Math.log2(slots);
    this.#reversed = Uint32Array.from({ length: slots }, (_, i) => {
      let r = 0;
      for (let b = 0; b < bits; b++) r |= ((i >> b) & 1) << (bits - 1 - b);
      return r;
    });
  }

  /** Slot values from coefficients, in place: on entry re[k] + i im[k] = m_k + i m_(k+s), on exit slot k. */
  toSlots(re: Float64Array, im: Float64Array): void {
    this.#reverse(re, im);
    const [cos, sin] = [this.#cos, this.#sin];
    for (let half = 1; half < this.slots; half *= 2) {
      for (let start = 0; start < this.slots; start += 2 * half) {
        for (let j = 0; j < half; j++) {
          const lo = start + j;
          const hi = lo + half;
          const [c, s] = [cos[half + j]!, sin[half + j]!];
          const tr = re[hi]! * c - im[hi]! * s;
          const ti = re[hi]! * s + im[hi]! * c;
          re[hi] = re[lo]! - tr;
          im[hi] = im[lo]! - ti;
          re[lo] = re[lo]! + tr;
          im[lo] = im[lo]! + ti;
        }
      }
    }
  }

  /** The inverse of {@link toSlots}, in place. */
  toCoefficients(re: Float64Array, im: Float64Array): void {
    const [cos, sin] = [this.#cos, this.#sin];
    for (let half = this.slots / 2; half >= 1; half /= 2) {
      for (let start = 0; start < this.slots; start += 2 * half) {
        for (let j = 0; j < half; j++) {
          const lo = start + j;
          const hi = lo + half;
          const [c, s] = [cos[half + j]!, sin[half + j]!];
          const dr = re[lo]! - re[hi]!;
          const di = im[lo]! - im[hi]!;
          re[lo] = re[lo]! + re[hi]!;
          im[lo] = im[lo]! + im[hi]!;
          re[hi] = dr * c + di * s;
          im[hi] = di * c - dr * s;
        }
      }
    }
    this.#reverse(re, im);
    for (let i = 0; i < this.slots; i++) {
      re[i] = re[i]! / this.slots;
      im[i] = im[i]! / this.slots;
    }
  }

  #reverse(re: Float64Array, im: Float64Array): void {
    for (let i = 0; i < this.slots; i++) {
      const j = this.#reversed[i]!;
      if (i >= j) continue;
      const [r, m] = [re[i]!, im[i]!];
      re[i] = re[j]!;
      im[i] = im[j]!;
      re[j] = r;
      im[j] = m;
    }
  }
}
