/** Arrays of numbers in little-endian bytes, whatever the order of the machine. */
import type { ByteReader, ByteWriter, ReadBudget } from '../base/bytes.ts';

type NumberArray = Uint16Array | Uint32Array | Float32Array;
type NumberArrayConstructor<T extends NumberArray> = {
  new (length: number): T;
  readonly BYTES_PER_ELEMENT: number;
};

const IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** The elements alone; the count is the reader's business. */
export function writeNumbers(writer: ByteWriter, numbers: NumberArray): void {
  const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  writer.bytes(inLittleEndian(bytes, numbers.BYTES_PER_ELEMENT));
}

/** A copy of the next `count` elements. @throws {DecodeError} when there are fewer or the budget does not allow them. */
export function readNumbers<T extends NumberArray>(
  reader: ByteReader,
  type: NumberArrayConstructor<T>,
  count: number,
  budget: ReadBudget,
): T {
  const bytes = reader.bytes(count * type.BYTES_PER_ELEMENT);
  budget.charge(reader.what, bytes.length);
  const numbers = new type(count);
  new Uint8Array(numbers.buffer).set(inLittleEndian(bytes, type.BYTES_PER_ELEMENT));
  return numbers;
}

function inLittleEndian(bytes: Uint8Array, width: number): Uint8Array {
  if (IS_LITTLE_ENDIAN) return bytes;
  const swapped = bytes.slice();
  for (let i = 0; i < swapped.length; i += width) swapped.subarray(i, i + width).reverse();
  return swapped;
}
