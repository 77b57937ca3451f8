/**
 * Replies that carry a trace: one two-part ciphertext at the last prime of which the receiver needs the coefficients at multiples of
 * N/2P alone, those of the mean of its plaintext over the slots P apart (the subring of X^(N/2P)). The second part is there as a whole
 * without its low bits, the first at these 2P places. Body: bits dropped from the second part u8, log2(P) u8, zero u16, what
 * the scheme adds, 2P coefficients, N coefficients.
 *
 * All other coefficients of c_0 + c_1 s stay hidden: nobody can make up what the first part has there. That c_1 tells nothing of how the
 * result came about is not thanks to what is left out, but to the encryption of zero over all of it: see ../reply-mask.ts.
 */
import { ShapeError } from '../../../base/errors.ts';
import type { Words } from '../../../kernel/kernel.ts';
import { copyWords } from '../../../ring/poly.ts';
import type { RlweCiphertexts, RlweFacts } from '../ciphertext.ts';
import type { RlweContext } from '../context.ts';
import type { RlweParams } from '../params.ts';
import type { FactsCodec } from './ciphertext-wire.ts';
import type { DroppedBits } from './dropped-bits.ts';
import { restoreWords, shortenWords } from './rounded-wire.ts';
import { HEADER_BYTES, readHeader, readWords, WireKind, writeHeader } from './wire.ts';

const SHARED_BYTES = 4;
/** q_0 alone. */
const LOWEST: readonly number[] = [0];

/** `slots`: P, a power of two below the slots of the ring. */
export interface TracedShape {
  readonly slots: number;
  readonly dropped: DroppedBits;
}

/** Bytes on the wire; `schemeBytes` as the codec says. */
export function tracedWireBytes(params: RlweParams, shape: TracedShape, schemeBytes: number): number {
  const { carried, whole } = partBytes(params, shape);
  return HEADER_BYTES + SHARED_BYTES + schemeBytes + carried + whole;
}

function partBytes(params: RlweParams, { slots, dropped }: TracedShape): { carried: number; whole: number } {
  const { bits } = params.q[0]!;
  return {
    carried: Math.ceil((2 * slots * bits) / 8),
    whole: Math.ceil((params.n * (bits - dropped.second)) / 8),
  };
}

/** @throws {ShapeError} unless it is one ciphertext of two parts at level 0, and a bit of each coefficient is left. */
export function writeTraced<S, C extends RlweContext>(
  ciphertext: RlweCiphertexts<C> & S,
  codec: FactsCodec<S, C>,
  shape: TracedShape,
): Uint8Array {
  const { context, count, parts, level } = ciphertext;
  const { kernel, ring, params } = context;
  const { slots, dropped } = shape;
  if (level !== 0 || parts !== 2 || count !== 1)
    throw new ShapeError(
      'a reply to trace',
      'one ciphertext of two parts at level 0',
      `${count} at ${level}`,
    );
  checkSlots(slots, params.n);
  const { bits } = params.q[0]!;
  if (dropped.first !== 0 || dropped.second >= bits)
    throw new ShapeError('dropped bits', `below ${bits}, none of the first part`, dropped.second);
  const { carried, whole } = partBytes(params, shape);
  const writer = writeHeader(WireKind.tracedReply, params.id, SHARED_BYTES + codec.bytes + carried + whole);
  writer.u8(dropped.second);
  writer.u8(Math.log2(slots));
  writer.u16(0);
  codec.write(writer, ciphertext);
  using words = kernel.allocate(params.n);
  copyWords(words, ciphertext.part(0, 0).words);
  kernel.nttInverse(ring.tables, words, LOWEST);
  using few = kernel.allocate(2 * slots);
  gather(few, words);
  kernel.packBits(writer.reserve(carried), few, bits);
  copyWords(words, ciphertext.part(0, 1).words);
  kernel.nttInverse(ring.tables, words, LOWEST);
  shortenWords(words, dropped.second);
  kernel.packBits(writer.reserve(whole), words, bits - dropped.second);
  return writer.finish();
}

/** @throws {ShapeError} */
function checkSlots(slots: number, n: number): void {
  if (!Number.isInteger(Math.log2(slots)) || slots < 1 || 4 * slots > n)
    throw new ShapeError('the slots of a trace', `a power of two up to ${n / 4}`, slots);
}

/**
 * The ciphertext with zeros in place of what was not sent. Decrypted it is junk but for the coefficients at multiples of N/2P, and
 * shows c_1 s: decode `slots` slots of it and publish nothing. `dropped` says that the first part lacks all of its bits.
 *
 * @throws {DecodeError} also when the second part is zero: such a message is not encrypted. {@link ParamsMismatchError}
 * {@link ShapeError} when no trace is in so many slots.
 */
export function readTraced<S, C extends RlweContext>(
  context: C,
  bytes: Uint8Array,
  codec: FactsCodec<S, C>,
  slots: number,
): { words: Words; facts: RlweFacts<C> & S; dropped: DroppedBits } {
  const { kernel, ring, params } = context;
  const { n } = params;
  const modulus = params.q[0]!;
  checkSlots(slots, n);
  const reader = readHeader('a traced reply', bytes, WireKind.tracedReply, params.id);
  const second = reader.u8();
  if (2 ** reader.u8() !== slots) throw reader.error('its slots are not those of the offer');
  if (reader.u16() !== 0) throw reader.error('reserved bytes are not zero');
  if (second >= modulus.bits) throw reader.error('no bits are left');
  const own = codec.read(reader, context, 0);
  const { carried, whole } = partBytes(params, { slots, dropped: { first: 0, second } });
  if (reader.remaining !== carried + whole) throw reader.error('wrong length');
  const words = readWords(reader, context, 2 * n, (fresh) => {
    const [first, other] = [fresh.sub(0, n), fresh.sub(n, n)];
    using few = kernel.allocate(2 * slots);
    kernel.unpackBits(few, reader.bytes(carried), modulus.bits);
    if (few.u64().some((word) => word >= BigInt(modulus.q))) throw reader.error('a residue is out of range');
    scatter(first, few);
    kernel.unpackBits(other, reader.bytes(whole), modulus.bits - second);
    if (other.u64().every((word) => word === 0n)) throw reader.error('it is not encrypted');
    restoreWords(other, modulus.q, second);
    reader.end();
    kernel.nttForward(ring.tables, fresh, LOWEST);
    return fresh;
  });
  const facts = { ...own, context, count: 1, parts: 2 as const, level: 0 };
  return { words, facts, dropped: { first: modulus.bits, second } };
}

/** Every (N/2P)-th coefficient. */
function gather(few: Words, all: Words): void {
  const [to, from] = [few.u64(), all.u64()];
  const step = from.length / to.length;
  for (let i = 0; i < to.length; i++) to[i] = from[i * step]!;
}

function scatter(all: Words, few: Words): void {
  const [to, from] = [all.u64(), few.u64()];
  const step = to.length / from.length;
  to.fill(0n);
  for (let i = 0; i < from.length; i++) to[i * step] = from[i]!;
}
