/**
 * The security ceiling: largest log2(QP), all primes of every key included, for 128 bits against classical attack with a
 * ternary secret and errors of standard deviation >= 3.19. 128 is a gate count under the MATZOV model of the lattice
 * estimator (commit 27a581b): re-estimated 131.3, 128.8, 128.9, 128.3, 128.3, 128.0, 128.0 for logN = 10 .. 16.
 *
 * Source: Security Guidelines for Implementing Homomorphic Encryption [Bos+24], Table 4.2.
 */
import { InsecureParamsError } from '../../base/errors.ts';

const CEILING_128: ReadonlyMap<number, number> = new Map([
  [10, 26],
  [11, 53],
  [12, 106],
  [13, 214],
  [14, 430],
  [15, 868],
  [16, 1747],
  [17, 3523],
]);

/** Largest allowed log2(QP) for ring degree 2^logN; 0 where nothing is secure. */
export function logQPCeiling(logN: number): number {
  return CEILING_128.get(logN) ?? 0;
}

/** log2 of the product, with error below 2^-40. */
export function logProduct(primes: readonly number[]): number {
  return primes.reduce((sum, q) => sum + Math.log2(q), 0);
}

/** @throws {InsecureParamsError} when the product of `primes` is over the ceiling. */
export function assertSecure(logN: number, primes: readonly number[]): void {
  const logQP = logProduct(primes);
  const ceiling = logQPCeiling(logN);
  if (logQP > ceiling) throw new InsecureParamsError(logN, logQP, ceiling);
}
