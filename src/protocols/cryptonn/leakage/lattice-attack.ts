/**
 * The lattice attack: bounded data needs far fewer keys than unknowns. Of all integer solutions of Y x = z, the data is usually the
 * only one within its bounds from {@link uniqueSolutionRank} keys on, and for some tens of unknowns reduction and enumeration find it.
 */
import { ShapeError } from '../../../base/errors.ts';
import { enumerate } from '../../../algebra/closest-vector.ts';
import { inner } from '../../../algebra/lattice-reduction.ts';
import { boundBits } from '../agreement/leak-budget.ts';
import { coordinatesOf, OrthogonalLattice } from '../../../algebra/orthogonal-lattice.ts';

/** Of the reduction that all vectors share. */
const BLOCK_SIZE = 20;
/** The first squared radius over what the equations let expect, and how it grows. */
const [FIRST_RADIUS, RADIUS_GROWTH] = [1.2, 1.5];
/** Where the search for one vector ends: seconds. */
const MAX_NODES = 10_000_000;
/** Of the pruning. */
const SLACK = 0.15;

/** Finds vectors in [0, bound]^unknowns under the same keys: one reduction serves them all. */
export class BoundedSolver {
  readonly #rows: number;
  readonly #bound: number;
  /** Two vectors within the bounds are no further apart. */
  readonly #farthest: number;
  readonly #lattice: OrthogonalLattice;
  /** Orthonormal, of the span of the keys in use. */
  readonly #span: readonly Float64Array[];

  /** `keys` `[rows, unknowns]`. */
  constructor(keys: Int32Array, unknowns: number, bound: number) {
    this.#rows = keys.length / unknowns;
    this.#bound = bound;
    this.#farthest = bound * Math.sqrt(unknowns);
    this.#lattice = new OrthogonalLattice(keys, unknowns, this.#farthest);
    this.#lattice.basis.reduceBlocks(BLOCK_SIZE);
    this.#span = orthonormal(this.#lattice.keys.map(({ vector }) => vector));
  }

  /**
   * Of the volume of the lattice of solutions over that of the bounds within it. With s bits the equations have about 2^-s bounded
   * solutions besides the data; infinite where they certainly have none.
   */
  get spareBits(): number {
    const { lengths } = this.#lattice.basis;
    if (lengths.every((length) => length > this.#farthest ** 2)) return Number.POSITIVE_INFINITY;
    return lengths.reduce((sum, length) => sum + Math.log2(length) / 2 - boundBits(this.#bound), 0);
  }

  /**
   * x with Y x = z, or null when none is found, or several that are about as near to what is expected. `products` `[rows]`.
   * @throws {ShapeError}
   */
  solve(products: ArrayLike<number>): Int32Array | null {
    if (this.#rows !== products.length)
      throw new ShapeError('the products of an attack', this.#rows, products.length);
    const any = this.#lattice.solution(products, this.#bound / 2);
    if (any === null) return null;
    const { basis } = this.#lattice;
    const { mean, variance } = this.#statistics(any);
    const target = coordinatesOf(
      any.map((value) => value - mean),
      basis,
    );
    const size = basis.rows.length;
    if (size === 0) return this.#checked(any, products);
    const found: Int32Array[] = [];
    const leaf = (coefficients: Float64Array, radius: number): number => {
      const x = Float64Array.from(any);
      for (let i = 0; i < size; i++) {
        const factor = coefficients[i] as number;
        const row = basis.rows[i] as Float64Array;
        if (factor === 0) continue;
        for (let j = 0; j < x.length; j++) x[j] = (x[j] as number) - factor * (row[j] as number);
      }
      const solution = this.#checked(x, products);
      if (solution !== null) found.push(solution);
      return found.length > 1 ? 0 : radius;
    };
    const largest = size * this.#bound ** 2;
    let left = MAX_NODES;
    for (let radius = FIRST_RADIUS * size * variance; left > 0; radius *= RADIUS_GROWTH) {
      left -= enumerate(basis, { target, radius, mostNodes: left, slack: SLACK }, (x) => leaf(x, radius));
      if (found.length > 0 || radius > largest) break;
    }
    // When the nodes were spent, there may be others.
    return found.length === 1 && left > 0 ? (found[0] as Int32Array) : null;
  }

  #checked(x: Float64Array, products: ArrayLike<number>): Int32Array | null {
    if (x.some((value) => value < 0 || value > this.#bound)) return null;
    return this.#lattice.isSolution(x, products) ? Int32Array.from(x) : null;
  }

  /** Mean and variance of the values as their part in the span of the keys, which is known, lets expect. */
  #statistics(any: Float64Array): { readonly mean: number; readonly variance: number } {
    const ones = new Float64Array(any.length).fill(1);
    const known = this.#span.map((direction) => ({
      value: inner(direction, any),
      one: inner(direction, ones),
    }));
    const weight = known.reduce((sum, { one }) => sum + one * one, 0);
    const covariance = known.reduce((sum, { value, one }) => sum + value * one, 0);
    const mean = weight < 1 ? this.#bound / 2 : Math.min(this.#bound, Math.max(0, covariance / weight));
    const rest = known.reduce((sum, { value, one }) => sum + (value - mean * one) ** 2, 0);
    return { mean, variance: Math.max(1, rest / Math.max(1, known.length)) };
  }
}

/** One vector alone, as {@link BoundedSolver} finds it. @throws {ShapeError} */
export function recoverBounded(
  keys: Int32Array,
  products: ArrayLike<number>,
  unknowns: number,
  bound: number,
): Int32Array | null {
  return new BoundedSolver(keys, unknowns, bound).solve(products);
}

function orthonormal(vectors: readonly Float64Array[]): Float64Array[] {
  const span: Float64Array[] = [];
  for (const vector of vectors) {
    const rest = Float64Array.from(vector);
    // Twice, so that rounding of the first time goes.
    for (const direction of [...span, ...span]) {
      const along = inner(rest, direction);
      for (let i = 0; i < rest.length; i++) rest[i] = (rest[i] as number) - along * (direction[i] as number);
    }
    const length = Math.sqrt(inner(rest, rest));
    span.push(rest.map((value) => value / length));
  }
  return span;
}
