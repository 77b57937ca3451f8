/** Arrays as NumPy writes them: NPY 1.0 to 3.0, little-endian numbers in C order. [NumPy enhancement proposal 1] */
import { DecodeError } from '../../../base/errors.ts';

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
const refuse = (reason: string): DecodeError => new DecodeError('an NPY file', reason);

const READERS: Readonly<
  Record<string, readonly [size: number, read: (view: DataView, at: number) => number]>
> = {
  '<f4': [4, (view, at) => view.getFloat32(at, true)],
  '<f8': [8, (view, at) => view.getFloat64(at, true)],
  '|u1': [1, (view, at) => view.getUint8(at)],
  '|i1': [1, (view, at) => view.getInt8(at)],
  '<i2': [2, (view, at) => view.getInt16(at, true)],
  '<i4': [4, (view, at) => view.getInt32(at, true)],
  '<i8': [8, (view, at) => Number(view.getBigInt64(at, true))],
};

export function isNpy(bytes: Uint8Array): boolean {
  return MAGIC.every((byte, i) => bytes[i] === byte);
}

/** All numbers in C order. @throws {DecodeError} */
export function readNpy(bytes: Uint8Array): Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!isNpy(bytes) || bytes.length < 12) throw refuse('it is cut short');
  const isLong = bytes[6]! >= 2;
  if (bytes[6]! > 3) throw refuse(`version ${bytes[6]} is unknown`);
  const length = isLong ? view.getUint32(8, true) : view.getUint16(8, true);
  const start = (isLong ? 12 : 10) + length;
  if (start > bytes.length) throw refuse('it is cut short');
  const header = new TextDecoder('latin1').decode(bytes.subarray(isLong ? 12 : 10, start));
  const type = /'descr':\s*'([^']*)'/.exec(header)?.[1] ?? '';
  const reader = READERS[type];
  if (reader === undefined)
    throw refuse(`its numbers are "${type}"; ${Object.keys(READERS).join(', ')} are read`);
  if (!/'fortran_order':\s*False/.test(header)) throw refuse('it is in Fortran order');
  const shape = /'shape':\s*\(([\d,\s]*)\)/.exec(header)?.[1];
  if (shape === undefined) throw refuse('it has no shape');
  const extents = shape.split(',').flatMap((text) => (text.trim() === '' ? [] : [Number(text)]));
  const count = extents.reduce((a, b) => a * b, 1);
  const [size, read] = reader;
  if (count * size !== bytes.length - start)
    throw refuse(`its shape (${shape.trim()}) is not that of its numbers`);
  const values = Float64Array.from({ length: count }, (_, i) => read(view, start + i * size));
  if (!values.every(Number.isFinite)) throw refuse('it has numbers that are not finite');
  return values;
}
