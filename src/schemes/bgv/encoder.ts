/**
 * Integers modulo t to plaintexts and back [SV14]. Slot j of the first row is the value at psi^(5^j), slot j of the second at
 * psi^(-5^j): the automorphism X -> X^(5^k) shifts both rows left by k, X -> X^-1 swaps them.
 */
import { OutOfRangeError, ShapeError } from '../../base/errors.ts';
import type { Arena } from '../../ring/arena.ts';
import type { BgvContextBase } from './context-base.ts';
import { BgvPlaintext, PLAIN_LIMB } from './plaintext.ts';

export class BgvEncoder {
  #context: BgvContextBase;
  #arena: Arena;
  /** Position in the transform of each slot. */
  #places: Uint32Array;

  constructor(context: BgvContextBase, arena: Arena) {
    this.#context = context;
    this.#arena = arena;
    this.#places = slotPlaces(context.params.n, context.params.logN);
  }

  /**
   * Up to N integers between -t and t, zero-padded: the first N / 2 are row 0, the others row 1.
   *
   * - cost: one inverse transform modulo t
   *
   * @throws {ShapeError} {@link OutOfRangeError}
   */
  encode(values: ArrayLike<number>): BgvPlaintext {
    const { params, kernel, plainRing } = this.#context;
    if (values.length > params.n) throw new ShapeError('values', `at most ${params.n}`, values.length);
    const isReady = values instanceof Float64Array || values instanceof Int32Array;
    const given = isReady ? values : Float64Array.from(values);
    try {
      return this.#arena.make(params.n, (words) => {
        if (!kernel.encodeSlots(plainRing.tables, words, given, this.#places)) throw this.#notIntegers();
        return new BgvPlaintext(this.#context, words);
      });
    } finally {
      if (!isReady) given.fill(0);
    }
  }

  /** The N slots as integers in (-t/2, t/2). @throws {ParamsMismatchError} */
  decode(plaintext: BgvPlaintext): Float64Array {
    const { params, kernel, plainRing } = this.#context;
    this.#context.assertOwn('a plaintext', plaintext);
    const slots = new Float64Array(params.n);
    kernel.decodeSlots(plainRing.tables, slots, plaintext.coefficients, this.#places);
    return slots;
  }

  /** N coefficients between -t and t. @throws {ShapeError} {@link OutOfRangeError} */
  encodeCoefficients(coefficients: ArrayLike<number>): BgvPlaintext {
    const { params, kernel, plainRing } = this.#context;
    if (coefficients.length !== params.n) throw new ShapeError('coefficients', params.n, coefficients.length);
    const values = Float64Array.from(coefficients);
    try {
      this.#assertIntegers(values);
      return this.#arena.make(params.n, (words) => {
        kernel.fromDoubles(plainRing.tables, words, values, PLAIN_LIMB);
        return new BgvPlaintext(this.#context, words);
      });
    } finally {
      values.fill(0);
    }
  }

  /** The N coefficients as integers in (-t/2, t/2). @throws {ParamsMismatchError} */
  decodeCoefficients(plaintext: BgvPlaintext): Float64Array {
    this.#context.assertOwn('a plaintext', plaintext);
    return plaintext.centred();
  }

  #assertIntegers(values: Float64Array): void {
    const { t } = this.#context.params;
    let fits = true;
    for (const value of values) fits = fits && Number.isInteger(value) && Math.abs(value) < t;
    if (!fits) throw this.#notIntegers();
  }

  #notIntegers(): OutOfRangeError {
    const { t } = this.#context.params;
    return new OutOfRangeError('every value', `an integer between -${t} and ${t}`, 'another');
  }
}

/** In the transform, position i holds the value at psi^(2 bitrev(i) + 1). */
function slotPlaces(n: number, logN: number): Uint32Array {
  const places = new Uint32Array(n);
  let exponent = 1;
  for (let j = 0; j < n / 2; j++) {
    places[j] = reverseBits((exponent - 1) / 2, logN);
    places[j + n / 2] = reverseBits((2 * n - exponent - 1) / 2, logN);
    exponent = (exponent * 5) % (2 * n);
  }
  return places;
}

function reverseBits(value: number, bits: number): number {
  let out = 0;
  for (let i = 0; i < bits; i++) out = (out << 1) | ((value >> i) & 1);
  return out;
}
