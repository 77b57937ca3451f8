/** Encryption, under the secret key (seeded) or a public key. */
import { ShapeError } from '../../base/errors.ts';
import type { Words } from '../../kernel/kernel.ts';
import type { Arena } from '../../ring/arena.ts';
import { Scratch } from '../../ring/scratch.ts';
import { ciphertextWords } from '../rlwe/ciphertext.ts';
import { recordEncryption } from '../rlwe/release/own-encryptions.ts';
import type { PublicKey } from '../rlwe/keys/public-key.ts';
import { SecretKey } from '../rlwe/keys/secret-key.ts';
import { ZeroEncryption } from '../rlwe/zero-encryption.ts';
import { BgvCiphertext, BgvCiphertextBatch, type BgvFacts } from './ciphertext.ts';
import type { BgvContextBase } from './context-base.ts';
import { freshBits, publicKeyBits } from './noise-bound.ts';
import type { BgvPlaintext } from './plaintext.ts';

export class BgvEncryptor implements Disposable {
  #context: BgvContextBase;
  #arena: Arena;
  #zeros: ZeroEncryption;

  constructor(context: BgvContextBase, key: PublicKey | SecretKey, arena: Arena) {
    this.#context = context;
    this.#arena = arena;
    this.#zeros = new ZeroEncryption(context, key);
  }

  /**
   * - level: as asked, the highest by default. factor: 1
   * - noise: variance 10.5 + 1/12 per coefficient of v/t under the secret key; 10.5 (1 + 2N * 2/3) + 1/12 expected under a
   *   public key
   * - cost: 2 (level + 1) NTTs under the secret key, twice as many under a public key
   *
   * @throws {ParamsMismatchError} {@link OutOfRangeError} {@link DisposedError}
   */
  encrypt(plaintext: BgvPlaintext, options: { readonly level?: number } = {}): BgvCiphertext {
    return recordEncryption(this.#encryptAll([plaintext], options.level, BgvCiphertext), this.#zeros.key);
  }

  /** One batch; under the secret key it has one seed. @throws {ShapeError} when empty, and as {@link encrypt}. */
  encryptBatch(
    plaintexts: readonly BgvPlaintext[],
    options: { readonly level?: number } = {},
  ): BgvCiphertextBatch {
    return this.#encryptAll(plaintexts, options.level, BgvCiphertextBatch);
  }

  #encryptAll<T extends BgvCiphertextBatch>(
    plaintexts: readonly BgvPlaintext[],
    asked: number | undefined,
    Kind: new (words: Words, facts: BgvFacts) => T,
  ): T {
    const context = this.#context;
    const { kernel, ring, params } = context;
    const level = asked ?? params.maxLevel;
    context.assertLevel(level);
    const count = plaintexts.length;
    if (count === 0) throw new ShapeError('a batch of plaintexts', 'at least one', 'empty');
    for (const plaintext of plaintexts) context.assertOwn('a plaintext', plaintext);
    const mods = context.qMods(level);
    const poly = mods.length * params.n;
    const bits = this.#zeros.key instanceof SecretKey ? freshBits(params.n) : publicKeyBits(params.n);
    const facts: BgvFacts = { context, count, parts: 2, level, noiseBits: bits, factor: 1 };
    using scratch = new Scratch(kernel);
    return this.#arena.make(ciphertextWords(facts), (words) => {
      const seed = this.#zeros.fill(words, mods);
      const message = scratch.allocate(poly);
      plaintexts.forEach((plaintext, i) => {
        const first = words.sub(2 * i * poly, poly);
        plaintext.liftInto(message, level);
        kernel.mulScalar(ring.tables, message, message, params.inverseResidues(level), mods);
        kernel.add(ring.tables, first, first, message, mods);
      });
      return new Kind(words, seed === undefined ? facts : { ...facts, seed });
    });
  }

  /** Wipes the generator's seed. */
  [Symbol.dispose](): void {
    this.#zeros[Symbol.dispose]();
  }
}
