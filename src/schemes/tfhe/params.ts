/**
 * Parameters of TFHE [CGGI20] with one prime: ring ciphertexts modulo a prime q below 2^50, LWE ciphertexts inside a bootstrap
 * modulo 2^32. Letters: N ring degree, S ring secret, n LWE dimension, s LWE secret, both secrets binary; p messages of one padding bit.
 *
 * The sets are those of a search over bases, levels and dimensions with the formulas of noise.ts: at most 2^-128 that one lookup fails.
 */
import { bytesToHex } from '@noble/hashes/utils.js';
import type { ParamsId } from '../../base/brand.ts';
import { ByteWriter } from '../../base/bytes.ts';
import { InsecureParamsError, InvalidParamsError } from '../../base/errors.ts';
import { sha256Digest } from '../../base/sha256.ts';
import { primesBelow } from '../../ring/primes.ts';
import { INSECURE_MARK } from '../rlwe/params.ts';

/** Bits of the modulus of LWE ciphertexts under s. */
export const LWE_BITS = 32;

/** How many values a message can take. */
export type TfheMessages = 2 | 4 | 8 | 16;

/** What a person writes down. Unchecked, JSON-friendly. */
export interface TfheSpec {
  readonly messages: TfheMessages;
  /** N = 2^logN. */
  readonly logN: number;
  /** The prime is the largest one that is 1 modulo 4N below 2^logQ. */
  readonly logQ: number;
  /** n */
  readonly lweDimension: number;
  /** LWE errors are uniform in [-2^b, 2^b] with ends of half the weight. */
  readonly lweNoiseBits: number;
  /** Digits of an external product are multiples of 2^shift. */
  readonly digitShift: number;
  /** Digits of a key switch: their bits, and how many. */
  readonly keySwitchBits: number;
  readonly keySwitchLevels: number;
  /** 128 is the default. The literal is the only way round the tables; it marks the parameters for ever. */
  readonly security?: 128 | 'insecure-for-tests';
}

const COMMON = { logN: 11, logQ: 50, keySwitchBits: 3 } as const;
const SETS: Readonly<Record<TfheMessages, TfheSpec>> = {
  2: { ...COMMON, messages: 2, lweDimension: 702, lweNoiseBits: 18, digitShift: 34, keySwitchLevels: 4 },
  4: { ...COMMON, messages: 4, lweDimension: 742, lweNoiseBits: 17, digitShift: 30, keySwitchLevels: 4 },
  8: { ...COMMON, messages: 8, lweDimension: 782, lweNoiseBits: 16, digitShift: 29, keySwitchLevels: 5 },
  16: { ...COMMON, messages: 16, lweDimension: 902, lweNoiseBits: 13, digitShift: 27, keySwitchLevels: 6 },
};

/** log2 of the largest q for a binary ring secret with errors of deviation 3.24 at 128 bits, by logN. */
const RING_CEILING: ReadonlyMap<number, number> = new Map([[11, 51]]);

/** log2 of the largest modulus of a key under a binary ring secret of degree 2^logN; 0 where none is known to be secure. */
export function binaryRingCeiling(logN: number): number {
  return RING_CEILING.get(logN) ?? 0;
}

/**
 * log2(deviation / modulus) that 132 bits need for a binary LWE secret of dimension n between 560 and 1000: the curve of TFHE-rs, estimated
 * anew by the lattice estimator (commit 27a581b, MATZOV model). It does not depend on the modulus.
 */
const LWE_CURVE = { at0: 2.657, slope: -0.02489, from: 560, to: 1000 } as const;

export class TfheParams {
  readonly id: ParamsId;
  readonly messages: TfheMessages;
  readonly logN: number;
  readonly n: number;
  readonly q: number;
  readonly lweDimension: number;
  readonly lweNoiseBits: number;
  readonly digitShift: number;
  readonly keySwitchBits: number;
  readonly keySwitchLevels: number;
  readonly isInsecure: boolean;

  /** @throws {InvalidParamsError} {@link InsecureParamsError} */
  private constructor(spec: TfheSpec) {
    assertSpec(spec);
    this.messages = spec.messages;
    this.logN = spec.logN;
    this.n = 2 ** spec.logN;
    this.q = primesBelow(spec.logQ, 2 * this.n, 1)[0]!;
    this.lweDimension = spec.lweDimension;
    this.lweNoiseBits = spec.lweNoiseBits;
    this.digitShift = spec.digitShift;
    this.keySwitchBits = spec.keySwitchBits;
    this.keySwitchLevels = spec.keySwitchLevels;
    this.isInsecure = spec.security === 'insecure-for-tests';
    if (!this.isInsecure) assertSecureSpec(spec);
    const hash = bytesToHex(sha256Digest(canonicalBytes(this)));
    this.id = (this.isInsecure ? INSECURE_MARK + hash.slice(INSECURE_MARK.length) : hash) as ParamsId;
  }

  /** The set for messages 0 .. `messages` - 1: 128 bits, at most 2^-128 that a lookup fails. @throws {InvalidParamsError} */
  static forMessages(messages: TfheMessages): TfheParams {
    const spec = SETS[messages] as TfheSpec | undefined;
    if (spec === undefined)
      throw new InvalidParamsError('there are sets for 2, 4, 8 and 16 messages', { messages });
    return new TfheParams(spec);
  }

  /** @throws {InvalidParamsError} {@link InsecureParamsError} */
  static create(spec: TfheSpec): TfheParams {
    return new TfheParams(spec);
  }

  /** Rows of the key-switching key: N S_j times each digit's weight. */
  get keySwitchRows(): number {
    return this.n * this.keySwitchLevels;
  }

  /** A message m is m times this, modulo q: half of the circle stays free for carries. */
  get unit(): number {
    return this.q / (2 * this.messages);
  }
}

function assertSpec(spec: TfheSpec): void {
  const inRange = (name: keyof TfheSpec, from: number, to: number): void => {
    const value = spec[name];
    if (typeof value !== 'number' || !Number.isInteger(value) || value < from || value > to)
      throw new InvalidParamsError(`${name} is an integer from ${from} to ${to}`, { [name]: value });
  };
  if (![2, 4, 8, 16].includes(spec.messages))
    throw new InvalidParamsError('messages are 2, 4, 8 or 16', { messages: spec.messages });
  inRange('logN', 6, 13);
  inRange('logQ', 20, 50);
  inRange('lweDimension', 1, 2048);
  inRange('lweNoiseBits', 0, LWE_BITS - 2);
  inRange('digitShift', 1, spec.logQ - 2);
  inRange('keySwitchBits', 1, 8);
  inRange('keySwitchLevels', 1, Math.floor((LWE_BITS - 1) / spec.keySwitchBits));
}

function assertSecureSpec(spec: TfheSpec): void {
  const ceiling = binaryRingCeiling(spec.logN);
  if (spec.logQ > ceiling) throw new InsecureParamsError(spec.logN, spec.logQ, ceiling);
  const { at0, slope, from, to } = LWE_CURVE;
  const least = at0 + slope * spec.lweDimension;
  // Deviation 2^b / sqrt(3). The curve's own digits end two places after the point.
  const noise = spec.lweNoiseBits - Math.log2(3) / 2 - LWE_BITS;
  if (spec.lweDimension < from || spec.lweDimension > to || noise < least - 0.01)
    throw new InvalidParamsError(
      `128 bits need an LWE dimension from ${from} to ${to} with log2(deviation / modulus) of at least ${least.toFixed(2)}`,
      { lweDimension: spec.lweDimension, noise },
    );
}

function canonicalBytes(params: TfheParams): Uint8Array {
  const writer = new ByteWriter(4 + 9 * 8);
  for (const letter of 'tfhe') writer.u8(letter.charCodeAt(0));
  writer.u64(params.isInsecure ? 1 : 0);
  const { messages, logN, q, lweDimension, lweNoiseBits, digitShift, keySwitchBits, keySwitchLevels } =
    params;
  for (const value of [
    messages,
    logN,
    q,
    lweDimension,
    lweNoiseBits,
    digitShift,
    keySwitchBits,
    keySwitchLevels,
  ])
    writer.u64(value);
  return writer.finish();
}
