/**
 * A parameter literal in binary: magic u32, version u8, security mark u8, logN u8, alpha u8, counts of ciphertext and special
 * primes u8 each, their bits as f64, then the numbers that the scheme adds, f64 each. The reader rederives the primes.
 */
import { ByteReader, ByteWriter } from '../../../base/bytes.ts';
import { DecodeError, SubrosaError } from '../../../base/errors.ts';
import type { RlweParams, RlweSpec } from '../params.ts';

const VERSION = 1;
const PREFIX_BYTES = 10;

/** What a reader of parameters lets in. */
export interface ReadParamsOptions {
  /** Sets made with 'insecure-for-tests' are refused unless this is true: whoever sends parameters could send those. */
  readonly allowInsecure?: boolean;
}

/** How a scheme marks its parameters. */
export interface ParamsFrame {
  readonly what: string;
  /** Four letters as a little-endian word. */
  readonly magic: number;
}

/** `literal` is what `params` were made from. */
export function writeParams(
  frame: ParamsFrame,
  params: RlweParams,
  literal: RlweSpec,
  own: readonly number[],
): Uint8Array {
  const { logQ, logP } = literal;
  const writer = new ByteWriter(PREFIX_BYTES + 8 * (logQ.length + logP.length + own.length));
  writer.u32(frame.magic);
  writer.u8(VERSION);
  writer.u8(params.isInsecure ? 1 : 0);
  writer.u8(params.logN);
  writer.u8(params.alpha);
  writer.u8(logQ.length);
  writer.u8(logP.length);
  for (const value of [...logQ, ...logP, ...own]) writer.f64(value);
  return writer.finish();
}

/**
 * With one to `mostOwn` numbers of the scheme. `create` validates; whatever it refuses is a {@link DecodeError}.
 *
 * @throws {DecodeError} also for a set marked insecure, unless the options let it in.
 */
export function readParams<P>(
  frame: ParamsFrame,
  bytes: Uint8Array,
  mostOwn: number,
  { allowInsecure = false }: ReadParamsOptions,
  create: (spec: Required<RlweSpec>, own: readonly number[]) => P,
): P {
  const reader = new ByteReader(frame.what, bytes);
  if (reader.u32() !== frame.magic || reader.u8() !== VERSION) throw reader.error('bad magic or version');
  const mark = reader.u8();
  if (mark > 1) throw reader.error('unknown security mark');
  if (mark === 1 && !allowInsecure) {
    throw reader.error('marked insecure, for tests alone: { allowInsecure: true } lets such a set in');
  }
  const [logN, alpha, countQ, countP] = [reader.u8(), reader.u8(), reader.u8(), reader.u8()];
  const countOwn = reader.remaining / 8 - countQ - countP;
  if (!Number.isInteger(countOwn) || countOwn < 1 || countOwn > mostOwn) throw reader.error('wrong length');
  const logQ = Array.from({ length: countQ }, () => reader.f64());
  const logP = Array.from({ length: countP }, () => reader.f64());
  const own = Array.from({ length: countOwn }, () => reader.f64());
  const security = mark === 1 ? 'insecure-for-tests' : 128;
  try {
    return create({ logN, logQ, logP, alpha, security }, own);
  } catch (error) {
    if (error instanceof SubrosaError) throw new DecodeError(frame.what, error.message);
    throw error;
  }
}
