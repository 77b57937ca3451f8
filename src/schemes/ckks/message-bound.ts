/**
 * The bound that every CKKS ciphertext carries: no slot of what it decrypts to, noise included, is above `maxAbs`, whatever the
 * operands have in common. Times the scale it bounds the canonical norm of message and noise, and so every coefficient: a result
 * whose bound is below half the modulus cannot wrap around. A fresh ciphertext starts from the values it was made of, and every
 * operation follows the worst case. The bound is not on the wire, where it would tell of the message: a receiver starts from
 * {@link DEFAULT_MAX_ABS}, or declares what it knows (`CkksEvaluator.declareMaxAbs`).
 */
import { MessageOverflowError, PrecisionLostError } from '../../base/errors.ts';
import { keySwitchBits, type ModulusBits, roundingBits, sourceBits } from '../rlwe/noise-bound.ts';
import { roundingNoise } from '../rlwe/noise.ts';
import type { CkksParams } from './params.ts';

/** Of ciphertexts that say nothing of their values: as in `CkksIntent`. */
export const DEFAULT_MAX_ABS = 1;

/** Largest relative difference of two scales that counts as rounding. */
export const SCALE_TOLERANCE = 2 ** -20;

/** Bits of a bound that is taken from values: finer ones would tell more of them. */
const STEPS_PER_BIT = 4;

/** Standard deviations of a rounding that the largest value must be above, in slots. */
const LEAST_SIGNAL = 8;

export interface BoundAt {
  readonly level: number;
  readonly scale: number;
  readonly maxAbs: number;
}

/** The least 2^(i/4) that is not below any value. */
export function boundOf(largest: number): number {
  return largest === 0 ? 0 : 2 ** (Math.ceil(Math.log2(largest) * STEPS_PER_BIT) / STEPS_PER_BIT);
}

/** @throws {MessageOverflowError} unless values up to the bound stay below half the modulus. */
export function assertHeld(op: string, params: CkksParams, { level, scale, maxAbs }: BoundAt): void {
  const room = params.logQAt(level) - 1;
  const needed = Math.log2(maxAbs) + Math.log2(scale);
  if (needed < room || maxAbs === 0) return;
  throw new MessageOverflowError(op, level, Math.max(1, Math.ceil(needed - room)));
}

/** @throws {PrecisionLostError} when the rounding of a division would be larger than the values, and than 1. */
export function assertPrecise(op: string, params: CkksParams, { scale, maxAbs }: BoundAt): void {
  const needed = Math.log2(
    (LEAST_SIGNAL * Math.sqrt(params.n * roundingNoise(params.n))) / Math.max(1, maxAbs),
  );
  if (!(Math.log2(scale) >= needed)) throw new PrecisionLostError(op, Math.log2(scale), needed);
}

/** What a key switch at this level adds to the bound. */
export function keySwitchAbs(bits: ModulusBits, { level, scale }: Omit<BoundAt, 'maxAbs'>): number {
  return 2 ** keySwitchBits(bits, level) / scale;
}

/** What the rounding of `parts` parts adds, at the scale after the division. */
export function roundingAbs(n: number, parts: number, scale: number): number {
  const third = parts === 3 ? 2 ** (sourceBits(n, 1 / 12) + 2 * sourceBits(n, 2 / 3)) : 0;
  return (2 ** roundingBits(n) + third) / scale;
}
