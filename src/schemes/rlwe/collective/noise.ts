/**
 * Noise variances per coefficient of what k parties make together, as in ../noise.ts: the secret is a sum of k ternary ones, with k times the
 * squared norm, and each error is a sum of k.
 */
import { ERROR_VARIANCE } from '../noise.ts';

/** Expected squared norm of the collective secret. */
function secretNorm(n: number, parties: number): number {
  return (parties * 2 * n) / 3;
}

/** A ciphertext under the collective public key: e0 + e1 s + (sum of e_i) u. */
export function collectivePublicKeyNoise(n: number, parties: number): number {
  return ERROR_VARIANCE * (1 + 2 * secretNorm(n, parties));
}

/** Rounding both parts of a ciphertext under the collective secret. */
export function collectiveRoundingNoise(n: number, parties: number): number {
  return (1 + secretNorm(n, parties)) / 12;
}

/** Of one error polynomial of the relinearization key, s e_0 + u e_1 + e_2 + e_3: far larger than those of other keys. */
export function relinearizationErrorVariance(n: number, parties: number): number {
  return ERROR_VARIANCE * parties * (2 + 2 * secretNorm(n, parties));
}

/** What a refresh adds: the errors of both of a party's answers. */
export function refreshNoise(parties: number): number {
  return 2 * ERROR_VARIANCE * parties;
}
