/**
 * The noise bound that every BGV ciphertext carries. With c(s) = v/t mod Q (see ciphertext.ts), v = t E: the bound is on the
 * canonical norm of E, in bits, by the rules of ../rlwe/noise-bound.ts, so a circuit may use one ciphertext many times.
 */
import {
  addBits,
  dividedBits,
  errorBits,
  type ModulusBits,
  modulusBits,
  publicKeyErrorBits,
} from '../rlwe/noise-bound.ts';
import type { DroppedBits } from '../rlwe/wire/dropped-bits.ts';
import type { RlweParams } from '../rlwe/params.ts';

/** What the bounds of BGV ciphertexts follow from. */
export interface BgvModulusBits extends ModulusBits {
  readonly logT: number;
}

export function bgvModulusBits(params: RlweParams & { readonly t: number }): BgvModulusBits {
  return { ...modulusBits(params), logT: Math.log2(params.t) };
}

/** Any message whatever: m / t has coefficients in [-1/2, 1/2]. */
function messageBits(n: number): number {
  return Math.log2(n / 2);
}

/** A ciphertext under the secret key: e + m / t. */
export function freshBits(n: number): number {
  return addBits(messageBits(n), errorBits(n));
}

/** A ciphertext under a public key: e0 + e1 s + e u + m / t. */
export function publicKeyBits(n: number): number {
  return addBits(messageBits(n), publicKeyErrorBits(n));
}

/** Largest noise bound at `level`: |v| <= Q / 4, so that the roundings of a decryption have room as well. */
export function noiseRoom({ logQ, logT }: BgvModulusBits, level: number): number {
  return logQ.slice(0, level + 1).reduce((sum, bits) => sum + bits, 0) - logT - 2;
}

/** Of the largest |v| for which a decryption is exact, for the rounding of bounds that are kept in bits. */
const EXACT_SHARE = 1 - 2 ** -20;

/**
 * The most low bits that a reply at level 0 need not carry, see ../rlwe/dropped-bits.ts. c(s) = v / t moves by an integer polynomial
 * D = d_0 + d_1 s, so v by t D: a multiple of t, which decryption does not see while |v + t D| < q_0 / 2. No coefficient of v is
 * above t 2^noiseBits, none of D above {@link droppedBound}, for every secret; each part may take half of what is left.
 */
export function droppableExactly({ n, logQ, logT }: BgvModulusBits, noiseBits: number): DroppedBits {
  const room = EXACT_SHARE * 2 ** (logQ[0]! - logT - 1) - 2 ** noiseBits;
  const most = (bound: number) => Math.max(0, Math.floor(Math.log2(bound)));
  return { first: most(room), second: most(room / n) };
}

/** The facts that the choice of a level needs. */
export interface NoiseAtLevel {
  readonly level: number;
  readonly noiseBits: number;
}

/** The lowest level whose primes hold v as it is, as those of the ciphertext's own level do. */
export function lowestLevel(bits: BgvModulusBits, { level, noiseBits }: NoiseAtLevel): number {
  let lowest = level;
  while (lowest > 0 && noiseBits <= noiseRoom(bits, lowest - 1)) lowest--;
  return lowest;
}

/**
 * `from` switched down to each lower level that holds it, from the highest; itself first.
 */
export function* switchedDown(bits: BgvModulusBits, from: NoiseAtLevel): Generator<NoiseAtLevel> {
  let { noiseBits } = from;
  yield from;
  for (let level = from.level - 1; level >= 0; level--) {
    noiseBits = dividedBits(bits.n, noiseBits, bits.logQ[level + 1]!);
    if (noiseBits <= noiseRoom(bits, level)) yield { level, noiseBits };
  }
}

/** Where a product with another such ciphertext leaves most room: it maximises log2 Q - 2 noiseBits. */
export function bestForProduct(bits: BgvModulusBits, from: NoiseAtLevel): NoiseAtLevel {
  let best = from;
  for (const at of switchedDown(bits, from)) {
    const gain = noiseRoom(bits, at.level) - noiseRoom(bits, best.level);
    if (gain > 2 * (at.noiseBits - best.noiseBits)) best = at;
  }
  return best;
}
