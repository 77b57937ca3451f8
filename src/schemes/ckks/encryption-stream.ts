/** Approximate numbers, encrypted and written piece by piece: see ../rlwe/encryption-stream.ts. */
import { ShapeError } from '../../base/errors.ts';
import type { Words } from '../../kernel/kernel.ts';
import { RlweEncryptionStream, type StreamShape } from '../rlwe/encryption-stream.ts';
import type { SecretKey } from '../rlwe/keys/secret-key.ts';
import { writeSeededStart } from '../rlwe/wire/ciphertext-wire.ts';
import { SCALE_CODEC } from './ciphertext-wire.ts';
import type { CkksContextBase } from './context-base.ts';
import type { CkksPlaintext } from './plaintext.ts';

export interface EncryptionStreamShape extends StreamShape {
  readonly scale: number;
}

export class EncryptionStream extends RlweEncryptionStream<CkksContextBase, CkksPlaintext> {
  readonly #scale: number;

  /** @throws {ParamsMismatchError} {@link ShapeError} for a batch of none. */
  constructor(context: CkksContextBase, key: SecretKey, shape: EncryptionStreamShape) {
    const { scale } = shape;
    super(context, key, shape, (facts) => writeSeededStart({ ...facts, scale }, SCALE_CODEC));
    this.#scale = scale;
  }

  protected override assertFits(plaintext: CkksPlaintext): void {
    this.context.assertOwn('a plaintext', plaintext);
    if (plaintext.level !== this.level || plaintext.scale !== this.#scale)
      throw new ShapeError('the plaintexts of a batch', 'at one level and scale', 'mixed');
  }

  protected override addMessage(part: Words, plaintext: CkksPlaintext): void {
    const { context, level } = this;
    const { kernel, ring } = context;
    kernel.add(ring.tables, part, part, plaintext.polynomial.words, context.qMods(level));
  }
}
