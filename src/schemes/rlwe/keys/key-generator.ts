/** Key generation. Every key draws its uniform half from its own seed and its errors from its own stream. */
import type { GaloisElement, Seed } from '../../../base/brand.ts';
import { Drbg } from '../../../base/random.ts';
import type { Words } from '../../../kernel/kernel.ts';
import { handOver } from '../../../ring/arena.ts';
import { copyWords } from '../../../ring/poly.ts';
import { errorInto, sparseTernaryInto, uniformInto } from '../../../ring/samplers.ts';
import { Scratch } from '../../../ring/scratch.ts';
import type { RlweContext } from '../context.ts';
import {
  assertEncapsulation,
  EncapsulationKeys,
  SPARSE_WEIGHT,
  sparseKeyLimbs,
} from './encapsulation-keys.ts';
import { EvaluationKeys } from './evaluation-keys.ts';
import type { KeyPlan } from './key-plan.ts';
import { resolveKeyPlan } from './key-plan.ts';
import { recordEvaluationKeys, recordPublicKey } from '../release/own-encryptions.ts';
import { PublicKey } from './public-key.ts';
import { SecretKey, secretWords } from './secret-key.ts';
import { SwitchingKey } from './switching-key.ts';

export class KeyGenerator implements Disposable {
  #context: RlweContext;
  #drbg: Drbg;

  constructor(context: RlweContext) {
    this.#context = context;
    const seed = context.random.seed();
    this.#drbg = new Drbg(seed);
    seed.fill(0);
  }

  /** Ternary, uniform over {-1, 0, 1}^N: h = 2N/3 non-zero coefficients expected. */
  secretKey(): SecretKey {
    this.#refresh();
    const streamKey = this.#drbg.nextKey('s');
    try {
      return new SecretKey(this.#context, streamKey);
    } finally {
      streamKey.fill(0);
    }
  }

  /** @throws {ParamsMismatchError} {@link DisposedError} */
  publicKey(secret: SecretKey): PublicKey {
    const context = this.#context;
    context.assertOwn('a secret key', secret);
    const mods = context.qMods(context.params.maxLevel);
    const poly = mods.length * context.params.n;
    this.#refresh();
    const seed = this.#drbg.nextPublicSeed();
    return handOver(context.kernel.allocate(2 * poly), (words) => {
      this.#maskedErrors(words.sub(0, poly), seed, secretWords(secret).sub(0, poly), mods);
      return recordPublicKey(new PublicKey(context, words, seed), secret);
    });
  }

  /** The keys of `plan`. @throws {ParamsMismatchError} {@link OutOfRangeError} {@link DisposedError} */
  evaluationKeys(secret: SecretKey, plan: KeyPlan): EvaluationKeys {
    const context = this.#context;
    context.assertOwn('a secret key', secret);
    const { ring, kernel } = context;
    const { relinearizeLevel, galois } = resolveKeyPlan(context.params, plan);
    this.#refresh();
    const s = secretWords(secret);
    const all = ring.moduli.map((_, i) => i);
    using scratch = new Scratch(kernel);
    const from = scratch.allocate(s.length);
    let relinearize: SwitchingKey | null = null;
    const keys: [GaloisElement, SwitchingKey][] = [];
    try {
      if (relinearizeLevel !== null) {
        kernel.mul(ring.tables, from, s, s, all);
        relinearize = this.#switchingKey(s, from, relinearizeLevel);
      }
      for (const { element, maxLevel } of galois) {
        kernel.automorphism(ring.tables, from, s, element, all);
        keys.push([element, this.#switchingKey(s, from, maxLevel)]);
      }
    } catch (error) {
      relinearize?.[Symbol.dispose]();
      for (const [, key] of keys) key[Symbol.dispose]();
      throw error;
    }
    return recordEvaluationKeys(new EvaluationKeys(context, relinearize, keys), secret);
  }

  /**
   * The pair that takes ciphertexts at level 0 to a sparse secret and, raised to the highest level, back [BTH22]: for bootstrapping. The
   * sparse secret is drawn here and gone when this returns; both keys are of use together only.
   *
   * @throws {InsecureParamsError} when the modulus of the first key is too large for so sparse a secret. {@link ParamsMismatchError}
   */
  encapsulationKeys(secret: SecretKey): EncapsulationKeys {
    const context = this.#context;
    context.assertOwn('a secret key', secret);
    const { ring, kernel, params } = context;
    assertEncapsulation(params);
    this.#refresh();
    const { n } = params;
    const s = secretWords(secret);
    const all = ring.moduli.map((_, i) => i);
    const limbs = sparseKeyLimbs(params);
    using scratch = new Scratch(kernel);
    const sparse = scratch.allocate(s.length);
    const streamKey = this.#drbg.nextKey('s');
    try {
      sparseTernaryInto(ring, sparse, SPARSE_WEIGHT, streamKey, all);
    } finally {
      streamKey.fill(0);
    }
    const fromSparse = this.#switchingKey(s, sparse, params.maxLevel);
    try {
      const seed = this.#drbg.nextPublicSeed();
      const narrow = scratch.allocate(limbs.length * n);
      limbs.forEach((limb, i) => {
        copyWords(narrow.sub(i * n, n), sparse.sub(limb * n, n));
      });
      const scaled = scratch.allocate(n);
      const factor = params.p[0]!.q % params.q[0]!.q;
      kernel.mulScalar(ring.tables, scaled, s.sub(0, n), [factor], [0]);
      return handOver(kernel.allocate(2 * limbs.length * n), (words) => {
        const b = words.sub(0, limbs.length * n);
        this.#maskedErrors(b, seed, narrow, limbs);
        kernel.add(ring.tables, b.sub(0, n), b.sub(0, n), scaled, [0]);
        return new EncapsulationKeys(context, words, seed, fromSparse);
      });
    } catch (error) {
      fromSparse[Symbol.dispose]();
      throw error;
    }
  }

  /** Also where a copy of the machine was made since the last key. */
  #refresh(): void {
    this.#drbg.refresh(this.#context.random.seed());
  }

  /** From the key `from` to `s`, both over all limbs of the ring. */
  #switchingKey(s: Words, from: Words, maxLevel: number): SwitchingKey {
    const context = this.#context;
    const { kernel, ring } = context;
    const { n, alpha } = context.params;
    const mods = context.keyLimbs(maxLevel);
    const poly = mods.length * n;
    const digits = context.digits(maxLevel);
    const seed = this.#drbg.nextPublicSeed();
    using scratch = new Scratch(kernel);
    const sKey = scratch.allocate(poly);
    mods.forEach((limb, i) => {
      copyWords(sKey.sub(i * n, n), s.sub(limb * n, n));
    });
    const scaled = scratch.allocate((maxLevel + 1) * n);
    const b = scratch.allocate(digits * poly);
    this.#maskedErrors(b, seed, sKey, mods);
    const q = context.qMods(maxLevel);
    kernel.mulScalar(ring.tables, scaled, from.sub(0, q.length * n), specialProduct(context, q), q);
    return handOver(kernel.allocate(digits * 2 * poly), (words) => {
      for (let d = 0; d < digits; d++) {
        const limbs = q.slice(d * alpha, (d + 1) * alpha);
        const at = b.sub(d * poly + limbs[0]! * n, limbs.length * n);
        kernel.add(ring.tables, at, at, scaled.sub(limbs[0]! * n, limbs.length * n), limbs);
        copyWords(words.sub(2 * d * poly, poly), b.sub(d * poly, poly));
      }
      return new SwitchingKey(context, maxLevel, words, seed);
    });
  }

  /** out = e - a s for each polynomial of the batch: a from `seed`, e fresh; `s` over `mods`. */
  #maskedErrors(out: Words, seed: Seed, s: Words, mods: readonly number[]): void {
    const { kernel, ring } = this.#context;
    using scratch = new Scratch(kernel);
    const masks = scratch.allocate(out.length);
    uniformInto(ring, masks, seed, mods);
    kernel.mul(ring.tables, masks, masks, s, mods);
    errorInto(ring, out, this.#drbg.nextKey('e'), mods);
    kernel.sub(ring.tables, out, out, masks, mods);
  }

  [Symbol.dispose](): void {
    this.#drbg[Symbol.dispose]();
  }
}

/** P mod q_i for each limb. */
function specialProduct(context: RlweContext, q: readonly number[]): number[] {
  return q.map((limb) => {
    const modulus = BigInt(context.params.q[limb]!.q);
    return Number(context.params.p.reduce((product, { q: p }) => (product * BigInt(p)) % modulus, 1n));
  });
}
