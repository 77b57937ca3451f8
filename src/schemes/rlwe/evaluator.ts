/**
 * What CKKS and BGV evaluators do alike: whatever leaves the scheme's own facts (scale, noise bound, ...) to the scheme. Every method
 * takes one ciphertext or a batch and returns the same; results belong to the evaluator's arena, arguments are borrowed.
 *
 * Symbols: V a noise variance per coefficient, V_ks that of a key switch: see noise.ts.
 */
import type { GaloisElement, ParamsId } from '../../base/brand.ts';
import { LevelExhaustedError } from '../../base/errors.ts';
import type { Arena } from '../../ring/arena.ts';
import { allocateCiphertext, type RlweCiphertexts } from './ciphertext.ts';
import type { RlweContext } from './context.ts';
import type { EvaluationKeys } from './keys/evaluation-keys.ts';
import { hoistedGalois } from './hoisted-galois.ts';
import { rotationElement } from './keys/key-plan.ts';
import { recordEvaluator } from './release/own-encryptions.ts';
import { assertTwoParts, dropLimbsInto, galoisInto, relinearizeInto } from './key-switching.ts';

/** `B` the scheme's batches, `S` its single ciphertexts. */
export abstract class RlweEvaluator<C extends RlweContext, B extends RlweCiphertexts<C>, S extends B> {
  protected readonly context: C;
  protected readonly keys: EvaluationKeys;
  protected readonly arena: Arena;

  constructor(context: C, keys: EvaluationKeys, arena: Arena) {
    context.assertOwn('evaluation keys', keys);
    this.context = context;
    this.keys = keys;
    this.arena = arena;
    recordEvaluator(this, keys);
  }

  /** The scheme's facts that a key switch of `a` changes. @throws when the result could not be decrypted. */
  protected abstract switchedFacts(op: string, a: B): Partial<B['facts']>;

  /** -a: facts and noise unchanged. */
  negate<T extends B>(a: T): T {
    this.assertOwn(a);
    const out = allocateCiphertext(this.arena, a);
    this.context.kernel.negate(this.context.ring.tables, out.words, a.words, a.mods);
    return out;
  }

  /**
   * Three parts back to two; two parts are returned as a copy.
   *
   * - level, scale or factor: unchanged. noise: V + V_ks. cost: a key switch
   *
   * @throws {MissingKeyError} {@link NoiseBudgetError} in BGV.
   */
  relinearize<T extends B>(a: T): T {
    this.assertOwn(a);
    if (a.parts === 2) return this.copyAt(a, a.level);
    this.keys.relinearizationKey(a.level);
    const out = allocateCiphertext(this.arena, a, { parts: 2, ...this.switchedFacts('relinearize', a) });
    relinearizeInto(out, a, this.keys);
    return out;
  }

  /**
   * Forgets primes above `level`; the scheme's facts and the noise unchanged, no arithmetic.
   *
   * @throws {LevelExhaustedError} when already below. {@link NoiseBudgetError} in BGV.
   */
  dropTo<T extends B>(a: T, level: number): T {
    this.assertOwn(a);
    this.context.assertLevel(level);
    if (level > a.level) throw new LevelExhaustedError('dropTo', a.level, level);
    return this.copyAt(a, level);
  }

  /**
   * out[i] = in[i + by mod N/2]; in BGV in each of the two rows.
   *
   * - level, scale or factor: unchanged. noise: V + V_ks. cost: a key switch; none when by = 0 mod N/2
   *
   * @throws {MissingKeyError} {@link NoiseBudgetError} in BGV. {@link ShapeError} for three parts.
   */
  rotate<T extends B>(a: T, by: number): T {
    return this.applyGalois(a, rotationElement(this.context.params.n, by));
  }

  /** X -> X^element; as {@link RlweEvaluator.rotate}. */
  applyGalois<T extends B>(a: T, element: GaloisElement): T {
    this.assertOwn(a);
    assertTwoParts('a ciphertext to map', a);
    if (element === 1) return this.copyAt(a, a.level);
    this.keys.galoisKey(element, a.level);
    const out = allocateCiphertext(this.arena, a, this.switchedFacts('rotate', a));
    galoisInto(out, a, element, this.keys);
    return out;
  }

  /**
   * Several rotations of one ciphertext, decomposing it once (hoisting [HS18]); one result per step. As {@link rotate}, but every
   * step beyond the first costs no NTT over the digits.
   */
  rotateMany(a: S, steps: readonly number[]): S[] {
    this.assertOwn(a);
    const switched = this.switchedFacts('rotate', a);
    const elements = steps.map((step) => rotationElement(this.context.params.n, step));
    return hoistedGalois(this.keys, a, elements, (element) =>
      allocateCiphertext(this.arena, a, element === 1 ? {} : switched),
    );
  }

  /** A copy of `a` at a level not above its own. */
  protected copyAt<T extends B>(a: T, level: number): T {
    const out = allocateCiphertext(this.arena, a, { level });
    dropLimbsInto(out, a);
    return out;
  }

  /** Disposes `used` unless it is the caller's `original`. */
  protected release(used: B, original: B): void {
    if (used !== original) used[Symbol.dispose]();
  }

  /** @throws {ParamsMismatchError} */
  protected assertOwn(...operands: readonly { readonly paramsId: ParamsId }[]): void {
    for (const operand of operands) this.context.assertOwn('an operand', operand);
  }
}
