/**
 * Computing on ciphertexts without the secret key [CHKKS18], with hybrid key switching [HK20]. Every method takes one ciphertext
 * or a batch and returns the same; results belong to the evaluator's arena, arguments are borrowed and untouched.
 *
 * Symbols: l level, Delta scale, N ring degree, h = 2N/3 the expected weight of the secret, V a noise variance per coefficient,
 * V_ks that of a key switch. The formulas are functions in ../rlwe/noise.ts. Operands at different levels meet at the lower
 * one, which is free of noise. Scales must agree to 2^-20. A result that could wrap around the modulus, by the bound of its values that
 * message-bound.ts carries along, is not computed: {@link MessageOverflowError}.
 */
import { LevelExhaustedError, OutOfRangeError, ScaleMismatchError, ShapeError } from '../../base/errors.ts';
import type { GemmWeights } from '../../kernel/kernel.ts';
import { copyWords } from '../../ring/poly.ts';
import { allocateCiphertext, ciphertextWords } from '../rlwe/ciphertext.ts';
import { RlweEvaluator } from '../rlwe/evaluator.ts';
import { conjugationElement } from '../rlwe/keys/key-plan.ts';
import { assertTwoParts } from '../rlwe/key-switching.ts';
import { type Adjustment, planAlignment } from './alignment.ts';
import { CiphertextBatch, type CiphertextFacts, type CkksCiphertext } from './ciphertext.ts';
import { constantResidues } from './constant-residues.ts';
import type { CkksContextBase } from './context-base.ts';
import { linearTransformInto } from '../rlwe/double-hoisting.ts';
import { expandInterleaved } from './expand-interleaved.ts';
import type { LinearTransform } from './linear-transform.ts';
import {
  assertHeld,
  assertPrecise,
  type BoundAt,
  keySwitchAbs,
  roundingAbs,
  SCALE_TOLERANCE,
} from './message-bound.ts';
import { CkksPlaintext } from './plaintext.ts';

export class CkksEvaluator extends RlweEvaluator<CkksContextBase, CiphertextBatch, CkksCiphertext> {
  /**
   * a + b; a plaintext or a number is added to every slot vector of the batch.
   *
   * - level: the lower one. scale: a's (within 2^-20 of b's). noise: V_a + V_b, plus 1/12 for a number. cost: one pass
   *
   * @throws {ScaleMismatchError} {@link MessageOverflowError} {@link ShapeError} when counts or parts differ. {@link ParamsMismatchError}
   */
  add<T extends CiphertextBatch>(a: T, b: T | CkksPlaintext | number): T {
    return this.#combine('add', a, b);
  }

  /** a - b; as {@link add}. */
  sub<T extends CiphertextBatch>(a: T, b: T | CkksPlaintext | number): T {
    return this.#combine('sub', a, b);
  }

  /**
   * a * b slot by slot, relinearised when b is a ciphertext. Not rescaled.
   *
   * - level: the lower one. scale: Delta_a Delta_b
   * - noise: ciphertexts: N (V_a m_b^2 + V_b m_a^2 + V_a V_b) + V_ks, m^2 the mean square of the scaled message's coefficients;
   *   plaintext: V_a times the sum of squares of its coefficients
   * - cost: four products per limb and a key switch; two products per limb for a plaintext
   *
   * @throws {MessageOverflowError} {@link MissingKeyError} {@link ShapeError} {@link ParamsMismatchError}
   */
  mul<T extends CiphertextBatch>(a: T, b: T | CkksPlaintext): T {
    if (b instanceof CkksPlaintext) return this.#mulPlaintext(a, b);
    this.keys.relinearizationKey(Math.min(a.level, b.level));
    const lazy = this.mulLazy(a, b);
    try {
      return this.relinearize(lazy);
    } finally {
      lazy[Symbol.dispose]();
    }
  }

  /** As {@link mul} for two-part ciphertexts, without relinearisation: three parts, no key. */
  mulLazy<T extends CiphertextBatch>(a: T, b: T): T {
    const level = this.#assertFactors(a, b);
    const facts = { level, parts: 3, scale: a.scale * b.scale, maxAbs: a.maxAbs * b.maxAbs };
    this.#assertHeld('mul', facts);
    const [x, y] = [this.#lowered(a, level), this.#lowered(b, level)];
    const out = allocateCiphertext(this.arena, x, facts);
    this.context.kernel.tensor(this.context.ring.tables, out.words, x.words, y.words, x.mods);
    this.release(x, a);
    this.release(y, b);
    return out;
  }

  /**
   * a * weight for an integer, scale unchanged; or, with `scale`, a * round(weight * scale) and Delta * scale.
   *
   * - level: unchanged. noise: V times the square of the integer. cost: one product per limb and part
   *
   * @throws {OutOfRangeError} when the weight is not an integer and no scale is given. {@link MessageOverflowError}
   */
  mulConstant<T extends CiphertextBatch>(a: T, weight: number, scale = 1): T {
    this.assertOwn(a);
    if (scale === 1 && !Number.isInteger(weight)) throw new OutOfRangeError('weight', 'an integer', weight);
    const scalars = constantResidues(this.context.params, weight * scale, a.mods);
    const maxAbs = (a.maxAbs * Math.abs(Math.round(weight * scale))) / scale;
    const facts = { level: a.level, scale: a.scale * scale, maxAbs };
    this.#assertHeld('mulConstant', facts);
    const out = allocateCiphertext(this.arena, a, facts);
    this.context.kernel.mulScalar(this.context.ring.tables, out.words, a.words, scalars, a.mods);
    return out;
  }

  /**
   * Multiplies the plaintext polynomial by X^exponent (negative allowed): moves coefficients, not slots.
   *
   * - level, scale, noise: unchanged. cost: one product per limb and part
   */
  mulMonomial<T extends CiphertextBatch>(a: T, exponent: number): T {
    this.assertOwn(a);
    const { kernel, ring } = this.context;
    const monomial = ring.monomial(exponent).sub(0, a.polyWords);
    const out = allocateCiphertext(this.arena, a);
    kernel.mul(ring.tables, out.words, a.words, monomial, a.mods);
    return out;
  }

  /**
   * Divides by the last active prime q_l and rounds.
   *
   * - level: l -> l - 1. scale: Delta / q_l. noise: V / q_l^2 + (1 + h)/12 for two parts. cost: one inverse and l forward NTTs per part
   *
   * @throws {LevelExhaustedError} at level 0. {@link PrecisionLostError} when the rounding would be larger than the values.
   */
  rescale<T extends CiphertextBatch>(a: T): T {
    this.assertOwn(a);
    if (a.level === 0) throw new LevelExhaustedError('rescale', 0, 1);
    const { kernel, ring } = this.context;
    const facts = this.#rescaled('rescale', a, a.scale, a.maxAbs);
    const out = allocateCiphertext(this.arena, a, facts);
    kernel.rescale(ring.tables, out.words, a.words, a.mods);
    return out;
  }

  /**
   * The product, relinearised and rescaled in one pass: equal to rescale(mul(a, b)), but the division by P and that by q_l are one.
   *
   * - level: the lower one, less one. scale: Delta_a Delta_b / q_l. noise: as these two, at most. cost: l (l + 3) NTTs about, for one
   *   special prime
   *
   * @throws as these.
   */
  multiplyRelinearizeRescale<T extends CiphertextBatch>(a: T, b: T): T {
    const level = this.#assertFactors(a, b);
    if (level === 0) throw new LevelExhaustedError('multiplyRelinearizeRescale', 0, 1);
    const { kernel, ring } = this.context;
    const key = this.keys.relinearizationKey(level);
    const product = { level, scale: a.scale * b.scale, maxAbs: a.maxAbs * b.maxAbs };
    product.maxAbs += keySwitchAbs(this.context.modulusBits, product);
    this.#assertHeld('multiplyRelinearizeRescale', product);
    const facts = this.#rescaled(
      'multiplyRelinearizeRescale',
      { level, parts: 2 },
      product.scale,
      product.maxAbs,
    );
    const [x, y] = [this.#lowered(a, level), this.#lowered(b, level)];
    const out = allocateCiphertext(this.arena, x, facts);
    const shape = this.context.keySwitchShape(level, key.maxLevel);
    kernel.multiplyRelinearizeRescale(ring.tables, out.words, x.words, y.words, key.words(level), shape);
    this.release(x, a);
    this.release(y, b);
    return out;
  }

  /** {@link multiplyRelinearizeRescale} of `a` by itself, which is cheaper. @throws as that. */
  squareRelinearizeRescale<T extends CiphertextBatch>(a: T): T {
    return this.multiplyRelinearizeRescale(a, a);
  }

  /**
   * Copies of two ciphertexts at one level and one scale, the same number, so that they can be added: x^2 + x is
   * `add(...align(rescale(mul(x, x)), x))`. One of them is multiplied by a whole constant c and, unless the scales are far apart,
   * rescaled; its values are then off by at most 1/(2c) of themselves, below 2^-20 (2^-40 for primes of 40 bits).
   *
   * - level: the lower one where the other is above it, one less where both are at the same; unchanged when the scales are equal
   *   or their ratio is itself c. scale: that of one of them, as it is
   * - noise: V c^2 / q^2 + (1 + h)/12 of the one that is rescaled. cost: a product per limb and a rescaling of it
   *
   * @throws {LevelExhaustedError} when there is no level to rescale into. {@link MessageOverflowError}
   */
  align<T extends CiphertextBatch>(a: T, b: T): [a: T, b: T] {
    this.assertOwn(a, b);
    const { level, scale, ...plan } = planAlignment(this.context.params, a, b);
    return [this.#adjusted(a, plan.a, level, scale), this.#adjusted(b, plan.b, level, scale)];
  }

  /**
   * A copy of `a` whose slots are promised to be at most `maxAbs` in absolute value: what is known of the values and not of the
   * operations, as that a sum of many terms is a mean. A broken promise makes wrong values that nothing notices.
   *
   * @throws {OutOfRangeError} {@link MessageOverflowError}
   */
  declareMaxAbs<T extends CiphertextBatch>(a: T, maxAbs: number): T {
    this.assertOwn(a);
    if (!(maxAbs > 0 && maxAbs < Infinity))
      throw new OutOfRangeError('maxAbs', 'positive and finite', maxAbs);
    this.#assertHeld('declareMaxAbs', { level: a.level, scale: a.scale, maxAbs });
    const out = allocateCiphertext(this.arena, a, { maxAbs });
    copyWords(out.words, a.words);
    return out;
  }

  /** Complex conjugate of the slots; as {@link RlweEvaluator.rotate}. */
  conjugate<T extends CiphertextBatch>(a: T): T {
    return this.applyGalois(a, conjugationElement(this.context.params.n));
  }

  /**
   * The sum of rotations of `a` times the diagonals of `transform`, by double hoisting. Not rescaled.
   *
   * - level: the transform's. scale: Delta times the transform's
   * - noise: the squared norm of all weights times (V + V_ks without its rounding), then one rounding: `linearTransformNoise`
   * - cost: a decomposition, per rotation the products with its key, one division by P; per giant step a decomposition and half a
   *   division more
   *
   * @throws {LevelExhaustedError} when `a` is below the transform. {@link MissingKeyError} {@link ShapeError} for three parts.
   */
  linearTransform(a: CkksCiphertext, transform: LinearTransform): CkksCiphertext {
    this.assertOwn(a, transform);
    assertTwoParts('a ciphertext to transform', a);
    if (a.level < transform.level) throw new LevelExhaustedError('linearTransform', a.level, transform.level);
    const { level } = transform;
    const giants = transform.giantSteps;
    const bits = this.context.modulusBits;
    const scale = a.scale * transform.scale;
    const inner = a.maxAbs + keySwitchAbs(bits, { level, scale: a.scale });
    const maxAbs = inner * transform.rowNorm + giants.length * keySwitchAbs(bits, { level, scale });
    this.#assertHeld('linearTransform', { level, scale, maxAbs });
    const x = this.#lowered(a, level);
    const out = allocateCiphertext(this.arena, x, { scale, maxAbs });
    linearTransformInto(out, x, giants, this.keys);
    this.release(x, a);
    return out;
  }

  /** Separates interleaved vectors: see {@link expandInterleaved}. */
  expandInterleaved(a: CiphertextBatch, k: number): CiphertextBatch {
    this.assertOwn(a);
    this.#assertHeld('expandInterleaved', { level: a.level, scale: k * a.scale, maxAbs: a.maxAbs });
    return expandInterleaved(this.context, this.keys, this.arena, a, k);
  }

  /**
   * out[p rows + i] = sum_j w[i][j] a[rowIndex[p cols + j]] for integer weights from `kernel.prepareGemm`: a dense layer with one
   * ciphertext per feature, which has one position p, or a convolution, all its positions at once. `weightScale` is what the
   * integers were multiplied by.
   *
   * - level: unchanged. scale: Delta * weightScale. noise: V times the sum of the squared weights of the row, for independent inputs
   *
   * @throws {ShapeError} {@link ParamsMismatchError}
   */
  gemm(
    weights: GemmWeights,
    a: CiphertextBatch,
    options: { readonly weightScale?: number; readonly rowIndex?: Uint32Array } = {},
  ): CiphertextBatch {
    this.assertOwn(a);
    const { kernel, ring } = this.context;
    const weightScale = options.weightScale ?? 1;
    const maxAbs = (a.maxAbs * weights.cols * weights.maxAbs) / weightScale;
    const positions = (options.rowIndex?.length ?? weights.cols) / weights.cols;
    const facts = { ...a.facts, count: positions * weights.rows, scale: a.scale * weightScale, maxAbs };
    this.#assertHeld('gemm', facts);
    const out = this.arena.make(ciphertextWords(facts), (words) => new CiphertextBatch(words, facts));
    kernel.gemm(ring.tables, out.words, weights, a.words, a.parts, a.mods, options.rowIndex);
    return out;
  }

  #combine<T extends CiphertextBatch>(op: 'add' | 'sub', a: T, b: T | CkksPlaintext | number): T {
    this.assertOwn(a);
    if (typeof b === 'number') return this.#addNumber(op, a, op === 'add' ? b : -b);
    this.assertOwn(b);
    if (!(Math.abs(a.scale - b.scale) <= SCALE_TOLERANCE * a.scale))
      throw new ScaleMismatchError(op, a.scale, b.scale);
    if (!(b instanceof CkksPlaintext)) {
      if (a.count !== b.count) throw new ShapeError('the second batch', a.count, b.count);
      if (a.parts !== b.parts) throw new ShapeError('parts of the second ciphertext', a.parts, b.parts);
    }
    const { kernel, ring } = this.context;
    const level = Math.min(a.level, b.level);
    const facts = { level, scale: a.scale, maxAbs: a.maxAbs + b.maxAbs * (1 + SCALE_TOLERANCE) };
    this.#assertHeld(op, facts);
    const x = this.#lowered(a, level);
    const out = allocateCiphertext(this.arena, x, facts);
    if (b instanceof CkksPlaintext) {
      const m = b.polynomial.words.sub(0, x.polyWords);
      copyWords(out.words, x.words);
      for (let i = 0; i < x.count; i++) {
        const c0 = out.part(i, 0).words;
        kernel[op](ring.tables, c0, c0, m, x.mods);
      }
    } else {
      const y = this.#lowered(b, level);
      kernel[op](ring.tables, out.words, x.words, y.words, x.mods);
      this.release(y, b);
    }
    this.release(x, a);
    return out;
  }

  #addNumber<T extends CiphertextBatch>(op: string, a: T, value: number): T {
    const { kernel, ring } = this.context;
    const scalars = constantResidues(this.context.params, value * a.scale, a.mods);
    const { level, scale } = a;
    const facts = { level, scale, maxAbs: a.maxAbs + Math.abs(value) + 1 / scale };
    this.#assertHeld(op, facts);
    const out = allocateCiphertext(this.arena, a, facts);
    copyWords(out.words, a.words);
    for (let i = 0; i < a.count; i++) {
      const c0 = out.part(i, 0).words;
      kernel.addScalar(ring.tables, c0, c0, scalars, a.mods);
    }
    return out;
  }

  #mulPlaintext<T extends CiphertextBatch>(a: T, b: CkksPlaintext): T {
    this.assertOwn(a, b);
    const { kernel, ring } = this.context;
    const level = Math.min(a.level, b.level);
    const facts = { level, scale: a.scale * b.scale, maxAbs: a.maxAbs * b.maxAbs };
    this.#assertHeld('mul', facts);
    const x = this.#lowered(a, level);
    const out = allocateCiphertext(this.arena, x, facts);
    kernel.mul(ring.tables, out.words, x.words, b.polynomial.words.sub(0, x.polyWords), x.mods);
    this.release(x, a);
    return out;
  }

  /** The level of a product. */
  #assertFactors(a: CiphertextBatch, b: CiphertextBatch): number {
    this.assertOwn(a, b);
    assertTwoParts('the first factor', a);
    assertTwoParts('the second factor', b);
    if (a.count !== b.count) throw new ShapeError('the second batch', a.count, b.count);
    return Math.min(a.level, b.level);
  }

  /** `a` itself at its level, else a copy with fewer limbs. */
  #lowered<T extends CiphertextBatch>(a: T, level: number): T {
    return level === a.level ? a : this.copyAt(a, level);
  }

  /** As {@link align} plans it: a copy of `a` at that level, whose scale is called `scale` from then on. */
  #adjusted<T extends CiphertextBatch>(a: T, adjustment: Adjustment, level: number, scale: number): T {
    const { multiplier, divisions } = adjustment;
    if (multiplier === 1) return this.copyAt(a, level);
    const { kernel, ring, params } = this.context;
    const start = this.#lowered(a, level + divisions);
    const maxAbs = a.maxAbs * (1 + 1 / multiplier);
    const multiplied = { level: start.level, scale: divisions === 0 ? scale : a.scale * multiplier, maxAbs };
    this.#assertHeld('align', multiplied);
    let at = allocateCiphertext(this.arena, start, multiplied);
    kernel.mulScalar(
      ring.tables,
      at.words,
      start.words,
      constantResidues(params, multiplier, at.mods),
      at.mods,
    );
    this.release(start, a);
    for (let left = divisions; left > 0; left--) {
      const facts = this.#rescaled('align', at, at.scale, at.maxAbs);
      const next = allocateCiphertext(this.arena, at, left === 1 ? { ...facts, scale } : facts);
      kernel.rescale(ring.tables, next.words, at.words, at.mods);
      at[Symbol.dispose]();
      at = next;
    }
    return at;
  }

  /** The facts after a division by the prime of `from.level`. */
  #rescaled(
    op: string,
    from: { readonly level: number; readonly parts: number },
    scale: number,
    maxAbs: number,
  ): BoundAt {
    const { params } = this.context;
    const level = from.level - 1;
    const after = { level, scale: scale / params.q[from.level]!.q, maxAbs };
    assertPrecise(op, params, after);
    const rounded = { ...after, maxAbs: maxAbs + roundingAbs(params.n, from.parts, after.scale) };
    this.#assertHeld(op, rounded);
    return rounded;
  }

  #assertHeld(op: string, result: BoundAt): void {
    assertHeld(op, this.context.params, result);
  }

  protected override copyAt<T extends CiphertextBatch>(a: T, level: number): T {
    this.#assertHeld('dropTo', { level, scale: a.scale, maxAbs: a.maxAbs });
    return super.copyAt(a, level);
  }

  protected override switchedFacts(op: string, a: CiphertextBatch): Partial<CiphertextFacts> {
    const maxAbs = a.maxAbs + keySwitchAbs(this.context.modulusBits, a);
    this.#assertHeld(op, { level: a.level, scale: a.scale, maxAbs });
    return { maxAbs };
  }
}
