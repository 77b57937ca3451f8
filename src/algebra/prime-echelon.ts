/**
 * A reduced echelon form modulo one prime below 2^26, of centred residues. Columns are kept in an order of its own, those of the pivots
 * first: what an elimination touches is contiguous. Vectors are worked on in blocks, so that rows are fetched once for many vectors.
 */
import { centredResidue, type ResidueProducts } from '../kernel/portable/residue-products.ts';
import type { SparseRows } from './sparse-rows.ts';

/** Vectors that are reduced, and then eliminated from all rows before them, together. */
const BLOCK = 32;

/** a^(p - 2) mod p. */
function modularInverse(a: number, p: number): number {
  const inverse = 1 / p;
  let result = 1;
  let square = a;
  for (let e = p - 2; e > 0; e = Math.floor(e / 2)) {
    if (e % 2 === 1) result = centredResidue(result * square, p, inverse);
    square = centredResidue(square * square, p, inverse);
  }
  return result;
}

export class PrimeEchelon {
  readonly prime: number;
  readonly #length: number;
  readonly #products: ResidueProducts;
  #rank = 0;
  /** What is kept of rows and vectors are the places from `#first` on, `#width` of them. */
  #first = 0;
  #width: number;
  /**
   * `[rank or more, width]`: row k has a one at place k and zeros at the other places below the rank, which are not written any more;
   * from there on it is kept. Empty once the rank is full.
   */
  #rows = new Float64Array(0);
  /** `[BLOCK, width]`: what is left of vectors, and how often rows are to be subtracted. Empty until they are needed. */
  #block = new Float64Array(0);
  #factors = new Float64Array(0);
  /** Pairs of places that were swapped, but not in the rows that were there before the present block. */
  readonly #swaps: number[] = [];
  /** The column at each place, and the place of each column. */
  readonly #columns: Uint32Array;
  readonly #places: Uint32Array;

  constructor(prime: number, length: number, products: ResidueProducts) {
    this.prime = prime;
    this.#length = length;
    this.#width = length;
    this.#products = products;
    this.#columns = Uint32Array.from({ length }, (_, j) => j);
    this.#places = this.#columns.slice();
  }

  get rank(): number {
    return this.#rank;
  }

  /** Whether the first of the rows lies in the span. Entries are centred residues, here and below. */
  contains(rows: SparseRows): boolean {
    return this.#isInside(rows.columns, rows.values, rows.end(0));
  }

  /** Whether the sum of all rows, with residues as coefficients, lies in the span. */
  containsCombination(rows: SparseRows, coefficients: ArrayLike<number>): boolean {
    const p = this.prime;
    const inverse = 1 / p;
    const { columns, values } = rows;
    const sum = new Float64Array(this.#length);
    for (let i = 0; i < rows.count; i++) {
      const coefficient = coefficients[i] as number;
      const end = rows.end(i);
      for (let k = rows.start(i); k < end; k++) {
        const column = columns[k];
        sum[column] = centredResidue(sum[column] + coefficient * values[k], p, inverse);
      }
    }
    return this.#isInside(undefined, sum, sum.length);
  }

  /**
   * Adds rows, one after another, and marks those that raised the rank. Returns how many of them were needed for the full rank, or
   * all.
   */
  addAll(rows: SparseRows, raised: Uint8Array): number {
    const { count } = rows;
    const block: number[] = [];
    for (let i = 0; i < count && this.#rank < this.#length; ) {
      block.length = 0;
      for (; i < count && block.length < BLOCK; i++) if (rows.end(i) > rows.start(i)) block.push(i);
      this.#clear(block.length);
      block.forEach((row, t) => {
        this.#place(t, rows.columns, rows.values, rows.start(row), rows.end(row));
      });
      const last = this.#addBlock(block.length, (t) => {
        raised[block[t] as number] = 1;
      });
      if (this.#rank < this.#length) continue;
      this.#rows = this.#block = this.#factors = new Float64Array(0);
      return (block[last] as number) + 1;
    }
    return count;
  }

  #isInside(columns: Uint32Array | undefined, values: Float64Array, end: number): boolean {
    if (this.#rank === this.#length) return true;
    this.#clear(1);
    this.#place(0, columns, values, 0, end);
    this.#reduce(1);
    return this.#pivotOf(0) < 0;
  }

  /** Makes room for `count` vectors and their factors `[count, rank]`. */
  #clear(count: number): void {
    const size = count * this.#length;
    if (this.#block.length < size) {
      this.#block = new Float64Array(count === 1 ? size : BLOCK * this.#length);
      this.#factors = new Float64Array(this.#block.length);
    }
    this.#factors.fill(0, 0, count * this.#rank);
    this.#block.fill(0, 0, count * this.#width);
  }

  /** A vector to row `t` of the block and, where rows have their pivots, to the factors. Without `columns` its entries are in order. */
  #place(
    t: number,
    columns: Uint32Array | undefined,
    values: Float64Array,
    start: number,
    end: number,
  ): void {
    const [places, rank, block, factors] = [this.#places, this.#rank, this.#block, this.#factors];
    const [to, from] = [t * this.#width - this.#first, t * rank];
    for (let k = start; k < end; k++) {
      const place = places[columns === undefined ? k : columns[k]];
      if (place < rank) factors[from + place] = values[k];
      else block[to + place] = values[k];
    }
  }

  /** `out` minus `factors` times `rows`, from a place on. */
  #subtract(out: Float64Array, rows: Float64Array, factors: Float64Array, place: number): void {
    this.#products.subtractProduct(this.prime, out, rows, factors, this.#width, place - this.#first);
  }

  /** Leaves in the block the first `count` vectors minus their parts in the span. */
  #reduce(count: number): void {
    const [width, rank] = [this.#width, this.#rank];
    const vectors = this.#block.subarray(0, count * width);
    this.#subtract(
      vectors,
      this.#rows.subarray(0, rank * width),
      this.#factors.subarray(0, count * rank),
      rank,
    );
  }

  /** Adds the vectors placed in `count` rows; stops at the full rank and returns the row that it came to. */
  #addBlock(count: number, raised: (t: number) => void): number {
    const settled = this.#rank;
    this.#reduce(count);
    let t = 0;
    for (; t < count; t++) {
      const pivot = this.#pivotOf(t);
      if (pivot < 0) continue;
      raised(t);
      this.#insert(t, count, pivot, settled);
      if (this.#rank === this.#length) return t;
    }
    if (this.#rank > settled) this.#settle(settled);
    return t;
  }

  /** The first place from the rank on where a reduced vector is not zero, -1 when there is none. */
  #pivotOf(t: number): number {
    const [block, width, first] = [this.#block, this.#width, this.#first];
    const end = (t + 1) * width;
    for (let at = t * width + this.#rank - first; at < end; at++)
      if (block[at] !== 0) return at - t * width + first;
    return -1;
  }

  /** Adds row `t` of the block, which is not zero at `pivot`, and eliminates it from those behind it and from the rows since `settled`. */
  #insert(t: number, count: number, pivot: number, settled: number): void {
    const [p, width, rank, first] = [this.prime, this.#width, this.#rank, this.#first];
    const inverse = 1 / p;
    this.#reserve(rank + 1);
    const vector = this.#block.subarray(t * width, (t + 1) * width);
    const row = this.#rows.subarray(rank * width, (rank + 1) * width);
    const scale = modularInverse(vector[pivot - first], p);
    for (let j = rank - first; j < width; j++) row[j] = centredResidue(vector[j] * scale, p, inverse) + 0;
    const later = this.#block.subarray((t + 1) * width, count * width);
    const fresh = this.#rows.subarray(settled * width, rank * width);
    if (pivot !== rank) {
      this.#swapPlaces(rank, pivot);
      for (const rows of [later, fresh, row]) this.#swapIn(rows, rank, pivot);
      this.#swaps.push(rank, pivot);
    }
    this.#rank++;
    this.#eliminate(later, row, rank);
    this.#eliminate(fresh, row, rank);
  }

  /** Subtracts a row from all of `targets` so often that they would be zero at its pivot; only what lies behind is written. */
  #eliminate(targets: Float64Array, row: Float64Array, pivot: number): void {
    const [width, factors] = [this.#width, this.#factors];
    const count = targets.length / width;
    let isAny = false;
    for (let i = 0, at = pivot - this.#first; i < count; i++, at += width) {
      factors[i] = targets[at];
      isAny ||= targets[at] !== 0;
    }
    if (isAny) this.#subtract(targets, row, factors.subarray(0, count), pivot + 1);
  }

  /** Eliminates the rows from `settled` on, which are reduced among themselves, from those before them. */
  #settle(settled: number): void {
    const [width, rank, rows, swaps, factors] = [
      this.#width,
      this.#rank,
      this.#rows,
      this.#swaps,
      this.#factors,
    ];
    const fresh = rank - settled;
    for (let k = 0; k < settled; k++) {
      const start = k * width - this.#first;
      for (let i = 0; i < swaps.length; i += 2) swap(rows, start + swaps[i], start + swaps[i + 1]);
      for (let f = 0; f < fresh; f++) factors[k * fresh + f] = rows[start + settled + f];
    }
    swaps.length = 0;
    const before = rows.subarray(0, settled * width);
    this.#subtract(
      before,
      rows.subarray(settled * width, rank * width),
      factors.subarray(0, settled * fresh),
      rank,
    );
    if (2 * (this.#length - rank) <= width) this.#narrow();
  }

  /** Leaves out places below the rank, so that what is read lies together. */
  #narrow(): void {
    const [rows, width, rank] = [this.#rows, this.#width, this.#rank];
    const kept = this.#length - rank;
    for (let k = 0; k < rank; k++) rows.copyWithin(k * kept, (k + 1) * width - kept, (k + 1) * width);
    this.#first = rank;
    this.#width = kept;
  }

  #reserve(count: number): void {
    const width = this.#width;
    if (count * width <= this.#rows.length) return;
    const grown = new Float64Array(Math.min(this.#length, Math.max(BLOCK, 2 * count)) * width);
    grown.set(this.#rows);
    this.#rows = grown;
  }

  #swapPlaces(i: number, j: number): void {
    swap(this.#columns, i, j);
    this.#places[this.#columns[i]] = i;
    this.#places[this.#columns[j]] = j;
  }

  #swapIn(rows: Float64Array, i: number, j: number): void {
    for (let start = -this.#first; start + this.#length <= rows.length; start += this.#width)
      swap(rows, start + i, start + j);
  }
}

function swap(values: Float64Array | Uint32Array, i: number, j: number): void {
  const value = values[i] as number;
  values[i] = values[j] as number;
  values[j] = value;
}
