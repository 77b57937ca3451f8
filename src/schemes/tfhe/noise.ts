/**
 * Variances of phases, as fractions of the circle, and the probability that a lookup fails. Every term is a sum of many
 * independent ones, so errors are Gaussian as far as these probabilities reach [CGGI20, section 4]; products by the number-theoretic
 * transform are exact and add nothing. Letters as in params.ts.
 */
import { LWE_BITS, type TfheParams } from './params.ts';

/** log2 of g of an exit key: digits are below Q / 2g = 2^24. */
export const EXIT_GADGET_BITS = 25;

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
 * Added by an exit from a ring of degree N' whose secret is ternary, modulo Q: both parts of the ciphertext are rounded to multiples of
 * g / Q, the error of the key meets N' digits below Q / 2g, and the result is rounded to q.
 */
export function exitVariance({ n, q }: TfheParams, from: { readonly n: number }, modulus: number): number {
  const gadget = 2 ** EXIT_GADGET_BITS;
  const rounding = ((gadget / modulus) ** 2 / 12) * (1 + (2 / 3) * from.n);
  const key = (from.n * RING_ERROR) / (12 * gadget ** 2);
  return rounding + key + (1 + n / 2) / (12 * q ** 2);
}

/**
 * How far from the middle between two levels a real message must be, in levels, so that {@link TfheEvaluator.quantise} takes another
 * side than the clear quantiser with probability 2^`bits` at most. At 1/2 the level is off by at most one.
 */
export function quantisationMargin(params: TfheParams, variance: number, bits: number): number {
  const deviation = Math.sqrt(variance + switchVariance(params)) * 2 * params.messages;
  let [low, high] = [0, 64];
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (log2Erfc(middle / Math.SQRT2) > bits) low = middle;
    else high = middle;
  }
  return high * deviation;
}

/** What a quantiser with p levels makes of a real message: rounded to the nearest level, reflected at both ends, 0 .. p - 1. */
export function quantisedLevel(value: number, messages: number): number {
  const turn = 2 * messages;
  const level = ((Math.floor(value + 0.5) % turn) + turn) % turn;
  return level < messages ? level : turn - 1 - level;
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
