/**
 * The span of integer vectors, kept as reduced echelon forms: whether a vector lies in it, and its rank.
 *
 * Everything is computed modulo three primes below 2^26; a vector counts as inside only when it is inside modulo all of them.
 * Dependence over the rationals implies dependence modulo every prime, so no inside vector is ever called outside. The reverse can
 * fail only for a vector that is inside modulo all three and not over the rationals: chance 2^-77 for a vector chosen without regard
 * to the primes.
 */
import { shake256 } from '@noble/hashes/sha3.js';
import { OutOfRangeError, ShapeError } from '../../base/errors.ts';
import type { RandomSource } from '../../base/random.ts';
import { PrimeEchelon } from './prime-echelon.ts';

/** 2^26 minus 5, 27 and 45. */
const PRIMES = [67_108_859, 67_108_837, 67_108_819] as const;
const LARGEST_ENTRY = 2 ** 15;
/** Of a difference of two vectors. */
const LARGEST_DIFFERENCE = 2 * LARGEST_ENTRY;
const COEFFICIENT_BYTES = 4;

export class RankEchelon {
  readonly length: number;
  readonly #echelons: readonly PrimeEchelon[];
  /** The vectors of the last {@link RankEchelon.addAll}, all of them inside. */
  #latest: readonly ArrayLike<number>[] = [];

  constructor(length: number) {
    this.length = length;
    this.#echelons = PRIMES.map((prime) => new PrimeEchelon(prime, length));
  }

  /** Dimension of the span so far. */
  get rank(): number {
    return Math.max(...this.#echelons.map((echelon) => echelon.rank));
  }

  /** True when the vector is a rational combination of those added. @throws {ShapeError} @throws {OutOfRangeError} */
  contains(vector: ArrayLike<number>): boolean {
    this.#check(vector);
    return this.#echelons.every((echelon) => echelon.residual(vector, LARGEST_ENTRY) === undefined);
  }

  /** Adds the vector to the span; true when that raised the rank. @throws {ShapeError} @throws {OutOfRangeError} */
  add(vector: ArrayLike<number>): boolean {
    this.#check(vector);
    return this.#insert(vector);
  }

  /**
   * Adds all vectors; returns those that raised the rank. Where the call before brought as many vectors, the differences from them are
   * looked at instead, which span the same with what is known: those of a training step are zero nearly everywhere.
   *
   * When a random combination of them lies in the span, all of them are taken to do so: where one is outside modulo a prime, that
   * happens for one in 2^26 choices of its coefficient, which are independent for each prime.
   * @throws {ShapeError} @throws {OutOfRangeError} as long as there is something left to add.
   */
  addAll<T extends ArrayLike<number>>(vectors: readonly T[], random: RandomSource): T[] {
    if (vectors.length === 0 || this.rank === this.length) {
      this.#latest = [];
      return [];
    }
    for (const vector of vectors) this.#check(vector);
    const changes = vectors.map((vector, i) => sparser(vector, this.#latest[i]));
    const raised = this.#containsAll(changes, random)
      ? []
      : vectors.filter((_, i) => this.#insert(changes[i] as ArrayLike<number>));
    this.#latest = vectors.map((vector) => new Int32Array(vector));
    return raised;
  }

  #insert(vector: ArrayLike<number>): boolean {
    if (this.rank === this.length) return false;
    let raised = false;
    for (const echelon of this.#echelons) {
      const residual = echelon.residual(vector, LARGEST_DIFFERENCE);
      if (residual === undefined) continue;
      echelon.insert(residual);
      raised = true;
    }
    return raised;
  }

  #containsAll(vectors: readonly ArrayLike<number>[], random: RandomSource): boolean {
    const count = vectors.length;
    const bytes = shake256(random.seed(), { dkLen: COEFFICIENT_BYTES * count * PRIMES.length });
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const places = vectors.map(placesOf);
    return this.#echelons.every((echelon, e) => {
      const coefficients = Float64Array.from(
        { length: count },
        (_, i) => view.getUint32(COEFFICIENT_BYTES * (e * count + i), true) % echelon.prime,
      );
      return echelon.containsCombination(vectors, places, coefficients);
    });
  }

  #check(vector: ArrayLike<number>): void {
    if (vector.length !== this.length) throw new ShapeError('a key vector', this.length, vector.length);
    for (let i = 0; i < vector.length; i++) {
      const value = vector[i] as number;
      if (!(value <= LARGEST_ENTRY && value >= -LARGEST_ENTRY && Number.isInteger(value)))
        throw new OutOfRangeError(`entry ${i} of a key vector`, `an integer up to ${LARGEST_ENTRY}`, value);
    }
  }
}

/** Where a vector is not zero. */
function placesOf(vector: ArrayLike<number>): Uint32Array {
  const out = new Uint32Array(vector.length);
  let count = 0;
  for (let j = 0; j < out.length; j++) if (vector[j] !== 0) out[count++] = j;
  return out.subarray(0, count);
}

/** The vector or its difference from a known one, whichever has more zeros. */
function sparser(vector: ArrayLike<number>, known: ArrayLike<number> | undefined): ArrayLike<number> {
  if (known === undefined) return vector;
  const difference = new Int32Array(vector.length);
  let saved = 0;
  for (let j = 0; j < difference.length; j++) {
    const value = vector[j] as number;
    difference[j] = value - (known[j] as number);
    if (difference[j] === 0) saved++;
    if (value === 0) saved--;
  }
  return saved > 0 ? difference : vector;
}
