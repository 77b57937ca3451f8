/**
 * For the client of encrypted inference. A seeded batch of ciphertexts, encrypted and written piece by piece: the bytes of the batch's `toBytes` without the
 * batch ever being held. Memory is that of one piece, and a byte for each coefficient.
 */
import type { Level, Seed } from '../../base/brand.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { ShapeError } from '../../base/errors.ts';
import type { Words } from '../../kernel/kernel.ts';
import { Scratch } from '../../ring/scratch.ts';
import type { RlweContext } from './context.ts';
import type { SecretKey } from './keys/secret-key.ts';
import { packPolys } from './wire/ciphertext-wire.ts';
import { packedBytes } from './wire/wire.ts';
import { ZeroEncryption, type ZeroSeries } from './zero-encryption.ts';

export interface StreamShape {
  /** Ciphertexts of the whole batch. */
  readonly count: number;
  readonly level: number;
  /** Most plaintexts of one call of {@link RlweEncryptionStream.next}. */
  readonly most: number;
}

/** What the start of a batch says, beside what the scheme adds. */
export interface StreamStart<C extends RlweContext> {
  readonly context: C;
  readonly count: number;
  readonly parts: number;
  readonly level: Level;
  readonly seed: Seed;
}

/** `P` the plaintexts of a scheme. */
export abstract class RlweEncryptionStream<C extends RlweContext, P> implements Disposable {
  /** What comes before the first ciphertext. */
  readonly start: Uint8Array;
  protected readonly context: C;
  readonly #shape: StreamShape;
  readonly #zeros: ZeroEncryption;
  readonly #series: ZeroSeries;
  readonly #scratch: Scratch;
  readonly #parts: Words;
  readonly #space: Words;
  #left: number;

  /** `startOf` writes what comes before the first ciphertext. @throws {ParamsMismatchError} {@link ShapeError} for a batch of none. */
  constructor(
    context: C,
    key: SecretKey,
    shape: StreamShape,
    startOf: (facts: StreamStart<C>) => Uint8Array,
  ) {
    const { count, most } = shape;
    const level = shape.level as Level;
    if (!(Number.isInteger(count) && count >= 1 && most >= 1))
      throw new ShapeError('a batch of ciphertexts', 'at least one', count);
    this.context = context;
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
    this.start = startOf({ context, count, parts: 2, level, seed: this.#series.seed });
  }

  /** The level of the ciphertexts. */
  get level(): number {
    return this.#shape.level;
  }

  /** Asked of all plaintexts of a piece before anything is drawn for it. @throws {ShapeError} {@link ParamsMismatchError} */
  protected abstract assertFits(plaintext: P): void;

  /** Adds the message of a plaintext to a first part; `space` is as large and wiped later. */
  protected abstract addMessage(part: Words, plaintext: P, space: Words): void;

  /**
   * The bytes of the next ciphertexts, in a fresh array. Noise as under the scheme's encryptor.
   * @throws {ShapeError} for more plaintexts than are left, or others than the scheme can put into one batch.
   */
  next(plaintexts: readonly P[]): Uint8Array {
    const { level, most } = this.#shape;
    const { context } = this;
    const { params } = context;
    const count = plaintexts.length;
    if (!(count >= 1 && count <= Math.min(most, this.#left)))
      throw new ShapeError('the plaintexts of a piece', `1 to ${Math.min(most, this.#left)}`, count);
    for (const plaintext of plaintexts) this.assertFits(plaintext);
    const mods = context.qMods(level);
    const poly = mods.length * params.n;
    const [parts, space] = [this.#parts.sub(0, count * poly), this.#space.sub(0, count * poly)];
    this.#series.next(parts, space);
    plaintexts.forEach((plaintext, i) => {
      this.addMessage(parts.sub(i * poly, poly), plaintext, space.sub(0, poly));
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

printOnOneLine(RlweEncryptionStream);
