/** Encryption, under the secret key (seeded) or a public key. */
import { InvalidParamsError, ShapeError } from '../../base/errors.ts';
import type { Words } from '../../kernel/kernel.ts';
import type { Arena } from '../../ring/arena.ts';
import { ciphertextWords } from '../rlwe/ciphertext.ts';
import { publicKeyErrorBits } from '../rlwe/noise-bound.ts';
import { recordEncryption } from '../rlwe/release/own-encryptions.ts';
import type { PublicKey } from '../rlwe/keys/public-key.ts';
import { SecretKey } from '../rlwe/keys/secret-key.ts';
import { ZeroEncryption } from '../rlwe/zero-encryption.ts';
import { CiphertextBatch, type CiphertextFacts, CkksCiphertext } from './ciphertext.ts';
import type { CkksContextBase } from './context-base.ts';
import type { CkksPlaintext } from './plaintext.ts';

export class CkksEncryptor implements Disposable {
  #context: CkksContextBase;
  #arena: Arena;
  #zeros: ZeroEncryption;

  constructor(context: CkksContextBase, key: PublicKey | SecretKey, arena: Arena) {
    this.#context = context;
    this.#arena = arena;
    this.#zeros = new ZeroEncryption(context, key);
  }

  /**
   * - level, scale: those of the plaintext
   * - noise: variance 10.5 per coefficient under the secret key; 10.5 (1 + 2N * 2/3) expected under a public key
   * - cost: level + 1 NTTs under the secret key, three times as many under a public key
   *
   * @throws {ParamsMismatchError} {@link DisposedError}
   */
  encrypt(plaintext: CkksPlaintext): CkksCiphertext {
    return recordEncryption(this.#encryptAll([plaintext], CkksCiphertext), this.#zeros.key);
  }

  /** One batch of plaintexts at one level and scale; under the secret key it has one seed. @throws {ShapeError} as well. */
  encryptBatch(plaintexts: readonly CkksPlaintext[]): CiphertextBatch {
    return this.#encryptAll(plaintexts, CiphertextBatch);
  }

  /**
   * Encryptions of zero, to be added to a result before it is returned. With `floodBits` the first parts also get uniform noise
   * in [-2^floodBits, 2^floodBits), which hides how the result was computed from whoever decrypts it.
   *
   * @throws {InvalidParamsError} under a secret key: whoever holds one has nothing to hide from its holder.
   */
  encryptZero(count: number, at: { level: number; scale: number; floodBits?: number }): CiphertextBatch {
    if (this.#zeros.key instanceof SecretKey) {
      throw new InvalidParamsError('encryptions of zero for re-randomising are made under a public key', {});
    }
    const context = this.#context;
    context.assertLevel(at.level);
    const mods = context.qMods(at.level);
    // Nothing but noise. The flooding enters by its largest coefficient: what it is added to is returned, not computed with.
    const maxAbs = (2 ** publicKeyErrorBits(context.params.n) + 2 ** (at.floodBits ?? -Infinity)) / at.scale;
    const facts = { context, count, parts: 2, level: at.level, scale: at.scale, maxAbs };
    return this.#arena.make(ciphertextWords(facts), (words) => {
      this.#zeros.fill(words, mods);
      if (at.floodBits !== undefined) this.#zeros.flood(words, at.floodBits, mods);
      return new CiphertextBatch(words, facts);
    });
  }

  #encryptAll<T extends CiphertextBatch>(
    plaintexts: readonly CkksPlaintext[],
    Kind: new (words: Words, facts: CiphertextFacts) => T,
  ): T {
    const context = this.#context;
    const first = plaintexts[0];
    if (first === undefined) throw new ShapeError('a batch of plaintexts', 'at least one', 'empty');
    for (const plaintext of plaintexts) {
      context.assertOwn('a plaintext', plaintext);
      if (plaintext.level !== first.level || plaintext.scale !== first.scale) {
        throw new ShapeError('a batch of plaintexts', 'at one level and scale', 'mixed');
      }
    }
    const { level, scale } = first;
    const mods = context.qMods(level);
    const poly = mods.length * context.params.n;
    const count = plaintexts.length;
    const noise = 2 ** publicKeyErrorBits(context.params.n) / scale;
    const maxAbs = Math.max(...plaintexts.map((plaintext) => plaintext.maxAbs)) + noise;
    const facts = { context, count, parts: 2, level, scale, maxAbs };
    const { kernel, ring } = context;
    return this.#arena.make(ciphertextWords(facts), (words) => {
      const seed = this.#zeros.fill(words, mods);
      plaintexts.forEach((plaintext, i) => {
        const first = words.sub(2 * i * poly, poly);
        kernel.add(ring.tables, first, first, plaintext.polynomial.words, mods);
      });
      return new Kind(words, seed === undefined ? facts : { ...facts, seed });
    });
  }

  /** Wipes the generator's seed. */
  [Symbol.dispose](): void {
    this.#zeros[Symbol.dispose]();
  }
}
