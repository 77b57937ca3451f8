/**
 * Ciphertext bytes of any scheme. Body: level u8, parts u8, seeded u8, zero u8, count u32, what the scheme adds, then the seed
 * (32 bytes, two-part ciphertexts only) and the first parts, or all parts. Every length follows from these fields and the
 * context.
 */
import type { Seed } from '../../../base/brand.ts';
import type { ByteReader, ByteWriter } from '../../../base/bytes.ts';
import { SEED_BYTES, seedFromBytes } from '../../../base/random.ts';
import type { Words } from '../../../kernel/kernel.ts';
import { copyWords } from '../../../ring/poly.ts';
import { uniformInto } from '../../../ring/samplers.ts';
import type { RlweCiphertexts, RlweFacts } from '../ciphertext.ts';
import type { RlweContext } from '../context.ts';
import type { RlweParams } from '../params.ts';
import {
  HEADER_BYTES,
  packPoly,
  packedBytes,
  readHeader,
  readPoly,
  readWords,
  WireKind,
  writeHeader,
  writePoly,
} from './wire.ts';

const SHARED_FACTS_BYTES = 8;

/** What the size of ciphertexts on the wire follows from. */
export interface CiphertextShape {
  readonly count: number;
  readonly parts: number;
  readonly level: number;
  /** The second parts travel as one seed. */
  readonly isSeeded: boolean;
}

/** How a scheme's own facts `S` travel, in a fixed number of bytes. */
export interface FactsCodec<S, C extends RlweContext> {
  readonly bytes: number;
  write(writer: ByteWriter, facts: S): void;
  /** @throws {DecodeError} for facts that no ciphertext at `level` can have. */
  read(reader: ByteReader, context: C, level: number): S;
}

/** Bytes of a batch, or of one ciphertext, on the wire; `schemeBytes` as the codec says. */
export function ciphertextWireBytes(params: RlweParams, shape: CiphertextShape, schemeBytes: number): number {
  return HEADER_BYTES + SHARED_FACTS_BYTES + schemeBytes + residueBytes(params, shape);
}

/** Bytes after the facts: the seed, if any, and the polynomials. */
function residueBytes(params: RlweParams, { count, parts, level, isSeeded }: CiphertextShape): number {
  const polynomials = count * (isSeeded ? 1 : parts) * packedBytes(params, params.qMods(level));
  return (isSeeded ? SEED_BYTES : 0) + polynomials;
}

/** `single`: as the wire type of one ciphertext. */
export function writeRlweCiphertexts<S, C extends RlweContext>(
  batch: RlweCiphertexts<C> & S,
  codec: FactsCodec<S, C>,
  single: boolean,
): Uint8Array {
  const { context, count, parts, seed, mods } = batch;
  const kept = seed === undefined ? parts : 1;
  const kind = single ? WireKind.ciphertext : WireKind.ciphertextBatch;
  const writer = writeStart(batch, codec, kind, true);
  for (let i = 0; i < count; i++) {
    for (let part = 0; part < kept; part++) writePoly(writer, context, batch.part(i, part).words, mods);
  }
  return writer.finish();
}

/** The bytes of a seeded batch in front of its first parts, which follow one after the other, packed: see {@link packPolys}. */
export function writeSeededStart<S, C extends RlweContext>(
  facts: Pick<RlweCiphertexts<C>, 'context' | 'count' | 'parts' | 'level' | 'seed'> & S,
  codec: FactsCodec<S, C>,
): Uint8Array {
  return writeStart(facts, codec, WireKind.ciphertextBatch, false).finish();
}

/** Packs polynomials over `mods` one after the other, into exactly the bytes that they need. */
export function packPolys(
  out: Uint8Array,
  context: RlweContext,
  words: Words,
  mods: readonly number[],
): void {
  const poly = mods.length * context.params.n;
  const each = packedBytes(context.params, mods);
  for (let i = 0; i * each < out.length; i++)
    packPoly(out.subarray(i * each, (i + 1) * each), context, words.sub(i * poly, poly), mods);
}

/** Up to the seed; a writer for all that the facts tell of, or for the start alone. */
function writeStart<S, C extends RlweContext>(
  facts: Pick<RlweCiphertexts<C>, 'context' | 'count' | 'parts' | 'level' | 'seed'> & S,
  codec: FactsCodec<S, C>,
  kind: WireKind,
  whole: boolean,
): ByteWriter {
  const { context, count, parts, level, seed } = facts;
  const shape = { count, parts, level, isSeeded: seed !== undefined };
  const own = SHARED_FACTS_BYTES + codec.bytes;
  const body = own + residueBytes(context.params, shape);
  const here = whole ? body : own + (seed === undefined ? 0 : SEED_BYTES);
  const writer = writeHeader(kind, context.params.id, body, here);
  writer.u8(level);
  writer.u8(parts);
  writer.u8(seed === undefined ? 0 : 1);
  writer.u8(0);
  writer.u32(count);
  codec.write(writer, facts);
  if (seed !== undefined) writer.bytes(seed);
  return writer;
}

/** @throws {DecodeError} {@link ParamsMismatchError} */
export function readRlweCiphertexts<S, C extends RlweContext>(
  context: C,
  bytes: Uint8Array,
  codec: FactsCodec<S, C>,
  expected: {
    readonly single: boolean;
    readonly maxCount: number;
    /** Borrowed memory of exactly the right size; fresh memory when absent. */
    readonly into?: Words;
  },
): { words: Words; facts: RlweFacts<C> & S } {
  const kind = expected.single ? WireKind.ciphertext : WireKind.ciphertextBatch;
  const reader = readHeader('a ciphertext', bytes, kind, context.params.id);
  const shape = readShape(reader, context, expected.maxCount);
  const own = codec.read(reader, context, shape.level);
  const mods = context.qMods(shape.level);
  const kept = shape.isSeeded ? 1 : shape.parts;
  if (reader.remaining !== residueBytes(context.params, shape)) throw reader.error('wrong length');
  const seed = shape.isSeeded ? seedFromBytes(reader.bytes(SEED_BYTES)) : undefined;
  const poly = mods.length * context.params.n;
  const { count, parts, level } = shape;
  const fill = (target: Words): Words => {
    for (let i = 0; i < count; i++) {
      for (let part = 0; part < kept; part++) {
        readPoly(reader, context, target.sub((i * parts + part) * poly, poly), mods);
      }
    }
    reader.end();
    if (seed !== undefined) expandSecondParts(context, target, seed, mods);
    return target;
  };
  const { into } = expected;
  const needed = count * parts * poly;
  if (into !== undefined && into.length !== needed) throw reader.error('another number of ciphertexts');
  const words = into === undefined ? readWords(reader, context, needed, fill) : fill(into);
  return { words, facts: { ...own, context, count, parts, level, ...(seed === undefined ? {} : { seed }) } };
}

/** Fills part 1 of each two-part ciphertext with the uniform polynomials of `seed`. */
function expandSecondParts(context: RlweContext, words: Words, seed: Seed, mods: readonly number[]): void {
  const poly = mods.length * context.params.n;
  using uniform = context.kernel.allocate(words.length / 2);
  uniformInto(context.ring, uniform, seed, mods);
  for (let i = 0; i * 2 * poly < words.length; i++) {
    copyWords(words.sub((2 * i + 1) * poly, poly), uniform.sub(i * poly, poly));
  }
}

function readShape(reader: ByteReader, context: RlweContext, maxCount: number): CiphertextShape {
  const level = reader.u8();
  const parts = reader.u8();
  const seeded = reader.u8();
  const zero = reader.u8();
  const count = reader.u32();
  if (level > context.params.maxLevel) throw reader.error('a level above the parameters');
  if (parts !== 2 && parts !== 3) throw reader.error('two or three parts are possible');
  if (seeded > 1 || zero !== 0) throw reader.error('unknown flags');
  if (seeded === 1 && parts !== 2) throw reader.error('only two-part ciphertexts have a seed');
  if (count < 1 || count > maxCount) throw reader.error('more ciphertexts than expected');
  return { level, parts, isSeeded: seeded === 1, count };
}
