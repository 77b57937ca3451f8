/** Encryptions of zero, which a scheme adds its plaintexts to. Symbols: s secret, e error (variance 10.5), u ternary. */
import type { Seed } from '../../base/brand.ts';
import { InvalidParamsError } from '../../base/errors.ts';
import { Drbg } from '../../base/random.ts';
import type { Words } from '../../kernel/kernel.ts';
import { copyWords } from '../../ring/poly.ts';
import { errorInto, floodInto, ternaryInto, uniformInto } from '../../ring/samplers.ts';
import { Scratch } from '../../ring/scratch.ts';
import type { RlweContext } from './context.ts';
import type { PublicKey } from './keys/public-key.ts';
import { SecretKey, secretWords } from './keys/secret-key.ts';

/** First parts e_i - a_i s, i = 0, 1, .., with a_i polynomial i of one public seed. Made by {@link ZeroEncryption.series}. */
export class ZeroSeries implements Disposable {
  readonly seed: Seed;
  readonly #context: RlweContext;
  readonly #key: SecretKey;
  readonly #mods: readonly number[];
  /** Of the whole series: a byte for each coefficient. */
  readonly #errors: Int8Array;
  #made = 0;

  constructor(
    context: RlweContext,
    key: SecretKey,
    drbg: Drbg,
    { mods, count }: { readonly mods: readonly number[]; readonly count: number },
  ) {
    this.#context = context;
    this.#key = key;
    this.#mods = mods;
    this.seed = drbg.nextPublicSeed();
    this.#errors = new Int8Array(count * context.params.n);
    const stream = drbg.nextKey('e');
    try {
      context.kernel.centredBinomial(this.#errors, stream, 0);
    } finally {
      stream.fill(0);
    }
  }

  /** Fills `out` with the next ones. `space` is as large; a_i s is in it afterwards, which is secret: the caller wipes it. */
  next(out: Words, space: Words): void {
    const { kernel, ring, params } = this.#context;
    const mods = this.#mods;
    const poly = mods.length * params.n;
    const count = out.length / poly;
    uniformInto(ring, space, this.seed, mods, this.#made);
    const errors = this.#errors.subarray(this.#made * params.n, (this.#made + count) * params.n);
    kernel.transformSigned(ring.tables, out, errors, mods);
    for (let i = 0; i < count; i++) {
      const [a, b] = [space.sub(i * poly, poly), out.sub(i * poly, poly)];
      kernel.mul(ring.tables, a, a, secretWords(this.#key).sub(0, poly), mods);
      kernel.sub(ring.tables, b, b, a, mods);
    }
    this.#made += count;
  }

  /** Wipes the errors. */
  [Symbol.dispose](): void {
    this.#errors.fill(0);
  }
}

/** Holds a key and a generator of its own. Disposing wipes the generator's seed. */
export class ZeroEncryption implements Disposable {
  readonly key: PublicKey | SecretKey;
  #context: RlweContext;
  #drbg: Drbg;
  /** A generator from a seed gives the same every time; others take fresh randomness in before every operation. */
  #isFixed: boolean;

  /** `seed` in place of randomness, for what must be the same when it is asked for again: see {@link maskReply}. @throws {ParamsMismatchError} */
  constructor(context: RlweContext, key: PublicKey | SecretKey, seed?: Uint8Array) {
    context.assertOwn('an encryption key', key);
    this.#context = context;
    this.key = key;
    this.#isFixed = seed !== undefined;
    const own = seed ?? context.random.seed();
    this.#drbg = new Drbg(own);
    if (seed === undefined) own.fill(0);
  }

  /**
   * Fills `out`, two-part ciphertexts over `mods`; returns the seed of the second parts under a secret key. Noise per
   * coefficient: see `freshNoise` and `publicKeyNoise`.
   */
  fill(out: Words, mods: readonly number[]): Seed | undefined {
    this.#refresh();
    if (!(this.key instanceof SecretKey)) {
      this.#underPublicKey(out, this.key, mods);
      return undefined;
    }
    const seed = this.#drbg.nextPublicSeed();
    this.#underSecretKey(out, this.key, seed, mods);
    return seed;
  }

  /**
   * Opens `count` encryptions of zero under one seed that are made one after the other, for a batch too large to be held whole: those
   * of {@link fill}, bit for bit. @throws {InvalidParamsError} under a public key, where nothing is seeded.
   */
  series(mods: readonly number[], count: number): ZeroSeries {
    if (!(this.key instanceof SecretKey))
      throw new InvalidParamsError('encryptions under one seed are made under a secret key', {});
    this.#drbg.refresh(this.#context.random.seed());
    return new ZeroSeries(this.#context, this.key, this.#drbg, { mods, count });
  }

  /** Adds uniform noise in [-2^bits, 2^bits) to the first parts of the two-part ciphertexts in `out`. */
  flood(out: Words, bits: number, mods: readonly number[]): void {
    const { kernel, ring, params } = this.#context;
    const poly = mods.length * params.n;
    using scratch = new Scratch(kernel);
    const noise = scratch.allocate(out.length / 2);
    this.#refresh();
    floodInto(ring, noise, bits, this.#drbg.nextKey('flood'), mods);
    for (let i = 0; 2 * i * poly < out.length; i++) {
      const first = out.sub(2 * i * poly, poly);
      kernel.add(ring.tables, first, first, noise.sub(i * poly, poly), mods);
    }
  }

  #refresh(): void {
    if (!this.#isFixed) this.#drbg.refresh(this.#context.random.seed());
  }

  /** (e - a s, a), a from `seed`. */
  #underSecretKey(out: Words, key: SecretKey, seed: Seed, mods: readonly number[]): void {
    const { kernel, ring, params } = this.#context;
    const poly = mods.length * params.n;
    const count = out.length / (2 * poly);
    using scratch = new Scratch(kernel);
    if (count === 1) {
      uniformInto(ring, out.sub(poly, poly), seed, mods);
      errorInto(ring, out.sub(0, poly), this.#drbg.nextKey('e'), mods);
    } else {
      const batch = scratch.allocate(count * poly);
      uniformInto(ring, batch, seed, mods);
      for (let i = 0; i < count; i++) copyWords(out.sub((2 * i + 1) * poly, poly), batch.sub(i * poly, poly));
      errorInto(ring, batch, this.#drbg.nextKey('e'), mods);
      for (let i = 0; i < count; i++) copyWords(out.sub(2 * i * poly, poly), batch.sub(i * poly, poly));
    }
    const product = scratch.allocate(poly);
    for (let i = 0; i < count; i++) {
      const [a, b] = [out.sub((2 * i + 1) * poly, poly), out.sub(2 * i * poly, poly)];
      kernel.mul(ring.tables, product, a, secretWords(key).sub(0, poly), mods);
      kernel.sub(ring.tables, b, b, product, mods);
    }
  }

  /** (b u + e0, a u + e1) with a fresh u for each ciphertext. */
  #underPublicKey(out: Words, key: PublicKey, mods: readonly number[]): void {
    const { kernel, ring, params } = this.#context;
    const poly = mods.length * params.n;
    const count = out.length / (2 * poly);
    using scratch = new Scratch(kernel);
    const u = scratch.allocate(count * poly);
    const streamKey = this.#drbg.nextKey('u');
    try {
      ternaryInto(ring, u, streamKey, mods);
      const errors = scratch.allocate(count * poly);
      for (const part of [0, 1]) {
        errorInto(ring, errors, this.#drbg.nextKey(part === 0 ? 'e0' : 'e1'), mods);
        for (let i = 0; i < count; i++)
          copyWords(out.sub((2 * i + part) * poly, poly), errors.sub(i * poly, poly));
      }
      for (let i = 0; i < 2 * count; i++) {
        const half = key.part((i % 2) as 0 | 1).sub(0, poly);
        const ui = u.sub(Math.floor(i / 2) * poly, poly);
        kernel.mulAdd(ring.tables, out.sub(i * poly, poly), ui, half, mods);
      }
    } finally {
      streamKey.fill(0);
    }
  }

  /** Wipes the generator's seed. */
  [Symbol.dispose](): void {
    this.#drbg[Symbol.dispose]();
  }
}
