/** {@link Kernel.fractionDot}, {@link Kernel.roundFractions} and {@link Kernel.squaredNorms} of the reference, as plain loops. */
import { nearestInteger } from '../../base/nearest-integer.ts';
import type { CanonicalEmbedding } from '../tables/canonical-embedding.ts';
import type { FractionParts, Kernel } from '../kernel.ts';
import { checkFractionDot, checkRoundFractions, checkSquaredNorms } from '../preconditions.ts';

/** The rest is rounded to so many bits behind the point. */
export const REST_BITS = 48;

/** Coefficients of part `index` of the polynomials b, as integers; the rest, in units of 2^-64, is the part behind the exact ones. */
function fractionPart(b: Uint32Array, words: number, { bits, exact }: FractionParts, index: number) {
  const out = new Float64Array(b.length / words);
  let offset = 0n;
  for (let i = 0; i <= exact; i++) offset += 1n << BigInt(63 - bits * i);
  const [high, low] = [Number(offset >> 32n), Number(offset & 0xffff_ffffn)];
  const isRest = index === exact;
  const below = isRest ? 0 : 64 - bits * (index + 1);
  const width = isRest ? 64 - bits * exact : bits;
  for (let i = 0; i < out.length; i++) {
    const w1 = (b[i * words + 1] as number) + low;
    const w0 = ((b[i * words] as number) + high + (w1 >= 2 ** 32 ? 1 : 0)) % 2 ** 32;
    const value = bitField(w0, w1 % 2 ** 32, below, width) - 2 ** (width - 1);
    out[i] = isRest && words > 2 ? value + (b[i * words + 2] as number) * 2 ** -32 : value;
  }
  return out;
}

/** `width` bits of w0 2^32 + w1 from place `below` on. */
function bitField(w0: number, w1: number, below: number, width: number): number {
  const end = below + width;
  const high = end <= 32 ? 0 : Math.floor((w0 % 2 ** (end - 32)) / 2 ** Math.max(0, below - 32));
  if (below >= 32) return high;
  const low = Math.floor((end < 32 ? w1 % 2 ** end : w1) / 2 ** below);
  return high * 2 ** (32 - below) + low;
}

/** Slot values of polynomials: one run of `slots` for each. */
class Spectra {
  readonly re: Float64Array;
  readonly im: Float64Array;

  constructor(kernel: Kernel, embedding: CanonicalEmbedding, coefficients: Float64Array) {
    const { slots } = embedding;
    this.re = new Float64Array(coefficients.length / 2);
    this.im = new Float64Array(coefficients.length / 2);
    for (let at = 0; at < this.re.length; at += slots) {
      const [re, im] = [this.re.subarray(at, at + slots), this.im.subarray(at, at + slots)];
      kernel.unembed(embedding, re, im, coefficients.subarray(2 * at, 2 * (at + slots)), 0, 1);
    }
  }
}

export function fractionDotByParts(
  kernel: Kernel,
  embedding: CanonicalEmbedding,
  out: Float64Array,
  values: Int32Array,
  b: Uint32Array,
  words: number,
  parts: FractionParts,
): void {
  const { rows, terms } = checkFractionDot(embedding, out, values, b, words, parts);
  const { slots } = embedding;
  const n = 2 * slots;
  const spectra = Array.from(
    { length: parts.exact + 1 },
    (_, i) => new Spectra(kernel, embedding, fractionPart(b, words, parts, i)),
  );
  const [re, im, product] = [new Float64Array(slots), new Float64Array(slots), new Float64Array(n)];
  for (let row = 0; row < rows; row++) {
    const own = Float64Array.from(values.subarray(row * terms * n, (row + 1) * terms * n));
    const spectrum = new Spectra(kernel, embedding, own);
    const total = out.subarray(row * n, (row + 1) * n).fill(0);
    spectra.forEach((part, index) => {
      sumOfProducts(re, im, spectrum, part);
      const isRest = index === parts.exact;
      kernel.embed(embedding, re, im, product, 0, (isRest ? 2 ** (REST_BITS - 64) : 1) / slots, Infinity);
      const unit = 2 ** -(isRest ? REST_BITS : parts.bits * (index + 1));
      for (let i = 0; i < n; i++) {
        const value = product[i] * unit;
        total[i] += value - nearestInteger(value);
      }
    });
    for (let i = 0; i < n; i++) total[i] -= nearestInteger(total[i]);
    own.fill(0);
    spectrum.re.fill(0);
    spectrum.im.fill(0);
  }
}

/** {@link Kernel.roundFractions}. */
export function roundFractionsByLoops(
  out: Float64Array,
  distances: Float64Array,
  digits: Int32Array,
  masks: Float64Array,
  n: number,
  digitBits: number,
  results: number,
): void {
  const { steps, count } = checkRoundFractions(out, distances, digits, masks, n, digitBits);
  for (let row = 0; row < distances.length; row++) {
    const [from, first] = [row * n, row * n * steps];
    let farthest = 0;
    for (let j = 0; j < n; j++) {
      const word = ((digits[first + j] << 16) + digits[first + n + j]) | 0;
      let value = word * 2 ** -32 - masks[from + j];
      let unit = 2 ** -32;
      for (let at = first + 2 * n + j; at < first + steps * n; at += n) {
        unit *= 2 ** -digitBits;
        value += digits[at] * unit;
      }
      value = (value - nearestInteger(value)) * results;
      const distance = value - nearestInteger(value);
      farthest = Math.max(farthest, Math.abs(distance));
      // Adding zero makes -0 an ordinary 0.
      if (j < count) out[row * count + j] = value - distance + 0;
    }
    distances[row] = farthest;
  }
}

/** {@link Kernel.squaredNorms}. */
export function squaredNormsByLoops(out: Float64Array, values: Int32Array, bound: number): boolean {
  const length = checkSquaredNorms(out, values, bound);
  let isWithin = true;
  for (let row = 0, i = 0; row < out.length; row++) {
    let sum = 0;
    for (const end = i + length; i < end; i++) {
      const value = values[i];
      isWithin &&= Math.abs(value) <= bound;
      sum += value * value;
    }
    out[row] = sum;
  }
  return isWithin;
}

/** Term after term; the order of the operations fixes the bits. */
function sumOfProducts(re: Float64Array, im: Float64Array, a: Spectra, b: Spectra): void {
  const slots = re.length;
  re.fill(0);
  im.fill(0);
  for (let at = 0; at < a.re.length; at += slots) {
    for (let j = 0; j < slots; j++) {
      const [x, y, c, s] = [a.re[at + j], a.im[at + j], b.re[at + j], b.im[at + j]];
      re[j] = re[j] + x * c - y * s;
      im[j] = im[j] + x * s + y * c;
    }
  }
}
