/**
 * A reduced echelon form modulo one prime below 2^26. Residues are centred, at most (p + 1) / 2 in size, so that three products of two and
 * a fourth residue are exact together in double precision. Columns are kept in an order of its own, those of the pivots
 * first: what an elimination touches is contiguous.
 */
import { nearestInteger } from '../../base/nearest-integer.ts';
import type { SparseRows } from './sparse-rows.ts';

/** Sums of products stay below this. */
const EXACT_LIMIT = 2 ** 52;
/** Rows that come in one after another are eliminated from all others together, so many at a time. */
const MOST_FRESH = 32;
/** Rows that are subtracted in one pass. */
const AT_ONCE = 3;

/** x minus the nearest multiple of p, for |x| < 2^52: a zero is exactly zero. */
function centred(x: number, p: number, inverse: number): number {
  return x - nearestInteger(x * inverse) * p;
}

function centreFrom(values: Float64Array, first: number, p: number): void {
  const inverse = 1 / p;
  for (let j = first; j < values.length; j++) values[j] = centred(values[j], p, inverse);
}

/** a^(p - 2) mod p. */
function modularInverse(a: number, p: number): number {
  const inverse = 1 / p;
  let result = 1;
  let square = a;
  for (let e = p - 2; e > 0; e = Math.floor(e / 2)) {
    if (e % 2 === 1) result = centred(result * square, p, inverse);
    square = centred(square * square, p, inverse);
  }
  return result;
}

/** Rows of centred residues, each with its factor: what is to be subtracted from another row. */
class Combination {
  readonly #prime: number;
  readonly #factors: Float64Array;
  readonly #rows: Float64Array[] = [];
  #count = 0;

  constructor(prime: number, most: number) {
    this.#prime = prime;
    this.#factors = new Float64Array(most);
  }

  push(factor: number, row: Float64Array): void {
    if (factor === 0) return;
    this.#factors[this.#count] = factor;
    this.#rows[this.#count++] = row;
  }

  /** From residues up to p, from `first` on; leaves them centred and nothing to subtract. Factors are at most `largest`. */
  subtractFrom(out: Float64Array, first: number, largest: number): void {
    const p = this.#prime;
    const inverse = 1 / p;
    const [factors, rows, count] = [this.#factors, this.#rows, this.#count];
    const most = Math.floor(EXACT_LIMIT / (largest * ((p + 1) / 2))) - 1;
    let pending = 0;
    let i = 0;
    for (; i + AT_ONCE <= count; i += AT_ONCE) {
      const [f, g, h] = [factors[i] as number, factors[i + 1] as number, factors[i + 2] as number];
      const a = rows[i] as Float64Array;
      const b = rows[i + 1] as Float64Array;
      const c = rows[i + 2] as Float64Array;
      pending += AT_ONCE;
      if (pending + AT_ONCE <= most) {
        for (let j = first; j < out.length; j++) out[j] -= f * a[j] + g * b[j] + h * c[j];
      } else {
        pending = 0;
        for (let j = first; j < out.length; j++)
          out[j] = centred(out[j] - (f * a[j] + g * b[j] + h * c[j]), p, inverse);
      }
    }
    if (i < count) pending = 0;
    for (; i < count; i++) {
      const [f, a] = [factors[i] as number, rows[i] as Float64Array];
      for (let j = first; j < out.length; j++) out[j] = centred(out[j] - f * a[j], p, inverse);
    }
    if (pending > 0) centreFrom(out, first, p);
    this.#count = 0;
  }
}

export class PrimeEchelon {
  readonly prime: number;
  /** Row k has a one at place k, zeros at the other places below the rank, and centred residues from there on. */
  readonly #rows: Float64Array[] = [];
  /** Rows that are reduced among themselves and not yet eliminated from `#rows`; their pivots follow those. */
  readonly #fresh: Float64Array[] = [];
  /** The column at each place, and the place of each column. */
  readonly #columns: Uint32Array;
  readonly #places: Uint32Array;
  /** What is left of a vector, by place. */
  readonly #residual: Float64Array;
  readonly #combination: Combination;

  constructor(prime: number, length: number) {
    this.prime = prime;
    this.#columns = Uint32Array.from({ length }, (_, j) => j);
    this.#places = this.#columns.slice();
    this.#residual = new Float64Array(length);
    this.#combination = new Combination(prime, length);
  }

  get rank(): number {
    return this.#rows.length + this.#fresh.length;
  }

  /** Whether the first of the rows, of entries up to `largest`, lies in the span. */
  contains(rows: SparseRows, largest: number): boolean {
    return this.#reduce(rows.columns, rows.values, 0, rows.end(0), largest) < 0;
  }

  /**
   * Adds rows of entries up to `largest`, one after another, and marks those that raised the rank. Returns how many of them were needed for
   * the full rank, or all.
   */
  addAll(rows: SparseRows, largest: number, raised: Uint8Array): number {
    const full = this.#columns.length;
    let needed = rows.count;
    for (let i = 0; i < rows.count; i++) {
      const pivot = this.#reduce(rows.columns, rows.values, rows.start(i), rows.end(i), largest);
      if (pivot < 0) continue;
      raised[i] = 1;
      this.#insert(pivot);
      if (this.#fresh.length === MOST_FRESH) this.#settle();
      if (this.rank < full) continue;
      needed = i + 1;
      break;
    }
    this.#settle();
    return needed;
  }

  /** Whether the sum of all rows, with residues as coefficients, lies in the span. */
  containsCombination(rows: SparseRows, coefficients: ArrayLike<number>): boolean {
    const p = this.prime;
    const inverse = 1 / p;
    const { columns, values } = rows;
    const sum = new Float64Array(this.#columns.length);
    for (let i = 0; i < rows.count; i++) {
      const coefficient = coefficients[i] as number;
      const end = rows.end(i);
      for (let k = rows.start(i); k < end; k++) {
        const column = columns[k];
        sum[column] = centred(sum[column] + coefficient * values[k], p, inverse);
      }
    }
    return this.#reduce(undefined, sum, 0, sum.length, (p + 1) / 2) < 0;
  }

  /**
   * Leaves in `#residual` a vector minus its part in the span. Returns the first place from the rank on where it is not zero, -1 when
   * there is none. What it costs grows with its entries that are not zero; without `columns` they are in order.
   */
  #reduce(
    columns: Uint32Array | undefined,
    values: Float64Array,
    start: number,
    end: number,
    largest: number,
  ): number {
    const [out, rows, fresh, places] = [this.#residual, this.#rows, this.#fresh, this.#places];
    const settled = rows.length;
    out.fill(0, settled);
    for (let k = start; k < end; k++) {
      const value = values[k];
      const place = places[columns === undefined ? k : columns[k]];
      if (place < settled) this.#combination.push(value, rows[place] as Float64Array);
      else out[place] = value;
    }
    this.#combination.subtractFrom(out, settled, largest);
    const rank = this.rank;
    if (rank > settled) {
      for (let k = settled; k < rank; k++)
        this.#combination.push(out[k] as number, fresh[k - settled] as Float64Array);
      this.#combination.subtractFrom(out, rank, (this.prime + 1) / 2);
    }
    for (let j = rank; j < out.length; j++) if (out[j] !== 0) return j;
    return -1;
  }

  /** Adds what {@link PrimeEchelon.#reduce} just left, which is not zero at `pivot`. */
  #insert(pivot: number): void {
    const p = this.prime;
    const inverse = 1 / p;
    const rank = this.rank;
    const row = this.#residual.slice();
    const scale = modularInverse(row[pivot], p);
    for (let j = rank; j < row.length; j++) row[j] = centred(row[j] * scale, p, inverse);
    this.#swapPlaces(rank, pivot);
    swap(row, rank, pivot);
    for (const other of this.#fresh) {
      this.#combination.push(other[rank] as number, row);
      this.#combination.subtractFrom(other, rank, (p + 1) / 2);
    }
    this.#fresh.push(row);
  }

  /** Eliminates the fresh rows from those before them. */
  #settle(): void {
    const [rows, fresh] = [this.#rows, this.#fresh];
    const [settled, rank] = [rows.length, this.rank];
    if (rank === settled) return;
    for (const row of rows) {
      for (let k = settled; k < rank; k++)
        this.#combination.push(row[k] as number, fresh[k - settled] as Float64Array);
      this.#combination.subtractFrom(row, rank, (this.prime + 1) / 2);
      row.fill(0, settled, rank);
    }
    rows.push(...fresh);
    fresh.length = 0;
  }

  #swapPlaces(i: number, j: number): void {
    swap(this.#columns, i, j);
    this.#places[this.#columns[i]] = i;
    this.#places[this.#columns[j]] = j;
    for (const row of this.#rows) swap(row, i, j);
    for (const row of this.#fresh) swap(row, i, j);
  }
}

function swap(values: Float64Array | Uint32Array, i: number, j: number): void {
  const value = values[i] as number;
  values[i] = values[j] as number;
  values[j] = value;
}
