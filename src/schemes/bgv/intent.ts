/**
 * BGV parameters from intent. The promise: `depth` levels, each a rotation and a row swap of both factors, a sum of `terms` of them,
 * {@link BgvEvaluator.modSwitchAuto} and a product relinearised, then one rotation more; encryption under either key; every result at
 * most `maxAbs` comes out exactly. It is kept by the noise bounds themselves: no operation of such a circuit is refused.
 */
import { InvalidParamsError } from '../../base/errors.ts';
import { isPrime, MODULUS_LIMIT } from '../../kernel/tables/primitive-root.ts';
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
const MAX_PRIMES = 64;
/** More plaintext moduli never pay: one may have 47 bits. */
export const MAX_PLAINTEXT_MODULI = 16;
/** Special primes are a bit wider than those of a digit. */
const WIDEST = WIDEST_PRIME - 1;

/** As {@link BgvIntent}, for integers of any size. */
export interface BgvCrtIntent extends Omit<BgvIntent, 'maxAbs'> {
  readonly maxAbs: number | bigint;
}

/** The literal that was chosen. */
export interface ChosenBgvCrtSpec extends PrimeChain {
  readonly logN: number;
  readonly plaintextModuli: readonly number[];
}

/**
 * The smallest ring degree that holds the promise, then the cheapest key switching, then the shortest chain.
 *
 * @throws {InvalidParamsError} that says what does not fit.
 */
export function chooseBgvSpec(intent: BgvIntent): ChosenBgvSpec {
  assertWhole('maxAbs', intent.maxAbs, 1);
  if (2 * intent.maxAbs >= MODULUS_LIMIT) {
    throw new InvalidParamsError(
      `a plaintext modulus above ${2 * intent.maxAbs} would not be below 2^50: several moduli hold larger integers`,
      {},
    );
  }
  const { plaintextModuli, ...chain } = smallestFamily(intent, BigInt(intent.maxAbs), 1) ?? refused(intent);
  return { ...chain, plaintextModulus: plaintextModuli[0]! };
}

/**
 * The number of moduli that costs least: more of them are narrower and need fewer primes, but each is computed with on its own.
 *
 * @throws {InvalidParamsError} that says what does not fit.
 */
export function chooseBgvCrtSpec(intent: BgvCrtIntent): ChosenBgvCrtSpec {
  const maxAbs = typeof intent.maxAbs === 'bigint' ? intent.maxAbs : exactBound(intent.maxAbs);
  if (maxAbs < 1n) throw new InvalidParamsError('maxAbs must be at least 1', {});
  let best: ChosenBgvCrtSpec | undefined;
  for (let count = 1; count <= MAX_PLAINTEXT_MODULI; count++) {
    const family = smallestFamily(intent, maxAbs, count);
    if (family !== undefined && (best === undefined || cost(family) < cost(best))) best = family;
  }
  return best ?? refused(intent);
}

function exactBound(maxAbs: number): bigint {
  assertWhole('maxAbs', maxAbs, 1);
  return BigInt(maxAbs);
}

/** Of a key switch for every modulus, in products of words, roughly. */
function cost({ plaintextModuli, logN, ...chain }: ChosenBgvCrtSpec): number {
  return plaintextModuli.length * keySwitchTransforms(chain) * 2 ** logN * logN;
}

function smallestFamily(
  { depth, slots = 1, terms = 1 }: Omit<BgvIntent, 'maxAbs'>,
  maxAbs: bigint,
  count: number,
): ChosenBgvCrtSpec | undefined {
  assertWhole('depth', depth, 0);
  assertWhole('terms', terms, 1);
  // A root rounded up, so that `count` primes above it have a product above 2 maxAbs.
  const root = Math.ceil(2 ** (log2Of(2n * maxAbs) / count) * (1 + 2 ** -20));
  for (const logN of ringDegrees(slots, (at) => 2 ** at)) {
    const plaintextModuli = batchingPrimesAbove(root, 2 ** logN, count);
    if (plaintextModuli === undefined) return undefined;
    const logT = Math.log2(plaintextModuli.at(-1)!);
    const chain = cheapestChain(logN, (bits) => holds({ ...bits, logT }, depth, terms), logT);
    if (chain !== undefined) return { logN, ...chain, plaintextModuli };
  }
  return undefined;
}

function refused({ depth, maxAbs }: BgvCrtIntent): never {
  throw new InvalidParamsError(
    `no parameters of 128 bits hold ${depth} products of integers up to ${maxAbs}: the largest ring degree has log2(QP) <= ${LARGEST_CEILING}, and there are at most ${MAX_PRIMES} primes`,
    { depth },
  );
}

/** log2 of a positive integer of any size, to 50 bits. */
function log2Of(value: bigint): number {
  const shift = Math.max(0, value.toString(2).length - 60);
  return shift + Math.log2(Number(value >> BigInt(shift)));
}

/** The `count` smallest primes 1 mod 2n above `bound`; undefined when they would not fit the kernels. */
function batchingPrimesAbove(bound: number, n: number, count: number): number[] | undefined {
  const step = 2 * n;
  const found: number[] = [];
  for (let t = Math.floor(bound / step) * step + 1; t < MODULUS_LIMIT; t += step) {
    if (t > bound && isPrime(t)) found.push(t);
    if (found.length === count) return found;
  }
  return undefined;
}

function cheapestChain(
  logN: number,
  isEnough: (bits: ModulusBits) => boolean,
  logT: number,
): PrimeChain | undefined {
  const narrowest = Math.max(narrowestPrime(logN), Math.ceil(logT) + 2);
  const found: PrimeChain[] = [];
  for (let count = 1; count <= MAX_PRIMES && found.length <= MORE_PRIMES; count++) {
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
