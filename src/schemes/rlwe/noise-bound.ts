/**
 * Bounds on noise whatever the operands have in common: on the canonical norm of an error polynomial E, the largest |E(zeta)| over the
 * complex roots of X^N + 1, in bits (log2). That norm is at least every coefficient of E and every slot; it adds up under addition
 * and multiplies under products. Method: [HS20]. Expectations, for independent operands, are in noise.ts.
 *
 * Random sources enter with their tail: a polynomial with independent coefficients of variance V that are strictly sub-Gaussian
 * (centred binomial, ternary, uniform: all are) has |e(zeta)|^2 <= N V (1 + sqrt(2x) + x) except with probability e^-x
 * (Hsu, Kakade, Zhang 2012, for two dimensions); x is such that all N/2 roots together fail with probability 2^-128. Rounding
 * errors and digits count as uniform, as usual.
 */
import { ERROR_VARIANCE } from './noise.ts';
import type { RlweParams } from './params.ts';

const FAILURE_BITS = 128;
const TERNARY_VARIANCE = 2 / 3;
const ROUNDING_VARIANCE = 1 / 12;

/** Parameters as far as noise depends on them, with log2 of each prime: of real ones, or of ones that are being chosen. */
export interface ModulusBits {
  readonly n: number;
  readonly alpha: number;
  readonly logQ: readonly number[];
  readonly logP: readonly number[];
}

export function modulusBits(params: RlweParams): ModulusBits {
  const { n, alpha } = params;
  return {
    n,
    alpha,
    logQ: params.q.map(({ q }) => Math.log2(q)),
    logP: params.p.map(({ q }) => Math.log2(q)),
  };
}

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

/** One fresh error polynomial: the noise under the secret key. */
export function errorBits(n: number): number {
  return sourceBits(n, ERROR_VARIANCE);
}

/** e0 + e1 s + e u: the noise under a public key. */
export function publicKeyErrorBits(n: number): number {
  const error = errorBits(n);
  return addBits(error, 1 + error + sourceBits(n, TERNARY_VARIANCE));
}

/** Rounding a plaintext to integers. */
export function encodingBits(n: number): number {
  return sourceBits(n, ROUNDING_VARIANCE);
}

/** Rounding both parts of a ciphertext: the floor that no division by a prime gets under. */
export function roundingBits(n: number): number {
  const error = sourceBits(n, ROUNDING_VARIANCE);
  return addBits(error, error + sourceBits(n, TERNARY_VARIANCE));
}

/** Added by a key switch at `level`. */
export function keySwitchBits({ n, alpha, logQ, logP }: ModulusBits, level: number): number {
  const logSpecial = sum(logP);
  // Division by P goes prime by prime: the roundings before the last one shrink with the primes after it.
  let bits = roundingBits(n) + Math.log2(1 + logP.reduce((total, p) => total + 2 ** -p, 0));
  for (let first = 0; first <= level; first += alpha) {
    const primes = logQ.slice(first, Math.min(first + alpha, level + 1));
    const digit = sourceBits(n, primes.length * ROUNDING_VARIANCE) + sum(primes) - logSpecial;
    bits = addBits(bits, digit + errorBits(n));
  }
  return bits;
}

/** After a division by a prime of `logQ` bits. */
export function dividedBits(n: number, bits: number, logQ: number): number {
  return addBits(bits - logQ, roundingBits(n));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
