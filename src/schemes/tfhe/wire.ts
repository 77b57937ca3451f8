/** The frame around serialised TFHE objects: magic 'SRST', version u8, kind u8, zero u16, total length u64, parameters (32 bytes). */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import type { ParamsId } from '../../base/brand.ts';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { ParamsMismatchError } from '../../base/errors.ts';
import { readObjectStart, writeObjectStart } from '../../base/object-start.ts';
import type { Words } from '../../kernel/kernel.ts';
import { FIRST, type TfheContext } from './context.ts';
import type { TfheParams } from './params.ts';

export const HEADER_BYTES = 48;
/** 'SRST' */
const FAMILY = { magic: 0x54535253, version: 1 } as const;

/** One number per wire type; never reused. */
export const TfheKind = Object.freeze({
  secretKey: 1,
  evaluationKeys: 2,
  packed: 3,
  ciphertext: 4,
  exitKey: 5,
});
export type TfheKind = (typeof TfheKind)[keyof typeof TfheKind];

export function writeTfheHeader(kind: TfheKind, id: ParamsId, bodyBytes: number): ByteWriter {
  const writer = new ByteWriter(HEADER_BYTES + bodyBytes);
  writeObjectStart(writer, FAMILY, kind);
  writer.u64(HEADER_BYTES + bodyBytes);
  writer.bytes(hexToBytes(id));
  return writer;
}

/** The reader stands at the body. @throws {DecodeError} {@link ParamsMismatchError} */
export function readTfheHeader(what: string, bytes: Uint8Array, kind: TfheKind, id: ParamsId): ByteReader {
  const reader = new ByteReader(what, bytes);
  readObjectStart(reader, FAMILY, kind);
  if (reader.u64() !== bytes.length) throw reader.error('announced length and real length differ');
  const got = bytesToHex(reader.bytes(32)) as ParamsId;
  if (got !== id) throw new ParamsMismatchError(what, id, got);
  return reader;
}

/** Bytes of `count` packed residues. */
export function residueBytes(params: TfheParams, count: number): number {
  return Math.ceil((count * residueBits(params)) / 8);
}

function residueBits({ q }: TfheParams): number {
  return Math.ceil(Math.log2(q));
}

export function writeResidues(writer: ByteWriter, { kernel, params }: TfheContext, words: Words): void {
  kernel.packBits(writer.reserve(residueBytes(params, words.length)), words, residueBits(params));
}

/** The first `count` residues of whole polynomials, all unless given. @throws {DecodeError} when one is not below the prime. */
export function readResidues(
  reader: ByteReader,
  { kernel, params, ring }: TfheContext,
  out: Words,
  count: number = out.length,
): void {
  kernel.unpackBits(out.sub(0, count), reader.bytes(residueBytes(params, count)), residueBits(params));
  if (!kernel.inRange(ring.tables, out, FIRST)) throw reader.error('a residue is out of range');
}
