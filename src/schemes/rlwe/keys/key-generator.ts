/** Key generation. Every key draws its uniform half from its own seed and its errors from its own stream. */
import type { GaloisElement } from '../../../base/brand.ts';
import { Drbg } from '../../../base/random.ts';
import type { Words } from '../../../kernel/kernel.ts';
import { handOver } from '../../../ring/arena.ts';
import { copyWords, gatherLimbs } from '../../../ring/poly.ts';
import { sparseTernaryInto } from '../../../ring/samplers.ts';
import { Scratch } from '../../../ring/scratch.ts';
import type { RlweContext } from '../context.ts';
import {
  assertEncapsulation,
  EncapsulationKeys,
  SPARSE_WEIGHT,
  sparseKeyLimbs,
} from './encapsulation-keys.ts';
import { EvaluationKeys } from './evaluation-keys.ts';
import { addGadget, maskedErrorsInto } from './gadget.ts';
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
      const [b, s] = [words.sub(0, poly), secretWords(secret).sub(0, poly)];
      maskedErrorsInto(context, b, { seed, s, drbg: this.#drbg, mods });
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
      gatherLimbs(n, narrow, sparse, limbs);
      const scaled = scratch.allocate(n);
      const factor = params.p[0]!.q % params.q[0]!.q;
      kernel.mulScalar(ring.tables, scaled, s.sub(0, n), [factor], [0]);
      return handOver(kernel.allocate(2 * limbs.length * n), (words) => {
        const b = words.sub(0, limbs.length * n);
        maskedErrorsInto(context, b, { seed, s: narrow, drbg: this.#drbg, mods: limbs });
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
    const { kernel, params } = context;
    const mods = context.keyLimbs(maxLevel);
    const poly = mods.length * params.n;
    const seed = this.#drbg.nextPublicSeed();
    using scratch = new Scratch(kernel);
    const sKey = scratch.allocate(poly);
    gatherLimbs(params.n, sKey, s, mods);
    const b = scratch.allocate(context.digits(maxLevel) * poly);
    maskedErrorsInto(context, b, { seed, s: sKey, drbg: this.#drbg, mods });
    addGadget(context, b, from, maxLevel);
    return handOver(kernel.allocate(2 * b.length), (words) => {
      for (let at = 0; at < b.length; at += poly) copyWords(words.sub(2 * at, poly), b.sub(at, poly));
      return new SwitchingKey(context, maxLevel, words, seed);
    });
  }

  [Symbol.dispose](): void {
    this.#drbg[Symbol.dispose]();
  }
}
