/**
 * The integer solutions of Y x = z for many z: a reduced basis of the lattice orthogonal to the rows of Y, one row after the other
 * [Havas, Majewski, Matthews 1998], and for each row the vector that moves its product by the least amount.
 */
import { inner, LatticeBasis } from './lattice-reduction.ts';

interface Key {
  /** Its number. */
  readonly row: number;
  readonly vector: Float64Array;
}

/** What one independent row adds. */
interface Stage {
  readonly key: Key;
  /** Orthogonal to the rows before; its product with this row is `divisor`. */
  readonly mover: Float64Array;
  readonly divisor: number;
  /** Of the lattice orthogonal to this row and those before. */
  readonly basis: LatticeBasis;
}

export class OrthogonalLattice {
  readonly unknowns: number;
  readonly #stages: Stage[] = [];
  /** Rows that no stage is made of: they depend on others, or were not needed. */
  readonly #spare: Key[] = [];
  #basis: LatticeBasis;

  /**
   * `keys` `[rows, unknowns]`. Rows are taken until every orthogonalised vector of the basis is longer than `enough`: then one
   * solution at most is near any point.
   */
  constructor(keys: ArrayLike<number>, unknowns: number, enough = Number.POSITIVE_INFINITY) {
    this.unknowns = unknowns;
    this.#basis = new LatticeBasis(
      Array.from({ length: unknowns }, (_, i) => {
        const row = new Float64Array(unknowns);
        row[i] = 1;
        return row;
      }),
    );
    this.#basis.reduce();
    for (let row = 0; row * unknowns < keys.length; row++) {
      const vector = Float64Array.from({ length: unknowns }, (_, i) => keys[row * unknowns + i] as number);
      const isEnough = this.#basis.lengths.every((length) => length > enough * enough);
      const stage = isEnough ? null : restricted(this.#basis, { row, vector });
      if (stage === null) this.#spare.push({ row, vector });
      else {
        this.#stages.push(stage);
        this.#basis = stage.basis;
      }
    }
  }

  /** Of the vectors orthogonal to the rows that were taken. Empty when these have full rank. */
  get basis(): LatticeBasis {
    return this.#basis;
  }

  /** The rows that were taken. */
  get keys(): readonly Key[] {
    return this.#stages.map(({ key }) => key);
  }

  /** An integer solution near the constant vector `centre`, or null when there is none. `products` `[rows]`. */
  solution(products: ArrayLike<number>, centre: number): Float64Array | null {
    const x = new Float64Array(this.unknowns).fill(Math.round(centre));
    for (const { key, mover, divisor, basis } of this.#stages) {
      const factor = ((products[key.row] as number) - inner(key.vector, x)) / divisor;
      if (!Number.isSafeInteger(factor)) return null;
      for (let j = 0; j < x.length; j++) x[j] = (x[j] as number) + factor * (mover[j] as number);
      approach(x, centre, basis);
    }
    return x;
  }

  /** True when x solves the equations of all rows. */
  isSolution(x: ArrayLike<number>, products: ArrayLike<number>): boolean {
    return [...this.keys, ...this.#spare].every(({ row, vector }) => inner(vector, x) === products[row]);
  }
}

/** x less a lattice vector, so that it comes near the constant vector `centre` [Babai 1986]. */
function approach(x: Float64Array, centre: number, { rows, mu, lengths }: LatticeBasis): void {
  const coefficients = coordinatesOf(
    x.map((value) => value - centre),
    { rows, mu, lengths },
  );
  for (let i = rows.length - 1; i >= 0; i--) {
    const factor = Math.round(coefficients[i] as number);
    if (factor === 0) continue;
    const row = rows[i] as Float64Array;
    for (let j = 0; j < x.length; j++) x[j] = (x[j] as number) - factor * (row[j] as number);
    for (let j = 0; j < i; j++)
      coefficients[j] = (coefficients[j] as number) - factor * ((mu[i] as Float64Array)[j] as number);
  }
}

/** The part of `vector` in the span of the basis, in terms of its orthogonalised rows. */
export function coordinatesOf(
  vector: Float64Array,
  { rows, mu, lengths }: Pick<LatticeBasis, 'rows' | 'mu' | 'lengths'>,
): Float64Array {
  const along = new Float64Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    let r = inner(vector, rows[i] as Float64Array);
    for (let j = 0; j < i; j++)
      r -= ((mu[i] as Float64Array)[j] as number) * (along[j] as number) * (lengths[j] as number);
    along[i] = r / (lengths[i] as number);
  }
  return along;
}

/** The sublattice orthogonal to the key; null when that is all of the lattice, or when numbers grow beyond what floats hold. */
function restricted({ rows }: LatticeBasis, key: Key): Stage | null {
  const basis = new LatticeBasis(rows.map((row) => Float64Array.from(row)));
  const products = rows.map((row) => inner(row, key.vector));
  if (products.every((value) => value === 0)) return null;
  // As if products weighed infinitely more than lengths: before row k all products are 0, but perhaps that of row k - 1.
  for (let k = 0; k < rows.length; ) {
    const before = k === 0 ? 0 : (products[k - 1] as number);
    if (before === 0) basis.shorten(k);
    else {
      basis.orthogonalise(k);
      const factor = Math.round((products[k] as number) / before);
      basis.subtract(k, k - 1, factor);
      products[k] = (products[k] as number) - factor * before;
    }
    if (before !== 0 || (k > 0 && products[k] === 0 && basis.isOutOfOrder(k))) {
      basis.move(k, k - 1);
      [products[k - 1], products[k]] = [products[k] as number, before];
      k--;
    } else k++;
  }
  const mover = basis.rows.pop() as Float64Array;
  const divisor = products.at(-1) as number;
  const left = new LatticeBasis(basis.rows);
  left.reduce();
  const isExact =
    inner(mover, key.vector) === divisor && left.rows.every((row) => inner(row, key.vector) === 0);
  return isExact ? { key, mover, divisor, basis: left } : null;
}
