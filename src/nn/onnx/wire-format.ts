/**
 * The protobuf wire format of ONNX files: a scanner that builds nothing and enforces limits, a reader, and a writer. Hand-written
 * over the table of onnx-schema.ts: the scanner needs that table anyway, and what it has passed the reader can build safely.
 */
import { DecodeError, LimitError } from '../../base/errors.ts';
import { ONNX_SCHEMA } from './onnx-schema.ts';
import type { FieldSchema, MessageName, NumberList, OnnxModel } from './onnx-schema.ts';

/** What a file may hold; checked before anything is built from it. */
export interface OnnxLimits {
  /** Of the file; 256 MiB by default. */
  readonly bytes?: number;
  /** Fields of all messages together; 2^18 by default. A packed run of numbers is one field. */
  readonly fields?: number;
  /** Messages inside messages; 32 by default (an `If` inside an `If` adds three). */
  readonly depth?: number;
  /** Bytes of one name or text; 1 MiB by default. */
  readonly stringBytes?: number;
}

export const DEFAULT_ONNX_LIMITS: Required<OnnxLimits> = {
  bytes: 2 ** 28,
  fields: 2 ** 18,
  depth: 32,
  stringBytes: 2 ** 20,
};

const refuse = (reason: string): DecodeError => new DecodeError('an ONNX file', reason);

const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const FIXED32 = 5;

/** A place in the file; every read stays below `end`. */
class WireCursor {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  /** The low and high half of a 64-bit varint. */
  varint(): readonly [low: number, high: number] {
    let [low, high] = [0, 0];
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.at >= this.end) throw refuse('it ends inside a number');
      const byte = this.bytes[this.at++];
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high |= bits >> 4;
      } else if (shift < 63) high |= bits << (shift - 32);
      else if (bits > 1) throw refuse('a number of more than 64 bits');
      else high |= bits << 31;
      if (byte < 0x80) return [low >>> 0, high | 0];
    }
    throw refuse('a number of more than ten bytes');
  }

  /** A length or tag: below 2^32. */
  count(): number {
    const [low, high] = this.varint();
    if (high !== 0) throw refuse('a length beyond the end');
    return low;
  }

  /** The start of `length` bytes, which are passed over. */
  skip(length: number): number {
    const start = this.at;
    if (length > this.end - start) throw refuse('a length beyond the end of its message');
    this.at = start + length;
    return start;
  }
}

/** A signed 64-bit integer as a number: exact up to 2^53, beyond that the nearest double. */
function signed64([low, high]: readonly [number, number]): number {
  return high * 2 ** 32 + low;
}

/** Field number and wire type. */
function readTag(cursor: WireCursor): readonly [field: number, wireType: number] {
  const tag = cursor.count();
  const wireType = tag & 7;
  if (tag >>> 3 === 0) throw refuse('a field of number 0');
  if (wireType === 3 || wireType === 4) throw refuse('a group, which ONNX does not use');
  if (wireType > 5) throw refuse(`wire type ${wireType}`);
  return [tag >>> 3, wireType];
}

function skipValue(cursor: WireCursor, wireType: number): void {
  if (wireType === VARINT) cursor.varint();
  else if (wireType === FIXED64) cursor.skip(8);
  else if (wireType === FIXED32) cursor.skip(4);
  else cursor.skip(cursor.count());
}

const OWN_WIRE_TYPE = {
  int: VARINT,
  float: FIXED32,
  double: FIXED64,
  string: DELIMITED,
  bytes: DELIMITED,
  message: DELIMITED,
};

function requireWireType(schema: FieldSchema, wireType: number): void {
  const isPacked =
    schema.repeated === true && wireType === DELIMITED && OWN_WIRE_TYPE[schema.kind] !== DELIMITED;
  if (!isPacked && wireType !== OWN_WIRE_TYPE[schema.kind])
    throw refuse(`field ${schema.name} is of another kind`);
}

/**
 * Walks the whole file by the table without building anything.
 * @throws {LimitError} above a limit. @throws {DecodeError} for bytes that are not such messages.
 */
export function scanWire(bytes: Uint8Array, limits: OnnxLimits = {}): void {
  const most = { ...DEFAULT_ONNX_LIMITS, ...limits };
  if (bytes.length > most.bytes) throw new LimitError('an ONNX file', `${most.bytes} bytes`, bytes.length);
  if (bytes.length === 0) throw refuse('it is empty');
  let fields = 0;
  const scan = (message: MessageName, start: number, end: number, depth: number): void => {
    if (depth > most.depth) throw new LimitError('the depth of an ONNX file', most.depth, depth);
    const cursor = new WireCursor(bytes, start, end);
    while (cursor.at < end) {
      if (++fields > most.fields) throw new LimitError('the fields of an ONNX file', most.fields, 'more');
      const [number, wireType] = readTag(cursor);
      const schema = ONNX_SCHEMA[message][number];
      if (schema === undefined || wireType !== DELIMITED) {
        if (schema !== undefined) requireWireType(schema, wireType);
        skipValue(cursor, wireType);
        continue;
      }
      requireWireType(schema, wireType);
      const length = cursor.count();
      const from = cursor.skip(length);
      if (schema.kind === 'string' && length > most.stringBytes)
        throw new LimitError(`the text ${schema.name} of an ONNX file`, `${most.stringBytes} bytes`, length);
      if (schema.message !== undefined) scan(schema.message, from, from + length, depth + 1);
      else if (schema.kind === 'int') {
        const packed = new WireCursor(bytes, from, from + length);
        while (packed.at < packed.end) packed.varint();
      } else if (
        (schema.kind === 'float' && length % 4 !== 0) ||
        (schema.kind === 'double' && length % 8 !== 0)
      )
        throw refuse(`field ${schema.name} has ${length} bytes of packed numbers`);
    }
  };
  scan('model', 0, bytes.length, 1);
}

/**
 * The model of a file that {@link scanWire} has passed. Byte fields and packed numbers are views of the file.
 * @throws {DecodeError} {@link LimitError} as {@link scanWire}, which it calls.
 */
export function readOnnxModel(bytes: Uint8Array, limits: OnnxLimits = {}): OnnxModel {
  scanWire(bytes, limits);
  return readMessage(bytes, 'model', 0, bytes.length) as OnnxModel;
}

const text = new TextDecoder('utf-8', { fatal: true });

function readMessage(bytes: Uint8Array, message: MessageName, start: number, end: number): object {
  const cursor = new WireCursor(bytes, start, end);
  const fields: Record<string, unknown> = {};
  while (cursor.at < end) {
    const [number, wireType] = readTag(cursor);
    const schema = ONNX_SCHEMA[message][number];
    if (schema === undefined) {
      skipValue(cursor, wireType);
      continue;
    }
    const { name, kind } = schema;
    if (schema.repeated === true && (kind === 'int' || kind === 'float' || kind === 'double')) {
      const list = (fields[name] ??= { kind, parts: [] }) as { parts: (number | Uint8Array)[] };
      list.parts.push(wireType === DELIMITED ? readBytes(cursor) : readNumber(cursor, kind));
      continue;
    }
    const value = readField(cursor, schema);
    if (schema.repeated !== true) fields[name] = value;
    else ((fields[name] ??= []) as unknown[]).push(value);
  }
  return fields;
}

function readField(cursor: WireCursor, { kind, message, name }: FieldSchema): unknown {
  if (kind === 'int' || kind === 'float' || kind === 'double') return readNumber(cursor, kind);
  const length = cursor.count();
  const start = cursor.skip(length);
  if (message !== undefined) return readMessage(cursor.bytes, message, start, start + length);
  const view = cursor.bytes.subarray(start, start + length);
  if (kind === 'bytes') return view;
  try {
    return text.decode(view);
  } catch {
    throw refuse(`the text ${name} is not UTF-8`);
  }
}

function readBytes(cursor: WireCursor): Uint8Array {
  const length = cursor.count();
  const start = cursor.skip(length);
  return cursor.bytes.subarray(start, start + length);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function readNumber(cursor: WireCursor, kind: NumberList['kind']): number {
  if (kind === 'int') return signed64(cursor.varint());
  const start = cursor.skip(kind === 'float' ? 4 : 8);
  const view = viewOf(cursor.bytes.subarray(start));
  return kind === 'float' ? view.getFloat32(0, true) : view.getFloat64(0, true);
}

/**
 * The numbers of a repeated field, `most` at most: counted before they are built.
 * @throws {LimitError} when there are more.
 */
export function numbersOf(list: NumberList | undefined, what: string, most: number): Float64Array {
  if (list === undefined) return new Float64Array(0);
  let count = 0;
  for (const part of list.parts) count += typeof part === 'number' ? 1 : packedCount(part, list.kind);
  if (count > most) throw new LimitError(what, most, count);
  const numbers = new Float64Array(count);
  let at = 0;
  for (const part of list.parts) {
    if (typeof part === 'number') {
      numbers[at++] = part;
      continue;
    }
    if (list.kind === 'int') {
      const cursor = new WireCursor(part, 0, part.length);
      while (cursor.at < cursor.end) numbers[at++] = readNumber(cursor, 'int');
      continue;
    }
    const width = list.kind === 'float' ? 4 : 8;
    if (part.length % width !== 0) throw refuse('a length beyond the end of its message');
    const view = viewOf(part);
    for (let from = 0; from < part.length; from += width)
      numbers[at++] = width === 4 ? view.getFloat32(from, true) : view.getFloat64(from, true);
  }
  return numbers;
}

function packedCount(packed: Uint8Array, kind: NumberList['kind']): number {
  if (kind === 'float') return packed.length / 4;
  if (kind === 'double') return packed.length / 8;
  let count = 0;
  for (let i = 0; i < packed.length; i++) if (packed[i] < 0x80) count++;
  return count;
}

/** A list of numbers for a message to be written. */
export function numberList(kind: NumberList['kind'], numbers: Iterable<number>): NumberList {
  return { kind, parts: [...numbers] };
}

/** The bytes of a model, fields in the order of the table, numbers of repeated fields packed. */
export function writeOnnxModel(model: OnnxModel): Uint8Array {
  return writeMessage(model as Readonly<Record<string, unknown>>, 'model');
}

function writeMessage(fields: Readonly<Record<string, unknown>>, message: MessageName): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [key, schema] of Object.entries(ONNX_SCHEMA[message])) {
    const value = fields[schema.name];
    if (value === undefined) continue;
    const number = Number(key);
    const isNumeric = OWN_WIRE_TYPE[schema.kind] !== DELIMITED;
    if (schema.repeated === true && isNumeric) parts.push(...delimited(number, packed(value as NumberList)));
    else
      for (const item of schema.repeated === true ? (value as unknown[]) : [value])
        parts.push(...single(number, schema, item));
  }
  return concatenated(parts);
}

function single(number: number, schema: FieldSchema, value: unknown): Uint8Array[] {
  if (schema.message !== undefined)
    return delimited(number, writeMessage(value as Record<string, unknown>, schema.message));
  if (schema.kind === 'string') return delimited(number, new TextEncoder().encode(value as string));
  if (schema.kind === 'bytes') return delimited(number, value as Uint8Array);
  return [varintBytes(number * 8 + OWN_WIRE_TYPE[schema.kind]), numberBytes(value as number, schema.kind)];
}

function delimited(number: number, content: Uint8Array): Uint8Array[] {
  return [varintBytes(number * 8 + DELIMITED), varintBytes(content.length), content];
}

function packed({ kind, parts }: NumberList): Uint8Array {
  return concatenated(parts.map((part) => (typeof part === 'number' ? numberBytes(part, kind) : part)));
}

function numberBytes(value: number, kind: string): Uint8Array {
  if (kind === 'int') return varintBytes(value);
  const bytes = new Uint8Array(kind === 'float' ? 4 : 8);
  if (kind === 'float') viewOf(bytes).setFloat32(0, value, true);
  else viewOf(bytes).setFloat64(0, value, true);
  return bytes;
}

/** 64-bit two's complement. */
function varintBytes(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest === 0n ? low : low | 0x80);
  } while (rest !== 0n);
  return Uint8Array.from(bytes);
}

function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
