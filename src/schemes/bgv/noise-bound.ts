/**
 * The noise bound that every BGV ciphertext carries. With c(s) = v/t mod Q (see ciphertext.ts), v = t E: the bound is on the
 * canonical norm of E, the largest |E(zeta)| over the complex roots of X^N + 1, in bits (log2). That norm is at least every
 * coefficient of E, adds up under addition and multiplies under products whatever the operands have in common, so a circuit may
 * use one ciphertext many times. Method: [HS20].
 *
 * Random sources enter with their tail: a polynomial with independent coefficients of variance V that are strictly sub-Gaussian
 * (centred binomial, ternary, uniform: all are) has |e(zeta)|^2 <= N V (1 + sqrt(2x) + x) except with probability e^-x
 * (Hsu, Kakade, Zhang 2012, for two dimensions); x is such that all N/2 roots together fail with probability 2^-128. Rounding
 * errors and digits count as uniform, as usual.
 */
import { ERROR_VARIANCE } from '../rlwe/noise.ts';
import type { RlweParams } from '../rlwe/params.ts';
import { logProduct } from '../rlwe/security.ts';
import type { BgvParams } from './params.ts';

const FAILURE_BITS = 128;
const TERNARY_VARIANCE = 2 / 3;
const ROUNDING_VARIANCE = 1 / 12;

/** log2(2^a + 2^b). */
export function addBits(a: number, b: number): number {
  const high = Math.max(a, b);
  return high + Math.log2(1 + 2 ** (Math.min(a, b) - high));
}

/** log2 of the canonical norm that a random polynomial of this variance exceeds with probability 2^-128. */
export function sourceBits(n: number, variance: number): number {
  const x = (FAILURE_BITS + Math.log2(n / 2)) * Math.LN2;
  return 0.5 * Math.log2(n * variance * (1 + Math.sqrt(2 * x) + x));
}

/** Any message whatever: m / t has coefficients in [-1/2, 1/2]. */
function messageBits(n: number): number {
  return Math.log2(n / 2);
}

/** A ciphertext under the secret key: e + m / t. */
export function freshBits(n: number): number {
  return addBits(messageBits(n), sourceBits(n, ERROR_VARIANCE));
}

/** A ciphertext under a public key: e0 + e1 s + e u + m / t. */
export function publicKeyBits(n: number): number {
  const error = sourceBits(n, ERROR_VARIANCE);
  return addBits(freshBits(n), 1 + error + sourceBits(n, TERNARY_VARIANCE));
}

/** Rounding both parts: the floor that no modulus switch gets under. */
export function roundingBits(n: number): number {
  const error = sourceBits(n, ROUNDING_VARIANCE);
  return addBits(error, error + sourceBits(n, TERNARY_VARIANCE));
}

/** Added by a key switch at `level`. */
export function keySwitchBits(params: RlweParams, level: number): number {
  const { n, alpha } = params;
  const special = params.p.map(({ q }) => q);
  const logP = logProduct(special);
  // Division by P goes prime by prime: the roundings before the last one shrink with the primes after it.
  let bits = roundingBits(n) + Math.log2(1 + special.reduce((sum, p) => sum + 1 / p, 0));
  for (let first = 0; first <= level; first += alpha) {
    const primes = params.q.slice(first, Math.min(first + alpha, level + 1)).map(({ q }) => q);
    const digit = sourceBits(n, primes.length * ROUNDING_VARIANCE) + logProduct(primes) - logP;
    bits = addBits(bits, digit + sourceBits(n, ERROR_VARIANCE));
  }
  return bits;
}

/** After a modulus switch by the prime q. */
export function modSwitchBits(n: number, bits: number, q: number): number {
  return addBits(bits - Math.log2(q), roundingBits(n));
}

/** Largest noise bound at `level`: |v| <= Q / 4, so that the roundings of a decryption have room as well. */
export function noiseRoom(params: BgvParams, level: number): number {
  return params.logQAt(level) - Math.log2(params.t) - 2;
}
