/**
 * CKKS operations with level and scale of every value known beforehand, on whatever carries out {@link CkksOperations}: an evaluator, or
 * the bounds that a release needs. So one text is the trainer's run, the owner's declaration and its recomputation.
 */
import { LevelExhaustedError } from '../../base/errors.ts';
import { CkksCiphertext } from '../../schemes/ckks/ciphertext.ts';
import type { CkksOperations } from '../../schemes/ckks/circuit.ts';
import type { CkksParams } from '../../schemes/ckks/params.ts';
import type { CkksPlaintext } from '../../schemes/ckks/plaintext.ts';

export interface PlannedValue<C> {
  readonly value: C;
  readonly level: number;
  readonly scale: number;
}

export interface PlannedTarget {
  readonly level: number;
  readonly scale: number;
}

/** Arguments are borrowed; results are the caller's to free. */
export class PlannedOperations<C> {
  readonly on: CkksOperations<C>;
  /** Primes that a product is divided by. */
  readonly primesPerLevel: number;
  #params: CkksParams;

  constructor(on: CkksOperations<C>, params: CkksParams, primesPerLevel: number) {
    this.on = on;
    this.#params = params;
    this.primesPerLevel = primesPerLevel;
  }

  /** Ciphertexts give their memory back; bounds have none. */
  free(...values: readonly PlannedValue<C>[]): void {
    for (const { value } of values) this.#discard(value);
  }

  #discard(value: C): void {
    if (value instanceof CkksCiphertext) value[Symbol.dispose]();
  }

  /** q_level .. of one division. */
  divisor(level: number): number {
    let product = 1;
    for (let i = 0; i < this.primesPerLevel; i++) product *= this.#params.q[level - i]!.q;
    return product;
  }

  /** Down by one division; the argument is used up. */
  #divided(value: C): C {
    let at = value;
    for (let i = 0; i < this.primesPerLevel; i++) {
      const next = this.on.rescale(at);
      this.#discard(at);
      at = next;
    }
    return at;
  }

  /** The value under a bound that is known of it; the argument is used up. */
  bounded(a: PlannedValue<C>, maxAbs: number): PlannedValue<C> {
    const value = this.on.declareMaxAbs(a.value, maxAbs);
    this.#discard(a.value);
    return { ...a, value };
  }

  /** a b. @throws {LevelExhaustedError} */
  product(a: PlannedValue<C>, b: PlannedValue<C>, maxAbs: number): PlannedValue<C> {
    const level = Math.min(a.level, b.level);
    if (level < this.primesPerLevel) throw new LevelExhaustedError('a product', level, this.primesPerLevel);
    const scale = (a.scale * b.scale) / this.divisor(level);
    const value =
      this.primesPerLevel === 1
        ? this.on.multiplyRelinearizeRescale(a.value, b.value)
        : this.#divided(this.on.mul(a.value, b.value));
    return this.bounded({ value, level: level - this.primesPerLevel, scale }, maxAbs);
  }

  /** a b before relinearisation and division, of a and b at one level: sums of such are divided once by {@link reduced}. */
  lazyProduct(a: PlannedValue<C>, b: PlannedValue<C>): PlannedValue<C> {
    return { value: this.on.mulLazy(a.value, b.value), level: a.level, scale: a.scale * b.scale };
  }

  /** A sum of lazy products, relinearised and divided; it is used up. @throws {LevelExhaustedError} */
  reduced(a: PlannedValue<C>, maxAbs: number): PlannedValue<C> {
    if (a.level < this.primesPerLevel)
      throw new LevelExhaustedError('a product', a.level, this.primesPerLevel);
    const value = this.on.relinearize(a.value);
    this.free(a);
    const scale = a.scale / this.divisor(a.level);
    return this.bounded({ value: this.#divided(value), level: a.level - this.primesPerLevel, scale }, maxAbs);
  }

  /** a + i b of real values at one level. */
  complex(a: PlannedValue<C>, b: PlannedValue<C>): PlannedValue<C> {
    const turned = this.on.mulMonomial(b.value, this.#params.n / 2);
    const value = this.on.add(a.value, turned);
    this.#discard(turned);
    return { ...a, value };
  }

  /** Twice the real and twice the imaginary parts, as real values. */
  doubledParts(a: PlannedValue<C>): [re: PlannedValue<C>, im: PlannedValue<C>] {
    const conjugate = this.on.conjugate(a.value);
    const difference = this.on.sub(a.value, conjugate);
    const re = { ...a, value: this.on.add(a.value, conjugate) };
    const im = { ...a, value: this.on.mulMonomial(difference, -this.#params.n / 2) };
    this.#discard(conjugate);
    this.#discard(difference);
    return [re, im];
  }

  /** A copy at a level not above that of `a`. */
  lowered(a: PlannedValue<C>, level: number): PlannedValue<C> {
    return { ...a, value: this.on.dropTo(a.value, level), level };
  }

  /** weight a at exactly this level and scale. @throws {LevelExhaustedError} */
  scaled(a: PlannedValue<C>, weight: number, target: PlannedTarget): PlannedValue<C> {
    const above = target.level + this.primesPerLevel;
    if (a.level < above) throw new LevelExhaustedError('a product with a constant', a.level, above);
    const lowered = a.level === above ? a.value : this.on.dropTo(a.value, above);
    const factor = (target.scale * this.divisor(above)) / a.scale;
    const multiplied = this.on.mulConstant(lowered, weight, factor);
    if (lowered !== a.value) this.#discard(lowered);
    return { value: this.#divided(multiplied), ...target };
  }

  /** a times a plaintext that is encoded at the scale of one division, rotated and added up by `steps`, then divided: one level. */
  maskedAndSpread(
    a: PlannedValue<C>,
    mask: CkksPlaintext,
    steps: readonly number[],
    maxAbs: number,
  ): PlannedValue<C> {
    const scale = (a.scale * mask.scale) / this.divisor(a.level);
    // Divided last: the noise of the rotations is divided as well.
    const value = this.#divided(this.#rotateSum(this.on.mul(a.value, mask), steps));
    return this.bounded({ value, level: a.level - this.primesPerLevel, scale }, maxAbs);
  }

  /** The sum of the rotations by all sums of `steps`; the argument is used up. With `maxAbs`, which no partial sum exceeds. */
  rotateSum(a: PlannedValue<C>, steps: readonly number[], maxAbs?: number): PlannedValue<C> {
    if (maxAbs === undefined) return { ...a, value: this.#rotateSum(a.value, steps) };
    return steps.reduce((sum, step) => this.bounded(this.rotateSum(sum, [step]), maxAbs), a);
  }

  #rotateSum(value: C, steps: readonly number[]): C {
    let sum = value;
    for (const step of steps) {
      const moved = this.on.rotate(sum, step);
      const next = this.on.add(sum, moved);
      this.#discard(moved);
      this.#discard(sum);
      sum = next;
    }
    return sum;
  }

  /** a + b at the lower level; both are used up. */
  sum(a: PlannedValue<C>, b: PlannedValue<C>): PlannedValue<C> {
    const value = this.on.add(a.value, b.value);
    this.free(a, b);
    return { ...a, value, level: Math.min(a.level, b.level) };
  }

  /** a - b; both are used up. */
  difference(a: PlannedValue<C>, b: PlannedValue<C>): PlannedValue<C> {
    const value = this.on.sub(a.value, b.value);
    this.free(a, b);
    return { ...a, value, level: Math.min(a.level, b.level) };
  }

  /** a + number; the argument is used up. */
  plus(a: PlannedValue<C>, constant: number): PlannedValue<C> {
    const value = this.on.add(a.value, constant);
    this.#discard(a.value);
    return { ...a, value };
  }
}
