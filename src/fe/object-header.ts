/**
 * The frame around every serialised object of functional encryption, and the checks on inputs that all schemes share.
 *
 * Header, 44 bytes: magic 'SRFE', version u8, kind u8, zero u16, count u32, scheme id (32 bytes). The length of the body follows
 * from the scheme and the count, so that a parser knows it before it allocates.
 */
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { ByteReader, ByteWriter } from '../base/bytes.ts';
import {
  DecodeError,
  InvalidParamsError,
  OutOfRangeError,
  ParamsMismatchError,
  ShapeError,
} from '../base/errors.ts';
import { indexBeyond } from '../base/integer-bound.ts';
import { readObjectStart, writeObjectStart } from '../base/object-start.ts';
import { sha256Digest } from '../base/sha256.ts';
import type { InnerProductSpec } from './inner-product-scheme.ts';

export const FE_HEADER_BYTES = 44;
/** 'SRFE' */
const FAMILY = { magic: 0x45465253, version: 1 } as const;

/** One number per wire type; never reused. */
export const FeKind = Object.freeze({
  masterPublicKey: 1,
  masterSecretKey: 2,
  ciphertext: 3,
  functionKeys: 4,
  basicPublicKey: 5,
  basicSecretKey: 6,
  basicCiphertext: 7,
  basicCommitments: 8,
  basicKeys: 9,
});
export type FeKind = (typeof FeKind)[keyof typeof FeKind];

/** SHA-256 over the parts of a parameter set, in hex. */
export function schemeIdOf(...parts: readonly (string | number)[]): string {
  return bytesToHex(sha256Digest(utf8ToBytes(`subrosa functional encryption v1|${parts.join('|')}`)));
}

/** Starts a message of exactly `bodyBytes` after the header. */
export function writeFeHeader(kind: FeKind, schemeId: string, count: number, bodyBytes: number): ByteWriter {
  const writer = new ByteWriter(FE_HEADER_BYTES + bodyBytes);
  writeObjectStart(writer, FAMILY, kind);
  writer.u32(count);
  writer.bytes(hexToBytes(schemeId));
  return writer;
}

/**
 * Opens a message; `bodyBytes` says what `count` implies, `maxCount` bounds it. The reader stands at the body.
 * @throws {DecodeError} {@link ParamsMismatchError}
 */
export function readFeHeader(
  what: string,
  bytes: Uint8Array,
  kind: FeKind,
  schemeId: string,
  maxCount: number,
  bodyBytes: (count: number) => number,
): { reader: ByteReader; count: number } {
  const reader = new ByteReader(what, bytes);
  readObjectStart(reader, FAMILY, kind);
  const count = reader.u32();
  const got = bytesToHex(reader.bytes(32));
  if (got !== schemeId) throw new ParamsMismatchError(what, schemeId, got);
  if (count < 1 || count > maxCount) throw new DecodeError(what, 'a count is out of range');
  if (reader.remaining !== bodyBytes(count)) throw new DecodeError(what, 'the length does not fit the count');
  return { reader, count };
}

/** `object` as one of `type`, made by the scheme `schemeId`. @throws {ParamsMismatchError} for an object of another scheme. */
export function ownObject<T>(
  object: { readonly schemeId: string },
  type: abstract new (...args: never[]) => T,
  schemeId: string,
  what: string,
): T {
  if (!(object instanceof type) || object.schemeId !== schemeId) {
    throw new ParamsMismatchError(what, schemeId, object.schemeId);
  }
  return object;
}

/** @throws {InvalidParamsError} unless length and bounds are positive integers with a product below 2^40. */
export function checkInnerProductSpec({ length, inputBound, weightBound }: InnerProductSpec): void {
  for (const value of [length, inputBound, weightBound]) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new InvalidParamsError(`length and bounds must be positive integers but one is ${value}`, {});
    }
  }
  if (length > 2 ** 16 || inputBound > 2 ** 20 || length * inputBound * weightBound >= 2 ** 40) {
    throw new InvalidParamsError(
      `length ${length}, inputs up to ${inputBound} and weights up to ${weightBound} give results of 2^40 or more`,
      { length, inputBound, weightBound },
    );
  }
}

/** Rows of a matrix with `columns` columns. @throws {ShapeError} */
export function rowsOf(what: string, values: Int32Array, columns: number): number {
  const rows = values.length / columns;
  if (!Number.isInteger(rows) || rows < 1) {
    throw new ShapeError(what, `a positive multiple of ${columns} numbers`, `${values.length} numbers`);
  }
  return rows;
}

/** `out`, or where there is none a new array. @throws {ShapeError} when it has another size. */
export function resultArray(out: Float64Array | undefined, size: number): Float64Array {
  if (out === undefined) return new Float64Array(size);
  if (out.length !== size) throw new ShapeError('the array of results', size, out.length);
  return out;
}

/** @throws {OutOfRangeError} that names the first index whose value is over `bound`; the value itself stays untold. */
export function checkBound(what: string, values: Int32Array, bound: number): void {
  const index = indexBeyond(values, bound);
  if (index < 0) return;
  throw new OutOfRangeError(`${what} at index ${index}`, `at most ${bound} in absolute value`, 'larger');
}

/** A decrypted value that no legal input and key could give. */
export function resultOutOfRange(bound: number): OutOfRangeError {
  return new OutOfRangeError('an inner product', `at most ${bound} in absolute value`, 'out of range');
}
