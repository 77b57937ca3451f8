/**
 * What is added to a result before its owner gets it back: an encryption of zero under the owner's public key, over *all* coefficients of both
 * parts, and uniform noise on the first. The second part of a result is a public function of the query, the evaluation keys
 * and the weights, so whoever knows two candidates for the weights recognises the one in use by it alone; behind the encryption of
 * zero it is as good as uniform.
 *
 * The mask is a function of `seed` and of nothing else, u, e_0, e_1 and the noise under labels of their own. One seed may mask one
 * result: the difference of two under the same mask is the difference of the results, without any noise.
 */
import type { RlweCiphertexts } from './ciphertext.ts';
import type { PublicKey } from './keys/public-key.ts';
import { ZeroEncryption } from './zero-encryption.ts';

/**
 * Adds the mask to `result`, two-part ciphertexts, in place; the noise is uniform in [-2^floodBits, 2^floodBits).
 *
 * - noise: that of a fresh encryption under a public key, and the flooding
 * - cost: three transforms per limb and part, one more for the flooding
 *
 * @throws {ParamsMismatchError} {@link KernelError}
 */
export function maskReply(
  result: RlweCiphertexts,
  key: PublicKey,
  seed: Uint8Array,
  floodBits: number,
): void {
  const { context, words, mods } = result;
  const { kernel, ring } = context;
  using zeros = new ZeroEncryption(context, key, seed);
  using mask = kernel.allocate(words.length);
  zeros.fill(mask, mods);
  zeros.flood(mask, floodBits, mods);
  kernel.add(ring.tables, words, words, mask, mods);
}
