/**
 * Polynomials of a ciphertext by baby and giant steps (Paterson and Stockmeyer 1973), depth-optimal as in [BMTH21]: the coefficients at the
 * top are split down to degree one, so that degree d takes ceil(log2(d + 1)) levels. The scale of every node is planned from the target
 * backwards: results arrive at the level and the scale that were asked for, exactly.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { LevelExhaustedError } from '../../base/errors.ts';
import type { CkksCiphertext } from '../../schemes/ckks/ciphertext.ts';
import { type ExactOperations, type ExactTarget, isSameScale } from '../exact-operations.ts';
import { degreeOf, depthOf, dividedByBasis, type PolynomialBasisKind, type Series } from './series.ts';

/** B_1 = x, B_2, B_3 .. of one ciphertext, each made when it is first asked for. */
export class PolynomialBasis {
  readonly kind: PolynomialBasisKind;
  readonly operations: ExactOperations;
  #bound: number;
  #made: Map<number, CkksCiphertext>;

  /**
   * `first` is borrowed, and alive as long as this; no slot is above `bound` (1 for Chebyshev polynomials, which grow fast beyond).
   */
  constructor(operations: ExactOperations, kind: PolynomialBasisKind, first: CkksCiphertext, bound = 1) {
    arg.checkArguments('new PolynomialBasis', [operations, kind, first, bound], {
      operations: arg.like('an ExactOperations', 'prime', 'restate'),
      kind: arg.oneOf('power', 'chebyshev'),
      first: arg.like('a CkksCiphertext', 'toBytes', 'at'),
      bound: arg.optional(arg.number),
    });
    this.operations = operations;
    this.kind = kind;
    this.#bound = bound;
    this.#made = new Map([[1, first]]);
  }

  get first(): CkksCiphertext {
    return this.#made.get(1)!;
  }

  /** Where B_k is, made or not: ceil(log2 k) below x. */
  levelOf(k: number): number {
    return this.first.level - Math.ceil(Math.log2(k));
  }

  #boundOf(k: number): number {
    return this.kind === 'chebyshev' ? this.#bound : this.#bound ** k;
  }

  /** B_k, borrowed. @throws {LevelExhaustedError} {@link MissingKeyError} */
  at(k: number): CkksCiphertext {
    const known = this.#made.get(k);
    if (known !== undefined) return known;
    const half = Math.floor(k / 2);
    const [a, b] = [this.at(k - half), this.at(half)];
    const { operations } = this;
    const product = operations.multiply(a, b, this.#boundOf(k));
    if (this.kind === 'chebyshev') {
      // T_(a+b) = 2 T_a T_b - T_(a-b), where a - b is 0 or 1.
      operations.double(product);
      if (k % 2 === 0) operations.addConstant(product, -1);
      else {
        using one = operations.brought(this.first, { ...product.facts, maxAbs: this.#bound });
        operations.subtractFrom(product, one);
      }
    }
    this.#made.set(k, product);
    return product;
  }

  /** Frees what was made here. */
  [Symbol.dispose](): void {
    for (const [k, ciphertext] of this.#made) if (k > 1) ciphertext[Symbol.dispose]();
  }
}

/** Coefficients of a leaf, about the root of all of them: fewest products. */
function leafSize(degree: number): number {
  return 2 ** Math.ceil(Math.log2(degree + 1) / 2);
}

/**
 * The polynomial of the ciphertext that `basis` is of, at exactly the level and scale of `target`.
 *
 * - level: at most that of x less ceil(log2(degree + 1))
 * - noise: that of x times the derivative, and a rounding per product, each times what it is multiplied by afterwards
 * - cost: about 2 sqrt(degree) + log2(degree) products
 *
 * @throws {LevelExhaustedError} when the target is too high. {@link MissingKeyError}
 */
export function evaluateSeries(basis: PolynomialBasis, series: Series, target: ExactTarget): CkksCiphertext {
  const degree = degreeOf(series);
  const needed = depthOf(degree);
  if (degree === 0 || basis.first.level - target.level < needed) {
    throw new LevelExhaustedError(
      `a polynomial of degree ${degree}`,
      basis.first.level,
      target.level + Math.max(1, needed),
    );
  }
  return evaluatePart(basis, series, target, leafSize(degree));
}

function evaluatePart(
  basis: PolynomialBasis,
  series: Series,
  target: ExactTarget,
  leaf: number,
): CkksCiphertext {
  const { operations } = basis;
  const degree = degreeOf(series);
  const above = target.level + 1;
  const indices = Array.from({ length: degree }, (_, k) => k + 1).filter(
    (k) => series.re[k] !== 0 || series.im[k] !== 0,
  );
  if (degree < leaf && indices.every((k) => basis.levelOf(k) >= above)) {
    const terms = indices.map((k) => ({ ciphertext: basis.at(k), re: series.re[k]!, im: series.im[k]! }));
    return withConstant(basis, operations.weightedSum(terms, target), series);
  }
  const m = 2 ** Math.floor(Math.log2(degree));
  const { quotient, rest } = dividedByBasis(series, m);
  const giant = basis.at(m);
  const product =
    degreeOf(quotient) === 0
      ? operations.weightedSum([{ ciphertext: giant, re: quotient.re[0]!, im: quotient.im[0]! }], target)
      : productWith(basis, quotient, giant, target, leaf);
  if (degreeOf(rest) === 0) return withConstant(basis, product, rest);
  return operations.addUp(product, evaluatePart(basis, rest, target, leaf), target.maxAbs);
}

/** quotient times `giant`: the quotient is evaluated one level higher, at the scale that makes the product meet the target. */
function productWith(
  basis: PolynomialBasis,
  quotient: Series,
  giant: CkksCiphertext,
  target: ExactTarget,
  leaf: number,
): CkksCiphertext {
  const { operations } = basis;
  const level = target.level + 1;
  const scale = (target.scale * operations.prime(level)) / giant.scale;
  using factor = evaluatePart(basis, quotient, { ...target, level, scale }, leaf);
  const product = operations.multiply(factor, giant, target.maxAbs);
  return operations.restate(product, { scale: assertMet(product.scale, target.scale) });
}

function withConstant(basis: PolynomialBasis, sum: CkksCiphertext, { re, im }: Series): CkksCiphertext {
  const { operations } = basis;
  if (re[0] !== 0) operations.addConstant(sum, re[0]!);
  if (im[0] !== 0) {
    // (sum / i + im) i = sum + i im, and products with i cost no noise.
    operations.multiplyByI(sum, -1);
    operations.addConstant(sum, im[0]!);
    operations.multiplyByI(sum, 1);
  }
  return sum;
}

/** `planned`, when `reached` is the same number but for the order of operations. */
function assertMet(reached: number, planned: number): number {
  if (!isSameScale(reached, planned)) throw new Error(`a planned scale of ${planned} was missed: ${reached}`);
  return planned;
}

printOnOneLine(PolynomialBasis);
arg.guard('PolynomialBasis', PolynomialBasis.prototype, {
  levelOf: { k: arg.number },
  at: { k: arg.number },
});
