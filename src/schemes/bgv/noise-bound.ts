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
import type { BgvParams } from './params.ts';

/** What the bounds of BGV ciphertexts follow from. */
export interface BgvModulusBits extends ModulusBits {
  readonly logT: number;
}

export function bgvModulusBits(params: BgvParams): BgvModulusBits {
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

/** The facts that the choice of a level needs. */
export interface NoiseAtLevel {
  readonly level: number;
  readonly noiseBits: number;
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
