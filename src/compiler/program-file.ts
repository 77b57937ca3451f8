/**
 * The file of a program: 'SRPROG', u16 version, then sections of kind u32, length u32, SHA-256 and bytes. Section 1 is the header,
 * canonical JSON of all that is small; section 2 the weights, packed to their bits, with what else there is in long lists; section
 * 3, optional, a model card in Markdown. The program's id is SHA-256 over header and weights.
 */
import * as arg from '../base/arguments.ts';
import { bytesToHex } from '@noble/hashes/utils.js';
import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { sha256Digest } from '../base/sha256.ts';
import { LARGEST_MODEL_BYTES } from '../nn/files/model-bytes.ts';
import { type AnyProgram, isExact } from './exact/exact-program.ts';
import { validateExactProgram } from './exact/validate-exact.ts';
import { headerOf, readProgramHeader } from './program-header.ts';
import { readLists, writeLists } from './program-lists.ts';
import { validateProgram } from './validate-program.ts';

const MAGIC = new TextEncoder().encode('SRPROG');
/** Version 3 has packed programs with traced replies or standard keys, version 2 other packed ones, version 1 all others. */
const PROGRAM_FILE_VERSIONS = [1, 2, 3];
const HEADER = 1;
const LISTS = 2;
const CARD = 3;
const SECTION_PREFIX = 4 + 4 + 32;
const LARGEST_HEADER = 2 ** 24;
const LARGEST_CARD = 2 ** 20;

export interface ProgramFile {
  readonly program: AnyProgram;
  /** Markdown. */
  readonly card?: string;
}

/** SHA-256 over header and weights, hex. */
export function programId(program: AnyProgram): string {
  const known = IDS.get(program);
  if (known !== undefined) return known;
  const id = idOf(headerBytes(program), writeLists(program));
  IDS.set(program, id);
  return id;
}

/** Programs are frozen. */
const IDS = new WeakMap<AnyProgram, string>();

export function writeProgram(file: ProgramFile): Uint8Array {
  arg.checkArguments('writeProgram', [file], { file: arg.like('a ProgramFile', 'program') });
  const { program, card } = file;
  const sections: [number, Uint8Array][] = [
    [HEADER, headerBytes(program)],
    [LISTS, writeLists(program)],
  ];
  if (card !== undefined) sections.push([CARD, new TextEncoder().encode(card)]);
  const length = sections.reduce((sum, [, bytes]) => sum + SECTION_PREFIX + bytes.length, MAGIC.length + 2);
  const writer = new ByteWriter(length);
  writer.bytes(MAGIC);
  writer.u8(program.version);
  writer.u8(0);
  for (const [kind, bytes] of sections) {
    writer.u32(kind);
    writer.u32(bytes.length);
    writer.bytes(sha256Digest(bytes));
    writer.bytes(bytes);
  }
  return writer.finish();
}

/** @throws {DecodeError} for a changed byte, another version, or anything that {@link validateProgram} refuses. */
export function readProgram(bytes: Uint8Array): ProgramFile {
  arg.checkArguments('readProgram', [bytes], { bytes: arg.bytes });
  const reader = new ByteReader('a program file', bytes);
  if (bytes.length > LARGEST_MODEL_BYTES) throw reader.error(`${bytes.length} bytes are over the limit`);
  const magic = reader.bytes(MAGIC.length);
  if (!MAGIC.every((byte, i) => byte === magic[i])) throw reader.error('it does not start with SRPROG');
  const version = reader.u8() + 256 * reader.u8();
  if (!PROGRAM_FILE_VERSIONS.includes(version))
    throw reader.error(
      `version ${version} is unknown, this program reads ${PROGRAM_FILE_VERSIONS.join(', ')}`,
    );
  const header = section(reader, HEADER, LARGEST_HEADER);
  const lists = section(reader, LISTS, LARGEST_MODEL_BYTES);
  const card = reader.remaining > 0 ? section(reader, CARD, LARGEST_CARD) : undefined;
  reader.end();
  const read = readProgramHeader(header);
  if (read.version !== version) throw reader.error('it is of another version than its header');
  const found = { ...read, ...readLists(lists, read) } as AnyProgram;
  const program = isExact(found) ? validateExactProgram(found) : validateProgram(found);
  // One form for each program, so that its id is that of its bytes.
  if (programId(program) !== idOf(header, lists)) throw reader.error('it is not in canonical form');
  return card === undefined ? { program } : { program, card: new TextDecoder().decode(card) };
}

function section(reader: ByteReader, kind: number, most: number): Uint8Array {
  if (reader.u32() !== kind) throw reader.error(`section ${kind} was expected`);
  const length = reader.u32();
  if (length > most) throw reader.error(`section ${kind} has ${length} bytes, at most ${most} are allowed`);
  const hash = reader.bytes(32);
  const bytes = reader.bytes(length);
  if (bytesToHex(sha256Digest(bytes)) !== bytesToHex(hash)) throw reader.error(`section ${kind} was changed`);
  return bytes;
}

function headerBytes(program: AnyProgram): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(headerOf(program)));
}

function idOf(header: Uint8Array, lists: Uint8Array): string {
  const all = new Uint8Array(header.length + lists.length);
  all.set(header);
  all.set(lists, header.length);
  return bytesToHex(sha256Digest(all));
}
