/**
 * Decryption in fractions: sum y_i c_i / q as integer products modulo 2^32, <c_0 / q, key> as one product of fractions, and their difference,
 * modulo 1, rounded to a multiple of 1 / K.
 */
import { printOnOneLine } from '../../base/inspect.ts';
import { nearestInteger } from '../../base/nearest-integer.ts';
import { CanonicalEmbedding } from '../../kernel/tables/canonical-embedding.ts';
import type { FractionParts } from '../../kernel/kernel.ts';
import { resultArray, resultOutOfRange } from '../object-header.ts';
import type { LatticeCiphertext } from './ciphertext.ts';
import type { LatticeFunctionKeys } from './objects.ts';
import type { LatticeContext } from './context.ts';
import { KEY_DIGIT_BITS, PRODUCT_ERROR } from './precision.ts';
import { checkWeights } from './weights.ts';

/** Of 1 / K, for the floor in the encoding and the doubles of the decoder. */
const ROUNDING = 2 ** -9;
/** Noise and errors together stay below this where the weights allow it: a wrong key is told apart by what is beyond. */
const AMPLE = 1 / 4;

export class LatticeDecryption {
  readonly #context: LatticeContext;
  readonly #embedding: CanonicalEmbedding;
  /** What noise can amount to for weights of norm 1, in units of 1 / K; it grows with the norm. */
  readonly #unitNoise: number;
  /** Kept from call to call: fresh arrays of megabytes cost more than what is computed in them. */
  #sums = new Int32Array(0);
  #masks = new Float64Array(0);

  constructor(context: LatticeContext) {
    const { packing, results, modulus } = context.params;
    this.#context = context;
    this.#embedding = new CanonicalEmbedding(packing / 2);
    this.#unitNoise = (context.params.noiseBound(1) * results) / Number(modulus);
  }

  /** Inner products [rows, vectors], in `into` where it is given. @throws {OutOfRangeError} {@link ShapeError} */
  open(
    ciphertext: LatticeCiphertext,
    keys: LatticeFunctionKeys,
    weights: Int32Array,
    into?: Float64Array,
  ): Float64Array {
    const out = resultArray(into, keys.count * ciphertext.count);
    const { params, kernel } = this.#context;
    const { packing, results, resultBound, precision } = params;
    const squaredNorms = new Float64Array(keys.count);
    checkWeights(kernel, params, weights, squaredNorms);
    const largest = squaredNorms.reduce((most, norm) => Math.max(most, norm), 0);
    // Smaller weights come with less noise, and leave more of 1 / K to the product of keys and head.
    const error = Math.max(PRODUCT_ERROR, AMPLE - this.#noiseAndRounding(largest));
    const share = Math.sqrt(largest / (params.length * params.weightBound ** 2));
    const parts = precision.partsFor(share, error);
    const { digits, masks } = this.terms(ciphertext, keys, weights, parts);
    const distances = new Float64Array(keys.count);
    kernel.roundFractions(out, distances, digits, masks, packing, precision.digitBits, results);
    // A wrong key leaves uniform values, of which at least a share lie further from a multiple of 1 / K than the noise of these weights
    // can: one such coefficient, used or not, gives it away.
    if (distances.some((distance, row) => distance > this.#noiseAndRounding(squaredNorms[row]!) + error))
      throw resultOutOfRange(resultBound);
    return out;
  }

  /** What {@link Kernel.roundFractions} makes results of. Borrowed until the next call. */
  terms(
    ciphertext: LatticeCiphertext,
    keys: LatticeFunctionKeys,
    weights: Int32Array,
    parts: FractionParts,
  ): { readonly digits: Int32Array; readonly masks: Float64Array } {
    const size = keys.count * this.#context.params.packing;
    if (this.#masks.length < size) this.#masks = new Float64Array(size);
    const masks = this.#masks.subarray(0, size);
    this.#multiplyHead(masks, ciphertext, keys, parts);
    return { digits: this.#bodySums(ciphertext, keys.count, weights), masks };
  }

  dispose(): void {
    this.#sums.fill(0);
    this.#masks.fill(0);
  }

  /** <c_0 / q, key> modulo 1. */
  #multiplyHead(
    out: Float64Array,
    ciphertext: LatticeCiphertext,
    { coefficients }: LatticeFunctionKeys,
    parts: FractionParts,
  ): void {
    const { headWords } = this.#context.params.precision;
    const multiply = (to: Float64Array, digits: Int32Array, head: Uint32Array) =>
      this.#context.kernel.fractionDot(this.#embedding, to, digits, head, headWords, parts);
    if (coefficients instanceof Int32Array) {
      multiply(out, coefficients, ciphertext.head);
      return;
    }
    const high = new Int32Array(coefficients.length);
    const low = new Int32Array(coefficients.length);
    // Outside of the loop: powers are not folded there.
    const base = 2 ** KEY_DIGIT_BITS;
    for (let i = 0; i < coefficients.length; i++) {
      high[i] = nearestInteger(coefficients[i]! / base);
      low[i] = coefficients[i]! - high[i]! * base;
    }
    const rest = new Float64Array(out.length);
    multiply(out, high, ciphertext.shiftedHead);
    multiply(rest, low, ciphertext.head);
    for (let i = 0; i < out.length; i++) {
      const sum = out[i]! + rest[i]!;
      out[i] = sum - nearestInteger(sum);
    }
    high.fill(0);
    low.fill(0);
  }

  /** sum y_i c_i for each plane of the body, modulo 2^32: [rows, planes, d]. */
  #bodySums({ body }: LatticeCiphertext, rows: number, weights: Int32Array): Int32Array {
    const { kernel, params } = this.#context;
    const width = params.precision.planes * params.packing;
    if (this.#sums.length < rows * width) this.#sums = new Int32Array(rows * width);
    const sums = this.#sums.subarray(0, rows * width);
    kernel.updateIntegerProduct(sums, body, width, weights);
    return sums;
  }

  /** Largest distance from an integer that noise can cause for weights of this squared norm, and rounding, in units of 1 / K. */
  #noiseAndRounding(squaredNorm: number): number {
    return Math.sqrt(squaredNorm) * this.#unitNoise + ROUNDING;
  }
}

printOnOneLine(LatticeDecryption);
