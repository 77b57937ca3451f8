/**
 * Out of CKKS or BGV into TFHE: coefficients of a ciphertext's plaintext become messages, real numbers at first.
 *
 * (c_0, c_1) modulo q_0 under s, of degree N' = r N, is rounded to fractions c Q / (g q_0), which are below 2^24. The exit key (b, a), of
 * phase g s under S(X^r), then gives (g c_0 + c_1 b, c_1 a) modulo Q, of phase Q/q_0 (c_0 + c_1 s) + error: whole multiples of q_0
 * become whole multiples of Q and vanish. Coefficient i = r j + k of that is coefficient j of the k-th of r ring ciphertexts of degree N, each under S.
 * One prime does what a modulus with a special prime does elsewhere: nothing has to be divided by g afterwards, since q has room for it.
 */
import * as arg from '../../base/arguments.ts';
import { OutOfRangeError, ShapeError } from '../../base/errors.ts';
import type { Words } from '../../kernel/kernel.ts';
import { Scratch } from '../../ring/scratch.ts';
import { coefficientOf, TfheCiphertext } from './ciphertext.ts';
import { FIRST, TfheContext } from './context.ts';
import { exitWords, TfheExitKey } from './exit-key.ts';
import { EXIT_GADGET_BITS, exitVariance } from './noise.ts';

/** What is read of a plaintext, and what is known of it. */
export interface ExitReading {
  /** The coefficients that leave, 0 .. N' - 1. */
  readonly places: readonly number[];
  /** Integer that the plaintext is multiplied by first, or the coefficients of an integer polynomial; 1 unless given. */
  readonly factor?: number | Float64Array;
  /** Of the plaintext's own error in a coefficient that leaves, behind the factor, as a fraction of the circle of q_0. */
  readonly variance: number;
}

export class TfheExit {
  readonly #context: TfheContext;
  readonly #key: TfheExitKey;

  /** Borrows both. @throws {ParamsMismatchError} */
  constructor(context: TfheContext, key: TfheExitKey) {
    arg.checkArguments('new TfheExit', [context, key], {
      context: arg.instance('a TfheContext (TfheContext.open)', TfheContext),
      key: arg.instance('a TfheExitKey (TfheExitKey.generate)', TfheExitKey),
    });
    context.assertOwn('an exit key', key);
    this.#context = context;
    this.#key = key;
  }

  /**
   * Coefficients of the plaintext of `ciphertext` as messages: coefficient v becomes the real number 2 p v / q_0 modulo 2p, p as in the
   * parameters. They are real numbers and say so: a lookup refuses them until {@link TfheEvaluator.quantise} made levels of them.
   *
   * `ciphertext` are the 2 N' words of a two-part ciphertext at level 0, NTT domain; it stays as it is. Noise: {@link exitVariance}.
   *
   * @throws {ShapeError} {@link OutOfRangeError} {@link DisposedError}
   */
  leave(ciphertext: Words, { places, factor = 1, variance }: ExitReading): TfheCiphertext[] {
    const { kernel, params } = this.#context;
    const { ring, words: key, from } = exitWords(this.#key);
    const { n } = ring;
    const { q } = ring.moduli[0]!;
    if (ciphertext.length !== 2 * n)
      throw new ShapeError(
        'a ciphertext that leaves',
        `${2 * n} words: two parts at level 0`,
        ciphertext.length,
      );
    for (const place of places)
      if (!Number.isInteger(place) || place < 0 || place >= n)
        throw new OutOfRangeError('a coefficient that leaves', `an integer from 0 to ${n - 1}`, place);
    using scratch = new Scratch(kernel);
    const parts = scratch.allocate(2 * n);
    this.#multiplied(parts, ciphertext, factor);
    kernel.nttInverse(from.ring.tables, parts, FIRST);
    const fractions = new Float64Array(2 * n);
    kernel.toDoubles(from.ring.tables, fractions, parts, FIRST);
    const gadget = 2 ** EXIT_GADGET_BITS;
    const scale = q / (gadget * from.ring.moduli[0]!.q);
    for (let i = 0; i < 2 * n; i++) fractions[i] = Math.floor(fractions[i]! * scale + 0.5);
    const [first, second] = [parts.sub(0, n), parts.sub(n, n)];
    kernel.transformDoubles(ring.tables, second, fractions.subarray(n), FIRST);
    kernel.mul(ring.tables, first, second, key.sub(0, n), FIRST);
    kernel.mul(ring.tables, second, second, key.sub(n, n), FIRST);
    kernel.nttInverse(ring.tables, parts, FIRST);
    const out = new Float64Array(2 * n);
    kernel.toDoubles(ring.tables, out, parts, FIRST);
    const [steps, total] = [n / params.n, variance + exitVariance(params, from.params, q)];
    const up = params.q / q;
    const half = params.q / 2;
    return places.map((place) => {
      const part = place % steps;
      const mask = Float64Array.from({ length: params.n }, (_, j) => out[n + steps * j + part]!);
      const phase = out[place]! + gadget * fractions[place]!;
      const words = coefficientOf(mask, phase - q * Math.round(phase / q), (place - part) / steps);
      for (let i = 0; i < words.length; i++) {
        const word = Math.round(words[i]! * up);
        words[i] = word > half ? word - params.q : word;
      }
      return new TfheCiphertext(params.id, words, {
        min: -params.messages,
        max: params.messages,
        variance: total,
      });
    });
  }

  #multiplied(out: Words, ciphertext: Words, factor: number | Float64Array): void {
    const { kernel } = this.#context;
    const { from } = exitWords(this.#key);
    const { tables, n } = from.ring;
    const limit = from.ring.moduli[0]!.q / 2;
    if (typeof factor === 'number') {
      if (!Number.isInteger(factor) || factor < 1 || factor > limit)
        throw new OutOfRangeError('the factor of an exit', `an integer from 1 to ${limit}`, factor);
      kernel.mulScalar(tables, out, ciphertext, [factor], FIRST);
      return;
    }
    if (factor.length !== n)
      throw new ShapeError('the factor of an exit', `${n} coefficients`, factor.length);
    if (!factor.every((each) => Number.isInteger(each) && Math.abs(each) <= limit))
      throw new OutOfRangeError(
        'a coefficient of the factor of an exit',
        'an integer below q_0 / 2',
        'another',
      );
    using polynomial = kernel.allocate(n);
    kernel.transformDoubles(tables, polynomial, factor, FIRST);
    kernel.mul(tables, out, ciphertext, polynomial, FIRST);
  }
}
