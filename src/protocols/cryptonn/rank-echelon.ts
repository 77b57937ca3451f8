/**
 * The span of integer vectors, kept as a reduced echelon form: whether a vector lies in it, and its rank.
 *
 * Everything is computed modulo two primes near 2^31; a vector counts as inside only when it is inside modulo both. Dependence over
 * the rationals implies dependence modulo every prime, so no inside vector is ever called outside. The reverse can fail
 * only for a vector that is inside modulo both and not over the rationals: chance 2^-62 for a vector chosen without regard to the primes.
 */
import { shake256 } from '@noble/hashes/sha3.js';
import { OutOfRangeError, ShapeError } from '../../base/errors.ts';
import type { RandomSource } from '../../base/random.ts';

/** Both prime, below 2^31: 2^31 - 1 and 2^31 - 19. */
const PRIMES: readonly [number, number] = [2_147_483_647, 2_147_483_629];
/** Entries of the vectors. With 64 rows between two reductions sums stay below 2^15 * 2^31 * 2^6 < 2^53. */
const LARGEST_ENTRY = 2 ** 15;
const ROWS_PER_REDUCTION = 64;

/** x - p * floor(x / p) for |x| < 2^53, in [0, p). */
function reduced(x: number, p: number): number {
  const r = x - Math.floor(x / p) * p;
  if (r < 0) return r + p;
  return r >= p ? r - p : r;
}

/** a * b mod p for residues below 2^31, through a split of b at 16 bits. */
function product(a: number, b: number, p: number): number {
  const high = Math.floor(b / 65_536);
  return reduced(reduced(a * high, p) * 65_536 + a * (b - high * 65_536), p);
}

function inverse(a: number, p: number): number {
  let result = 1;
  let square = a;
  for (let e = p - 2; e > 0; e = Math.floor(e / 2)) {
    if (e % 2 === 1) result = product(result, square, p);
    square = product(square, square, p);
  }
  return result;
}

/** One echelon form modulo one prime. Row k has a one at its pivot and zeros at all other pivots. */
class PrimeEchelon {
  readonly #p: number;
  readonly #rows: Float64Array[] = [];
  readonly #pivots: number[] = [];

  constructor(p: number) {
    this.#p = p;
  }

  get rank(): number {
    return this.#rows.length;
  }

  /** The vector minus its part in the span; all zero exactly when it lies inside. */
  residual(vector: ArrayLike<number>): Float64Array {
    const p = this.#p;
    const out = Float64Array.from(vector);
    let pending = 0;
    for (let k = 0; k < this.#rows.length; k++) {
      const factor = vector[this.#pivots[k] as number] as number;
      if (factor === 0) continue;
      const row = this.#rows[k] as Float64Array;
      for (let j = 0; j < out.length; j++) out[j] -= factor * row[j];
      if (++pending % ROWS_PER_REDUCTION === 0)
        for (let j = 0; j < out.length; j++) out[j] = reduced(out[j], p);
    }
    for (let j = 0; j < out.length; j++) out[j] = reduced(out[j], p);
    return out;
  }

  /** Whether a vector of residues lies in the span: as {@link residual}, for entries of any size below the prime. */
  containsResidues(vector: Float64Array): boolean {
    const p = this.#p;
    const out = vector.slice();
    for (let k = 0; k < this.#rows.length; k++) {
      const factor = vector[this.#pivots[k] as number];
      if (factor === 0) continue;
      const row = this.#rows[k] as Float64Array;
      const [high, low] = [Math.floor(factor / 65_536), factor % 65_536];
      for (let j = 0; j < out.length; j++)
        out[j] = reduced(out[j] - reduced(high * row[j], p) * 65_536 - low * row[j], p);
    }
    return isZero(out);
  }

  /** The sum of the vectors with coefficients below the prime. */
  combination(vectors: readonly ArrayLike<number>[], coefficients: Float64Array): Float64Array {
    const p = this.#p;
    const out = new Float64Array((vectors[0] as ArrayLike<number>).length);
    vectors.forEach((vector, i) => {
      const coefficient = reduced(coefficients[i], p);
      for (let j = 0; j < out.length; j++) out[j] = reduced(out[j] + coefficient * (vector[j] as number), p);
    });
    return out;
  }

  /** Adds a residual that is not zero. */
  insert(residual: Float64Array): void {
    const p = this.#p;
    const pivot = residual.findIndex((value) => value !== 0);
    const scale = inverse(residual[pivot], p);
    const added = residual.map((value) => product(value, scale, p));
    for (const row of this.#rows) {
      const factor = row[pivot];
      if (factor === 0) continue;
      const negative = p - factor;
      for (let j = 0; j < row.length; j++) {
        if (added[j] !== 0) row[j] = reduced(row[j] + product(added[j], negative, p), p);
      }
    }
    this.#rows.push(added);
    this.#pivots.push(pivot);
  }
}

export class RankEchelon {
  readonly length: number;
  readonly #echelons = PRIMES.map((p) => new PrimeEchelon(p));

  constructor(length: number) {
    this.length = length;
  }

  /** Dimension of the span so far. */
  get rank(): number {
    return Math.max(...this.#echelons.map((echelon) => echelon.rank));
  }

  /** True when the vector is a rational combination of those added. @throws {ShapeError} @throws {OutOfRangeError} */
  contains(vector: ArrayLike<number>): boolean {
    this.#check(vector);
    return this.#echelons.every((echelon) => isZero(echelon.residual(vector)));
  }

  /** Adds the vector to the span; true when that raised the rank. @throws {ShapeError} @throws {OutOfRangeError} */
  add(vector: ArrayLike<number>): boolean {
    this.#check(vector);
    if (this.rank === this.length) return false;
    let raised = false;
    for (const echelon of this.#echelons) {
      const residual = echelon.residual(vector);
      if (isZero(residual)) continue;
      echelon.insert(residual);
      raised = true;
    }
    return raised;
  }

  /**
   * Adds all vectors; returns those that raised the rank. When a random combination of them lies in the span, all of them are taken
   * to do so: where one does not, that happens for one of 2^31 choices of its coefficient.
   * @throws {ShapeError} @throws {OutOfRangeError}
   */
  addAll<T extends ArrayLike<number>>(vectors: readonly T[], random: RandomSource): T[] {
    for (const vector of vectors) this.#check(vector);
    if (vectors.length === 0 || this.rank === this.length) return [];
    const coefficients = randomCoefficients(vectors.length, random);
    const isInside = this.#echelons.every((echelon) =>
      echelon.containsResidues(echelon.combination(vectors, coefficients)),
    );
    return isInside ? [] : vectors.filter((vector) => this.add(vector));
  }

  #check(vector: ArrayLike<number>): void {
    if (vector.length !== this.length) throw new ShapeError('a key vector', this.length, vector.length);
    for (let i = 0; i < vector.length; i++) {
      const value = vector[i] as number;
      if (!Number.isInteger(value) || Math.abs(value) > LARGEST_ENTRY)
        throw new OutOfRangeError(`entry ${i} of a key vector`, `an integer up to ${LARGEST_ENTRY}`, value);
    }
  }
}

/** Uniform below 2^31. */
function randomCoefficients(count: number, random: RandomSource): Float64Array {
  const bytes = shake256(random.seed(), { dkLen: 4 * count });
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return Float64Array.from({ length: count }, (_, i) => view.getUint32(4 * i, true) >>> 1);
}

function isZero(values: Float64Array): boolean {
  return values.every((value) => value === 0);
}
