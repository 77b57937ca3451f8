/**
 * The secret key: a ternary polynomial s over all primes, NTT domain, derived from a 32-byte key that is all an export holds.
 * Disposing overwrites both. It prints as "[secret]".
 */
import type { ParamsId } from '../../../base/brand.ts';
import { DisposedError } from '../../../base/errors.ts';
import { Secret } from '../../../base/secret.ts';
import type { Words } from '../../../kernel/kernel.ts';
import { handOver } from '../../../ring/arena.ts';
import { ternaryInto } from '../../../ring/samplers.ts';
import type { RlweContext } from '../context.ts';
import { readHeader, WireKind, writeHeader } from '../wire/wire.ts';

let wordsOf: (key: SecretKey) => Words;

export class SecretKey extends Secret implements Disposable {
  readonly paramsId: ParamsId;
  #words: Words;
  #streamKey: Uint8Array;
  #isDisposed = false;

  static {
    wordsOf = (key) => {
      if (key.#isDisposed) throw new DisposedError('a secret key');
      return key.#words;
    };
  }

  /** Expands s from `streamKey` (32 secret bytes, copied; the caller wipes its own). Made by the key generator. */
  constructor(context: RlweContext, streamKey: Uint8Array) {
    super();
    this.paramsId = context.params.id;
    const mods = context.ring.moduli.map((_, i) => i);
    this.#words = handOver(context.kernel.allocate(mods.length * context.params.n), (words) => {
      ternaryInto(context.ring, words, streamKey, mods);
      return words;
    });
    this.#streamKey = streamKey.slice();
  }

  /** The key as bytes that must never be stored or sent except sealed. The caller wipes them. @throws {DisposedError} */
  exportSecretBytes(): Uint8Array {
    if (this.#isDisposed) throw new DisposedError('a secret key');
    const writer = writeHeader(WireKind.secretKey, this.paramsId, 32);
    writer.bytes(this.#streamKey);
    return writer.finish();
  }

  /** @throws {DecodeError} {@link ParamsMismatchError} */
  static fromSecretBytes(context: RlweContext, bytes: Uint8Array): SecretKey {
    const reader = readHeader('a secret key', bytes, WireKind.secretKey, context.params.id);
    const streamKey = reader.bytes(32);
    reader.end();
    return new SecretKey(context, streamKey);
  }

  [Symbol.dispose](): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#words.wipe();
    this.#streamKey.fill(0);
  }
}

/**
 * s in the NTT domain over q_0 .. q_L, then p; a prefix is s over a prefix of the primes. For decryption and key generation:
 * borrowed, secret, not to be copied without wiping the copy.
 *
 * @throws {DisposedError}
 */
export function secretWords(key: SecretKey): Words {
  return wordsOf(key);
}
