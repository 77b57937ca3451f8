/**
 * What trainer and authority send each other: requests for function keys and their answers. Who asks, for which data set and axis, is
 * said by the channel; so the bytes hold numbers alone, and their length is bounded before one is read.
 *
 *   request  'SRKQ', u8 1 when a head follows, head (entries u64, hash 32), rows u32, length u32, int16 entries row by row
 *   answer   'SRKA', head, rank u32, keys in the scheme's own format
 */
import * as arg from '../../../base/arguments.ts';
import { ByteReader, ByteWriter } from '../../../base/bytes.ts';
import { LimitError, OutOfRangeError } from '../../../base/errors.ts';
import type { LogHead } from './log-head.ts';
import { LOG_HEAD_BYTES, readLogHead, writeLogHead } from './log-head.ts';

const REQUEST_MAGIC = 0x514b5253;
const ANSWER_MAGIC = 0x414b5253;
const REQUEST_HEADER_BYTES = 4 + 1 + LOG_HEAD_BYTES + 8;
const ANSWER_HEADER_BYTES = 4 + LOG_HEAD_BYTES + 4;
const EMPTY_HEAD: LogHead = { entries: 0, hash: '0'.repeat(64) };
/** Entries of one request: their line in the log, four characters each, stays below its limit of 16 MiB. */
const MAX_ENTRIES = 2 ** 21;
/** Policies allow far smaller ones. */
const LARGEST_ENTRY = 2 ** 15 - 1;

export interface KeyRequestMessage {
  readonly weights: Int32Array;
  readonly seen?: LogHead;
}

export interface KeyAnswerMessage {
  readonly keyBytes: Uint8Array;
  readonly rank: number;
  readonly head: LogHead;
}

/** No request for vectors of `length` entries is longer. */
export function mostKeyRequestBytes(length: number): number {
  return REQUEST_HEADER_BYTES + 2 * length * mostKeysPerRequest(length);
}

/** Keys that one request may ask for. */
export function mostKeysPerRequest(length: number): number {
  return Math.max(1, Math.floor(MAX_ENTRIES / length));
}

/** `weights` `[rows, length]`. @throws {LimitError} {@link OutOfRangeError} naming the index. */
export function writeKeyRequest(message: KeyRequestMessage, length: number): Uint8Array {
  arg.checkArguments('writeKeyRequest', [message, length], {
    message: arg.like('a KeyRequestMessage', 'weights'),
    length: arg.number,
  });
  const { weights, seen } = message;
  const rows = weights.length / length;
  if (rows > mostKeysPerRequest(length))
    throw new LimitError('the keys of one request', mostKeysPerRequest(length), rows);
  const writer = new ByteWriter(REQUEST_HEADER_BYTES + 2 * weights.length);
  writer.u32(REQUEST_MAGIC);
  writer.u8(seen === undefined ? 0 : 1);
  writeLogHead(writer, seen ?? EMPTY_HEAD);
  writer.u32(Math.floor(rows));
  writer.u32(length);
  for (let i = 0; i < weights.length; i++) {
    const value = weights[i] as number;
    if (Math.abs(value) > LARGEST_ENTRY)
      throw new OutOfRangeError(`entry ${i} of a key request`, `up to ${LARGEST_ENTRY}`, 'larger');
    writer.u16(value & 0xffff);
  }
  return writer.finish();
}

/** `length` is that of the axis. @throws {DecodeError} */
export function readKeyRequest(bytes: Uint8Array, length: number): KeyRequestMessage {
  arg.checkArguments('readKeyRequest', [bytes, length], { bytes: arg.bytes, length: arg.number });
  const reader = new ByteReader('a key request', bytes);
  if (reader.u32() !== REQUEST_MAGIC) throw reader.error('bad magic');
  const hasSeen = reader.u8();
  if (hasSeen > 1) throw reader.error('a flag is neither 0 nor 1');
  const seen = readLogHead(reader);
  const rows = reader.u32();
  if (reader.u32() !== length) throw reader.error(`vectors of this axis have ${length} entries`);
  if (rows < 1 || rows > mostKeysPerRequest(length)) throw reader.error('the number of keys is out of range');
  if (reader.remaining !== 2 * rows * length) throw reader.error('the length does not fit the count');
  reader.budget.charge(reader.what, 4 * rows * length);
  const weights = new Int32Array(rows * length);
  for (let i = 0; i < weights.length; i++) weights[i] = (reader.u16() << 16) >> 16;
  return hasSeen === 1 ? { weights, seen } : { weights };
}

export function writeKeyAnswer(message: KeyAnswerMessage): Uint8Array {
  arg.checkArguments('writeKeyAnswer', [message], {
    message: arg.like('a KeyAnswerMessage', 'keyBytes', 'rank'),
  });
  const { keyBytes, rank, head } = message;
  const writer = new ByteWriter(ANSWER_HEADER_BYTES + keyBytes.length);
  writer.u32(ANSWER_MAGIC);
  writeLogHead(writer, head);
  writer.u32(rank);
  writer.bytes(keyBytes);
  return writer.finish();
}

/** The keys are a view, for the scheme's own parser. @throws {DecodeError} */
export function readKeyAnswer(bytes: Uint8Array): KeyAnswerMessage {
  arg.checkArguments('readKeyAnswer', [bytes], { bytes: arg.bytes });
  const reader = new ByteReader('an answer with keys', bytes);
  if (reader.u32() !== ANSWER_MAGIC) throw reader.error('bad magic');
  const head = readLogHead(reader);
  const rank = reader.u32();
  return { head, rank, keyBytes: reader.bytes(reader.remaining) };
}
