/** Arrays of NumPy: NPY 1.0 to 3.0, and NPZ archives of them, stored or deflated. */
import { filled } from '../../base/filled.ts';
import { inflateRawSync } from 'node:zlib';
import { DecodeError, LimitError } from '../../base/errors.ts';

/** Numbers of one array. */
const MAX_NUMBERS = 2 ** 28;
const MAX_ARCHIVE_ENTRIES = 64;
const MAX_HEADER_BYTES = 2 ** 16;
const MAX_AXES = 8;

/** Row-major. Bytes stay bytes, so that pictures can be told from measurements. */
export interface NumberArray {
  readonly shape: readonly number[];
  readonly data: Float32Array | Uint8Array;
}

const refuse = (reason: string): DecodeError => new DecodeError('an NPY array', reason);

export function isNpy(bytes: Uint8Array): boolean {
  return bytes[0] === 0x93 && String.fromCharCode(...bytes.subarray(1, 6)) === 'NUMPY';
}

export function isZip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3 && bytes[3] === 4;
}

type Read = (view: DataView, at: number) => number;

/** Little-endian numbers by NumPy's names; 64-bit integers beyond 2^53 are rounded. */
const NUMBERS: Readonly<Record<string, readonly [width: number, read: Read]>> = {
  '<f4': [4, (view, at) => view.getFloat32(at, true)],
  '<f8': [8, (view, at) => view.getFloat64(at, true)],
  '|i1': [1, (view, at) => view.getInt8(at)],
  '<i2': [2, (view, at) => view.getInt16(at, true)],
  '<i4': [4, (view, at) => view.getInt32(at, true)],
  '<i8': [8, (view, at) => Number(view.getBigInt64(at, true))],
  '<u2': [2, (view, at) => view.getUint16(at, true)],
  '<u4': [4, (view, at) => view.getUint32(at, true)],
  '<u8': [8, (view, at) => Number(view.getBigUint64(at, true))],
};

/**
 * float32, float64, integers of 8 to 64 bits, in C order and little-endian.
 * @throws {DecodeError} unless the bytes are exactly one such array. @throws {LimitError} above 2^28 numbers.
 */
export function readNpy(bytes: Uint8Array): NumberArray {
  if (!isNpy(bytes) || bytes.length < 12) throw refuse('it does not start like one');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const version = bytes[6]!;
  if (version < 1 || version > 3) throw refuse(`version ${version}; 1 to 3 are understood`);
  const [headerAt, headerBytes] =
    version === 1 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)];
  if (headerBytes > MAX_HEADER_BYTES || headerAt + headerBytes > bytes.length)
    throw refuse('its header is cut short');
  const header = new TextDecoder().decode(bytes.subarray(headerAt, headerAt + headerBytes));
  const type = /'descr'\s*:\s*'([^']{1,8})'/.exec(header)?.[1];
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(header)?.[1];
  const extents = /'shape'\s*:\s*\(([\d\s,]{0,200})\)/.exec(header)?.[1];
  if (type === undefined || order === undefined || extents === undefined)
    throw refuse('its header lacks type, order or shape');
  if (order === 'True') throw refuse('Fortran order; save it with numpy.ascontiguousarray');
  const shape = extents
    .split(',')
    .filter((text) => text.trim() !== '')
    .map(Number);
  if (shape.length > MAX_AXES || !shape.every(Number.isSafeInteger))
    throw refuse(`its shape is (${extents})`);
  const size = shape.reduce((product, extent) => product * extent, 1);
  if (!(size <= MAX_NUMBERS)) throw new LimitError('the numbers of an NPY array', MAX_NUMBERS, size);
  const data = bytes.subarray(headerAt + headerBytes);
  const requireBytes = (needed: number): void => {
    if (data.length !== needed)
      throw refuse(`${data.length} bytes of numbers, its shape and type say ${needed}`);
  };
  if (type === '|u1' || type === '|b1') {
    requireBytes(size);
    return { shape, data: data.slice() };
  }
  const [width, read] = NUMBERS[type] ?? [];
  if (width === undefined || read === undefined) throw refuse(`numbers of type ${type}`);
  requireBytes(width * size);
  const numbers = new DataView(data.buffer, data.byteOffset, data.length);
  return { shape, data: filled(new Float32Array(size), (i) => read(numbers, i * width)) };
}

/**
 * The arrays of an archive by name, without `.npy`.
 * @throws {DecodeError} for a damaged archive, or one that unpacks to more than its directory says.
 */
export function readNpz(bytes: Uint8Array): ReadonlyMap<string, NumberArray> {
  const archive = (reason: string): DecodeError => new DecodeError('an NPZ archive', reason);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = findEnd(view);
  if (end === undefined) throw archive('it has no directory');
  const count = view.getUint16(end + 10, true);
  if (count > MAX_ARCHIVE_ENTRIES)
    throw new LimitError('the arrays of an NPZ archive', MAX_ARCHIVE_ENTRIES, count);
  const arrays = new Map<string, NumberArray>();
  let at = view.getUint32(end + 16, true);
  for (let i = 0; i < count; i++) {
    if (at + 46 > end || view.getUint32(at, true) !== 0x02014b50) throw archive('its directory is damaged');
    const [method, packed, size] = [
      view.getUint16(at + 10, true),
      view.getUint32(at + 20, true),
      view.getUint32(at + 24, true),
    ];
    const [nameBytes, extra, comment] = [28, 30, 32].map((field) => view.getUint16(at + field, true)) as [
      number,
      number,
      number,
    ];
    const local = view.getUint32(at + 42, true);
    const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameBytes)).replace(/\.npy$/, '');
    at += 46 + nameBytes + extra + comment;
    if (size > 8 * MAX_NUMBERS) throw new LimitError(`the bytes of ${name}`, 8 * MAX_NUMBERS, size);
    if (local + 30 > end || view.getUint32(local, true) !== 0x04034b50)
      throw archive(`${name} is not where it should be`);
    const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    if (start + packed > end) throw archive(`${name} is cut short`);
    arrays.set(name, readNpy(unpacked(bytes.subarray(start, start + packed), method, size, name)));
  }
  return arrays;
}

/** The record that ends a ZIP file; a comment may follow it. */
function findEnd(view: DataView): number | undefined {
  for (let at = view.byteLength - 22; at >= Math.max(0, view.byteLength - 22 - 0xffff); at--)
    if (view.getUint32(at, true) === 0x06054b50) return at;
  return undefined;
}

function unpacked(data: Uint8Array, method: number, size: number, name: string): Uint8Array {
  const what = `${name} of an NPZ archive`;
  if (method === 0) return data;
  if (method !== 8) throw new DecodeError(what, `compression ${method}; stored and deflated are understood`);
  try {
    const whole = inflateRawSync(data, { maxOutputLength: Math.max(1, size) });
    if (whole.length === size) return new Uint8Array(whole);
  } catch {
    // Said below: damaged, or more than its directory says.
  }
  throw new DecodeError(what, 'it is damaged, or larger than its directory says');
}
