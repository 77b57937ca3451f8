/**
 * Validated parameters of a ring-LWE scheme with hybrid key switching [HK20]: ring degree, the chain q_0 .. q_L, the special
 * primes p, the primes per digit. Symbols: Q = q_0 ... q_L, P = product of p.
 */
import { bytesToHex } from '@noble/hashes/utils.js';
import type { Level, ParamsId } from '../../base/brand.ts';
import { ByteWriter } from '../../base/bytes.ts';
import { InvalidParamsError } from '../../base/errors.ts';
import { sha256Digest } from '../../base/sha256.ts';
import { primesBelow } from '../../ring/primes.ts';
import type { Modulus } from '../../ring/ring.ts';
import { modulusOf } from '../../ring/ring.ts';
import { assertSecure, logProduct } from './security.ts';

/** What a person writes down. Unchecked, JSON-friendly. */
export interface RlweSpec {
  /** Ring degree N = 2^logN. */
  readonly logN: number;
  /**
   * Bits of q_0 .. q_L; q_0 goes last. May be fractional: each prime is the largest one below 2^bits not yet taken
   * (special primes choose first), so that the sum of the bits bounds log2(QP).
   */
  readonly logQ: readonly number[];
  /** Bits of the special primes, used in key switching only. */
  readonly logP: readonly number[];
  /** Primes per key-switching digit; by default as many as there are special primes. */
  readonly alpha?: number;
  /** 128 is the default. The literal is the only way round the ceiling; it marks the parameters for ever. */
  readonly security?: 128 | 'insecure-for-tests';
}

/** The first bytes of the identifier of insecure parameters; no secure identifier starts so. */
export const INSECURE_MARK = 'ffffffff';

/** True for the identifier of parameters made with 'insecure-for-tests', whatever their size. */
export function isInsecureParamsId(id: ParamsId): boolean {
  return id.startsWith(INSECURE_MARK);
}

export abstract class RlweParams {
  readonly id: ParamsId;
  readonly logN: number;
  readonly n: number;
  readonly q: readonly Modulus[];
  readonly p: readonly Modulus[];
  readonly alpha: number;
  readonly maxLevel: Level;
  readonly isInsecure: boolean;

  /**
   * `scheme` and `extra` go into the identifier: SHA-256 over the canonical bytes (scheme name, security mark, logN, alpha, all
   * primes, extra), its first four bytes replaced by ff when insecure.
   *
   * @throws {InvalidParamsError} {@link InsecureParamsError}
   */
  protected constructor(spec: RlweSpec, scheme: string, extra: Uint8Array) {
    validateSpec(spec);
    this.logN = spec.logN;
    this.n = 2 ** spec.logN;
    const taken = new Set<number>();
    this.p = chooseModuli(spec.logP, this.n, taken);
    this.q = chooseModuli(spec.logQ, this.n, taken);
    this.alpha = spec.alpha ?? spec.logP.length;
    this.maxLevel = (spec.logQ.length - 1) as Level;
    this.isInsecure = spec.security === 'insecure-for-tests';
    if (!this.isInsecure) assertSecure(this.logN, this.primes);
    const hash = bytesToHex(sha256Digest(canonicalBytes(this, scheme, extra)));
    if (isInsecureParamsId(hash as ParamsId)) {
      throw new InvalidParamsError('these parameters collide with the mark of insecure ones', {});
    }
    this.id = (this.isInsecure ? INSECURE_MARK + hash.slice(INSECURE_MARK.length) : hash) as ParamsId;
  }

  /** q then p: the moduli of the ring, whose indices are the limbs of the kernel. */
  get moduli(): readonly Modulus[] {
    return [...this.q, ...this.p];
  }

  get primes(): readonly number[] {
    return this.moduli.map((modulus) => modulus.q);
  }

  /** The limbs q_0 .. q_level. */
  qMods(level: number): readonly number[] {
    return Array.from({ length: level + 1 }, (_, i) => i);
  }

  /** The limbs of the special primes. */
  get pMods(): readonly number[] {
    return this.p.map((_, i) => this.q.length + i);
  }

  /** The limbs of a key for ciphertexts up to `maxLevel`: q_0 .. q_maxLevel, then p. */
  keyLimbs(maxLevel: number): readonly number[] {
    return [...this.qMods(maxLevel), ...this.pMods];
  }

  /** Digits of a key switch at `level`: ceil((level + 1) / alpha). */
  digits(level: number): number {
    return Math.ceil((level + 1) / this.alpha);
  }

  /** log2 of the product of all primes: what the ceiling bounds. */
  get logQP(): number {
    return logProduct(this.primes);
  }

  /** log2(q_0 ... q_level). */
  logQAt(level: number): number {
    return logProduct(this.q.slice(0, level + 1).map((modulus) => modulus.q));
  }
}

/** Each the largest prime 1 mod 2n below 2^bits that is not in `taken`, which it joins. @throws {InvalidParamsError} */
export function chooseModuli(bits: readonly number[], n: number, taken: Set<number>): readonly Modulus[] {
  return Object.freeze(
    bits.map((size) => {
      const q = primesBelow(size, n, 1, taken)[0]!;
      taken.add(q);
      return modulusOf(q);
    }),
  );
}

function validateSpec(spec: RlweSpec): void {
  const { logN, logQ, logP } = spec;
  if (!Number.isInteger(logN) || logN < 4 || logN > 17) {
    throw new InvalidParamsError(`logN must be an integer from 4 to 17 but is ${logN}`, { logN });
  }
  if (logQ.length < 1 || logQ.length > 64 || logP.length < 1 || logP.length > 16) {
    throw new InvalidParamsError(
      `1 to 64 ciphertext primes and 1 to 16 special primes are needed, not ${logQ.length} and ${logP.length}`,
      { q: logQ.length, p: logP.length },
    );
  }
  for (const bits of [...logQ, ...logP]) {
    if (!(bits >= logN + 2 && bits <= 50)) {
      throw new InvalidParamsError(`a prime for logN ${logN} has ${logN + 2} to 50 bits, not ${bits}`, {
        bits,
      });
    }
  }
  const alpha = spec.alpha ?? logP.length;
  if (!Number.isInteger(alpha) || alpha < 1 || alpha > 16) {
    throw new InvalidParamsError(`alpha must be an integer from 1 to 16 but is ${alpha}`, { alpha });
  }
  if (spec.security !== undefined && spec.security !== 128 && spec.security !== 'insecure-for-tests') {
    throw new InvalidParamsError('security must be 128 or the literal for tests', {});
  }
}

function canonicalBytes(params: RlweParams, scheme: string, extra: Uint8Array): Uint8Array {
  const name = new TextEncoder().encode(scheme);
  const moduli = params.moduli;
  const writer = new ByteWriter(1 + name.length + 5 + 8 * moduli.length + extra.length);
  writer.u8(name.length);
  writer.bytes(name);
  writer.u8(params.isInsecure ? 1 : 0);
  writer.u8(params.logN);
  writer.u8(params.alpha);
  writer.u8(params.q.length);
  writer.u8(params.p.length);
  for (const { q } of moduli) writer.u64(q);
  writer.bytes(extra);
  return writer.finish();
}
