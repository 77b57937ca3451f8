/** Choosing parameters from what a computation needs: the parts that do not depend on the scheme. */
import { InvalidParamsError } from '../../base/errors.ts';
import { logQPCeiling } from './security.ts';

/** Ring degrees that have a ceiling and are of use. */
const SMALLEST_LOG_N = 11;
const LARGEST_LOG_N = 17;
/** Of log2(QP) at any ring degree. */
export const LARGEST_CEILING = logQPCeiling(LARGEST_LOG_N);
/** More special primes cost more than they save. */
const MAX_SPECIAL_PRIMES = 4;
/** The widest prime that the kernels multiply. */
export const WIDEST_PRIME = 50;

/** A chain of one width and its special primes. */
export interface PrimeChain {
  readonly logQ: readonly number[];
  readonly logP: readonly number[];
}

/**
 * Bits of the narrowest primes to ask for: 2^10 numbers 1 mod 2N in the upper octave, of which dozens are prime.
 */
export function narrowestPrime(logN: number): number {
  return logN + 12;
}

/**
 * The ring degrees for `slots` slots, ascending; `slotsAt` says how many one has.
 *
 * @throws {InvalidParamsError} when none has so many.
 */
export function ringDegrees(slots: number, slotsAt: (logN: number) => number): number[] {
  assertWhole('slots', slots, 1);
  const degrees: number[] = [];
  for (let logN = SMALLEST_LOG_N; logN <= LARGEST_LOG_N; logN++) {
    if (slotsAt(logN) >= slots) degrees.push(logN);
  }
  if (degrees.length === 0) {
    const most = slotsAt(LARGEST_LOG_N);
    throw new InvalidParamsError(`at most ${most} slots exist, not ${slots}`, { slots, most });
  }
  return degrees;
}

/**
 * `logQ` with one and more special primes of `special` bits each, as far as the ceiling allows, the cheapest key switch first.
 */
export function withSpecialPrimes(logN: number, logQ: readonly number[], special: number): PrimeChain[] {
  const used = logQ.reduce((sum, bits) => sum + bits, 0);
  const chains: PrimeChain[] = [];
  for (let count = 1; count <= Math.min(MAX_SPECIAL_PRIMES, logQ.length); count++) {
    if (used + count * special > logQPCeiling(logN)) break;
    chains.push({ logQ, logP: new Array<number>(count).fill(special) });
  }
  return chains.sort((a, b) => keySwitchTransforms(a) - keySwitchTransforms(b));
}

/** Transforms in a key switch at the highest level: what it costs, roughly. */
export function keySwitchTransforms({ logQ, logP }: PrimeChain): number {
  const digits = Math.ceil(logQ.length / logP.length);
  return (digits + 2) * (logQ.length + logP.length);
}

/** @throws {InvalidParamsError} unless `value` is an integer not below `least`. */
export function assertWhole(what: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new InvalidParamsError(`${what} must be an integer from ${least} on but is ${value}`, {});
  }
}
