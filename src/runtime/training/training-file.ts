/**
 * What owner and trainer hand to each other: ciphertexts with the hash of the program that they belong to. Nobody but the owner can open
 * them; there is nothing else in them.
 *
 * Layout, little-endian: magic "SRTF", version u8, kind u8, zero u16, SHA-256 of the program, count u32, then for each ciphertext its
 * length u32 and its bytes.
 */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import type { Arena } from '../../ring/arena.ts';
import { CkksCiphertext } from '../../schemes/ckks/ciphertext.ts';
import type { CkksContextBase } from '../../schemes/ckks/context-base.ts';

const MAGIC = 0x46545253; // 'SRTF'
const VERSION = 1;
const ID_BYTES = 32;
const HEADER_BYTES = 4 + 4 + ID_BYTES + 4;
const KINDS = { rows: 1, weights: 2 } as const;
export type TrainingFileKind = keyof typeof KINDS;

/** What a file says of its program. */
export interface FiledProgram {
  /** SHA-256 of the specification, in hexadecimal digits. */
  readonly id: string;
  /** Of the owner's data. */
  readonly ciphertexts: number;
}

export function writeTrainingFile(
  kind: TrainingFileKind,
  program: FiledProgram,
  ciphertexts: readonly CkksCiphertext[],
): Uint8Array {
  const parts = ciphertexts.map((ciphertext) => ciphertext.toBytes());
  const writer = new ByteWriter(HEADER_BYTES + parts.reduce((sum, { length }) => sum + 4 + length, 0));
  writer.u32(MAGIC);
  for (const value of [VERSION, KINDS[kind], 0, 0]) writer.u8(value);
  writer.bytes(hexToBytes(program.id));
  writer.u32(parts.length);
  for (const part of parts) {
    writer.u32(part.length);
    writer.bytes(part);
  }
  return writer.finish();
}

/**
 * The ciphertexts of a file of this kind and program, as many as the program says.
 *
 * @throws {DecodeError} {@link ParamsMismatchError}
 */
export function readTrainingFile(
  kind: TrainingFileKind,
  program: FiledProgram,
  context: CkksContextBase,
  bytes: Uint8Array,
  arena: Arena,
): CkksCiphertext[] {
  const reader = new ByteReader(kind === 'rows' ? 'encrypted rows' : 'encrypted weights', bytes);
  if (reader.u32() !== MAGIC) throw reader.error('not a file of encrypted training');
  if (reader.u8() !== VERSION) throw reader.error('of another version');
  if (reader.u8() !== KINDS[kind]) throw reader.error('of another kind');
  if (reader.u8() !== 0 || reader.u8() !== 0) throw reader.error('reserved bytes are not zero');
  if (bytesToHex(reader.bytes(ID_BYTES)) !== program.id) throw reader.error('of another program');
  const count = reader.u32();
  if (count !== (kind === 'rows' ? program.ciphertexts : 1))
    throw reader.error('not as many ciphertexts as the program has');
  const ciphertexts: CkksCiphertext[] = [];
  try {
    for (let i = 0; i < count; i++)
      ciphertexts.push(CkksCiphertext.fromBytes(context, reader.bytes(reader.u32()), arena));
    reader.end();
  } catch (error) {
    for (const ciphertext of ciphertexts) ciphertext[Symbol.dispose]();
    throw error;
  }
  return ciphertexts;
}
