/**
 * Where a training on encrypted data stands, in a file: 'SRTC', u8 version, digest of plan and data (32), step u32, keys received u32,
 * u8 1 when a head follows, head of the authority's log, trainer's bytes.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { UsageError } from '../../base/errors.ts';
import type { LogHead } from '../../protocols/cryptonn/audit-log.ts';
import { LOG_HEAD_BYTES, readLogHead, writeLogHead } from '../../protocols/cryptonn/log-head.ts';
import { replaceFile } from '../keystore/atomic-file.ts';
import type { TrainingData } from './training-data.ts';
import type { TrainingPlan } from './training-plan.ts';

const MAGIC = 0x43545253;
const VERSION = 1;
const DIGEST_BYTES = 32;
const NO_HEAD: LogHead = { entries: 0, hash: '0'.repeat(64) };

export interface TrainingCheckpoint {
  /** SHA-256 of everything that a continuation must have in common with its beginning. */
  readonly plan: string;
  readonly step: number;
  readonly keys: number;
  readonly seen: LogHead | undefined;
  readonly trainer: Uint8Array;
}

/** The `plan` of the checkpoints of a training on these data. */
export function trainingDigest(plan: TrainingPlan, data: TrainingData): string {
  return createHash('sha256')
    .update(JSON.stringify([plan.digest, data.identity]))
    .digest('hex');
}

export async function saveCheckpoint(path: string, checkpoint: TrainingCheckpoint): Promise<void> {
  const { plan, step, keys, seen, trainer } = checkpoint;
  const writer = new ByteWriter(4 + 1 + DIGEST_BYTES + 8 + 1 + LOG_HEAD_BYTES + trainer.length);
  writer.u32(MAGIC);
  writer.u8(VERSION);
  writer.bytes(hexToBytes(plan));
  writer.u32(step);
  writer.u32(keys);
  writer.u8(seen === undefined ? 0 : 1);
  writeLogHead(writer, seen ?? NO_HEAD);
  writer.bytes(trainer);
  await replaceFile(path, writer.finish());
}

/** Null when there is none. @throws {DecodeError} {@link UsageError} when it belongs to another training. */
export async function loadCheckpoint(path: string, plan: string): Promise<TrainingCheckpoint | null> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const reader = new ByteReader('a checkpoint', bytes);
  if (reader.u32() !== MAGIC) throw reader.error('bad magic');
  if (reader.u8() !== VERSION) throw reader.error('unknown version');
  if (bytesToHex(reader.bytes(DIGEST_BYTES)) !== plan)
    throw new UsageError(`${path} is of a training with other files or options: remove it or repeat those`);
  const [step, keys, hasHead] = [reader.u32(), reader.u32(), reader.u8()];
  const seen = readLogHead(reader);
  return {
    ...{ plan, step, keys },
    seen: hasHead === 1 ? seen : undefined,
    trainer: Uint8Array.from(reader.bytes(reader.remaining)),
  };
}
