/**
 * Exact operations on slot vectors that repeat after a power of two of slots: masks, sums by rotations, small linear maps. A mask is encoded
 * at the scale that makes its product arrive at the scale that was asked for, and what is rotated afterwards is rotated before the
 * division, which then divides the noise of the rotations as well.
 */
import type { CkksCiphertext } from '../schemes/ckks/ciphertext.ts';
import type { CkksContextBase } from '../schemes/ckks/context-base.ts';
import { CkksEncoder } from '../schemes/ckks/encoder.ts';
import { LevelExhaustedError } from '../base/errors.ts';
import type { Arena } from '../ring/arena.ts';
import type { EvaluationKeys } from '../schemes/rlwe/keys/evaluation-keys.ts';
import type { HomomorphicWork } from './cost.ts';
import { ExactOperations, type ExactTarget, isSameScale } from './exact-operations.ts';
import { applyLinearMap, type LinearMap } from './linear/linear-map.ts';

/** A number for every slot; slots repeat after `period` of them. */
export interface SlotPattern {
  readonly period: number;
  at(slot: number): number;
  /** Imaginary parts; none without it. */
  imaginaryAt?(slot: number): number;
}

/** Results belong to the arena; arguments are borrowed unless a method says otherwise. */
export class PatternOperations extends ExactOperations {
  #encoder: CkksEncoder;
  /** What was done so far, to be compared with a prediction. */
  readonly work: { keySwitches: number[]; diagonals: number[] } & HomomorphicWork = {
    keySwitches: [],
    diagonals: [],
  };

  constructor(context: CkksContextBase, keys: EvaluationKeys, arena: Arena) {
    super(context, keys, arena);
    this.#encoder = new CkksEncoder(context, arena);
  }

  override multiply(a: CkksCiphertext, b: CkksCiphertext, maxAbs: number): CkksCiphertext {
    this.work.keySwitches.push(Math.min(a.level, b.level) + 1);
    return super.multiply(a, b, maxAbs);
  }

  override rotate(a: CkksCiphertext, step: number): CkksCiphertext {
    this.work.keySwitches.push(a.level + 1);
    return super.rotate(a, step);
  }

  override conjugate(a: CkksCiphertext): CkksCiphertext {
    this.work.keySwitches.push(a.level + 1);
    return super.conjugate(a);
  }

  #encoded({ period, at, imaginaryAt }: SlotPattern, level: number, scale: number) {
    const re = Float64Array.from({ length: period }, (_, slot) => at(slot));
    const imaginary = imaginaryAt && Float64Array.from({ length: period }, (_, slot) => imaginaryAt(slot));
    return this.#encoder.encode(re, { level, scale, slots: period, ...(imaginary && { imaginary }) });
  }

  /**
   * a times the pattern, then the sum of its rotations by all sums of `steps`: one level.
   *
   * @throws {LevelExhaustedError} when `a` is not above the target. {@link MissingKeyError}
   */
  masked(
    a: CkksCiphertext,
    pattern: SlotPattern,
    target: ExactTarget,
    steps: readonly number[] = [],
  ): CkksCiphertext {
    const above = target.level + 1;
    if (a.level < above) throw new LevelExhaustedError('a mask', a.level, above);
    const { kernel, ring } = this.context;
    const scale = (target.scale * this.prime(above)) / a.scale;
    using mask = this.#encoded(pattern, above, scale);
    const product = this.restate(this.lowered(a, above), { scale: a.scale * scale, maxAbs: target.maxAbs });
    kernel.mul(ring.tables, product.words, product.words, mask.polynomial.words, product.mods);
    this.work.diagonals.push(above + 1);
    const sum = this.rotateSum(product, steps, target.maxAbs);
    return this.restate(this.rescale(sum), { scale: target.scale });
  }

  /** a + the pattern, in place. */
  addPattern(a: CkksCiphertext, pattern: SlotPattern): void {
    const { kernel, ring } = this.context;
    using constant = this.#encoded(pattern, a.level, a.scale);
    const c0 = a.part(0, 0).words;
    kernel.add(ring.tables, c0, c0, constant.polynomial.words, a.mods);
  }

  /** The sum of the rotations by all sums of `steps`; the argument is used up. */
  rotateSum(a: CkksCiphertext, steps: readonly number[], maxAbs: number): CkksCiphertext {
    let sum = a;
    for (const step of steps) sum = this.addUp(sum, this.rotate(sum, step), maxAbs);
    return sum;
  }

  /** A linear map, with the weights encoded for this one use. */
  mapped(a: CkksCiphertext, map: LinearMap, babySteps: number, target: ExactTarget): CkksCiphertext {
    const level = target.level + 1;
    const { slots } = this.context.params;
    const scale = (target.scale * this.prime(level)) / a.scale;
    using transform = map.encode(this.#encoder, slots, { level, scale, babySteps });
    for (const _ of map.rotations(slots, babySteps)) this.work.keySwitches.push(level + 1);
    for (const _ of map.steps) this.work.diagonals.push(level + 1);
    const out = applyLinearMap(this, a, transform, { maxAbs: target.maxAbs });
    if (!isSameScale(out.scale, target.scale))
      throw new Error(`a planned scale of ${target.scale} was missed: ${out.scale}`);
    return this.restate(out, { scale: target.scale });
  }
}

/** 1, 2, 4 .. below `to`, times `unit`: the rotations that add up `to` neighbours at that distance. */
export function doublings(to: number, unit = 1): number[] {
  return Array.from({ length: Math.log2(to) }, (_, i) => unit * 2 ** i);
}
