/**
 * What is encrypted under S: one message in an LWE ciphertext, whose phase b + sum a_j S_j modulo q is the message in units of q / 2p and
 * an error, or many messages in the coefficients of one ring ciphertext, which is how they travel.
 */
import * as arg from '../../base/arguments.ts';
import type { ParamsId, Seed } from '../../base/brand.ts';
import { SEED_BYTES, seedFromBytes } from '../../base/random.ts';
import { FIRST, type TfheContext } from './context.ts';
import { freshVariance } from './noise.ts';
import type { TfheParams } from './params.ts';
import {
  HEADER_BYTES,
  readTfheHeader,
  readResidues,
  residueBytes,
  TfheKind,
  writeTfheHeader,
  writeResidues,
} from './wire.ts';

/** What is known of a message, whoever computes: public. */
export interface TfheFacts {
  /** Smallest and largest value that the message can have, integers. */
  readonly min: number;
  readonly max: number;
  /** Of the error, as a fraction of the circle. */
  readonly variance: number;
}

export class TfheCiphertext implements TfheFacts {
  readonly paramsId: ParamsId;
  readonly min: number;
  readonly max: number;
  readonly variance: number;
  /** a_0 .. a_(N-1), b: centred residues. */
  readonly words: Float64Array;

  /** Takes `words`. Made by encryptors and evaluators. */
  constructor(paramsId: ParamsId, words: Float64Array, facts: TfheFacts) {
    arg.checkArguments('new TfheCiphertext', [paramsId, words, facts], {
      paramsId: arg.text,
      words: arg.typed('a Float64Array', Float64Array),
      facts: arg.options,
    });
    const { min, max, variance } = facts;
    this.paramsId = paramsId;
    this.words = words;
    this.min = min;
    this.max = max;
    this.variance = variance;
  }

  /** Bytes on the wire. */
  static byteLength(params: TfheParams): number {
    return HEADER_BYTES + residueBytes(params, params.n + 1);
  }

  /** Header, then N + 1 residues; not what is known of the message. */
  static toBytes(context: TfheContext, ciphertext: TfheCiphertext): Uint8Array {
    const { kernel, params } = context;
    context.assertOwn('a ciphertext', ciphertext);
    const count = params.n + 1;
    const writer = writeTfheHeader(TfheKind.ciphertext, params.id, residueBytes(params, count));
    using words = kernel.allocate(count);
    words.u64().set(BigUint64Array.from(ciphertext.words, (x) => BigInt(x < 0 ? x + params.q : x)));
    writeResidues(writer, context, words);
    return writer.finish();
  }

  /** `facts` are what the receiver knows of the message; see {@link TfheFacts}. @throws {DecodeError} {@link ParamsMismatchError} */
  static fromBytes(context: TfheContext, bytes: Uint8Array, facts: TfheFacts): TfheCiphertext {
    const { kernel, params } = context;
    const reader = readTfheHeader('a ciphertext', bytes, TfheKind.ciphertext, params.id);
    const count = params.n + 1;
    if (reader.remaining !== residueBytes(params, count)) throw reader.error('wrong length');
    // Whole polynomials, so that their residues can be checked.
    using words = kernel.allocate(2 * params.n);
    readResidues(reader, context, words, count);
    reader.end();
    const half = params.q / 2;
    const centred = Float64Array.from(words.sub(0, count).u64(), Number).map((x) =>
      x > half ? x - params.q : x,
    );
    return new TfheCiphertext(params.id, centred, facts);
  }
}

/** Up to N messages in the coefficients of one ring ciphertext (b, a) with phase b + a S; a comes from a seed. */
export class TfhePackedCiphertext {
  readonly paramsId: ParamsId;
  readonly count: number;
  readonly seed: Seed;
  /** Coefficients of b, centred. */
  readonly body: Float64Array;

  /** Takes `body`. Made by encryptors. */
  constructor(paramsId: ParamsId, count: number, seed: Seed, body: Float64Array) {
    arg.checkArguments('new TfhePackedCiphertext', [paramsId, count, seed, body], {
      paramsId: arg.text,
      count: arg.integer,
      seed: arg.bytes,
      body: arg.typed('a Float64Array', Float64Array),
    });
    this.paramsId = paramsId;
    this.count = count;
    this.seed = seed;
    this.body = body;
  }

  /** Header, count u32, seed of a, b. */
  static toBytes(context: TfheContext, packed: TfhePackedCiphertext): Uint8Array {
    const { kernel, params, ring } = context;
    context.assertOwn('a ciphertext', packed);
    const writer = writeTfheHeader(
      TfheKind.packed,
      params.id,
      4 + SEED_BYTES + residueBytes(params, params.n),
    );
    writer.u32(packed.count);
    writer.bytes(packed.seed);
    using words = kernel.allocate(params.n);
    kernel.fromDoubles(ring.tables, words, packed.body, FIRST);
    writeResidues(writer, context, words);
    return writer.finish();
  }

  /** @throws {DecodeError} {@link ParamsMismatchError} */
  static fromBytes(context: TfheContext, bytes: Uint8Array): TfhePackedCiphertext {
    const { kernel, params, ring } = context;
    const reader = readTfheHeader('a ciphertext', bytes, TfheKind.packed, params.id);
    if (reader.remaining !== 4 + SEED_BYTES + residueBytes(params, params.n))
      throw reader.error('wrong length');
    const count = reader.u32();
    if (count > params.n) throw reader.error('more messages than coefficients');
    const seed = seedFromBytes(reader.bytes(SEED_BYTES));
    using words = kernel.allocate(params.n);
    readResidues(reader, context, words);
    reader.end();
    const body = new Float64Array(params.n);
    kernel.toDoubles(ring.tables, body, words, FIRST);
    return new TfhePackedCiphertext(params.id, count, seed, body);
  }
}

/** The messages of a packed ciphertext, one by one; they are what a fresh encryption is. @throws {ParamsMismatchError} */
export function unpack(context: TfheContext, packed: TfhePackedCiphertext): TfheCiphertext[] {
  const { kernel, params, ring } = context;
  context.assertOwn('a ciphertext', packed);
  const a = new Float64Array(params.n);
  using words = kernel.allocate(params.n);
  kernel.uniform(ring.tables, words, packed.seed, FIRST);
  kernel.nttInverse(ring.tables, words, FIRST);
  kernel.toDoubles(ring.tables, a, words, FIRST);
  const facts = { min: 0, max: params.messages - 1, variance: freshVariance(params) };
  return Array.from(
    { length: packed.count },
    (_, k) => new TfheCiphertext(params.id, coefficientOf(a, packed.body[k]!, k), facts),
  );
}

/** Coefficient k of b + a S as an LWE ciphertext: the words that multiply S_0, S_1 .., then b_k. Borrows `a`, coefficients. */
export function coefficientOf(a: Float64Array, body: number, k: number): Float64Array {
  const n = a.length;
  const out = new Float64Array(n + 1);
  for (let j = 0; j <= k; j++) out[j] = a[k - j]!;
  for (let j = k + 1; j < n; j++) out[j] = -a[n + k - j]!;
  out[n] = body;
  return out;
}
