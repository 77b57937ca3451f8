/** Decryption, as far as it does not depend on the scheme. */
import type { Arena } from '../../ring/arena.ts';
import type { RlweCiphertexts } from './ciphertext.ts';
import type { RlweContext } from './context.ts';
import type { SecretKey } from './keys/secret-key.ts';

/** `B` the scheme's batches, `S` its single ciphertexts, `P` its plaintexts. */
export abstract class RlweDecryptor<C extends RlweContext, B extends RlweCiphertexts<C>, S extends B, P> {
  protected readonly context: C;
  protected readonly key: SecretKey;
  protected readonly arena: Arena;

  /** @throws {ParamsMismatchError} */
  constructor(context: C, key: SecretKey, arena: Arena) {
    context.assertOwn('a secret key', key);
    this.context = context;
    this.key = key;
    this.arena = arena;
  }

  /** Ciphertext `index` of a batch of this context. */
  protected abstract decryptAt(batch: B, index: number): P;

  /** @throws {ParamsMismatchError} {@link DisposedError} */
  decrypt(ciphertext: S): P {
    return this.#decryptOwn(ciphertext, 0);
  }

  /** As {@link decrypt}, for each ciphertext in order. */
  decryptBatch(batch: B): P[] {
    return Array.from({ length: batch.count }, (_, i) => this.#decryptOwn(batch, i));
  }

  #decryptOwn(batch: B, index: number): P {
    this.context.assertOwn('a ciphertext', batch);
    return this.decryptAt(batch, index);
  }
}
