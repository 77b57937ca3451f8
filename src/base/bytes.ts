/**
 * Bounded readers and writers of bytes, little-endian. A reader never looks past its end and never believes a count:
 * whoever allocates because of what was read charges a budget first, shared by nested objects.
 */
import { DecodeError } from './errors.ts';

/** How many bytes of memory the parsing of one message may claim, all nested objects together. */
export class ReadBudget {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** @throws {DecodeError} when `bytes` is not a safe non-negative integer or exceeds what is left. */
  charge(what: string, bytes: number): void {
    if (!Number.isSafeInteger(bytes) || bytes < 0 || bytes > this.#left) {
      throw new DecodeError(what, 'needs more memory than its limit allows');
    }
    this.#left -= bytes;
  }
}

/** Reads from a borrowed array. Every method throws {@link DecodeError} when the bytes end too early. */
export class ByteReader {
  readonly what: string;
  readonly budget: ReadBudget;
  #bytes: Uint8Array;
  #view: DataView;
  #at = 0;

  /** Without a `budget` the message gets its own: eight times its size and one MiB. */
  constructor(what: string, bytes: Uint8Array, budget = new ReadBudget(8 * bytes.length + 2 ** 20)) {
    this.what = what;
    this.budget = budget;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  /** Eight bytes as a number; values from 2^53 on are rejected. */
  u64(): number {
    const value = this.#view.getBigUint64(this.#advance(8), true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.error('a length is out of range');
    return Number(value);
  }

  f64(): number {
    return this.#view.getFloat64(this.#advance(8), true);
  }

  /** A borrowed view of the next `length` bytes. */
  bytes(length: number): Uint8Array {
    const at = this.#advance(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** @throws {DecodeError} when bytes are left over. */
  end(): void {
    if (this.remaining !== 0) throw this.error('trailing bytes');
  }

  error(reason: string): DecodeError {
    return new DecodeError(this.what, reason);
  }

  #advance(length: number): number {
    if (!Number.isSafeInteger(length) || length < 0 || length > this.remaining) throw this.error('truncated');
    const at = this.#at;
    this.#at += length;
    return at;
  }
}

/** Writes a message whose exact length is known beforehand. */
export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #at = 0;

  constructor(length: number) {
    this.#bytes = new Uint8Array(length);
    this.#view = new DataView(this.#bytes.buffer);
  }

  u8(value: number): void {
    this.#view.setUint8(this.#advance(1), value);
  }

  u16(value: number): void {
    this.#view.setUint16(this.#advance(2), value, true);
  }

  u32(value: number): void {
    this.#view.setUint32(this.#advance(4), value, true);
  }

  u64(value: number): void {
    this.#view.setBigUint64(this.#advance(8), BigInt(value), true);
  }

  f64(value: number): void {
    this.#view.setFloat64(this.#advance(8), value, true);
  }

  bytes(value: Uint8Array): void {
    this.#bytes.set(value, this.#advance(value.length));
  }

  /** The next `length` bytes, for the caller to fill. */
  reserve(length: number): Uint8Array {
    const at = this.#advance(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** The message. A writer that was not filled exactly is a mistake in the package. */
  finish(): Uint8Array<ArrayBuffer> {
    if (this.#at !== this.#bytes.length) throw new Error('a message was shorter than announced');
    return this.#bytes;
  }

  #advance(length: number): number {
    const at = this.#at;
    if (length > this.#bytes.length - at) throw new Error('a message was longer than announced');
    this.#at += length;
    return at;
  }
}
