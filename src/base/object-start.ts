/** The first eight bytes of every serialised object of a scheme: magic u32, version u8, kind u8, zero u16. */
import type { ByteReader, ByteWriter } from './bytes.ts';

/** A family of objects: its magic word, read as little-endian, and its version. */
export interface ObjectFamily {
  readonly magic: number;
  readonly version: number;
}

export function writeObjectStart(writer: ByteWriter, family: ObjectFamily, kind: number): void {
  writer.u32(family.magic);
  writer.u8(family.version);
  writer.u8(kind);
  writer.u16(0);
}

/** @throws {DecodeError} unless the bytes start an object of this family, version and kind. */
export function readObjectStart(reader: ByteReader, family: ObjectFamily, kind: number): void {
  if (reader.u32() !== family.magic) throw reader.error('bad magic');
  if (reader.u8() !== family.version) throw reader.error('unknown version');
  if (reader.u8() !== kind) throw reader.error('another kind of object');
  if (reader.u16() !== 0) throw reader.error('reserved bytes are not zero');
}
