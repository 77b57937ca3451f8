/**
 * Two-part ciphertexts at the last prime with their low bits dropped: for replies. Body: bits dropped from first and second parts, u8
 * each, zero u16, count u32, what the scheme adds, then the coefficients of each part in as many bits as are left. Rounding is done on
 * coefficients, so writing costs an inverse and reading a forward transform per part.
 */
import { ShapeError } from '../../../base/errors.ts';
import type { Words } from '../../../kernel/kernel.ts';
import { copyWords } from '../../../ring/poly.ts';
import type { RlweCiphertexts, RlweFacts } from '../ciphertext.ts';
import type { FactsCodec } from './ciphertext-wire.ts';
import type { RlweContext } from '../context.ts';
import type { DroppedBits } from './dropped-bits.ts';
import type { RlweParams } from '../params.ts';
import { HEADER_BYTES, readHeader, readWords, WireKind, writeHeader } from './wire.ts';

const SHARED_BYTES = 8;
/** q_0 alone. */
const LOWEST: readonly number[] = [0];

/** Bytes of `count` ciphertexts on the wire; `schemeBytes` as the codec says. */
export function roundedWireBytes(
  params: RlweParams,
  count: number,
  dropped: DroppedBits,
  schemeBytes: number,
): number {
  return HEADER_BYTES + SHARED_BYTES + schemeBytes + count * pairBytes(params, dropped);
}

function widths(params: RlweParams, { first, second }: DroppedBits): readonly [number, number] {
  const { bits } = params.q[0]!;
  return [bits - first, bits - second];
}

function pairBytes(params: RlweParams, dropped: DroppedBits): number {
  return widths(params, dropped).reduce((sum, width) => sum + Math.ceil((params.n * width) / 8), 0);
}

/** @throws {ShapeError} unless the batch has two parts at level 0 and a bit of each is left. */
export function writeRounded<S, C extends RlweContext>(
  batch: RlweCiphertexts<C> & S,
  codec: FactsCodec<S, C>,
  dropped: DroppedBits,
): Uint8Array {
  const { context, count, parts, level } = batch;
  const { kernel, ring, params } = context;
  if (level !== 0 || parts !== 2) {
    throw new ShapeError('ciphertexts to round', 'of two parts at level 0', `of ${parts} at ${level}`);
  }
  const left = widths(params, dropped);
  if (Math.min(...left) < 1) throw new ShapeError('dropped bits', `below ${params.q[0]!.bits}`, 'more');
  const body = SHARED_BYTES + codec.bytes + count * pairBytes(params, dropped);
  const writer = writeHeader(WireKind.roundedBatch, params.id, body);
  writer.u8(dropped.first);
  writer.u8(dropped.second);
  writer.u16(0);
  writer.u32(count);
  codec.write(writer, batch);
  using words = kernel.allocate(params.n);
  for (let i = 0; i < count; i++) {
    left.forEach((width, part) => {
      copyWords(words, batch.part(i, part).words);
      kernel.nttInverse(ring.tables, words, LOWEST);
      shortenWords(words, params.q[0]!.bits - width);
      kernel.packBits(writer.reserve(Math.ceil((params.n * width) / 8)), words, width);
    });
  }
  return writer.finish();
}

/** @throws {DecodeError} also when a second part is zero: such a message is not encrypted. {@link ParamsMismatchError} */
export function readRounded<S, C extends RlweContext>(
  context: C,
  bytes: Uint8Array,
  codec: FactsCodec<S, C>,
  maxCount: number,
): { words: Words; facts: RlweFacts<C> & S; dropped: DroppedBits } {
  const { kernel, ring, params } = context;
  const modulus = params.q[0]!;
  const reader = readHeader('rounded ciphertexts', bytes, WireKind.roundedBatch, params.id);
  const dropped = { first: reader.u8(), second: reader.u8() };
  const zero = reader.u16();
  const count = reader.u32();
  if (zero !== 0) throw reader.error('reserved bytes are not zero');
  if (Math.max(dropped.first, dropped.second) >= modulus.bits) throw reader.error('no bits are left');
  if (count < 1 || count > maxCount) throw reader.error('more ciphertexts than expected');
  const own = codec.read(reader, context, 0);
  if (reader.remaining !== count * pairBytes(params, dropped)) throw reader.error('wrong length');
  const left = widths(params, dropped);
  const words = readWords(reader, context, count * 2 * params.n, (fresh) => {
    for (let at = 0; at < 2 * count; at++) {
      const part = fresh.sub(at * params.n, params.n);
      const width = left[at % 2]!;
      kernel.unpackBits(part, reader.bytes(Math.ceil((params.n * width) / 8)), width);
      if (at % 2 === 1 && part.u64().every((word) => word === 0n)) throw reader.error('it is not encrypted');
      restoreWords(part, modulus.q, modulus.bits - width);
    }
    reader.end();
    kernel.nttForward(ring.tables, fresh, LOWEST);
    return fresh;
  });
  return { words, facts: { ...own, context, count, parts: 2, level: 0 }, dropped };
}

/** Without the low bits `dropped`. */
export function shortenWords(words: Words, dropped: number): void {
  const step = 2 ** dropped;
  if (step > 1) replaceWords(words, (value) => Math.floor(value / step));
}

/** To the middle of the numbers that begin so, modulo q. These are below 2q, as q has all its bits. */
export function restoreWords(words: Words, q: number, dropped: number): void {
  const step = 2 ** dropped;
  const middle = dropped === 0 ? 0 : step / 2;
  replaceWords(words, (value) => {
    const restored = value * step + middle;
    return restored >= q ? restored - q : restored;
  });
}

/** Each word, below 2^53, by `replace` of it: as doubles, for there are no 64-bit integers but slow ones. */
function replaceWords(words: Words, replace: (value: number) => number): void {
  const whole = words.u64();
  const halves = new Uint32Array(whole.buffer, whole.byteOffset, 2 * whole.length);
  for (let i = 0; i < halves.length; i += 2) {
    const value = replace(halves[i]! + halves[i + 1]! * 2 ** 32);
    // Storing keeps the low 32 bits.
    halves[i] = value;
    halves[i + 1] = Math.floor(value / 2 ** 32);
  }
}
