/**
 * The span of integer vectors, kept as reduced echelon forms: whether a vector lies in it, and its rank.
 *
 * Everything is computed modulo three primes below 2^26; a vector counts as inside only when it is inside modulo all of them.
 * Dependence over the rationals implies dependence modulo every prime, so no inside vector is ever called outside. The reverse can
 * fail only for a vector that is inside modulo all three and not over the rationals: chance 2^-77 for a vector chosen without regard
 * to the primes.
 */
import { shake256 } from '@noble/hashes/sha3.js';
import { OutOfRangeError, ShapeError } from '../../../base/errors.ts';
import { indexBeyond } from '../../../base/integer-bound.ts';
import type { RandomSource } from '../../../base/random.ts';
import { rowsOf } from '../../../fe/object-header.ts';
import { PLAIN_RESIDUE_PRODUCTS, type ResidueProducts } from '../../../kernel/portable/residue-products.ts';
import { PrimeEchelon } from '../../../algebra/prime-echelon.ts';
import { SparseRows } from '../../../algebra/sparse-rows.ts';

/** 2^26 minus 5, 27 and 45. */
const PRIMES = [67_108_859, 67_108_837, 67_108_819] as const;
/** Differences of two vectors are centred residues as they are. */
const LARGEST_ENTRY = 2 ** 15;
const COEFFICIENT_BYTES = 4;

export class RankEchelon {
  readonly length: number;
  readonly #echelons: readonly PrimeEchelon[];
  /** The vectors of the last {@link RankEchelon.addAll}, all of them inside. */
  #latest: Int32Array | undefined;

  /** A kernel eliminates several times as fast as the plain loops. */
  constructor(length: number, products: ResidueProducts = PLAIN_RESIDUE_PRODUCTS) {
    this.length = length;
    this.#echelons = PRIMES.map((prime) => new PrimeEchelon(prime, length, products));
  }

  /** Dimension of the span so far. */
  get rank(): number {
    return Math.max(...this.#echelons.map((echelon) => echelon.rank));
  }

  /** True when the vector is a rational combination of those added. @throws {ShapeError} @throws {OutOfRangeError} */
  contains(vector: ArrayLike<number>): boolean {
    const row = this.#checked(vector);
    return this.#echelons.every((echelon) => echelon.contains(row));
  }

  /** Adds the vector to the span; true when that raised the rank. @throws {ShapeError} @throws {OutOfRangeError} */
  add(vector: ArrayLike<number>): boolean {
    return this.#insert(this.#checked(vector))[0] === 1;
  }

  /**
   * Adds `[count, length]` vectors; returns those that raised the rank. Where the call before brought as many, the differences from
   * them are looked at instead, which span the same with what is known: those of a training step are zero nearly everywhere.
   *
   * When a random combination of them lies in the span, all of them are taken to do so: where one is outside modulo a prime, that
   * happens for one in 2^26 choices of its coefficient, which are independent for each prime.
   * @throws {ShapeError} @throws {OutOfRangeError} as long as there is something left to add.
   */
  addAll(vectors: Int32Array, random: RandomSource): Int32Array[] {
    const { length } = this;
    if (this.rank === length) {
      this.#latest = undefined;
      return [];
    }
    const count = rowsOf('key vectors', vectors, length);
    const beyond = indexBeyond(vectors, LARGEST_ENTRY);
    if (beyond >= 0) throw tooLarge(beyond % length, vectors[beyond] as number);
    const changes = new SparseRows();
    const known = this.#latest?.length === vectors.length ? this.#latest : new Int32Array(vectors.length);
    for (let i = 0; i < count; i++) changes.pushChange(vectors, known, i * length, length);
    const raised = this.#containsAll(changes, random) ? undefined : this.#insert(changes);
    known.set(vectors);
    this.#latest = known;
    const out: Int32Array[] = [];
    raised?.forEach((isRaised, i) => {
      if (isRaised === 1) out.push(vectors.subarray(i * length, (i + 1) * length));
    });
    return out;
  }

  /** Marks the rows that raised the rank. */
  #insert(rows: SparseRows): Uint8Array {
    const raised = new Uint8Array(rows.count);
    if (this.rank === this.length) return raised;
    const needed = this.#echelons.map((echelon) => echelon.addAll(rows, raised));
    // Nothing raises a full rank, whatever a prime says under which the others are still behind.
    return raised.fill(0, Math.min(...needed));
  }

  #containsAll(rows: SparseRows, random: RandomSource): boolean {
    const { count } = rows;
    const bytes = shake256(random.seed(), { dkLen: COEFFICIENT_BYTES * count * PRIMES.length });
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    return this.#echelons.every((echelon, e) => {
      const coefficients = Float64Array.from(
        { length: count },
        (_, i) => view.getUint32(COEFFICIENT_BYTES * (e * count + i), true) % echelon.prime,
      );
      return echelon.containsCombination(rows, coefficients);
    });
  }

  #checked(vector: ArrayLike<number>): SparseRows {
    if (vector.length !== this.length) throw new ShapeError('a key vector', this.length, vector.length);
    for (let i = 0; i < vector.length; i++) {
      const value = vector[i] as number;
      const isBounded = value <= LARGEST_ENTRY && value >= -LARGEST_ENTRY && Number.isInteger(value);
      if (!isBounded) throw tooLarge(i, value);
    }
    const rows = new SparseRows();
    rows.push(vector);
    return rows;
  }
}

function tooLarge(index: number, value: number): OutOfRangeError {
  return new OutOfRangeError(`entry ${index} of a key vector`, `an integer up to ${LARGEST_ENTRY}`, value);
}
