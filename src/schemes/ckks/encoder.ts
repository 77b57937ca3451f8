/**
 * Numbers to plaintexts and back. Symbols: N the ring degree, Delta the scale, s the number of slots of the subring in use.
 *
 * Noise of encoding: each coefficient is rounded to an integer, variance 1/12; in a slot, standard deviation sqrt(N/12) / Delta.
 */
import { LimitError, OutOfRangeError, ShapeError } from '../../base/errors.ts';
import type { Arena } from '../../ring/arena.ts';
import type { CkksContext } from './context.ts';
import { CkksPlaintext } from './plaintext.ts';

export interface EncodeOptions {
  /** Default: the highest level. */
  readonly level?: number;
  /** Default: the default scale of the parameters. */
  readonly scale?: number;
  /** A power of two dividing N/2: the plaintext is a polynomial in X^(N/(2 slots)), its slot vector repeats. Default N/2. */
  readonly slots?: number;
  /** Imaginary parts; default zero. */
  readonly imaginary?: ArrayLike<number>;
}

export class CkksEncoder {
  #context: CkksContext;
  #arena: Arena;

  constructor(context: CkksContext, arena: Arena) {
    this.#context = context;
    this.#arena = arena;
  }

  /**
   * Up to `slots` values, zero-padded.
   *
   * - level, scale: as asked
   * - cost: O(s log s) floating point, level + 1 forward NTTs
   *
   * @throws {ShapeError} when there are more values than slots. {@link OutOfRangeError} for a value that is not finite, or a
   * coefficient beyond 2^99 or half the active modulus.
   */
  encode(values: ArrayLike<number>, options: EncodeOptions = {}): CkksPlaintext {
    const slots = this.#slots(options.slots);
    const coefficients = new Float64Array(this.#context.params.n);
    this.#embed(values, options.imaginary ?? [], slots, coefficients, 0);
    return this.#round(coefficients, options);
  }

  /** Real parts of `slots` slots (default N/2); fewer slots average over the repetitions. @throws {ParamsMismatchError} */
  decode(plaintext: CkksPlaintext, options: { readonly slots?: number } = {}): Float64Array {
    return this.decodeComplex(plaintext, options).re;
  }

  /** @throws {ParamsMismatchError} */
  decodeComplex(
    plaintext: CkksPlaintext,
    options: { readonly slots?: number } = {},
  ): { re: Float64Array; im: Float64Array } {
    const slots = this.#slots(options.slots);
    const coefficients = this.decodeCoefficients(plaintext);
    const result = this.#unembed(coefficients, slots, 0);
    coefficients.fill(0);
    return result;
  }

  /**
   * Rounded to multiples of 2^-precisionBits, so that a result may be shown to others: the rounding must be coarser than the
   * noise, or the low digits reveal the secret key [LM21].
   *
   * @throws {OutOfRangeError} unless precisionBits is an integer in [0, 40]. {@link LimitError} when 2^-precisionBits is below
   * eight standard deviations of a fresh ciphertext's noise in a slot.
   */
  decodePublic(plaintext: CkksPlaintext, precisionBits: number): Float64Array {
    if (!Number.isInteger(precisionBits) || precisionBits < 0 || precisionBits > 40) {
      throw new OutOfRangeError('precisionBits', 'an integer from 0 to 40', precisionBits);
    }
    const noise = Math.sqrt(10.5 * this.#context.params.n) / plaintext.scale;
    const limit = Math.floor(-Math.log2(8 * noise));
    if (precisionBits > limit) throw new LimitError('precisionBits', limit, precisionBits);
    const step = 2 ** precisionBits;
    return this.decode(plaintext).map((value) => Math.round(value * step) / step);
  }

  /** N real coefficients times scale, rounded. @throws {ShapeError} {@link OutOfRangeError} */
  encodeCoefficients(coefficients: ArrayLike<number>, options: EncodeOptions = {}): CkksPlaintext {
    const { n } = this.#context.params;
    if (coefficients.length !== n) throw new ShapeError('coefficients', n, coefficients.length);
    return this.#round(Float64Array.from(coefficients), options);
  }

  /** The N coefficients divided by the scale, each the centred representative. @throws {ParamsMismatchError} */
  decodeCoefficients(plaintext: CkksPlaintext): Float64Array {
    const context = this.#context;
    context.assertOwn('a plaintext', plaintext);
    const { words, mods } = plaintext.polynomial;
    const out = new Float64Array(context.params.n);
    const copy = context.kernel.allocate(words.length);
    try {
      copy.u64().set(words.u64());
      context.kernel.nttInverse(context.ring.tables, copy, mods);
      context.kernel.toDoubles(context.ring.tables, out, copy, mods);
    } finally {
      copy.wipe();
    }
    for (let i = 0; i < out.length; i++) out[i] = out[i]! / plaintext.scale;
    return out;
  }

  /**
   * k vectors of N/(2k) values each in one plaintext: sum_i X^i m_i(X^k), m_i the encoding of vector i in the subring of degree
   * N/k. Multiplying or shifting it whole means nothing; {@link expandInterleaved} separates the vectors under encryption.
   *
   * @throws {ShapeError} {@link OutOfRangeError}
   */
  encodeInterleaved(vectors: readonly ArrayLike<number>[], options: EncodeOptions = {}): CkksPlaintext {
    const { n } = this.#context.params;
    const slots = this.#slots(n / (2 * vectors.length));
    const coefficients = new Float64Array(n);
    vectors.forEach((values, i) => {
      this.#embed(values, [], slots, coefficients, i);
    });
    return this.#round(coefficients, options);
  }

  /** The inverse of {@link encodeInterleaved}: k vectors of N/(2k) values. @throws {ShapeError} {@link ParamsMismatchError} */
  decodeInterleaved(plaintext: CkksPlaintext, k: number): Float64Array[] {
    const slots = this.#slots(this.#context.params.n / (2 * k));
    const coefficients = this.decodeCoefficients(plaintext);
    const vectors = Array.from({ length: k }, (_, i) => this.#unembed(coefficients, slots, i).re);
    coefficients.fill(0);
    return vectors;
  }

  #slots(asked: number | undefined): number {
    const all = this.#context.params.slots;
    const slots = asked ?? all;
    if (!Number.isInteger(Math.log2(slots)) || slots < 1 || slots > all) {
      throw new ShapeError('slots', `a power of two up to ${all}`, slots);
    }
    return slots;
  }

  /** Writes the encoding of `values` to the coefficients offset, offset + gap, ..., gap = N / (2 slots). */
  #embed(
    values: ArrayLike<number>,
    imaginary: ArrayLike<number>,
    slots: number,
    coefficients: Float64Array,
    offset: number,
  ): void {
    if (values.length > slots) throw new ShapeError('values', `at most ${slots}`, values.length);
    if (imaginary.length > slots)
      throw new ShapeError('imaginary values', `at most ${slots}`, imaginary.length);
    const re = new Float64Array(slots);
    const im = new Float64Array(slots);
    re.set(values);
    im.set(imaginary);
    this.#context.embedding(slots).toCoefficients(re, im);
    const gap = coefficients.length / (2 * slots);
    for (let k = 0; k < slots; k++) {
      coefficients[offset + k * gap] = re[k]!;
      coefficients[offset + (k + slots) * gap] = im[k]!;
    }
    re.fill(0);
    im.fill(0);
  }

  #unembed(
    coefficients: Float64Array,
    slots: number,
    offset: number,
  ): { re: Float64Array; im: Float64Array } {
    const re = new Float64Array(slots);
    const im = new Float64Array(slots);
    const gap = coefficients.length / (2 * slots);
    for (let k = 0; k < slots; k++) {
      re[k] = coefficients[offset + k * gap]!;
      im[k] = coefficients[offset + (k + slots) * gap]!;
    }
    this.#context.embedding(slots).toSlots(re, im);
    return { re, im };
  }

  /** Scales and rounds in place, wipes, and reduces modulo the active primes. */
  #round(coefficients: Float64Array, options: EncodeOptions): CkksPlaintext {
    const context = this.#context;
    const { params, kernel, ring } = context;
    const level = options.level ?? params.maxLevel;
    const scale = options.scale ?? params.defaultScale;
    context.assertLevel(level);
    if (!(scale > 0 && scale < 2 ** 99)) throw new OutOfRangeError('scale', 'positive and below 2^99', scale);
    const bound = 2 ** Math.min(99, params.logQAt(level) - 1);
    const mods = context.qMods(level);
    try {
      let fits = true;
      for (let i = 0; i < coefficients.length; i++) {
        const rounded = Math.round(coefficients[i]! * scale);
        coefficients[i] = rounded;
        fits = fits && Math.abs(rounded) < bound;
      }
      if (!fits) {
        throw new OutOfRangeError(
          'every coefficient times scale',
          `below 2^${Math.log2(bound).toFixed(1)}`,
          'larger',
        );
      }
      return this.#arena.make(mods.length * params.n, (words) => {
        kernel.fromDoubles(ring.tables, words, coefficients, mods);
        kernel.nttForward(ring.tables, words, mods);
        return new CkksPlaintext(context, words, level, scale);
      });
    } finally {
      coefficients.fill(0);
    }
  }
}
