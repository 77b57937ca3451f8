/**
 * CKKS parameters from intent. The promise: values at most `maxAbs` in every slot at every step; `depth` levels, each a rotation of
 * both factors, a product relinearised and a rescaling, and one rotation more; encryption under either key. Then every slot of the
 * result is within 2^-precisionBits of the exact one, except with probability near 2^-128, by the bounds of ../rlwe/noise-bound.ts.
 *
 * An error doubles in a product of values near 1; values up to 1/2 (`maxAbs: 0.5`) keep it as it is, for many levels. A sum of k
 * terms in a level costs log2(k) bits more: ask for them.
 */
import { InvalidParamsError } from '../../base/errors.ts';
import { primesNear } from '../../ring/primes.ts';
import {
  assertWhole,
  LARGEST_CEILING,
  narrowestPrime,
  type PrimeChain,
  ringDegrees,
  WIDEST_PRIME,
  withSpecialPrimes,
} from '../rlwe/intent.ts';
import {
  encodingBits,
  keySwitchBits,
  type ModulusBits,
  publicKeyErrorBits,
  roundingBits,
} from '../rlwe/noise-bound.ts';
import { logQPCeiling } from '../rlwe/security.ts';

/** What a computation needs. */
export interface CkksIntent {
  /** Levels of products one after the other. */
  readonly depth: number;
  /** Every slot of the result is within 2^-precisionBits of the exact value. */
  readonly precisionBits: number;
  /** At least so many; default 1. */
  readonly slots?: number;
  /** Of every value at every step; default 1. */
  readonly maxAbs?: number;
}

/** The literal that was chosen. */
export interface ChosenCkksSpec extends PrimeChain {
  readonly logN: number;
  readonly logScale: number;
}

/** A value and its noise use at most half of q_0; the noise may exceed maxAbs, the scale 2^logScale. */
const HEADROOM_BITS = 2;
/** In units of N: numbers 1 mod 2N are two apart, so a bound this far above a prime names it and no other. */
const HALF_STEP = 1;

/**
 * The smallest ring degree that holds the promise, the smallest scale, then the cheapest key switching.
 *
 * @throws {InvalidParamsError} that says what does not fit.
 */
export function chooseCkksSpec(intent: CkksIntent): ChosenCkksSpec {
  const { depth, precisionBits, slots = 1, maxAbs = 1 } = intent;
  assertWhole('depth', depth, 0);
  if (!(precisionBits > 0) || !(maxAbs > 0) || !Number.isFinite(maxAbs)) {
    throw new InvalidParamsError('precisionBits and maxAbs must be positive', {});
  }
  const extra = Math.ceil(Math.max(0, Math.log2(maxAbs))) + HEADROOM_BITS;
  const limit = 2 ** -precisionBits;
  let reached = 0;
  for (const logN of ringDegrees(slots, (at) => 2 ** (at - 1))) {
    for (let logScale = narrowestPrime(logN); logScale + extra <= WIDEST_PRIME; logScale++) {
      const ideal = new Array<number>(depth).fill(2 ** logScale);
      if ((depth + 2) * logScale + 2 * extra > logQPCeiling(logN)) break;
      const least = promisedError(chainBits(logN, [], []), logScale, ideal, maxAbs);
      reached = Math.max(reached, Math.floor(-Math.log2(least)));
      if (least > limit) continue;
      const primes = steadyPrimes(logN, logScale, depth);
      const logQ = [logScale + extra, ...primes.map((prime) => Math.log2(prime + HALF_STEP * 2 ** logN))];
      const chain = withSpecialPrimes(logN, logQ, logScale + extra).find(
        (at) => promisedError(chainBits(logN, at.logQ, at.logP), logScale, primes, maxAbs) <= limit,
      );
      if (chain !== undefined) return { logN, ...chain, logScale };
    }
  }
  throw new InvalidParamsError(
    `${depth} levels of values up to ${maxAbs} with ${precisionBits} bits of precision are too much: ${
      reached > 0
        ? `primes below 2^${WIDEST_PRIME} allow ${reached} bits`
        : `no ring degree holds them at 128 bits (log2(QP) <= ${LARGEST_CEILING})`
    }`,
    { depth, precisionBits, reached },
  );
}

/**
 * Primes p_1 .. p_depth such that the scale, which p_depth divides after the first product, returns to 2^logScale
 * as nearly as primes allow in every level: each makes up for the one before. Unchecked, the deviation would double in each level.
 */
function steadyPrimes(logN: number, logScale: number, depth: number): number[] {
  const n = 2 ** logN;
  const taken = new Set<number>();
  const primes: number[] = [];
  let logDeviation = 0;
  for (let level = depth; level > 0; level--) {
    const prime = primesNear(logScale + 2 * logDeviation, n, 1, taken)[0]!;
    taken.add(prime);
    logDeviation = logScale + 2 * logDeviation - Math.log2(prime);
    primes.unshift(prime);
  }
  return primes;
}

function chainBits(logN: number, logQ: readonly number[], logP: readonly number[]): ModulusBits {
  return { n: 2 ** logN, alpha: Math.max(1, logP.length), logQ, logP };
}

/** Bound on the error of a slot after a level per prime of `divisors`; without special primes, without key switching. */
function promisedError(
  chain: ModulusBits,
  logScale: number,
  divisors: readonly number[],
  maxAbs: number,
): number {
  const { n } = chain;
  const keySwitch = (level: number) => (chain.logP.length === 0 ? 0 : 2 ** keySwitchBits(chain, level));
  let scale = 2 ** logScale;
  let error = (2 ** publicKeyErrorBits(n) + 2 ** encodingBits(n)) / scale;
  for (let level = divisors.length; level > 0; level--) {
    error += keySwitch(level) / scale;
    error = 2 * maxAbs * error + error ** 2 + keySwitch(level) / scale ** 2;
    scale = scale ** 2 / divisors[level - 1]!;
    error += 2 ** roundingBits(n) / scale;
  }
  return error + keySwitch(0) / scale;
}
