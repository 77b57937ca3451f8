/**
 * Decryption: c_0 + c_1 s (+ c_2 s^2). Fixed shape: the same work whatever the values.
 *
 * Decrypted CKKS values carry the noise, and with it information on the secret key [LM21]: they must not be shown to others
 * except through {@link CkksEncoder.decodePublic}, nor may the client's behaviour towards a server depend on them.
 */
import { RlweDecryptor } from '../rlwe/decryptor.ts';
import { innerProductInto } from '../rlwe/key-switching.ts';
import type { CiphertextBatch, CkksCiphertext } from './ciphertext.ts';
import type { CkksContext } from './context.ts';
import { CkksPlaintext } from './plaintext.ts';

export class CkksDecryptor extends RlweDecryptor<
  CkksContext,
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
