/**
 * The byte format of networks and checkpoints: a magic word, a version, little-endian fields with lengths in front, a
 * CRC-32 at the end. Readers check every length against what is left before they allocate.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { ByteReader } from '../../base/bytes.ts';
import type { DecodeError } from '../../base/errors.ts';
import { LimitError } from '../../base/errors.ts';

/** No network file of this package is larger. */
export const LARGEST_MODEL_BYTES = 2 ** 28;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let word = byte;
  for (let bit = 0; bit < 8; bit++) word = word & 1 ? (word >>> 1) ^ 0xedb88320 : word >>> 1;
  return word;
});

/** CRC-32 (ISO 3309): finds accidents, not attacks. */
export function crc32(bytes: Uint8Array): number {
  arg.checkArguments('crc32', [bytes], { bytes: arg.bytes });
  let word = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) word = CRC_TABLE[(word ^ bytes[i]) & 0xff] ^ (word >>> 8);
  return ~word >>> 0;
}

export class ModelWriter {
  #bytes = new Uint8Array(4096);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  constructor(magic: string, version: number) {
    arg.checkArguments('new ModelWriter', [magic, version], { magic: arg.text, version: arg.number });
    this.raw(new TextEncoder().encode(magic));
    this.u32(version);
  }

  #reserve(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > LARGEST_MODEL_BYTES) throw new LimitError('a network file', LARGEST_MODEL_BYTES, needed);
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = needed;
    return at;
  }

  raw(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length);
    this.#bytes.set(bytes, at);
  }

  u32(value: number): void {
    const at = this.#reserve(4);
    this.#view.setUint32(at, value, true);
  }

  f64(value: number): void {
    const at = this.#reserve(8);
    this.#view.setFloat64(at, value, true);
  }

  text(value: string): void {
    const bytes = new TextEncoder().encode(value);
    this.u32(bytes.length);
    this.raw(bytes);
  }

  floats(values: Float32Array): void {
    this.u32(values.length);
    const at = this.#reserve(4 * values.length);
    for (let i = 0; i < values.length; i++) this.#view.setFloat32(at + 4 * i, values[i], true);
  }

  doubles(values: ArrayLike<number>): void {
    this.u32(values.length);
    const at = this.#reserve(8 * values.length);
    for (let i = 0; i < values.length; i++) this.#view.setFloat64(at + 8 * i, values[i], true);
  }

  words(values: Uint32Array): void {
    this.u32(values.length);
    const at = this.#reserve(4 * values.length);
    for (let i = 0; i < values.length; i++) this.#view.setUint32(at + 4 * i, values[i], true);
  }

  /** Two's complement integers of `bits` bits each, least significant bit first, padded to a byte. */
  packed(values: Int32Array, bits: number): void {
    this.u32(values.length);
    const at = this.#reserve(Math.ceil((values.length * bits) / 8));
    let pending = 0;
    let held = 0;
    let cursor = at;
    const mask = 2 ** bits - 1;
    for (let i = 0; i < values.length; i++) {
      pending |= (values[i] & mask) << held;
      held += bits;
      while (held >= 8) {
        this.#bytes[cursor++] = pending & 0xff;
        pending >>>= 8;
        held -= 8;
      }
    }
    if (held > 0) this.#bytes[cursor] = pending & 0xff;
  }

  finish(): Uint8Array {
    this.u32(crc32(this.#bytes.subarray(0, this.#length)));
    return this.#bytes.slice(0, this.#length);
  }
}

export class ModelReader {
  readonly version: number;
  readonly #reader: ByteReader;

  /** @throws {DecodeError} on a wrong magic word, an unknown version, a wrong checksum or an absurd size. */
  constructor(what: string, bytes: Uint8Array, magic: string, newestVersion: number) {
    arg.checkArguments('new ModelReader', [what, bytes, magic, newestVersion], {
      what: arg.text,
      bytes: arg.bytes,
      magic: arg.text,
      newestVersion: arg.number,
    });
    const end = bytes.length - 4;
    this.#reader = new ByteReader(what, bytes.subarray(0, Math.max(0, end)));
    if (bytes.length > LARGEST_MODEL_BYTES) throw this.error(`${bytes.length} bytes are over the limit`);
    if (bytes.length < magic.length + 8) throw this.error(`${bytes.length} bytes are too few`);
    const start = this.#reader.bytes(magic.length);
    for (let i = 0; i < magic.length; i++) {
      if (start[i] !== magic.charCodeAt(i)) throw this.error(`it does not start with ${magic}`);
    }
    this.version = this.u32();
    if (this.version < 1 || this.version > newestVersion) {
      throw this.error(`version ${this.version} is unknown, this program reads 1 to ${newestVersion}`);
    }
    const checksum = new DataView(bytes.buffer, bytes.byteOffset + end, 4).getUint32(0, true);
    if (crc32(bytes.subarray(0, end)) !== checksum) throw this.error('the checksum is wrong');
  }

  error(reason: string): DecodeError {
    return this.#reader.error(reason);
  }

  u32(): number {
    return this.#reader.u32();
  }

  /** A u32 of at most `most`. */
  count(name: string, most: number): number {
    const value = this.u32();
    if (value > most) throw this.error(`${name} is ${value}, at most ${most} is allowed`);
    return value;
  }

  /** A finite double. */
  f64(name: string): number {
    const value = this.#reader.f64();
    if (!Number.isFinite(value)) throw this.error(`${name} is not finite`);
    return value;
  }

  /** A borrowed run of bytes with its length in front. */
  bytes(): Uint8Array {
    return this.#reader.bytes(this.u32());
  }

  text(): string {
    const bytes = this.bytes();
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch {
      throw this.error('a text is not UTF-8');
    }
  }

  /** The next values as `size`-byte fields; they were announced by their number, which must be `length`. */
  #fields(name: string, length: number, size: number): DataView {
    const announced = this.u32();
    if (announced !== length) throw this.error(`${name} must have ${length} values but has ${announced}`);
    const bytes = this.#reader.bytes(Math.ceil(length * size));
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  floats(name: string, length: number): Float32Array {
    const fields = this.#fields(name, length, 4);
    const out = new Float32Array(length);
    for (let i = 0; i < length; i++) out[i] = fields.getFloat32(4 * i, true);
    if (!out.every(Number.isFinite)) throw this.error(`${name} holds a value that is not finite`);
    return out;
  }

  doubles(name: string, length: number, finite = true): Float64Array {
    const fields = this.#fields(name, length, 8);
    const out = new Float64Array(length);
    for (let i = 0; i < length; i++) out[i] = fields.getFloat64(8 * i, true);
    if (finite && !out.every(Number.isFinite)) throw this.error(`${name} holds a value that is not finite`);
    return out;
  }

  /** Finite doubles, as many as announced but at most `most`. */
  announcedDoubles(name: string, most: number): Float64Array {
    const length = this.count(`the number of ${name}`, most);
    const bytes = this.#reader.bytes(8 * length);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const out = Float64Array.from({ length }, (_, i) => view.getFloat64(8 * i, true));
    if (!out.every(Number.isFinite)) throw this.error(`${name} holds a value that is not finite`);
    return out;
  }

  words(name: string, length: number): Uint32Array {
    const fields = this.#fields(name, length, 4);
    const out = new Uint32Array(length);
    for (let i = 0; i < length; i++) out[i] = fields.getUint32(4 * i, true);
    return out;
  }

  packed(name: string, length: number, bits: number): Int32Array {
    const fields = this.#fields(name, length, bits / 8);
    const out = new Int32Array(length);
    let pending = 0;
    let held = 0;
    let cursor = 0;
    for (let i = 0; i < length; i++) {
      while (held < bits) {
        pending |= fields.getUint8(cursor++) << held;
        held += 8;
      }
      out[i] = (pending << (32 - bits)) >> (32 - bits);
      pending >>>= bits;
      held -= bits;
    }
    return out;
  }

  /** @throws {DecodeError} when bytes are left over. */
  finish(): void {
    this.#reader.end();
  }
}

printOnOneLine(ModelWriter, ModelReader);
arg.guard('ModelWriter', ModelWriter.prototype, {
  raw: { bytes: arg.bytes },
  u32: { value: arg.number },
  f64: { value: arg.number },
  text: { value: arg.text },
  floats: { values: arg.typed('a Float32Array', Float32Array) },
  doubles: { values: arg.numbers },
  words: { values: arg.typed('a Uint32Array', Uint32Array) },
  packed: { values: arg.typed('an Int32Array', Int32Array), bits: arg.number },
});
arg.guard('ModelReader', ModelReader.prototype, {
  error: { reason: arg.text },
  count: { name: arg.text, most: arg.number },
  f64: { name: arg.text },
  floats: { name: arg.text, length: arg.number },
  doubles: { name: arg.text, length: arg.number, finite: arg.optional(arg.flag) },
  announcedDoubles: { name: arg.text, most: arg.number },
  words: { name: arg.text, length: arg.number },
  packed: { name: arg.text, length: arg.number, bits: arg.number },
});
