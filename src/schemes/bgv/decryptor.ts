/**
 * Decryption: exact as long as the noise bound holds, which the evaluator sees to. Fixed shape: the same work whatever the values.
 *
 * The values are for the owner of the key alone: of a ciphertext that somebody else sent they may be the key itself. {@link BgvRelease}
 * is the way to publish a result.
 */
import { Scratch } from '../../ring/scratch.ts';
import { RlweDecryptor } from '../rlwe/decryptor.ts';
import { innerProductInto } from '../rlwe/key-switching.ts';
import type { BgvCiphertext, BgvCiphertextBatch } from './ciphertext.ts';
import type { BgvContextBase } from './context-base.ts';
import { lowestLevel } from './noise-bound.ts';
import { BgvPlaintext, PLAIN_LIMB } from './plaintext.ts';

/** q_0 alone. */
const LOWEST: readonly number[] = [0];

export class BgvDecryptor extends RlweDecryptor<
  BgvContextBase,
  BgvCiphertextBatch,
  BgvCiphertext,
  BgvPlaintext
> {
  /**
   * c(s) = v / t modulo the fewest primes that hold the bound of v is switched down to q_0 as one polynomial, where v is exact in a
   * double, then reduced modulo t. Other primes say nothing more of v, so they are not read.
   *
   * - noise: the switches add less than t to v: covered by the room that every bound leaves
   * - cost: one NTT where q_0 holds the bound, else l (l + 3) / 2 more for the level l that does
   */
  protected override decryptAt(batch: BgvCiphertextBatch, index: number): BgvPlaintext {
    const context = this.context;
    const { kernel, plainRing, params } = context;
    // Each switch divides the message by its prime modulo t.
    let undo = params.inverseModT(batch.factor);
    const level = lowestLevel(context.modulusBits, batch);
    for (let i = 1; i <= level; i++) undo = params.mulModT(undo, params.q[i]!.q % params.t);
    const values = this.#lowestValues(batch, index, level);
    try {
      return this.arena.make(params.n, (m) => {
        kernel.fromDoubles(plainRing.tables, m, values, PLAIN_LIMB);
        kernel.mulScalar(plainRing.tables, m, m, [undo], PLAIN_LIMB);
        return new BgvPlaintext(context, m);
      });
    } finally {
      values.fill(0);
    }
  }

  /** v after switching from `from` to q_0, centred. */
  #lowestValues(batch: BgvCiphertextBatch, index: number, from: number): Float64Array {
    const { kernel, ring, params } = this.context;
    using scratch = new Scratch(kernel);
    let at = scratch.allocate((from + 1) * params.n);
    innerProductInto(at, batch, index, this.key, from);
    for (let level = from; level > 0; level--) {
      const next = scratch.allocate(level * params.n);
      kernel.rescale(ring.tables, next, at, this.context.qMods(level));
      scratch.release(at);
      at = next;
    }
    const values = new Float64Array(params.n);
    kernel.mulScalar(ring.tables, at, at, params.residues(params.t, 0), LOWEST);
    kernel.nttInverse(ring.tables, at, LOWEST);
    kernel.toDoubles(ring.tables, values, at, LOWEST);
    return values;
  }
}
