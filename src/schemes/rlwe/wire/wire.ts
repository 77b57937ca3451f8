/**
 * The frame around every serialised object, and polynomials packed to the width of their primes.
 *
 * Header, 48 bytes: magic 'SRSA', version u8, kind u8, zero u16, total length u64, fingerprint of the parameters (32 bytes).
 * All little-endian. A parser checks the header first, then the exact length that the context and the small
 * fixed fields imply, then allocates, then checks every residue against its prime; it throws nothing but
 * {@link DecodeError} and, for a foreign fingerprint, {@link ParamsMismatchError}.
 */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import type { ParamsId } from '../../../base/brand.ts';
import { ByteReader, ByteWriter } from '../../../base/bytes.ts';
import { ParamsMismatchError } from '../../../base/errors.ts';
import { readObjectStart, writeObjectStart } from '../../../base/object-start.ts';
import type { Words } from '../../../kernel/kernel.ts';
import { handOver } from '../../../ring/arena.ts';
import type { RlweContext } from '../context.ts';
import type { RlweParams } from '../params.ts';

export const HEADER_BYTES = 48;
/** 'SRSA' */
const FAMILY = { magic: 0x41535253, version: 1 } as const;

/** One number per wire type; never reused. */
export const WireKind = Object.freeze({
  params: 1,
  secretKey: 2,
  publicKey: 3,
  evaluationKeys: 4,
  ciphertext: 5,
  ciphertextBatch: 6,
  bgvCrtCiphertext: 7,
  roundedBatch: 8,
  bgvCrtRounded: 9,
  encapsulationKeys: 10,
  tracedReply: 11,
});
export type WireKind = (typeof WireKind)[keyof typeof WireKind];

/** Starts a message of exactly `bodyBytes` after the header. The writer takes `here` of them; others follow by another way. */
export function writeHeader(
  kind: WireKind,
  id: ParamsId,
  bodyBytes: number,
  here: number = bodyBytes,
): ByteWriter {
  const writer = new ByteWriter(HEADER_BYTES + here);
  writeObjectStart(writer, FAMILY, kind);
  writer.u64(HEADER_BYTES + bodyBytes);
  writer.bytes(hexToBytes(id));
  return writer;
}

/** The fingerprint in a header, for choosing a context; checks nothing else than that it is there. @throws {DecodeError} */
export function peekParamsId(bytes: Uint8Array): ParamsId {
  const reader = new ByteReader('a message', bytes);
  if (reader.u32() !== FAMILY.magic) throw reader.error('bad magic');
  reader.bytes(12);
  return bytesToHex(reader.bytes(32)) as ParamsId;
}

/**
 * Opens a message of `kind` for parameters `id`; the reader stands at the body, whose length equals the announced one.
 *
 * @throws {DecodeError} {@link ParamsMismatchError}
 */
export function readHeader(what: string, bytes: Uint8Array, kind: WireKind, id: ParamsId): ByteReader {
  const reader = new ByteReader(what, bytes);
  readObjectStart(reader, FAMILY, kind);
  if (reader.u64() !== bytes.length) throw reader.error('announced length and real length differ');
  const got = bytesToHex(reader.bytes(32)) as ParamsId;
  if (got !== id) throw new ParamsMismatchError(what, id, got);
  return reader;
}

/** Bytes of one packed polynomial over the limbs `mods`. */
export function packedBytes(params: RlweParams, mods: readonly number[]): number {
  return mods.reduce((sum, limb) => sum + limbBytes(params, limb), 0);
}

/** Packs one polynomial. */
export function writePoly(
  writer: ByteWriter,
  context: RlweContext,
  words: Words,
  mods: readonly number[],
): void {
  packPoly(writer.reserve(packedBytes(context.params, mods)), context, words, mods);
}

/** As {@link writePoly}, into exactly the bytes that it needs. */
export function packPoly(out: Uint8Array, context: RlweContext, words: Words, mods: readonly number[]): void {
  const n = context.params.n;
  let at = 0;
  mods.forEach((limb, i) => {
    const bytes = limbBytes(context.params, limb);
    const { bits } = context.ring.moduli[limb]!;
    context.kernel.packBits(out.subarray(at, at + bytes), words.sub(i * n, n), bits);
    at += bytes;
  });
}

/** What `build` makes of memory for what `reader` announced, charged to its budget: see {@link handOver}. @throws {DecodeError} */
export function readWords<T>(
  reader: ByteReader,
  context: RlweContext,
  length: number,
  build: (words: Words) => T,
): T {
  reader.budget.charge(reader.what, 8 * length);
  return handOver(context.kernel.allocate(length), build);
}

/** Unpacks one polynomial into `out`. @throws {DecodeError} when a residue is not below its prime. */
export function readPoly(
  reader: ByteReader,
  context: RlweContext,
  out: Words,
  mods: readonly number[],
): void {
  const n = context.params.n;
  mods.forEach((limb, i) => {
    const bytes = reader.bytes(limbBytes(context.params, limb));
    context.kernel.unpackBits(out.sub(i * n, n), bytes, context.ring.moduli[limb]!.bits);
  });
  if (!context.kernel.inRange(context.ring.tables, out, mods))
    throw reader.error('a residue is out of range');
}

function limbBytes(params: RlweParams, limb: number): number {
  return Math.ceil((params.n * params.moduli[limb]!.bits) / 8);
}
