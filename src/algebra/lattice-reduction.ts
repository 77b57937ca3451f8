/**
 * Lattice reduction for attacks of up to about a hundred dimensions: Lenstra, Lenstra and Lovasz (1982) with Gram-Schmidt
 * coefficients in floating point [Schnorr, Euchner 1994], blocks by enumeration. Vectors are integers, exact below 2^53; rounding may
 * cost quality, never correctness.
 */
import { enumerateShortest } from './closest-vector.ts';

/** Of Lovasz' condition. */
const DELTA = 0.99;
/** Coefficients up to this stay: the exact limit is 1/2, rounding needs some room. */
const SIZE_LIMIT = 0.51;
/** Most of the gain is in the first tours. */
const MAX_TOURS = 16;

export class LatticeBasis {
  /** Integers. */
  readonly rows: Float64Array[];
  /** `mu[i][j]` for j < i, valid for the rows before `#known`. */
  readonly mu: Float64Array[];
  /** Squared lengths of the orthogonalised rows. */
  readonly lengths: Float64Array;
  #known = 0;

  /** Of independent rows; they are changed in place. */
  constructor(rows: readonly Float64Array[]) {
    this.rows = [...rows];
    this.mu = rows.map(() => new Float64Array(rows.length));
    this.lengths = new Float64Array(rows.length);
  }

  /** Makes row k's coefficients; those before are known. */
  orthogonalise(k: number): void {
    const row = this.rows[k] as Float64Array;
    const mu = this.mu[k] as Float64Array;
    let length = inner(row, row);
    if (length === 0) throw new RangeError('the rows of a basis are linearly dependent');
    for (let j = 0; j < k; j++) {
      const other = this.mu[j] as Float64Array;
      let r = inner(row, this.rows[j] as Float64Array);
      for (let i = 0; i < j; i++) r -= (mu[i] as number) * (other[i] as number) * (this.lengths[i] as number);
      mu[j] = r / (this.lengths[j] as number);
      length -= r * (mu[j] as number);
    }
    // A dependent row goes down until nothing is left of it.
    this.lengths[k] = Math.max(0, length);
    this.#known = k + 1;
  }

  /** Row k less multiples of those before it, until all its coefficients are small; they are known then. */
  shorten(k: number): void {
    for (let isChanged = true; isChanged; ) {
      this.orthogonalise(k);
      isChanged = false;
      for (let l = k - 1; l >= 0; l--) {
        const factor = (this.mu[k] as Float64Array)[l] as number;
        if (Math.abs(factor) <= SIZE_LIMIT) continue;
        this.subtract(k, l, Math.round(factor));
        isChanged = true;
      }
    }
  }

  /** Row k less `factor` times row l, with the coefficients. */
  subtract(k: number, l: number, factor: number): void {
    const [row, other] = [this.rows[k] as Float64Array, this.rows[l] as Float64Array];
    for (let i = 0; i < row.length; i++) row[i] -= factor * (other[i] as number);
    const [mu, others] = [this.mu[k] as Float64Array, this.mu[l] as Float64Array];
    for (let i = 0; i < l; i++) mu[i] -= factor * (others[i] as number);
    mu[l] -= factor;
  }

  /** True where Lovasz' condition fails between rows k - 1 and k. */
  isOutOfOrder(k: number): boolean {
    const mu = (this.mu[k] as Float64Array)[k - 1] as number;
    const before = this.lengths[k - 1] as number;
    return (this.lengths[k] as number) + mu * mu * before < DELTA * before;
  }

  /** Row `from` to place `to` before it. */
  move(from: number, to: number): void {
    const [row] = this.rows.splice(from, 1);
    this.rows.splice(to, 0, row as Float64Array);
    this.#known = Math.min(this.#known, to);
  }

  /** @throws {RangeError} when the rows are dependent. */
  reduce(): void {
    for (let k = this.#known; k < this.rows.length; ) {
      this.shorten(k);
      if (k > 0 && this.isOutOfOrder(k)) this.move(k, --k);
      else k++;
    }
  }

  /** Blocks of `size` until none gets a shorter first vector [Schnorr, Euchner 1994]. */
  reduceBlocks(size: number): void {
    this.reduce();
    for (let tour = 0; tour < MAX_TOURS; tour++) {
      let isChanged = false;
      for (let k = 0; k + 1 < this.rows.length; k++) {
        const end = Math.min(k + size, this.rows.length);
        const found = enumerateShortest(this, k, end, DELTA);
        if (found === null) continue;
        isChanged = true;
        this.#insert(k, found);
      }
      if (!isChanged) return;
    }
  }

  /**
   * Puts the combination of rows from k on at place k: unimodular steps on pairs of coefficients as in Euclid's algorithm bring them
   * to a single 1, whose row then is the combination.
   */
  #insert(k: number, coefficients: Int32Array): void {
    const left = Array.from(coefficients);
    let last = left.length - 1;
    while (left[last] === 0) last--;
    for (let i = last - 1; i >= 0; i--) {
      // sum = a b_i + c b_last; with a = q c + r it is r b_i + c (b_last + q b_i).
      while (left[i] !== 0) {
        const q = Math.trunc((left[last] as number) / (left[i] as number));
        left[last] = (left[last] as number) - q * (left[i] as number);
        this.#add(k + i, k + last, q);
        [left[i], left[last]] = [left[last] as number, left[i] as number];
        [this.rows[k + i], this.rows[k + last]] = [
          this.rows[k + last] as Float64Array,
          this.rows[k + i] as Float64Array,
        ];
      }
    }
    this.move(k + last, k);
    this.reduce();
  }

  #add(k: number, l: number, factor: number): void {
    const [row, other] = [this.rows[k] as Float64Array, this.rows[l] as Float64Array];
    for (let i = 0; i < row.length; i++) row[i] += factor * (other[i] as number);
    this.#known = Math.min(this.#known, k);
  }
}

export function inner(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}
