/**
 * Decryption: c_0 + c_1 s (+ c_2 s^2). Fixed shape: the same work whatever the values.
 *
 * Decrypted CKKS values carry the noise, and with it information on the secret key [LM21]: they must not be shown to others
 * except through {@link CkksEncoder.decodePublic}, nor may the client's behaviour towards a server depend on them.
 */
import type { Arena } from '../../ring/arena.ts';
import { innerProductInto } from '../rlwe/key-switching.ts';
import type { SecretKey } from '../rlwe/secret-key.ts';
import type { CiphertextBatch, CkksCiphertext } from './ciphertext.ts';
import type { CkksContext } from './context.ts';
import { CkksPlaintext } from './plaintext.ts';

export class CkksDecryptor {
  #context: CkksContext;
  #key: SecretKey;
  #arena: Arena;

  constructor(context: CkksContext, key: SecretKey, arena: Arena) {
    context.assertOwn('a secret key', key);
    this.#context = context;
    this.#key = key;
    this.#arena = arena;
  }

  /**
   * - level, scale, noise: those of the ciphertext
   * - cost: one product per part beyond the first, no NTT
   *
   * @throws {ParamsMismatchError} {@link DisposedError}
   */
  decrypt(ciphertext: CkksCiphertext): CkksPlaintext {
    return this.#decryptOne(ciphertext, 0);
  }

  /** As {@link decrypt}, for each ciphertext in order. */
  decryptBatch(batch: CiphertextBatch): CkksPlaintext[] {
    return Array.from({ length: batch.count }, (_, i) => this.#decryptOne(batch, i));
  }

  #decryptOne(batch: CiphertextBatch, index: number): CkksPlaintext {
    const context = this.#context;
    context.assertOwn('a ciphertext', batch);
    const m = this.#arena.allocate(batch.polyWords);
    innerProductInto(m, batch, index, this.#key);
    return this.#arena.adopt(new CkksPlaintext(context, m, batch.level, batch.scale));
  }
}
