/**
 * Computing on ciphertexts without the secret key [BGV12], with hybrid key switching [HK20]. Every method takes one ciphertext or
 * a batch and returns the same; results belong to the evaluator's arena, arguments are borrowed and untouched.
 *
 * Symbols: l level, N ring degree, t plaintext modulus, h = 2N/3 the expected weight of the secret, V the variance per coefficient
 * of v/t (see ciphertext.ts), V_ks that of a key switch. The variances are functions in ../rlwe/noise.ts, the bounds that are
 * carried in noise-bound.ts. Operands at different levels meet at the lower one: the other is switched or dropped, whichever
 * leaves less noise. A result whose bound leaves no room is not computed: {@link NoiseBudgetError}.
 */
import { LevelExhaustedError, NoiseBudgetError, OutOfRangeError, ShapeError } from '../../base/errors.ts';
import { copyWords } from '../../ring/poly.ts';
import { allocateCiphertext } from '../rlwe/ciphertext.ts';
import { RlweEvaluator } from '../rlwe/evaluator.ts';
import { conjugationElement } from '../rlwe/keys/key-plan.ts';
import { assertTwoParts } from '../rlwe/key-switching.ts';
import type { BgvCiphertext, BgvCiphertextBatch, BgvFacts } from './ciphertext.ts';
import type { BgvContextBase } from './context-base.ts';
import { balancedPair } from './correction-factor.ts';
import { addBits, dividedBits, keySwitchBits, roundingBits } from '../rlwe/noise-bound.ts';
import { bestForProduct, noiseRoom, switchedDown } from './noise-bound.ts';
import { BgvPlaintext } from './plaintext.ts';

export class BgvEvaluator extends RlweEvaluator<BgvContextBase, BgvCiphertextBatch, BgvCiphertext> {
  /**
   * a + b; a plaintext is added to every ciphertext of the batch.
   *
   * - level: the lower one. factor: a's, times the multiplier below
   * - noise: V_a + V_b; operands whose factors differ are first multiplied by small integers, about sqrt(t) each, that make them
   *   equal. cost: one pass
   *
   * @throws {NoiseBudgetError} {@link ShapeError} when counts or parts differ. {@link ParamsMismatchError}
   */
  add<T extends BgvCiphertextBatch>(a: T, b: T | BgvPlaintext): T {
    return b instanceof BgvPlaintext ? this.#addPlaintext('add', a, b) : this.#combine('add', a, b);
  }

  /** a - b; as {@link add}. */
  sub<T extends BgvCiphertextBatch>(a: T, b: T | BgvPlaintext): T {
    return b instanceof BgvPlaintext ? this.#addPlaintext('sub', a, b) : this.#combine('sub', a, b);
  }

  /**
   * a * b slot by slot modulo t, relinearised when b is a ciphertext. No modulus is switched: see {@link modSwitchAuto}.
   *
   * - level: the lower one. factor: the product of both; a's for a plaintext
   * - noise: ciphertexts: N t^2 V_a V_b + V_ks; plaintext: V_a times the sum of squares of its centred coefficients
   * - cost: six products per limb and a key switch; two products per limb and l + 1 NTTs for a plaintext
   *
   * @throws {NoiseBudgetError} {@link MissingKeyError} {@link ShapeError} {@link ParamsMismatchError}
   */
  mul<T extends BgvCiphertextBatch>(a: T, b: T | BgvPlaintext): T {
    if (b instanceof BgvPlaintext) return this.#mulPlaintext(a, b);
    this.keys.relinearizationKey(Math.min(a.level, b.level));
    const lazy = this.mulLazy(a, b);
    try {
      return this.relinearize(lazy);
    } finally {
      lazy[Symbol.dispose]();
    }
  }

  /** As {@link mul} for two-part ciphertexts, without relinearisation: three parts, no key. */
  mulLazy<T extends BgvCiphertextBatch>(a: T, b: T): T {
    this.assertOwn(a, b);
    assertTwoParts('the first factor', a);
    assertTwoParts('the second factor', b);
    if (a.count !== b.count) throw new ShapeError('the second batch', a.count, b.count);
    const { kernel, ring, params } = this.context;
    const level = Math.min(a.level, b.level);
    const [x, y] = [this.#meet(a, level), this.#meet(b, level)];
    try {
      const noiseBits = Math.log2(params.t) + x.noiseBits + y.noiseBits;
      this.#assertRoom('mul', level, noiseBits);
      const out = allocateCiphertext(this.arena, x, {
        parts: 3,
        noiseBits,
        factor: params.mulModT(x.factor, y.factor),
      });
      using scaled = kernel.allocate(x.words.length);
      // c_a c_b = v_a v_b / t^2: one t too many in the denominator.
      kernel.mulScalar(ring.tables, scaled, x.words, params.residues(params.t, level), x.mods);
      kernel.tensor(ring.tables, out.words, scaled, y.words, x.mods);
      return out;
    } finally {
      this.release(x, a);
      this.release(y, b);
    }
  }

  /**
   * a * weight for an integer below t in absolute value.
   *
   * - level, factor: unchanged. noise: V times the square of the integer. cost: one product per limb and part
   *
   * @throws {OutOfRangeError} {@link NoiseBudgetError}
   */
  mulConstant<T extends BgvCiphertextBatch>(a: T, weight: number): T {
    this.assertOwn(a);
    const { t } = this.context.params;
    if (!Number.isInteger(weight) || Math.abs(weight) >= t) {
      throw new OutOfRangeError('weight', `an integer below ${t} in absolute value`, weight);
    }
    return this.#scaled(a, weight, a.factor);
  }

  /**
   * Divides modulus and noise by the last active prime q_l and rounds to a multiple of t; the message is kept.
   *
   * - level: l -> l - 1. factor: divided by q_l mod t. noise: V / q_l^2 + (1 + h)/12 for two parts
   * - cost: one inverse and l forward NTTs per part
   *
   * @throws {LevelExhaustedError} at level 0. {@link NoiseBudgetError} {@link ShapeError} for three parts.
   */
  modSwitch<T extends BgvCiphertextBatch>(a: T): T {
    this.assertOwn(a);
    assertTwoParts('a ciphertext to switch', a);
    if (a.level === 0) throw new LevelExhaustedError('modSwitch', 0, 1);
    const { kernel, ring, params } = this.context;
    const { q } = params.q[a.level]!;
    const noiseBits = dividedBits(params.n, a.noiseBits, Math.log2(q));
    this.#assertRoom('modSwitch', a.level - 1, noiseBits);
    const factor = params.mulModT(a.factor, params.inverseModT(q));
    const out = allocateCiphertext(this.arena, a, { level: a.level - 1, noiseBits, factor });
    kernel.rescale(ring.tables, out.words, a.words, a.mods);
    return out;
  }

  /**
   * Down to `level` with the least noise: each prime is switched away, or dropped while the noise is below what rounding costs.
   * As {@link modSwitch} and {@link RlweEvaluator.dropTo}.
   */
  modSwitchTo<T extends BgvCiphertextBatch>(a: T, level: number): T {
    this.assertOwn(a);
    this.context.assertLevel(level);
    if (level > a.level) throw new LevelExhaustedError('modSwitchTo', a.level, level);
    return level === a.level ? this.copyAt(a, level) : this.#meet(a, level);
  }

  /** Switches down while that leaves more room after a product with another such ciphertext: the level to multiply at. */
  modSwitchAuto<T extends BgvCiphertextBatch>(a: T): T {
    return this.modSwitchTo(a, this.productLevel(a));
  }

  /** The level that {@link modSwitchAuto} chooses. From public facts only. */
  productLevel(a: BgvCiphertextBatch): number {
    return bestForProduct(this.context.modulusBits, a).level;
  }

  /** The lowest level that still holds `a`, for replies. From public facts only. */
  lowestLevel(a: BgvCiphertextBatch): number {
    return Math.min(...[...switchedDown(this.context.modulusBits, a)].map(({ level }) => level));
  }

  /** Switched down to {@link lowestLevel}: a reply, as small as it gets before {@link BgvCiphertextBatch.toRoundedBytes}. */
  modSwitchLowest<T extends BgvCiphertextBatch>(a: T): T {
    return this.modSwitchTo(a, this.lowestLevel(a));
  }

  /** Swaps the two rows; as {@link RlweEvaluator.rotate}, with the key of `conjugate` in the plan. */
  swapRows<T extends BgvCiphertextBatch>(a: T): T {
    return this.applyGalois(a, conjugationElement(this.context.params.n));
  }

  #combine<T extends BgvCiphertextBatch>(op: 'add' | 'sub', a: T, b: T): T {
    this.assertOwn(a, b);
    if (a.count !== b.count) throw new ShapeError('the second batch', a.count, b.count);
    if (a.parts !== b.parts) throw new ShapeError('parts of the second ciphertext', a.parts, b.parts);
    const { kernel, ring, params } = this.context;
    const level = Math.min(a.level, b.level);
    const [x, y] = [this.#meet(a, level), this.#meet(b, level)];
    try {
      const [alpha, beta] = balancedPair(params.mulModT(y.factor, params.inverseModT(x.factor)), params.t);
      const noiseBits = addBits(x.noiseBits + Math.log2(alpha), y.noiseBits + Math.log2(Math.abs(beta)));
      this.#assertRoom(op, level, noiseBits);
      const factor = params.mulModT(x.factor, alpha);
      const out = allocateCiphertext(this.arena, x, { noiseBits, factor });
      kernel.mulScalar(ring.tables, out.words, x.words, params.residues(alpha, level), x.mods);
      if (beta === 1) {
        kernel[op](ring.tables, out.words, out.words, y.words, x.mods);
      } else {
        using scaled = kernel.allocate(y.words.length);
        kernel.mulScalar(ring.tables, scaled, y.words, params.residues(beta, level), x.mods);
        kernel[op](ring.tables, out.words, out.words, scaled, x.mods);
      }
      return out;
    } finally {
      this.release(x, a);
      this.release(y, b);
    }
  }

  #addPlaintext<T extends BgvCiphertextBatch>(op: 'add' | 'sub', a: T, b: BgvPlaintext): T {
    this.assertOwn(a, b);
    const { kernel, ring, params } = this.context;
    // [factor m]_t / t has coefficients in [-1/2, 1/2].
    const noiseBits = addBits(a.noiseBits, Math.log2(params.n / 2));
    this.#assertRoom(op, a.level, noiseBits);
    const out = allocateCiphertext(this.arena, a, { noiseBits });
    using message = kernel.allocate(a.polyWords);
    b.liftInto(message, a.level, a.factor);
    kernel.mulScalar(ring.tables, message, message, params.inverseResidues(a.level), a.mods);
    copyWords(out.words, a.words);
    for (let i = 0; i < a.count; i++) {
      const c0 = out.part(i, 0).words;
      kernel[op](ring.tables, c0, c0, message, a.mods);
    }
    return out;
  }

  #mulPlaintext<T extends BgvCiphertextBatch>(a: T, b: BgvPlaintext): T {
    this.assertOwn(a, b);
    const { kernel, ring } = this.context;
    const noiseBits = a.noiseBits + b.normBits;
    this.#assertRoom('mul', a.level, noiseBits);
    const out = allocateCiphertext(this.arena, a, { noiseBits });
    using factor = kernel.allocate(a.polyWords);
    b.liftInto(factor, a.level);
    kernel.mul(ring.tables, out.words, a.words, factor, a.mods);
    return out;
  }

  /** a times a small integer. */
  #scaled<T extends BgvCiphertextBatch>(a: T, weight: number, factor: number): T {
    const { kernel, ring, params } = this.context;
    const noiseBits = a.noiseBits + Math.log2(Math.max(1, Math.abs(weight)));
    this.#assertRoom('mulConstant', a.level, noiseBits);
    const out = allocateCiphertext(this.arena, a, { noiseBits, factor });
    kernel.mulScalar(ring.tables, out.words, a.words, params.residues(weight, a.level), a.mods);
    return out;
  }

  /** `a` itself at its level, else a copy at `level` with the least noise. */
  #meet<T extends BgvCiphertextBatch>(a: T, level: number): T {
    const floor = roundingBits(this.context.params.n);
    let at = a;
    while (at.level > level) {
      const isQuiet =
        at.noiseBits <= floor && at.noiseBits <= noiseRoom(this.context.modulusBits, at.level - 1);
      const next = isQuiet || at.parts !== 2 ? this.copyAt(at, at.level - 1) : this.modSwitch(at);
      this.release(at, a);
      at = next;
    }
    return at;
  }

  #assertRoom(op: string, level: number, noiseBits: number): void {
    const room = noiseRoom(this.context.modulusBits, level);
    if (noiseBits > room) throw new NoiseBudgetError(op, level, Math.ceil(noiseBits - room));
  }

  protected override copyAt<T extends BgvCiphertextBatch>(a: T, level: number): T {
    this.#assertRoom('dropTo', level, a.noiseBits);
    return super.copyAt(a, level);
  }

  protected override switchedFacts(op: string, a: BgvCiphertextBatch): Partial<BgvFacts> {
    const noiseBits = addBits(a.noiseBits, keySwitchBits(this.context.modulusBits, a.level));
    this.#assertRoom(op, a.level, noiseBits);
    return { noiseBits };
  }
}
