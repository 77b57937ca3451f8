/** Constants of ONNX files: initialisers, attributes and what is folded from them. */
import { DecodeError, LimitError } from '../../base/errors.ts';
import { sizeOf } from '../tensor/tensor.ts';
import { DATA_TYPE } from './onnx-schema.ts';
import type { DataTypeName, OnnxEntry, OnnxSparseTensor, OnnxTensor } from './onnx-schema.ts';
import { numbersOf } from './wire-format.ts';

/** Row-major numbers; float32 weights stay float32, everything else is double precision. Integers are exact up to 2^53. */
export interface ConstantTensor {
  readonly type: DataTypeName;
  /** Empty for a single number. */
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array;
  /** Of a text tensor, whose `data` are indices into it. */
  readonly texts?: readonly string[];
  /** Of dequantised weights: value = integer * step of its index along `axis` (or the only step). */
  readonly quantised?: { readonly integers: Int32Array; readonly steps: Float64Array; readonly axis: number };
}

const NAMES = new Map<number, DataTypeName>(
  Object.entries(DATA_TYPE).map(([name, number]) => [number, name as DataTypeName]),
);
const MAX_AXES = 16;
const MAX_ELEMENTS = 2 ** 28;

/** The name of a data type number. @throws {DecodeError} for one that is not read here. */
export function dataTypeName(number: number | undefined, what: string): DataTypeName {
  const name = NAMES.get(number ?? 0);
  if (name === undefined) throw new DecodeError(what, `data type ${number ?? 0} is not supported`);
  return name;
}

export function isIntegerType(type: DataTypeName): boolean {
  return !type.includes('float') && type !== 'string';
}

/** A constant of one number per element. */
export function constant(
  type: DataTypeName,
  shape: readonly number[],
  data: Iterable<number>,
): ConstantTensor {
  return { type, shape, data: type === 'float32' ? Float32Array.from(data) : Float64Array.from(data) };
}

/** Reads the file that holds the data of a tensor; given only when the user allows such files. */
export type ExternalData = (location: string, offset: number, length: number | undefined) => Uint8Array;

/**
 * The tensor, its numbers copied out of the file.
 * @throws {DecodeError} naming the tensor when its extents or number of elements are wrong. @throws {LimitError}
 */
export function readTensor(tensor: OnnxTensor, owner: string, external?: ExternalData): ConstantTensor {
  const what = `tensor ${tensor.name ? `"${tensor.name}"` : `of ${owner}`}`;
  const type = dataTypeName(tensor.dataType, what);
  const shape = readExtents(tensor.dims, what);
  const size = sizeOf(shape);
  if (tensor.dataLocation === 1) {
    if (external === undefined)
      throw new DecodeError(
        what,
        'its data is in another file; name the folder that may be read (--external-data DIR)',
      );
    return {
      type,
      shape,
      data: rawNumbers(externalBytes(tensor.externalData ?? [], external, what), type, size, what),
    };
  }
  if (type === 'string') return readTexts(tensor, shape, size, what);
  const { rawData } = tensor;
  if (rawData !== undefined) return { type, shape, data: rawNumbers(rawData, type, size, what) };
  const field =
    {
      float32: tensor.floatData,
      float64: tensor.doubleData,
      int64: tensor.int64Data,
      uint64: tensor.uint64Data,
      uint32: tensor.uint64Data,
    }[type as 'float32'] ?? tensor.int32Data;
  const numbers = numbersOf(field, `the elements of ${what}`, size);
  if (numbers.length !== size)
    throw new DecodeError(what, `${numbers.length} elements, its extents say ${size}`);
  if (type === 'float32') return { type, shape, data: Float32Array.from(numbers) };
  if (type === 'float16') return { type, shape, data: numbers.map(halfValue) };
  if (type === 'bfloat16') return { type, shape, data: numbers.map(bfloatValue) };
  if (type === 'uint64')
    return { type, shape, data: numbers.map((value) => (value < 0 ? value + 2 ** 64 : value)) };
  return { type, shape, data: numbers };
}

function readExtents(dims: OnnxTensor['dims'], what: string): number[] {
  const shape = [...numbersOf(dims, `the axes of ${what}`, MAX_AXES)];
  for (const extent of shape)
    if (!(Number.isSafeInteger(extent) && extent >= 0)) throw new DecodeError(what, `an extent of ${extent}`);
  if (!(sizeOf(shape) <= MAX_ELEMENTS))
    throw new LimitError(`the elements of ${what}`, MAX_ELEMENTS, sizeOf(shape));
  return shape;
}

function readTexts(tensor: OnnxTensor, shape: readonly number[], size: number, what: string): ConstantTensor {
  const texts = (tensor.stringData ?? []).map((bytes) => new TextDecoder().decode(bytes));
  if (texts.length !== size) throw new DecodeError(what, `${texts.length} elements, its extents say ${size}`);
  return { type: 'string', shape, data: Float64Array.from(texts, (_, i) => i), texts };
}

function externalBytes(entries: readonly OnnxEntry[], external: ExternalData, what: string): Uint8Array {
  const found = new Map(entries.map(({ key, value }) => [key ?? '', value ?? '']));
  const number = (key: string): number | undefined => {
    const value = found.get(key);
    if (value === undefined) return undefined;
    if (!/^\d{1,15}$/.test(value)) throw new DecodeError(what, `the ${key} of its data is ${value}`);
    return Number(value);
  };
  return external(found.get('location') ?? '', number('offset') ?? 0, number('length'));
}

const BYTES: Readonly<Partial<Record<DataTypeName, number>>> = {
  uint8: 1,
  int8: 1,
  bool: 1,
  uint16: 2,
  int16: 2,
  float16: 2,
  bfloat16: 2,
  float32: 4,
  int32: 4,
  uint32: 4,
  float64: 8,
  int64: 8,
  uint64: 8,
};

/** Little-endian elements. */
function rawNumbers(
  bytes: Uint8Array,
  type: DataTypeName,
  size: number,
  what: string,
): Float32Array | Float64Array {
  const width = BYTES[type]!;
  if (bytes.length !== width * size)
    throw new DecodeError(what, `${bytes.length} bytes, its extents and type say ${width * size}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const numbers = type === 'float32' ? new Float32Array(size) : new Float64Array(size);
  const read = ELEMENT_READERS[type]!;
  for (let i = 0; i < size; i++) numbers[i] = read(view, i * width);
  return numbers;
}

const ELEMENT_READERS: Readonly<Partial<Record<DataTypeName, (view: DataView, at: number) => number>>> = {
  uint8: (view, at) => view.getUint8(at),
  int8: (view, at) => view.getInt8(at),
  bool: (view, at) => (view.getUint8(at) === 0 ? 0 : 1),
  uint16: (view, at) => view.getUint16(at, true),
  int16: (view, at) => view.getInt16(at, true),
  float16: (view, at) => halfValue(view.getUint16(at, true)),
  bfloat16: (view, at) => bfloatValue(view.getUint16(at, true)),
  float32: (view, at) => view.getFloat32(at, true),
  int32: (view, at) => view.getInt32(at, true),
  uint32: (view, at) => view.getUint32(at, true),
  float64: (view, at) => view.getFloat64(at, true),
  int64: (view, at) => view.getInt32(at + 4, true) * 2 ** 32 + view.getUint32(at, true),
  uint64: (view, at) => view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true),
};

/** IEEE half precision from its 16 bits. */
function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The upper half of a single-precision number. */
function bfloatValue(bits: number): number {
  return new Float32Array(Uint32Array.of((bits & 0xffff) << 16).buffer)[0];
}

/** A sparse initialiser written out: indices are flat, or one row of coordinates each. @throws {DecodeError} {@link LimitError} */
export function readSparseTensor(
  sparse: OnnxSparseTensor,
  external?: ExternalData,
): ConstantTensor & { name: string } {
  const name = sparse.values?.name ?? '';
  const what = `sparse tensor "${name}"`;
  if (sparse.values === undefined || sparse.indices === undefined)
    throw new DecodeError(what, 'it lacks values or indices');
  const shape = readExtents(sparse.dims, what);
  const values = readTensor(sparse.values, what, external);
  const indices = readTensor(sparse.indices, what, external);
  const isFlat = indices.shape.length === 1;
  if (indices.data.length !== values.data.length * (isFlat ? 1 : shape.length))
    throw new DecodeError(what, 'the number of indices is not that of the values');
  const data = new Float64Array(sizeOf(shape));
  values.data.forEach((value, i) => {
    let at = 0;
    if (isFlat) at = indices.data[i];
    else shape.forEach((extent, axis) => (at = at * extent + indices.data[i * shape.length + axis]));
    if (!(Number.isInteger(at) && at >= 0 && at < data.length)) throw new DecodeError(what, `index ${at}`);
    data[at] = value;
  });
  return { name, type: values.type, shape, data: values.type === 'float32' ? Float32Array.from(data) : data };
}
