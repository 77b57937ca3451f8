/**
 * Variances of phases, as fractions of the circle, and the probability that a lookup fails. Every term is a sum of many
 * independent ones, so errors are Gaussian as far as these probabilities reach [CGGI20, section 4]; products by the number-theoretic
 * transform are exact and add nothing. Letters as in params.ts.
 */
import { LWE_BITS, type TfheParams } from './params.ts';

/** Variance of a centred binomial error, k = 21. */
const RING_ERROR = 10.5;

/** Of a fresh encryption. */
export function freshVariance({ q }: TfheParams): number {
  return RING_ERROR / q ** 2;
}

/**
 * Of what a lookup returns, whatever went in: n external products. In each the digits, uniform below 2^(log2 q - shift), multiply the
 * errors of 2N coefficients of the key, and what they leave over, uniform below 2^shift, stays wherever the key's bit is 1. `weights` of S and s, on average
 * over all keys unless given.
 */
export function lookupVariance(
  { n, q, lweDimension, digitShift }: TfheParams,
  weights: { readonly ring: number; readonly lwe: number } = { ring: n / 2, lwe: lweDimension / 2 },
): number {
  const digit = (q / 2 ** digitShift) ** 2 / 12;
  const products = 2 * n * digit * (RING_ERROR / q ** 2);
  const left = ((2 ** digitShift / q) ** 2 / 12) * (1 + weights.ring);
  return lweDimension * products + weights.lwe * left;
}

/** Added before the rotation: key switch and rounding to 2N steps, whose mean over binary secrets is taken away. */
export function switchVariance(params: TfheParams): number {
  const { n, lweDimension, keySwitchBits, keySwitchLevels, lweNoiseBits } = params;
  const base = 2 ** keySwitchBits;
  // The mean square of -B/2 .. B/2 - 1; of TUniform.
  const digit = (base ** 2 + 2) / 12;
  const error = ((4 ** lweNoiseBits + 0.5) / 3) * 2 ** (-2 * LWE_BITS);
  const step = 2 ** (-keySwitchBits * keySwitchLevels);
  const keySwitch = n * (keySwitchLevels * digit * error + step ** 2 / 24);
  const rounding = ((1 / (2 * n)) ** 2 / 12) * (1 + lweDimension / 4);
  return keySwitch + rounding;
}

/**
 * log2 of the probability that a phase with this variance, switched and rounded, leaves the interval of its message: half of a
 * message's spacing away.
 */
export function lookupFailureBits(params: TfheParams, variance: number): number {
  const radius = 1 / (4 * params.messages);
  return log2Erfc(radius / Math.sqrt(2 * (variance + switchVariance(params))));
}

/** log2 of the probability that a decryption of a phase with this variance is wrong. */
export function decryptionFailureBits(params: TfheParams, variance: number): number {
  return log2Erfc(1 / (4 * params.messages) / Math.sqrt(2 * variance));
}

/** log2(erfc(x)), from above; the first terms of the asymptotic series bracket it. */
export function log2Erfc(x: number): number {
  if (x < 1) return 0;
  return -x * x * Math.LOG2E - Math.log2(x * Math.sqrt(Math.PI));
}
