/** The attack of Li and Micciancio [LM21]: from what was published of a ciphertext to the secret key. */
import type { CkksCiphertext } from '../../../src/schemes/ckks/ciphertext.ts';
import type { CkksContext } from '../../../src/schemes/ckks/context.ts';
import type { SecretKey } from '../../../src/schemes/rlwe/keys/secret-key.ts';
import { secretWords } from '../../../src/schemes/rlwe/keys/secret-key.ts';

/** Real slots of a result, and of the result times X^(N/2): minus its imaginary parts. Both are legal results. */
export interface Published {
  readonly real: Float64Array;
  readonly turned: Float64Array;
}

/** The noise of a ciphertext of zero, `gain` times of which was published at `scale`. */
export function noiseFrom(context: CkksContext, published: Published, scale: number, gain: number): number[] {
  using arena = context.arena();
  const encoder = context.encoder(arena);
  const imaginary = published.turned.map((value) => -value);
  const plaintext = encoder.encode(published.real, { imaginary, scale });
  return Array.from(encoder.decodeCoefficients(plaintext), (value) => Math.round((value * scale) / gain));
}

/** Of N words of s modulo q_0, in the NTT domain, how many s = (e - c_0) / c_1 gets right. */
export function recoveredWords(
  context: CkksContext,
  fresh: CkksCiphertext,
  noise: readonly number[],
  secret: SecretKey,
): number {
  using arena = context.arena();
  const { n, q } = context.params;
  const { q: q0 } = q[0]!;
  const modulus = BigInt(q0);
  const limit = q0 / 4;
  const centred = noise.map((value) => (Math.abs(value) < limit ? value : 0));
  const e = context.encoder(arena).encodeCoefficients(centred, { scale: 1, level: 0 }).polynomial.words.u64();
  const [c0, c1] = [0, 1].map((part) => fresh.part(0, part).words.u64());
  const truth = secretWords(secret).u64();
  let right = 0;
  for (let i = 0; i < n; i++) {
    // s c_1 = e - c_0 is a check without the division.
    const left = (truth[i]! * c1![i]!) % modulus;
    if (left === (e[i]! - c0![i]! + modulus) % modulus) right++;
  }
  return right;
}
