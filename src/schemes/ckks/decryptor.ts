/**
 * Decryption: c_0 + c_1 s (+ c_2 s^2). Fixed shape: the same work whatever the values.
 *
 * Decrypted CKKS values carry the noise, and with it information on the secret key [LM21]: they are for the owner of the key alone.
 * {@link CkksRelease} is the way to publish a result; the client's behaviour towards a server may not depend on one.
 */
import { RlweDecryptor } from '../rlwe/decryptor.ts';
import { innerProductInto } from '../rlwe/key-switching.ts';
import type { CiphertextBatch, CkksCiphertext } from './ciphertext.ts';
import type { CkksContextBase } from './context-base.ts';
import { CkksPlaintext } from './plaintext.ts';

export class CkksDecryptor extends RlweDecryptor<
  CkksContextBase,
  CiphertextBatch,
  CkksCiphertext,
  CkksPlaintext
> {
  /**
   * - level, scale, noise: those of the ciphertext
   * - cost: one product per part beyond the first, no NTT
   */
  protected override decryptAt(batch: CiphertextBatch, index: number): CkksPlaintext {
    return this.arena.make(batch.polyWords, (m) => {
      innerProductInto(m, batch, index, this.key);
      return new CkksPlaintext(this.context, m, batch);
    });
  }
}
