/**
 * Ciphertexts of the lattice scheme: c_0 / q and c_i / q as fractions, as precise as decryption needs; see {@link LatticePrecision}.
 *
 * A fraction of the body is t / 2^32 + sum over j of low_j / 2^(32 + b (j + 1)): t a signed word, low_j signed digits of b bits. Body on
 * the wire, little-endian: the words of the head; then for each entry its d words t, and for each j its d digits, of two bytes.
 */
import type { ByteReader, ByteWriter } from '../../base/bytes.ts';
import type { InnerProductCiphertext } from '../inner-product-scheme.ts';
import { FeKind } from '../object-header.ts';
import { type LatticeContext, LatticeObject } from './objects.ts';
import type { LatticeParams } from './params.ts';
import { KEY_DIGIT_BITS } from './precision.ts';

const WORD_BYTES = 4;
const DIGIT_BYTES = 2;

/** Bytes of a ciphertext behind the header. */
export function ciphertextBodyBytes({ length, packing, dimension, precision }: LatticeParams): number {
  const entry = packing * (WORD_BYTES + DIGIT_BYTES * precision.lowDigits);
  return dimension * precision.headWords * WORD_BYTES + length * entry;
}

export class LatticeCiphertext extends LatticeObject implements InnerProductCiphertext {
  readonly kind = 'ciphertext';
  /** [rank, d] fractions of `headWords` words, most significant first. */
  readonly head: Uint32Array;
  /** [length, 1 + lowDigits, d]: words t, then digits. */
  readonly body: Int32Array;
  protected readonly wire = FeKind.ciphertext;
  protected readonly what = 'a ciphertext';
  readonly #count: number;
  #shifted: Uint32Array | undefined;

  constructor(context: LatticeContext, count: number, head: Uint32Array, body: Int32Array) {
    super(context);
    this.#count = count;
    this.head = head;
    this.body = body;
  }

  override get count(): number {
    return this.#count;
  }

  /** The head times 2^KEY_DIGIT_BITS, modulo 1: what the high digits of keys are multiplied with. */
  get shiftedHead(): Uint32Array {
    this.#shifted ??= shifted(this.head, this.context.params.precision.headWords);
    return this.#shifted;
  }

  protected get bodyBytes(): number {
    return ciphertextBodyBytes(this.context.params);
  }

  protected writeBody(writer: ByteWriter): void {
    const { packing, precision } = this.context.params;
    for (const word of this.head) writer.u32(word);
    for (let at = 0; at < this.body.length; at += packing) {
      const entries = this.body.subarray(at, at + packing);
      const isWords = (at / packing) % (1 + precision.lowDigits) === 0;
      for (const value of entries) {
        if (isWords) writer.u32(value >>> 0);
        else writer.u16(value & 0xffff);
      }
    }
  }

  protected free(): void {
    this.#shifted = undefined;
  }
}

/** @throws {DecodeError} when a digit is out of range, or the budget of the reader is spent. */
export function readCiphertext(
  context: LatticeContext,
  reader: ByteReader,
  count: number,
): LatticeCiphertext {
  const { length, packing, dimension, precision } = context.params;
  const { lowDigits, digitBits, headWords } = precision;
  reader.budget.charge(
    reader.what,
    WORD_BYTES * (dimension * headWords + length * (1 + lowDigits) * packing),
  );
  const head = new Uint32Array(dimension * headWords);
  for (let i = 0; i < head.length; i++) head[i] = reader.u32();
  const body = new Int32Array(length * (1 + lowDigits) * packing);
  const half = 2 ** (digitBits - 1);
  for (let at = 0; at < body.length; at += packing) {
    const isWords = (at / packing) % (1 + lowDigits) === 0;
    for (let i = at; i < at + packing; i++) {
      const value = isWords ? reader.u32() | 0 : (reader.u16() << 16) >> 16;
      if (!isWords && (value < -half || value >= half)) throw reader.error('a digit is out of range');
      body[i] = value;
    }
  }
  return new LatticeCiphertext(context, count, head, body);
}

/** The body from fractions of two words, `[length, d]`, rounded to the bits that are kept. */
export function roundedBody(
  fractions: Uint32Array,
  { length, packing, precision }: LatticeParams,
): Int32Array {
  const { lowDigits, digitBits } = precision;
  const body = new Int32Array(length * (1 + lowDigits) * packing);
  const half = 2 ** (digitBits - 1);
  const lowest = 32 - lowDigits * digitBits;
  // Half of the last bit for rounding; half of each digit's range, so that digits are signed.
  let offset = 2 ** (lowest - 1);
  for (let j = 1; j <= lowDigits; j++) offset += half * 2 ** (32 - digitBits * j);
  for (let i = 0; i < length; i++) {
    const to = i * (1 + lowDigits) * packing;
    for (let k = 0; k < packing; k++) {
      const at = 2 * (i * packing + k);
      const low = (fractions[at + 1] as number) + offset;
      body[to + k] = (fractions[at] as number) + Math.floor(low / 2 ** 32);
      for (let j = 1; j <= lowDigits; j++) {
        const digit = ((low >>> 0) >>> (32 - digitBits * j)) & (2 * half - 1);
        body[to + j * packing + k] = digit - half;
      }
    }
  }
  return body;
}

function shifted(head: Uint32Array, words: number): Uint32Array {
  const out = new Uint32Array(head.length);
  for (let i = 0; i < head.length; i++) {
    const next = (i + 1) % words === 0 ? 0 : (head[i + 1] as number);
    out[i] = ((head[i] as number) << KEY_DIGIT_BITS) | (next >>> (32 - KEY_DIGIT_BITS));
  }
  return out;
}
