/**
 * For the client of encrypted inference. A seeded batch of ciphertexts, encrypted and written piece by piece: the bytes of {@link CiphertextBatch.toBytes} without the
 * batch ever being held. Memory is that of one piece, and a byte for each coefficient.
 */
import type { Level } from '../../base/brand.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { ShapeError } from '../../base/errors.ts';
import type { Words } from '../../kernel/kernel.ts';
import { Scratch } from '../../ring/scratch.ts';
import { packPolys, writeSeededStart } from '../rlwe/wire/ciphertext-wire.ts';
import { packedBytes } from '../rlwe/wire/wire.ts';
import type { SecretKey } from '../rlwe/keys/secret-key.ts';
import { ZeroEncryption, type ZeroSeries } from '../rlwe/zero-encryption.ts';
import { SCALE_CODEC } from './ciphertext-wire.ts';
import type { CkksContextBase } from './context-base.ts';
import type { CkksPlaintext } from './plaintext.ts';

export interface EncryptionStreamShape {
  /** Ciphertexts of the whole batch. */
  readonly count: number;
  readonly level: number;
  readonly scale: number;
  /** Most plaintexts of one call of {@link EncryptionStream.next}. */
  readonly most: number;
}

export class EncryptionStream implements Disposable {
  /** What comes before the first ciphertext. */
  readonly start: Uint8Array;
  readonly #context: CkksContextBase;
  readonly #shape: EncryptionStreamShape;
  readonly #zeros: ZeroEncryption;
  readonly #series: ZeroSeries;
  readonly #scratch: Scratch;
  readonly #parts: Words;
  readonly #space: Words;
  #left: number;

  /** @throws {ParamsMismatchError} {@link ShapeError} for a batch of none. */
  constructor(context: CkksContextBase, key: SecretKey, shape: EncryptionStreamShape) {
    const { count, scale, most } = shape;
    const level = shape.level as Level;
    if (!(Number.isInteger(count) && count >= 1 && most >= 1))
      throw new ShapeError('a batch of ciphertexts', 'at least one', count);
    this.#context = context;
    this.#shape = shape;
    this.#left = count;
    const mods = context.qMods(level);
    const words = Math.min(most, count) * mods.length * context.params.n;
    this.#scratch = new Scratch(context.kernel);
    this.#zeros = new ZeroEncryption(context, key);
    try {
      this.#series = this.#zeros.series(mods, count);
      this.#parts = this.#scratch.allocate(words);
      this.#space = this.#scratch.allocate(words);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
    const { seed } = this.#series;
    this.start = writeSeededStart({ context, count, parts: 2, level, scale, seed }, SCALE_CODEC);
  }

  /**
   * The bytes of the next ciphertexts, in a fresh array. Noise as of {@link CkksEncryptor.encrypt}.
   * @throws {ShapeError} for more plaintexts than are left, or of another level or scale.
   */
  next(plaintexts: readonly CkksPlaintext[]): Uint8Array {
    const { level, scale, most } = this.#shape;
    const context = this.#context;
    const { kernel, ring, params } = context;
    const count = plaintexts.length;
    if (!(count >= 1 && count <= Math.min(most, this.#left)))
      throw new ShapeError('the plaintexts of a piece', `1 to ${Math.min(most, this.#left)}`, count);
    for (const plaintext of plaintexts) {
      context.assertOwn('a plaintext', plaintext);
      if (plaintext.level !== level || plaintext.scale !== scale)
        throw new ShapeError('the plaintexts of a batch', 'at one level and scale', 'mixed');
    }
    const mods = context.qMods(level);
    const poly = mods.length * params.n;
    const [parts, space] = [this.#parts.sub(0, count * poly), this.#space.sub(0, count * poly)];
    this.#series.next(parts, space);
    plaintexts.forEach((plaintext, i) => {
      const part = parts.sub(i * poly, poly);
      kernel.add(ring.tables, part, part, plaintext.polynomial.words, mods);
    });
    const bytes = new Uint8Array(count * packedBytes(params, mods));
    packPolys(bytes, context, parts, mods);
    this.#left -= count;
    return bytes;
  }

  /** Wipes the space of a piece, the errors, and the generator's seed. */
  [Symbol.dispose](): void {
    this.#series?.[Symbol.dispose]();
    this.#scratch[Symbol.dispose]();
    this.#zeros[Symbol.dispose]();
  }
}

printOnOneLine(EncryptionStream);
