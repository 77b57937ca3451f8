/** Encryption and decryption under S by whoever holds the secret key. */
import * as arg from '../../base/arguments.ts';
import { OutOfRangeError, ShapeError } from '../../base/errors.ts';
import { Drbg } from '../../base/random.ts';
import { Scratch } from '../../ring/scratch.ts';
import { errorInto } from '../../ring/samplers.ts';
import { type TfheCiphertext, TfhePackedCiphertext } from './ciphertext.ts';
import { FIRST, TfheContext } from './context.ts';
import { TfheSecretKey, tfheSecrets } from './secret-key.ts';

const HOLDER = {
  context: arg.instance('a TfheContext (TfheContext.open)', TfheContext),
  key: arg.instance('a TfheSecretKey (TfheSecretKey.generate)', TfheSecretKey),
};

export class TfheEncryptor {
  readonly #context: TfheContext;
  readonly #key: TfheSecretKey;

  /** Borrows both. @throws {ParamsMismatchError} */
  constructor(context: TfheContext, key: TfheSecretKey) {
    arg.checkArguments('new TfheEncryptor', [context, key], HOLDER);
    context.assertOwn('a secret key', key);
    this.#context = context;
    this.#key = key;
  }

  /**
   * Messages to one ciphertext, at most N of them, each an integer from 0 to p - 1. What it costs does not depend on how many.
   *
   * @throws {OutOfRangeError} {@link ShapeError} {@link DisposedError}
   */
  encrypt(messages: readonly number[] | Int32Array | Uint8Array): TfhePackedCiphertext {
    const { kernel, params, ring, random } = this.#context;
    if (messages.length > params.n) throw new ShapeError('messages', `at most ${params.n}`, messages.length);
    const secret = tfheSecrets(this.#key).words;
    const values = new Float64Array(params.n);
    const seed = random.seed();
    using drbg = new Drbg(seed);
    seed.fill(0);
    using scratch = new Scratch(kernel);
    try {
      for (let i = 0; i < messages.length; i++) {
        const message = messages[i]!;
        if (!Number.isInteger(message) || message < 0 || message >= params.messages)
          throw new OutOfRangeError(
            'a message',
            `an integer from 0 to ${params.messages - 1}`,
            'another value',
          );
        values[i] = Math.round(message * params.unit);
      }
      const [a, b, product] = [
        scratch.allocate(params.n),
        scratch.allocate(params.n),
        scratch.allocate(params.n),
      ];
      const aSeed = drbg.nextPublicSeed();
      kernel.uniform(ring.tables, a, aSeed, FIRST);
      errorInto(ring, b, drbg.nextKey('e'), FIRST);
      kernel.mul(ring.tables, product, a, secret, FIRST);
      kernel.sub(ring.tables, b, b, product, FIRST);
      kernel.transformDoubles(ring.tables, product, values, FIRST);
      kernel.add(ring.tables, b, b, product, FIRST);
      kernel.nttInverse(ring.tables, b, FIRST);
      const body = new Float64Array(params.n);
      kernel.toDoubles(ring.tables, body, b, FIRST);
      return new TfhePackedCiphertext(params.id, messages.length, aSeed, body);
    } finally {
      values.fill(0);
    }
  }
}

export class TfheDecryptor {
  readonly #context: TfheContext;
  readonly #key: TfheSecretKey;

  /** Borrows both. @throws {ParamsMismatchError} */
  constructor(context: TfheContext, key: TfheSecretKey) {
    arg.checkArguments('new TfheDecryptor', [context, key], HOLDER);
    context.assertOwn('a secret key', key);
    this.#context = context;
    this.#key = key;
  }

  /** The message, an integer from -p to p - 1: sums and differences may leave 0 .. p - 1. @throws {DisposedError} */
  decrypt(ciphertext: TfheCiphertext): number {
    const { params } = this.#context;
    const steps = 2 * params.messages;
    const value = Math.round((this.#phase(ciphertext) / params.q) * steps);
    return ((value + params.messages + steps) % steps) - params.messages;
  }

  /** How far the phase is from `message`, as a fraction of the circle: for tests of noise. Secret. */
  noise(ciphertext: TfheCiphertext, message: number): number {
    const { params } = this.#context;
    const difference = this.#phase(ciphertext) / params.q - message / (2 * params.messages);
    return difference - Math.round(difference);
  }

  /** b + sum a_j S_j, centred. No branch depends on the secret. */
  #phase(ciphertext: TfheCiphertext): number {
    const { params } = this.#context;
    this.#context.assertOwn('a ciphertext', ciphertext);
    const { ring } = tfheSecrets(this.#key);
    const { words } = ciphertext;
    let sum = words[params.n]!;
    for (let j = 0; j < params.n; j++) {
      sum += words[j]! * ring[j]!;
      sum -= params.q * Math.round(sum / params.q);
    }
    return sum;
  }
}
