/**
 * BGV parameters from intent. The promise: `depth` levels, each a rotation and a row swap of both factors, a sum of `terms` of them,
 * {@link BgvEvaluator.modSwitchAuto} and a product relinearised, then one rotation more; encryption under either key; every result at
 * most `maxAbs` comes out exactly. It is kept by the noise bounds themselves: no operation of such a circuit is refused.
 */
import { InvalidParamsError } from '../../base/errors.ts';
import { isPrime, MODULUS_LIMIT } from '../../kernel/primitive-root.ts';
import {
  assertWhole,
  keySwitchTransforms,
  narrowestPrime,
  LARGEST_CEILING,
  type PrimeChain,
  ringDegrees,
  WIDEST_PRIME,
  withSpecialPrimes,
} from '../rlwe/intent.ts';
import { addBits, keySwitchBits, type ModulusBits } from '../rlwe/noise-bound.ts';
import { chooseModuli } from '../rlwe/params.ts';
import { logQPCeiling } from '../rlwe/security.ts';
import {
  bestForProduct,
  type BgvModulusBits,
  type NoiseAtLevel,
  noiseRoom,
  publicKeyBits,
} from './noise-bound.ts';

/** What a computation needs. */
export interface BgvIntent {
  /** Products one after the other. */
  readonly depth: number;
  /** Of every integer that is decrypted; those in between may be larger. */
  readonly maxAbs: number;
  /** At least so many; default 1. */
  readonly slots?: number;
  /** Rotated copies that are added before each product; default 1. */
  readonly terms?: number;
}

/** The literal that was chosen. */
export interface ChosenBgvSpec extends PrimeChain {
  readonly logN: number;
  readonly plaintextModulus: number;
}

/** More primes than the fewest that will do can only save by narrower digits: not worth a search. */
const MORE_PRIMES = 2;
const MOST_PRIMES = 64;
/** Special primes are a bit wider than those of a digit. */
const WIDEST = WIDEST_PRIME - 1;

/**
 * The smallest ring degree that holds the promise, then the cheapest key switching, then the shortest chain.
 *
 * @throws {InvalidParamsError} that says what does not fit.
 */
export function chooseBgvSpec(intent: BgvIntent): ChosenBgvSpec {
  const { depth, maxAbs, slots = 1, terms = 1 } = intent;
  assertWhole('depth', depth, 0);
  assertWhole('maxAbs', maxAbs, 1);
  assertWhole('terms', terms, 1);
  for (const logN of ringDegrees(slots, (at) => 2 ** at)) {
    const plaintextModulus = batchingPrimeAbove(2 * maxAbs, 2 ** logN);
    const logT = Math.log2(plaintextModulus);
    const best = cheapestChain(logN, (bits) => holds({ ...bits, logT }, depth, terms), logT);
    if (best !== undefined) return { logN, ...best, plaintextModulus };
  }
  throw new InvalidParamsError(
    `no parameters of 128 bits hold ${depth} products of integers up to ${maxAbs}: the largest ring degree has log2(QP) <= ${LARGEST_CEILING}, and there are at most ${MOST_PRIMES} primes`,
    { depth, maxAbs },
  );
}

/** The smallest prime 1 mod 2n above `bound`. @throws {InvalidParamsError} when it would not fit the kernels. */
function batchingPrimeAbove(bound: number, n: number): number {
  const step = 2 * n;
  for (let t = Math.floor(bound / step) * step + 1; t < MODULUS_LIMIT; t += step) {
    if (t > bound && isPrime(t)) return t;
  }
  throw new InvalidParamsError(`a plaintext modulus above ${bound} would not be below 2^50`, { bound });
}

function cheapestChain(
  logN: number,
  isEnough: (bits: ModulusBits) => boolean,
  logT: number,
): PrimeChain | undefined {
  const narrowest = Math.max(narrowestPrime(logN), Math.ceil(logT) + 2);
  const found: PrimeChain[] = [];
  for (let count = 1; count <= MOST_PRIMES && found.length <= MORE_PRIMES; count++) {
    if (narrowest * (count + 1) > logQPCeiling(logN)) break;
    const chain = (width: number): PrimeChain | undefined =>
      withSpecialPrimes(logN, new Array<number>(count).fill(width), width + 1).find((at) =>
        isEnough(chainBits(logN, at)),
      );
    // The widest primes are the most noise that this number of primes can hold, whatever the ceiling.
    const widest = new Array<number>(count).fill(WIDEST);
    if (!isEnough(chainBits(logN, { logQ: widest, logP: [WIDEST + 1] }))) continue;
    for (let width = narrowest; width <= WIDEST; width++) {
      const at = chain(width);
      if (at === undefined) continue;
      if (isEnough(realBits(logN, at))) {
        found.push(at);
        break;
      }
    }
  }
  return found.sort((a, b) => keySwitchTransforms(a) - keySwitchTransforms(b))[0];
}

function chainBits(logN: number, { logQ, logP }: PrimeChain): ModulusBits {
  return { n: 2 ** logN, alpha: logP.length, logQ, logP };
}

/** With the primes that parameters will really have, a little below their bits. */
function realBits(logN: number, { logQ, logP }: PrimeChain): ModulusBits {
  const taken = new Set<number>();
  const logs = (bits: readonly number[]) => chooseModuli(bits, 2 ** logN, taken).map(({ q }) => Math.log2(q));
  const special = logs(logP);
  return chainBits(logN, { logQ: logs(logQ), logP: special });
}

/** Whether no operation of the promised circuit is refused. */
function holds(bits: BgvModulusBits, depth: number, terms: number): boolean {
  const fits = ({ level, noiseBits }: NoiseAtLevel) => noiseBits <= noiseRoom(bits, level);
  const switched = ({ level, noiseBits }: NoiseAtLevel) => ({
    level,
    noiseBits: addBits(noiseBits, keySwitchBits(bits, level)),
  });
  let at: NoiseAtLevel = { level: bits.logQ.length - 1, noiseBits: publicKeyBits(bits.n) };
  for (let product = 0; product < depth; product++) {
    const { level, noiseBits } = switched(switched(at));
    const factor = { level, noiseBits: noiseBits + Math.log2(terms) };
    if (!fits(factor)) return false;
    const best = bestForProduct(bits, factor);
    at = switched({ level: best.level, noiseBits: bits.logT + 2 * best.noiseBits });
    if (!fits(at)) return false;
  }
  return fits(switched(at));
}
