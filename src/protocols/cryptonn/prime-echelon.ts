/**
 * A reduced echelon form modulo one prime below 2^26. Residues are centred, at most (p + 1) / 2 in size, so that products of two and
 * their sums with a third are exact in double precision. Columns are kept in an order of its own, those of the pivots
 * first: what an elimination touches is contiguous.
 */

/** Sums of products stay below this. */
const EXACT_LIMIT = 2 ** 52;
/** 1.5 * 2^52: adding and subtracting it rounds a smaller double to the nearest integer. */
const ROUNDING = 6_755_399_441_055_744;

/** x minus the nearest multiple of p, for |x| < 2^52: a zero is exactly zero. */
function centred(x: number, p: number, inverse: number): number {
  return x - (x * inverse + ROUNDING - ROUNDING) * p;
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

export class PrimeEchelon {
  readonly prime: number;
  /** Row k has a one at place k, zeros at the other places below the rank, and centred residues from there on. */
  readonly #rows: Float64Array[] = [];
  /** The column at each place. */
  readonly #columns: Uint32Array;

  constructor(prime: number, length: number) {
    this.prime = prime;
    this.#columns = Uint32Array.from({ length }, (_, j) => j);
  }

  get rank(): number {
    return this.#rows.length;
  }

  /**
   * A vector of entries up to `largest` minus its part in the span, by place; undefined when it lies inside.
   * What it costs grows with its entries that are not zero.
   */
  residual(vector: ArrayLike<number>, largest: number): Float64Array | undefined {
    const p = this.prime;
    const columns = this.#columns;
    const rank = this.rank;
    const out = new Float64Array(columns.length);
    for (let j = rank; j < out.length; j++) out[j] = vector[columns[j]] as number;
    const most = Math.max(1, Math.floor(EXACT_LIMIT / (largest * p)) - 1);
    let pending = 0;
    for (let k = 0; k < rank; k++) {
      const factor = vector[columns[k]] as number;
      if (factor === 0) continue;
      const row = this.#rows[k] as Float64Array;
      for (let j = rank; j < out.length; j++) out[j] -= factor * row[j];
      if (++pending % most === 0) centreFrom(out, rank, p);
    }
    centreFrom(out, rank, p);
    return out.every((value) => value === 0) ? undefined : out;
  }

  /** Adds what {@link PrimeEchelon.residual} just returned. */
  insert(residual: Float64Array): void {
    const p = this.prime;
    const inverse = 1 / p;
    const rank = this.rank;
    const pivot = residual.findIndex((value) => value !== 0);
    const scale = modularInverse(residual[pivot], p);
    for (let j = rank; j < residual.length; j++) residual[j] = centred(residual[j] * scale, p, inverse);
    swap(residual, rank, pivot);
    const column = this.#columns[rank];
    this.#columns[rank] = this.#columns[pivot];
    this.#columns[pivot] = column;
    for (const row of this.#rows) {
      swap(row, rank, pivot);
      const negative = row[rank] === 0 ? 0 : p - row[rank];
      row[rank] = 0;
      if (negative === 0) continue;
      for (let j = rank + 1; j < row.length; j++)
        row[j] = centred(row[j] + negative * residual[j], p, inverse);
    }
    this.#rows.push(residual);
  }

  /** Whether the sum of the vectors, with residues as coefficients, lies in the span. `places` are where each is not zero. */
  containsCombination(
    vectors: readonly ArrayLike<number>[],
    places: readonly Uint32Array[],
    coefficients: ArrayLike<number>,
  ): boolean {
    const p = this.prime;
    const inverse = 1 / p;
    const sum = new Float64Array(this.#columns.length);
    for (let i = 0; i < vectors.length; i++) {
      const vector = vectors[i] as ArrayLike<number>;
      const own = places[i] as Uint32Array;
      const coefficient = coefficients[i] as number;
      for (let k = 0; k < own.length; k++) {
        const j = own[k];
        sum[j] = centred(sum[j] + coefficient * (vector[j] as number), p, inverse);
      }
    }
    return this.residual(sum, p / 2) === undefined;
  }
}

function swap(values: Float64Array, i: number, j: number): void {
  const value = values[i] as number;
  values[i] = values[j] as number;
  values[j] = value;
}
