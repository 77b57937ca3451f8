/**
 * Noise variances per coefficient, in units of one (not of the scale), for a ternary secret and centred binomial errors.
 * Each is an expectation over keys and errors; the tests measure every one. Symbols: N ring degree, h = 2N/3 expected weight.
 */
import type { RlweParams } from './params.ts';
import { logProduct } from './security.ts';

/** Of the error distribution: centred binomial with k = 21. */
export const ERROR_VARIANCE = 10.5;

/** Of rounding a coefficient to an integer. */
const ROUNDING = 1 / 12;

/** Expected number of non-zero coefficients of the secret, which is also the squared norm. */
function secretWeight(n: number): number {
  return (2 * n) / 3;
}

/** A ciphertext under the secret key. */
export function freshNoise(): number {
  return ERROR_VARIANCE;
}

/** A ciphertext under a public key: e0 + e1 s + e u, u ternary. */
export function publicKeyNoise(n: number): number {
  return ERROR_VARIANCE * (1 + 2 * secretWeight(n));
}

/** Encoding: rounding the plaintext. */
export function encodingNoise(): number {
  return ROUNDING;
}

/** Rounding both parts of a ciphertext: what {@link rescaleNoise} adds, and no implementation gets under. */
export function roundingNoise(n: number): number {
  return ROUNDING * (1 + secretWeight(n));
}

/** After division by a prime q: `variance` before. */
export function rescaleNoise(n: number, variance: number, q: number): number {
  return variance / q ** 2 + roundingNoise(n);
}

/**
 * Added by a hybrid key switch at `level`: the digits, each a sum of alpha uniform centred residues times D / d_i, meet the errors
 * of the key; then the division by P rounds.
 */
export function keySwitchNoise(params: RlweParams, level: number): number {
  return keyProductNoise(params, level) + roundingNoise(params.n);
}

/** {@link keySwitchNoise} before the division by P rounds. */
function keyProductNoise(params: RlweParams, level: number): number {
  const { alpha, n } = params;
  const logP = logProduct(params.p.map((modulus) => modulus.q));
  let digits = 0;
  for (let first = 0; first <= level; first += alpha) {
    const primes = params.q.slice(first, Math.min(first + alpha, level + 1)).map((modulus) => modulus.q);
    digits += primes.length * ROUNDING * 2 ** (2 * (logProduct(primes) - logP));
  }
  return ERROR_VARIANCE * n * digits;
}

/** A giant step of a linear transform: squared norms of the weights of its rotations by other steps than 0, and of that by 0. */
export interface GiantStepNorms {
  readonly step: number;
  readonly rotated: number;
  readonly unrotated: number;
}

/**
 * A linear transform of a ciphertext of `variance` with independent weights: each rotation brings the products with its key, each
 * giant step but 0 those of another key and the rounding of one part, the end one rounding of both.
 */
export function linearTransformNoise(
  params: RlweParams,
  level: number,
  variance: number,
  giants: readonly GiantStepNorms[],
): number {
  const product = keyProductNoise(params, level);
  const isDivided = giants.some(({ step, rotated }) => step !== 0 || rotated > 0);
  return giants.reduce(
    (total, { step, rotated, unrotated }) =>
      total +
      rotated * (variance + product) +
      unrotated * variance +
      (step === 0 ? 0 : product + ROUNDING * secretWeight(params.n)),
    isDivided ? roundingNoise(params.n) : 0,
  );
}

/** The product of two independent ciphertexts; `squareA`, `squareB` mean squares of the scaled messages' coefficients. */
export function productNoise(
  n: number,
  a: { readonly variance: number; readonly meanSquare: number },
  b: { readonly variance: number; readonly meanSquare: number },
): number {
  return n * (a.variance * b.meanSquare + b.variance * a.meanSquare + a.variance * b.variance);
}

/** The square of a ciphertext: 2 m e + e^2, where the cross terms double. */
export function squareNoise(
  n: number,
  a: { readonly variance: number; readonly meanSquare: number },
): number {
  return n * (4 * a.variance * a.meanSquare + 2 * a.variance ** 2);
}

/** A ciphertext times a plaintext polynomial, or a row of integer weights: `sumOfSquares` of its coefficients. */
export function weightedNoise(variance: number, sumOfSquares: number): number {
  return variance * sumOfSquares;
}

/**
 * Expansion by k = 2^J, mean over the coefficients; `keySwitch` is the noise of one switch. A kept coefficient (one in k) doubles
 * in each step; one that is cancelled in step v collects V_ks, then twice itself plus V_ks in each of the J - 1 - v steps left.
 */
export function expansionNoise(k: number, variance: number, keySwitch: number): number {
  const steps = Math.log2(k);
  let mean = (k ** 2 * variance + ((k ** 2 - 1) / 3) * keySwitch) / k;
  for (let v = 0; v < steps; v++) mean += 2 ** -(v + 1) * (2 ** (steps - v) - 1) * keySwitch;
  return mean;
}
