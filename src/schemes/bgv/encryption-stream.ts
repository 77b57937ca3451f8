/** Integers modulo t, encrypted and written piece by piece: see ../rlwe/encryption-stream.ts. */
import type { Words } from '../../kernel/kernel.ts';
import { RlweEncryptionStream, type StreamShape } from '../rlwe/encryption-stream.ts';
import type { SecretKey } from '../rlwe/keys/secret-key.ts';
import { writeSeededStart } from '../rlwe/wire/ciphertext-wire.ts';
import { NOISE_CODEC } from './ciphertext-wire.ts';
import type { BgvContextBase } from './context-base.ts';
import { freshBits } from './noise-bound.ts';
import type { BgvPlaintext } from './plaintext.ts';

export class BgvEncryptionStream extends RlweEncryptionStream<BgvContextBase, BgvPlaintext> {
  /** @throws {ParamsMismatchError} {@link ShapeError} for a batch of none. */
  constructor(context: BgvContextBase, key: SecretKey, shape: StreamShape) {
    const noiseBits = freshBits(context.params.n);
    super(context, key, shape, (facts) => writeSeededStart({ ...facts, noiseBits, factor: 1 }, NOISE_CODEC));
  }

  protected override assertFits(plaintext: BgvPlaintext): void {
    this.context.assertOwn('a plaintext', plaintext);
  }

  protected override addMessage(part: Words, plaintext: BgvPlaintext, space: Words): void {
    const { context, level } = this;
    const { kernel, ring, params } = context;
    const mods = context.qMods(level);
    plaintext.liftInto(space, level);
    kernel.mulScalar(ring.tables, space, space, params.inverseResidues(level), mods);
    kernel.add(ring.tables, part, part, space, mods);
  }
}
