/** Encryption, under the secret key (seeded) or a public key. Symbols: s secret, e error (variance 10.5), u ternary. */
import { InvalidParamsError, ShapeError } from '../../base/errors.ts';
import { Drbg } from '../../base/random.ts';
import type { Words } from '../../kernel/kernel.ts';
import type { Arena } from '../../ring/arena.ts';
import { copyWords } from '../../ring/poly.ts';
import { errorInto, floodInto, ternaryInto, uniformInto } from '../../ring/samplers.ts';
import type { PublicKey } from '../rlwe/public-key.ts';
import { SecretKey, secretWords } from '../rlwe/secret-key.ts';
import { CiphertextBatch, CkksCiphertext } from './ciphertext.ts';
import type { CkksContext } from './context.ts';
import type { CkksPlaintext } from './plaintext.ts';

export class CkksEncryptor implements Disposable {
  #context: CkksContext;
  #key: PublicKey | SecretKey;
  #arena: Arena;
  #drbg: Drbg;

  constructor(context: CkksContext, key: PublicKey | SecretKey, arena: Arena) {
    context.assertOwn('an encryption key', key);
    this.#context = context;
    this.#key = key;
    this.#arena = arena;
    const seed = context.random.seed();
    this.#drbg = new Drbg(seed);
    seed.fill(0);
  }

  /**
   * - level, scale: those of the plaintext
   * - noise: variance 10.5 per coefficient under the secret key; 10.5 (1 + 2N * 2/3) expected under a public key
   * - cost: level + 1 NTTs under the secret key, three times as many under a public key
   *
   * @throws {ParamsMismatchError} {@link DisposedError}
   */
  encrypt(plaintext: CkksPlaintext): CkksCiphertext {
    const { words, facts } = this.#encryptAll([plaintext]);
    return this.#arena.adopt(new CkksCiphertext(words, facts));
  }

  /** One batch of plaintexts at one level and scale; under the secret key it has one seed. @throws {ShapeError} as well. */
  encryptBatch(plaintexts: readonly CkksPlaintext[]): CiphertextBatch {
    const { words, facts } = this.#encryptAll(plaintexts);
    return this.#arena.adopt(new CiphertextBatch(words, facts));
  }

  /**
   * Encryptions of zero, to be added to a result before it is returned. With `floodBits` the first parts also get uniform noise
   * in [-2^floodBits, 2^floodBits), which hides how the result was computed from whoever decrypts it.
   *
   * @throws {InvalidParamsError} under a secret key: whoever holds one has nothing to hide from its holder.
   */
  encryptZero(count: number, at: { level: number; scale: number; floodBits?: number }): CiphertextBatch {
    if (this.#key instanceof SecretKey) {
      throw new InvalidParamsError('encryptions of zero for re-randomising are made under a public key', {});
    }
    const context = this.#context;
    context.assertLevel(at.level);
    const mods = context.qMods(at.level);
    const poly = mods.length * context.params.n;
    const words = this.#arena.allocate(count * 2 * poly);
    this.#zeroUnderPublicKey(words, this.#key, mods);
    if (at.floodBits !== undefined) {
      const flood = context.kernel.allocate(count * poly);
      floodInto(context.ring, flood, at.floodBits, this.#drbg.nextKey('flood'), mods);
      for (let i = 0; i < count; i++)
        this.#addInto(words.sub(2 * i * poly, poly), flood.sub(i * poly, poly), mods);
      flood.wipe();
    }
    return this.#arena.adopt(
      new CiphertextBatch(words, { context, count, parts: 2, level: at.level, scale: at.scale }),
    );
  }

  #encryptAll(plaintexts: readonly CkksPlaintext[]) {
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
    const words = this.#arena.allocate(count * 2 * poly);
    const facts = { context, count, parts: 2, level, scale };
    const seed = this.#key instanceof SecretKey ? this.#drbg.nextPublicSeed() : undefined;
    if (this.#key instanceof SecretKey) this.#zeroUnderSecretKey(words, this.#key, seed!, mods);
    else this.#zeroUnderPublicKey(words, this.#key, mods);
    plaintexts.forEach((plaintext, i) => {
      this.#addInto(words.sub(2 * i * poly, poly), plaintext.polynomial.words, mods);
    });
    return { words, facts: seed === undefined ? facts : { ...facts, seed } };
  }

  /** (e - a s, a), a from `seed`. */
  #zeroUnderSecretKey(
    out: Words,
    key: SecretKey,
    seed: ReturnType<Drbg['nextPublicSeed']>,
    mods: readonly number[],
  ): void {
    const { kernel, ring, params } = this.#context;
    const poly = mods.length * params.n;
    const count = out.length / (2 * poly);
    const masks = kernel.allocate(count * poly);
    const errors = kernel.allocate(count * poly);
    try {
      uniformInto(ring, masks, seed, mods);
      for (let i = 0; i < count; i++) copyWords(out.sub((2 * i + 1) * poly, poly), masks.sub(i * poly, poly));
      kernel.mul(ring.tables, masks, masks, secretWords(key).sub(0, poly), mods);
      errorInto(ring, errors, this.#drbg.nextKey('e'), mods);
      kernel.sub(ring.tables, errors, errors, masks, mods);
      for (let i = 0; i < count; i++) copyWords(out.sub(2 * i * poly, poly), errors.sub(i * poly, poly));
    } finally {
      masks.wipe();
      errors.wipe();
    }
  }

  /** (b u + e0, a u + e1) with a fresh u for each ciphertext. */
  #zeroUnderPublicKey(out: Words, key: PublicKey, mods: readonly number[]): void {
    const { kernel, ring, params } = this.#context;
    const poly = mods.length * params.n;
    const count = out.length / (2 * poly);
    const u = kernel.allocate(count * poly);
    const streamKey = this.#drbg.nextKey('u');
    try {
      ternaryInto(ring, u, streamKey, mods);
      errorInto(ring, out, this.#drbg.nextKey('e'), mods);
      for (let i = 0; i < 2 * count; i++) {
        const half = key.part((i % 2) as 0 | 1).sub(0, poly);
        kernel.mulAdd(
          ring.tables,
          out.sub(i * poly, poly),
          u.sub(Math.floor(i / 2) * poly, poly),
          half,
          mods,
        );
      }
    } finally {
      u.wipe();
      streamKey.fill(0);
    }
  }

  #addInto(out: Words, b: Words, mods: readonly number[]): void {
    this.#context.kernel.add(this.#context.ring.tables, out, out, b, mods);
  }

  /** Wipes the generator's seed. */
  [Symbol.dispose](): void {
    this.#drbg[Symbol.dispose]();
  }
}
