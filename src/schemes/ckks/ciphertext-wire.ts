/**
 * Ciphertext bytes. Body: level u8, parts u8, seeded u8, zero u8, count u32, scale f64, then the seed (32 bytes, two-part
 * ciphertexts only) and the first parts, or all parts. Every length follows from these fields and the context.
 */
import { SEED_BYTES, seedFromBytes } from '../../base/random.ts';
import type { ByteReader } from '../../base/bytes.ts';
import type { Words } from '../../kernel/kernel.ts';
import { copyWords } from '../../ring/poly.ts';
import { uniformInto } from '../../ring/samplers.ts';
import {
  allocateFor,
  HEADER_BYTES,
  packedBytes,
  readHeader,
  readPoly,
  WireKind,
  writeHeader,
  writePoly,
} from '../rlwe/wire.ts';
import type { CiphertextBatch, CiphertextFacts } from './ciphertext.ts';
import type { CkksContext } from './context.ts';
import type { CkksParams } from './params.ts';

const FACTS_BYTES = 16;

/** What the size of ciphertexts on the wire follows from. */
export interface CiphertextShape {
  readonly count: number;
  readonly parts: number;
  readonly level: number;
  /** The second parts travel as one seed. */
  readonly isSeeded: boolean;
}

/** Bytes of a batch, or of one ciphertext, on the wire. */
export function ciphertextBytes(params: CkksParams, shape: CiphertextShape): number {
  return HEADER_BYTES + FACTS_BYTES + residueBytes(params, shape);
}

/** Bytes after the facts: the seed, if any, and the polynomials. */
function residueBytes(params: CkksParams, { count, parts, level, isSeeded }: CiphertextShape): number {
  const polynomials = count * (isSeeded ? 1 : parts) * packedBytes(params, params.qMods(level));
  return (isSeeded ? SEED_BYTES : 0) + polynomials;
}

/** `single`: as the wire type of one ciphertext. */
export function writeCiphertexts(batch: CiphertextBatch, single: boolean): Uint8Array {
  const { context, count, parts, level, scale, seed, mods } = batch;
  const kept = seed === undefined ? parts : 1;
  const shape = { count, parts, level, isSeeded: seed !== undefined };
  const body = FACTS_BYTES + residueBytes(context.params, shape);
  const kind = single ? WireKind.ciphertext : WireKind.ciphertextBatch;
  const writer = writeHeader(kind, context.params.id, body);
  writer.u8(level);
  writer.u8(parts);
  writer.u8(seed === undefined ? 0 : 1);
  writer.u8(0);
  writer.u32(count);
  writer.f64(scale);
  if (seed !== undefined) writer.bytes(seed);
  for (let i = 0; i < count; i++) {
    for (let part = 0; part < kept; part++) writePoly(writer, context, batch.part(i, part).words, mods);
  }
  return writer.finish();
}

/** @throws {DecodeError} {@link ParamsMismatchError} */
export function readCiphertexts(
  context: CkksContext,
  bytes: Uint8Array,
  expected: { readonly single: boolean; readonly maxCount: number },
): { words: Words; facts: CiphertextFacts } {
  const kind = expected.single ? WireKind.ciphertext : WireKind.ciphertextBatch;
  const reader = readHeader('a ciphertext', bytes, kind, context.params.id);
  const facts = readFacts(reader, context, expected.maxCount);
  const mods = context.qMods(facts.level);
  const kept = facts.isSeeded ? 1 : facts.parts;
  if (reader.remaining !== residueBytes(context.params, facts)) throw reader.error('wrong length');
  const seed = facts.isSeeded ? seedFromBytes(reader.bytes(SEED_BYTES)) : undefined;
  const poly = mods.length * context.params.n;
  const words = allocateFor(reader, context, facts.count * facts.parts * poly);
  try {
    for (let i = 0; i < facts.count; i++) {
      for (let part = 0; part < kept; part++) {
        readPoly(reader, context, words.sub((i * facts.parts + part) * poly, poly), mods);
      }
    }
    reader.end();
    if (seed !== undefined) expandSecondParts(context, words, seed, mods);
  } catch (error) {
    words[Symbol.dispose]();
    throw error;
  }
  const { count, parts, level, scale } = facts;
  return { words, facts: { context, count, parts, level, scale, ...(seed === undefined ? {} : { seed }) } };
}

/** Fills part 1 of each two-part ciphertext with the uniform polynomials of `seed`. */
export function expandSecondParts(
  context: CkksContext,
  words: Words,
  seed: CiphertextFacts['seed'] & {},
  mods: readonly number[],
): void {
  const poly = mods.length * context.params.n;
  using uniform = context.kernel.allocate(words.length / 2);
  uniformInto(context.ring, uniform, seed, mods);
  for (let i = 0; i * 2 * poly < words.length; i++) {
    copyWords(words.sub((2 * i + 1) * poly, poly), uniform.sub(i * poly, poly));
  }
}

interface ReadFacts extends CiphertextShape {
  readonly scale: number;
}

function readFacts(reader: ByteReader, context: CkksContext, maxCount: number): ReadFacts {
  const level = reader.u8();
  const parts = reader.u8();
  const seeded = reader.u8();
  const zero = reader.u8();
  const count = reader.u32();
  const scale = reader.f64();
  if (level > context.params.maxLevel) throw reader.error('a level above the parameters');
  if (parts !== 2 && parts !== 3) throw reader.error('two or three parts are possible');
  if (seeded > 1 || zero !== 0) throw reader.error('unknown flags');
  if (seeded === 1 && parts !== 2) throw reader.error('only two-part ciphertexts have a seed');
  if (count < 1 || count > maxCount) throw reader.error('more ciphertexts than expected');
  const inWindow = scale >= 1 && Math.log2(scale) <= context.params.logQAt(level);
  if (!Number.isFinite(scale) || !inWindow) throw reader.error('the scale is outside its window');
  return { level, parts, isSeeded: seeded === 1, count, scale };
}
