/**
 * The exit key: what lets a server carry a CKKS or BGV ciphertext over to TFHE. It is one ring ciphertext (b, a) with phase g s under
 * S(X^r), modulo a prime Q below 2^50: s the secret of the other scheme, of degree N' = r N, S that of TFHE, g = 2^25.
 *
 * It is the one key that ties a small ring to a secret elsewhere. S(X^r) has N unknowns, not N': the r parts of the equation b + a S(X^r)
 * that belong to one residue of the exponent modulo r are r samples of ring-LWE in degree N. So its modulus must be what degree N with a
 * binary secret carries, whatever the other scheme's degree is: {@link exitModulus} holds it to the ceiling of the TFHE parameters.
 */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import type { ParamsId, Seed } from '../../base/brand.ts';
import {
  DisposedError,
  InsecureParamsError,
  InvalidParamsError,
  ParamsMismatchError,
} from '../../base/errors.ts';
import { Drbg, SEED_BYTES, seedFromBytes } from '../../base/random.ts';
import type { Words } from '../../kernel/kernel.ts';
import { handOver } from '../../ring/arena.ts';
import { copyWords } from '../../ring/poly.ts';
import { primesBelow } from '../../ring/primes.ts';
import { modulusOf, Ring } from '../../ring/ring.ts';
import { errorInto } from '../../ring/samplers.ts';
import { Scratch } from '../../ring/scratch.ts';
import type { RlweContext } from '../rlwe/context.ts';
import { type SecretKey, secretWords } from '../rlwe/keys/secret-key.ts';
import type { RlweParams } from '../rlwe/params.ts';
import { FIRST, type TfheContext } from './context.ts';
import { EXIT_GADGET_BITS } from './noise.ts';
import { binaryRingCeiling, type TfheParams } from './params.ts';
import { type TfheSecretKey, tfheSecrets } from './secret-key.ts';
import { HEADER_BYTES, readTfheHeader, TfheKind, writeTfheHeader } from './wire.ts';

/** Bits of Q. */
const EXIT_BITS = 50;
const ID_BYTES = 32;

/**
 * Q, the largest prime that is 1 modulo 2 N' below 2^50.
 *
 * @throws {InsecureParamsError} when it is over the ceiling of a binary secret of the degree of `tfhe`, whose parameters claim 128 bits.
 * @throws {InvalidParamsError} when the other scheme's degree is below that of `tfhe`.
 */
export function exitModulus(
  tfhe: Pick<TfheParams, 'n' | 'logN' | 'isInsecure'>,
  rlwe: Pick<RlweParams, 'n'>,
): number {
  if (rlwe.n < tfhe.n)
    throw new InvalidParamsError(
      `an exit leads from a ring of degree ${tfhe.n} or more to one of ${tfhe.n}: that of the ciphertexts has ${rlwe.n}`,
      { n: rlwe.n },
    );
  const q = primesBelow(EXIT_BITS, 2 * rlwe.n, 1)[0]!;
  const ceiling = binaryRingCeiling(tfhe.logN);
  if (!tfhe.isInsecure && Math.log2(q) > ceiling)
    throw new InsecureParamsError(tfhe.logN, Math.log2(q), ceiling);
  return q;
}

/** What an exit borrows of its key. */
interface ExitWords {
  /** R of degree N' modulo Q. */
  readonly ring: Ring;
  /** b, then a, NTT domain. */
  readonly words: Words;
  readonly from: RlweContext;
}

let wordsOf: (key: TfheExitKey) => ExitWords;

export class TfheExitKey implements Disposable {
  /** Of TFHE. */
  readonly paramsId: ParamsId;
  /** Of the scheme that ciphertexts come from. */
  readonly fromId: ParamsId;
  /** Q */
  readonly modulus: number;
  readonly #from: RlweContext;
  readonly #ring: Ring;
  readonly #words: Words;
  readonly #seed: Seed;
  #isDisposed = false;

  static {
    wordsOf = (key) => {
      if (key.#isDisposed) throw new DisposedError('an exit key');
      return { ring: key.#ring, words: key.#words, from: key.#from };
    };
  }

  /** Fills b by `fill` and a from `seed`. @throws {InsecureParamsError} {@link InvalidParamsError} */
  private constructor(
    context: TfheContext,
    from: RlweContext,
    seed: Seed,
    fill: (ring: Ring, body: Words, mask: Words) => void,
  ) {
    const { kernel, params } = context;
    this.modulus = exitModulus(params, from.params);
    this.paramsId = params.id;
    this.fromId = from.params.id;
    this.#from = from;
    this.#seed = seed;
    const { n } = from.params;
    this.#ring = new Ring(kernel, n, [modulusOf(this.modulus)]);
    try {
      this.#words = handOver(kernel.allocate(2 * n), (words) => {
        const mask = words.sub(n, n);
        kernel.uniform(this.#ring.tables, mask, seed, FIRST);
        fill(this.#ring, words.sub(0, n), mask);
        return words;
      });
    } catch (error) {
      this.#ring[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * From ciphertexts under `fromSecret` to such under `secret`. Both contexts are borrowed and outlive the key.
   *
   * @throws {InsecureParamsError} {@link InvalidParamsError} {@link ParamsMismatchError} {@link DisposedError}
   */
  static generate(
    context: TfheContext,
    secret: TfheSecretKey,
    from: RlweContext,
    fromSecret: SecretKey,
  ): TfheExitKey {
    context.assertOwn('a secret key', secret);
    from.assertOwn('a secret key', fromSecret);
    const fresh = context.random.seed();
    using drbg = new Drbg(fresh);
    fresh.fill(0);
    return new TfheExitKey(context, from, drbg.nextPublicSeed(), (ring, body, mask) => {
      const { kernel, n } = ring;
      const { ring: bits } = tfheSecrets(secret);
      const spread = new Int8Array(n);
      const ternary = new Float64Array(n);
      using scratch = new Scratch(kernel);
      const [target, source] = [scratch.allocate(n), scratch.allocate(n)];
      try {
        // s as integers, times g.
        copyWords(source, secretWords(fromSecret).sub(0, n));
        kernel.nttInverse(from.ring.tables, source, FIRST);
        kernel.toDoubles(from.ring.tables, ternary, source, FIRST);
        for (let i = 0; i < n; i++) ternary[i]! *= 2 ** EXIT_GADGET_BITS;
        kernel.transformDoubles(ring.tables, source, ternary, FIRST);
        for (let i = 0; i < bits.length; i++) spread[(i * n) / bits.length] = bits[i]!;
        kernel.transformSigned(ring.tables, target, spread, FIRST);
        kernel.mul(ring.tables, target, target, mask, FIRST);
        errorInto(ring, body, drbg.nextKey('e'), FIRST);
        kernel.sub(ring.tables, body, body, target, FIRST);
        kernel.add(ring.tables, body, body, source, FIRST);
      } finally {
        spread.fill(0);
        ternary.fill(0);
      }
    });
  }

  get isDisposed(): boolean {
    return this.#isDisposed;
  }

  /** Bytes on the wire. */
  static byteLength(from: Pick<RlweParams, 'n'>): number {
    return HEADER_BYTES + bodyBytes(from);
  }

  /** Header, parameters of the other scheme (32 bytes), seed of a, b. @throws {DisposedError} */
  toBytes(): Uint8Array {
    const { ring, words } = wordsOf(this);
    const writer = writeTfheHeader(TfheKind.exitKey, this.paramsId, bodyBytes(ring));
    writer.bytes(hexToBytes(this.fromId));
    writer.bytes(this.#seed);
    ring.kernel.packBits(writer.reserve(packedBytes(ring.n)), words.sub(0, ring.n), EXIT_BITS);
    return writer.finish();
  }

  /** @throws {DecodeError} {@link ParamsMismatchError} {@link InsecureParamsError} {@link InvalidParamsError} */
  static fromBytes(context: TfheContext, from: RlweContext, bytes: Uint8Array): TfheExitKey {
    const reader = readTfheHeader('an exit key', bytes, TfheKind.exitKey, context.params.id);
    if (reader.remaining !== bodyBytes(from.params)) throw reader.error('wrong length');
    const id = bytesToHex(reader.bytes(ID_BYTES)) as ParamsId;
    if (id !== from.params.id) throw new ParamsMismatchError('an exit key', from.params.id, id);
    const seed = seedFromBytes(reader.bytes(SEED_BYTES));
    const packed = reader.bytes(packedBytes(from.params.n));
    reader.end();
    return new TfheExitKey(context, from, seed, ({ kernel, tables }, body) => {
      kernel.unpackBits(body, packed, EXIT_BITS);
      if (!kernel.inRange(tables, body, FIRST)) throw reader.error('a residue is out of range');
    });
  }

  [Symbol.dispose](): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#words[Symbol.dispose]();
    this.#ring[Symbol.dispose]();
  }
}

/** @throws {DisposedError} */
export function exitWords(key: TfheExitKey): ExitWords {
  return wordsOf(key);
}

function packedBytes(n: number): number {
  return Math.ceil((n * EXIT_BITS) / 8);
}

function bodyBytes({ n }: { readonly n: number }): number {
  return ID_BYTES + SEED_BYTES + packedBytes(n);
}
