/**
 * Where a training on encrypted data stands, in a file: 'SRTC', u8 version, digest of plan and data (32), step u32, keys received u32,
 * u8 1 when a head follows, head of the authority's log, learning curve (not in version 1), trainer's bytes.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { DecodeError, UsageError } from '../../base/errors.ts';
import { EMPTY_LOG, type LogHead } from '../../protocols/cryptonn/agreement/log-head.ts';
import { LOG_HEAD_BYTES, readLogHead, writeLogHead } from '../../protocols/cryptonn/agreement/log-head.ts';
import { replaceFile } from '../keystore/atomic-file.ts';
import { LearningCurve } from './learning-curve.ts';
import type { TrainingData } from './training-data.ts';
import type { TrainingPlan } from './training-plan.ts';

const MAGIC = 0x43545253;
const VERSION = 2;
/** Still read: its curve begins where it ends. */
const VERSION_WITHOUT_CURVE = 1;
const DIGEST_BYTES = 32;

export interface TrainingCheckpoint {
  /** SHA-256 of everything that a continuation must have in common with its beginning. */
  readonly plan: string;
  readonly step: number;
  readonly keys: number;
  readonly seen: LogHead | undefined;
  readonly curve: LearningCurve;
  readonly trainer: Uint8Array;
}

/** The `plan` of the checkpoints of a training on these data. */
export function trainingDigest(plan: TrainingPlan, data: TrainingData): string {
  return createHash('sha256')
    .update(JSON.stringify([plan.digest, data.identity]))
    .digest('hex');
}

export function saveCheckpoint(path: string, checkpoint: TrainingCheckpoint): Promise<void> {
  return replaceFile(path, checkpointBytes(checkpoint));
}

export function checkpointBytes({
  plan,
  step,
  keys,
  seen,
  curve,
  trainer,
}: TrainingCheckpoint): Uint8Array<ArrayBuffer> {
  const header = 4 + 1 + DIGEST_BYTES + 8 + 1 + LOG_HEAD_BYTES;
  const writer = new ByteWriter(header + curve.byteLength + trainer.length);
  writer.u32(MAGIC);
  writer.u8(VERSION);
  writer.bytes(hexToBytes(plan));
  writer.u32(step);
  writer.u32(keys);
  writer.u8(seen === undefined ? 0 : 1);
  writeLogHead(writer, seen ?? EMPTY_LOG);
  curve.write(writer);
  writer.bytes(trainer);
  return writer.finish();
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
  const checkpoint = parseCheckpoint(bytes);
  if (checkpoint.plan !== plan)
    throw new UsageError(`${path} is of a training with other files or options: remove it or repeat those`);
  return checkpoint;
}

/** @throws {DecodeError} Whether the trainer's bytes are good turns out when they are used. */
export function parseCheckpoint(bytes: Uint8Array): TrainingCheckpoint {
  const reader = new ByteReader('a checkpoint', bytes);
  if (reader.u32() !== MAGIC) throw reader.error('bad magic');
  const version = reader.u8();
  if (version !== VERSION && version !== VERSION_WITHOUT_CURVE) throw reader.error('unknown version');
  const plan = bytesToHex(reader.bytes(DIGEST_BYTES));
  const [step, keys, hasHead] = [reader.u32(), reader.u32(), reader.u8()];
  const seen = readLogHead(reader);
  return {
    ...{ plan, step, keys },
    seen: hasHead === 1 ? seen : undefined,
    curve: version === VERSION ? LearningCurve.read(reader, step) : new LearningCurve(step),
    trainer: Uint8Array.from(reader.bytes(reader.remaining)),
  };
}

/** The curve to go on with. @throws {DecodeError} when the checkpoint's trainer has taken another number of steps. */
export function continuedCurve(before: TrainingCheckpoint | null, steps: number): LearningCurve {
  if (before === null) return new LearningCurve();
  if (before.step === steps) return before.curve;
  throw new DecodeError('a checkpoint', `it is of step ${before.step}, its trainer of step ${steps}`);
}
