/** Where a log ends, as it is kept beside the log and with the trainer: what tells later that the log was cut or rewritten. */
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import type { ByteReader, ByteWriter } from '../../../base/bytes.ts';
import { DecodeError, RolledBackError } from '../../../base/errors.ts';

/** Where a log ends. Whoever keeps one can tell later whether the log was cut or rewritten. */
export interface LogHead {
  readonly entries: number;
  /** Hash of the last line, hex; 64 zeros for an empty log. */
  readonly hash: string;
}

export const EMPTY_LOG: LogHead = { entries: 0, hash: '0'.repeat(64) };

const HASH_BYTES = 32;
export const LOG_HEAD_BYTES = 8 + HASH_BYTES;
/** The text of an anchor is shorter. */
const MAX_ANCHOR_BYTES = 256;

export function writeLogHead(writer: ByteWriter, { entries, hash }: LogHead): void {
  writer.u64(entries);
  writer.bytes(hexToBytes(hash));
}

/** @throws {DecodeError} */
export function readLogHead(reader: ByteReader): LogHead {
  const entries = reader.u64();
  return { entries, hash: bytesToHex(reader.bytes(HASH_BYTES)) };
}

/** The anchor beside a log: one line of JSON, for people to compare. */
export function anchorBytes(head: LogHead): Uint8Array {
  return utf8ToBytes(JSON.stringify(head));
}

/** @throws {DecodeError} */
export function parseAnchor(bytes: Uint8Array): LogHead {
  try {
    const text = new TextDecoder().decode(bytes.subarray(0, MAX_ANCHOR_BYTES));
    const { entries, hash } = JSON.parse(text) as LogHead;
    if (!Number.isSafeInteger(entries) || !/^[0-9a-f]{64}$/.test(hash)) throw new RangeError('not a head');
    return { entries, hash };
  } catch {
    throw new DecodeError('the anchor of the log', 'it is damaged');
  }
}

/** `heads` as {@link replayLog} returns them. @throws {RolledBackError} when `seen` is not among them. */
export function assertNotBehind(heads: readonly [LogHead, ...LogHead[]], seen: LogHead): void {
  if (heads[seen.entries - heads[0].entries]?.hash !== seen.hash) throw new RolledBackError(seen.entries);
}
