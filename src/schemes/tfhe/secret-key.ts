/**
 * The secret key: binary S in the ring and s of the LWE ciphertexts inside a bootstrap, derived from a 32-byte key that is all an export
 * holds. Disposing overwrites them. It prints as "[secret]".
 */
import type { ParamsId } from '../../base/brand.ts';
import { DisposedError } from '../../base/errors.ts';
import { Drbg } from '../../base/random.ts';
import { Secret } from '../../base/secret.ts';
import { sha256Mac } from '../../base/sha256.ts';
import type { Words } from '../../kernel/kernel.ts';
import { handOver } from '../../ring/arena.ts';
import type { SecretKey } from '../rlwe/keys/secret-key.ts';
import { FIRST, type TfheContext } from './context.ts';
import { readTfheHeader, TfheKind, writeTfheHeader } from './wire.ts';

/** What key generation and decryption borrow: secret, not to be copied without wiping the copy. */
export interface TfheSecrets {
  /** S, coefficients 0 and 1. */
  readonly ring: Int8Array;
  /** S in the NTT domain. */
  readonly words: Words;
  /** s, 0 and 1. */
  readonly lwe: Int8Array;
}

const DERIVED = new TextEncoder().encode('subrosa tfhe secret key');

let secretsOf: (key: TfheSecretKey) => TfheSecrets;

export class TfheSecretKey extends Secret implements Disposable {
  readonly paramsId: ParamsId;
  readonly #secrets: TfheSecrets;
  readonly #streamKey: Uint8Array;
  #isDisposed = false;

  static {
    secretsOf = (key) => {
      if (key.#isDisposed) throw new DisposedError('a secret key');
      return key.#secrets;
    };
  }

  private constructor(context: TfheContext, streamKey: Uint8Array) {
    super();
    const { params, kernel, ring } = context;
    this.paramsId = params.id;
    const [bits, lwe] = [
      binary(context, params.n, streamKey, 0),
      binary(context, params.lweDimension, streamKey, 1),
    ];
    const words = handOver(kernel.allocate(params.n), (fresh) => {
      kernel.transformSigned(ring.tables, fresh, bits, FIRST);
      return fresh;
    });
    this.#secrets = { ring: bits, words, lwe };
    this.#streamKey = streamKey.slice();
  }

  static generate(context: TfheContext): TfheSecretKey {
    const seed = context.random.seed();
    using drbg = new Drbg(seed);
    seed.fill(0);
    const streamKey = drbg.nextKey('s');
    try {
      return new TfheSecretKey(context, streamKey);
    } finally {
      streamKey.fill(0);
    }
  }

  /**
   * The key that belongs to a key of another scheme: a function of it, one-way, so that whoever keeps that one keeps both.
   *
   * @throws {DisposedError}
   */
  static derived(context: TfheContext, from: SecretKey): TfheSecretKey {
    const bytes = from.exportSecretBytes();
    const streamKey = sha256Mac(bytes, DERIVED);
    try {
      return new TfheSecretKey(context, streamKey);
    } finally {
      bytes.fill(0);
      streamKey.fill(0);
    }
  }

  get isDisposed(): boolean {
    return this.#isDisposed;
  }

  /** The key as bytes that must never be stored or sent except sealed. The caller wipes them. @throws {DisposedError} */
  exportSecretBytes(): Uint8Array {
    if (this.#isDisposed) throw new DisposedError('a secret key');
    const writer = writeTfheHeader(TfheKind.secretKey, this.paramsId, 32);
    writer.bytes(this.#streamKey);
    return writer.finish();
  }

  /** @throws {DecodeError} {@link ParamsMismatchError} */
  static fromSecretBytes(context: TfheContext, bytes: Uint8Array): TfheSecretKey {
    const reader = readTfheHeader('a secret key', bytes, TfheKind.secretKey, context.params.id);
    const streamKey = reader.bytes(32);
    reader.end();
    return new TfheSecretKey(context, streamKey);
  }

  [Symbol.dispose](): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#secrets.words.wipe();
    for (const secret of [this.#secrets.ring, this.#secrets.lwe, this.#streamKey]) secret.fill(0);
  }
}

/** @throws {DisposedError} */
export function tfheSecrets(key: TfheSecretKey): TfheSecrets {
  return secretsOf(key);
}

function binary({ kernel }: TfheContext, count: number, streamKey: Uint8Array, nonce: number): Int8Array {
  const draws = new Float64Array(count);
  try {
    // -1 or 0.
    kernel.uniformSigned(draws, 0, streamKey, nonce);
    const bits = new Int8Array(count);
    for (let i = 0; i < count; i++) bits[i] = -draws[i]!;
    return bits;
  } finally {
    draws.fill(0);
  }
}
