/**
 * Ciphertexts of the lattice scheme: c_0 / q and c_i / q as fractions, as precise as decryption needs; see {@link LatticePrecision}.
 *
 * A fraction of the body is t / 2^32 + sum over j of low_j / 2^(32 + b (j + 1)): t a signed word, low_j signed digits of b bits. Body on
 * the wire, little-endian: the words of the head; then for each entry its d words t, and for each j its d digits, of two bytes.
 */
import type { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { PANEL_COLUMNS } from '../../kernel/tables/integer-panels.ts';
import type { InnerProductCiphertext } from '../inner-product-scheme.ts';
import { FeKind } from '../object-header.ts';
import { LatticeObject } from './objects.ts';
import type { LatticeContext } from './context.ts';
import type { LatticeParams } from './params.ts';
import { KEY_DIGIT_BITS } from './precision.ts';

const WORD_BYTES = 4;
const DIGIT_BYTES = 2;
/** Of a word in memory. */
const HALF_BITS = 16;
const HALF_RANGE = 2 ** (HALF_BITS - 1);

/** Bytes of a ciphertext behind the header. */
export function ciphertextBodyBytes({ length, packing, dimension, precision }: LatticeParams): number {
  const entry = packing * (WORD_BYTES + DIGIT_BYTES * precision.lowDigits);
  return dimension * precision.headWords * WORD_BYTES + length * entry;
}

export class LatticeCiphertext extends LatticeObject implements InnerProductCiphertext {
  readonly kind = 'ciphertext';
  /** [rank, d] fractions of `headWords` words, most significant first. */
  readonly head: Uint32Array;
  /** [length, planes, d] in panels of the kernel: high and low half of t, both signed, the digits, zeros. */
  readonly body: Int16Array;
  protected readonly wire = FeKind.ciphertext;
  protected readonly what = 'a ciphertext';
  readonly #count: number;
  #shifted: Uint32Array | undefined;

  constructor(context: LatticeContext, count: number, head: Uint32Array, body: Int16Array) {
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
    const { params } = this.context;
    for (const word of this.head) writer.u32(word);
    const places = new BodyPlaces(params);
    for (let i = 0; i < params.length; i++) {
      for (let k = 0; k < params.packing; k++)
        writer.u32(((this.body[places.at(i, 0, k)]! << HALF_BITS) + this.body[places.at(i, 1, k)]!) >>> 0);
      for (let j = 0; j < params.precision.lowDigits; j++) {
        for (let k = 0; k < params.packing; k++) writer.u16(this.body[places.at(i, 2 + j, k)]! & 0xffff);
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
  const { lowDigits, digitBits, headWords, planes } = precision;
  reader.budget.charge(reader.what, WORD_BYTES * dimension * headWords + 2 * length * planes * packing);
  const head = new Uint32Array(dimension * headWords);
  for (let i = 0; i < head.length; i++) head[i] = reader.u32();
  const places = new BodyPlaces(context.params);
  const body = new Int16Array(places.size);
  const half = 2 ** (digitBits - 1);
  for (let i = 0; i < length; i++) {
    for (let k = 0; k < packing; k++) setHalves(body, places.at(i, 0, k), places.at(i, 1, k), reader.u32());
    for (let j = 0; j < lowDigits; j++) {
      for (let k = 0; k < packing; k++) {
        const value = (reader.u16() << 16) >> 16;
        if (value < -half || value >= half) throw reader.error('a digit is out of range');
        body[places.at(i, 2 + j, k)] = value;
      }
    }
  }
  return new LatticeCiphertext(context, count, head, body);
}

/** Where the entries of a body stand in its panels. */
class BodyPlaces {
  readonly size: number;
  readonly #length: number;
  readonly #packing: number;

  constructor({ length, packing, precision }: LatticeParams) {
    this.size = length * precision.planes * packing;
    this.#length = length;
    this.#packing = packing;
  }

  at(entry: number, plane: number, k: number): number {
    const column = plane * this.#packing + k;
    const inPanel = column % PANEL_COLUMNS;
    return (column - inPanel) * this.#length + entry * PANEL_COLUMNS + inPanel;
  }
}

/** Halves that are both signed and add up to the word. */
function setHalves(body: Int16Array, high: number, low: number, word: number): void {
  body[high] = (word + HALF_RANGE) >> HALF_BITS;
  body[low] = word;
}

/** The body from fractions of two words, `[length, d]`, rounded to the bits that are kept. */
export function roundedBody(fractions: Uint32Array, params: LatticeParams): Int16Array {
  const { length, packing, precision } = params;
  const { lowDigits, digitBits } = precision;
  const places = new BodyPlaces(params);
  const body = new Int16Array(places.size);
  const half = 2 ** (digitBits - 1);
  const lowest = 32 - lowDigits * digitBits;
  // Half of the last bit for rounding; half of each digit's range, so that digits are signed.
  let offset = 2 ** (lowest - 1);
  for (let j = 1; j <= lowDigits; j++) offset += half * 2 ** (32 - digitBits * j);
  const run = Math.min(packing, PANEL_COLUMNS);
  for (let first = 0; first < length * packing; first += run) {
    const [entry, k] = [Math.floor(first / packing), first % packing];
    const [high, middle] = [places.at(entry, 0, k), places.at(entry, 1, k)];
    for (let i = 0; i < run; i++) {
      const at = 2 * (first + i);
      const word = (fractions[at] as number) + ((fractions[at + 1] as number) + offset >= 2 ** 32 ? 1 : 0);
      setHalves(body, high + i, middle + i, word);
    }
    for (let j = 1; j <= lowDigits; j++) {
      const [to, shift] = [places.at(entry, 1 + j, k), 32 - digitBits * j];
      for (let i = 0; i < run; i++) {
        const low = ((fractions[2 * (first + i) + 1] as number) + offset) >>> shift;
        body[to + i] = (low & (2 * half - 1)) - half;
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
