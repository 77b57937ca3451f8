/**
 * The state of an interrupted training: ciphertexts with the program and the number of steps that they are the result of. All work of a
 * trainer is deterministic, so that a run that goes on from a checkpoint ends with the bytes of one that was never stopped.
 *
 * Layout, little-endian: magic "SRCP", version u8, zero u8 three times, SHA-256 of the program, steps done u32, count u32, then for each
 * ciphertext its length u32 and its bytes; at the end SHA-256 of all that, against files that were cut off or damaged.
 */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { sha256Digest } from '../../base/sha256.ts';
import type { Arena } from '../../ring/arena.ts';
import { CkksCiphertext } from '../../schemes/ckks/ciphertext.ts';
import type { CkksContextBase } from '../../schemes/ckks/context-base.ts';

const MAGIC = 0x50435253; // 'SRCP'
const VERSION = 1;
const HASH_BYTES = 32;
const HEADER_BYTES = 4 + 4 + HASH_BYTES + 4 + 4;

export interface TrainingCheckpoint {
  /** Steps that are done. */
  readonly step: number;
  readonly states: readonly CkksCiphertext[];
}

/** What a reader expects: anything else is refused. */
export interface ExpectedCheckpoint {
  /** Of the program, in hexadecimal digits. */
  readonly programId: string;
  readonly states: number | ((step: number) => number);
  /** Level and scale of every state; without them the caller looks whether each is where it belongs. */
  readonly level?: number;
  readonly scale?: number;
  /** The most steps that the program has. */
  readonly steps: number;
}

export function writeCheckpoint(programId: string, { step, states }: TrainingCheckpoint): Uint8Array {
  const parts = states.map((state) => state.toBytes());
  const size = HEADER_BYTES + parts.reduce((sum, { length }) => sum + 4 + length, 0);
  const writer = new ByteWriter(size);
  writer.u32(MAGIC);
  for (const value of [VERSION, 0, 0, 0]) writer.u8(value);
  writer.bytes(hexToBytes(programId));
  writer.u32(step);
  writer.u32(parts.length);
  for (const part of parts) {
    writer.u32(part.length);
    writer.bytes(part);
  }
  const body = writer.finish();
  const all = new Uint8Array(body.length + HASH_BYTES);
  all.set(body);
  all.set(sha256Digest(body), body.length);
  return all;
}

/** The checkpoint of this program. @throws {DecodeError} {@link ParamsMismatchError} */
export function readCheckpoint(
  expected: ExpectedCheckpoint,
  context: CkksContextBase,
  bytes: Uint8Array,
  arena: Arena,
): TrainingCheckpoint {
  const reader = new ByteReader('a checkpoint of encrypted training', bytes);
  if (reader.u32() !== MAGIC) throw reader.error('not a checkpoint of encrypted training');
  if (reader.u8() !== VERSION) throw reader.error('of another version');
  for (let i = 0; i < 3; i++) if (reader.u8() !== 0) throw reader.error('reserved bytes are not zero');
  if (bytesToHex(reader.bytes(HASH_BYTES)) !== expected.programId) throw reader.error('of another program');
  const body = bytes.subarray(0, Math.max(0, bytes.length - HASH_BYTES));
  const digest = bytes.subarray(body.length);
  if (bytesToHex(sha256Digest(body)) !== bytesToHex(digest)) throw reader.error('cut off or damaged');
  const step = reader.u32();
  if (step > expected.steps) throw reader.error('of more steps than the program has');
  const count = typeof expected.states === 'number' ? expected.states : expected.states(step);
  if (reader.u32() !== count) throw reader.error('not as many ciphertexts as the program has');
  const states: CkksCiphertext[] = [];
  try {
    for (let i = 0; i < count; i++) {
      const state = CkksCiphertext.fromBytes(context, reader.bytes(reader.u32()), arena);
      states.push(state);
      const { level = state.level, scale = state.scale } = expected;
      if (state.level !== level || state.scale !== scale || state.parts !== 2)
        throw reader.error('a state is not where the program has it');
    }
    reader.bytes(HASH_BYTES);
    reader.end();
  } catch (error) {
    for (const state of states) state[Symbol.dispose]();
    throw error;
  }
  return { step, states };
}
