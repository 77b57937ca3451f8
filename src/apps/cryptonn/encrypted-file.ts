/**
 * What an owner gives to the trainer: encrypted batches in one file.
 *
 *   'SRED', u8 version, digest of the data set's specification (32), name of the data set and of the owner (u8 length, UTF-8 each),
 *   input scale u32, batches u32, identity of the label key (32; not in version 1), per batch: length u32, SHA-256 (32), bytes
 *
 * The hashes find damage, not malice: an owner can write what it likes.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { DataError, FileWriteError, DecodeError } from '../../base/errors.ts';
import { type DatasetSpec, datasetDigest } from '../../protocols/cryptonn/agreement/dataset-spec.ts';
import { type FileCalls, replaceFileByParts } from '../keystore/atomic-file.ts';

const MAGIC = 0x44455253;
const VERSION = 2;
/** Still read: nothing tells whether its owner renamed the classes as others did. */
const VERSION_WITHOUT_LABEL_KEY = 1;
const HASH_BYTES = 32;
const RECORD_HEADER_BYTES = 4 + HASH_BYTES;
const MAX_HEADER_BYTES = 4 + 1 + HASH_BYTES + 2 * 256 + 8 + HASH_BYTES;
const MAX_BATCHES = 2 ** 20;
const MAX_BATCH_BYTES = 2 ** 30;

export interface EncryptedFileHeader {
  readonly dataset: string;
  /** {@link datasetDigest} of the specification that was in force. */
  readonly digest: string;
  readonly owner: string;
  readonly inputScale: number;
  readonly batches: number;
  /** {@link LabelPermutation.identity} of the owner; undefined in files of an earlier version. */
  readonly labelKey: string | undefined;
}

function headerBytes(header: EncryptedFileHeader): Uint8Array {
  const { dataset, digest, owner, inputScale, batches, labelKey } = header;
  const names = [dataset, owner].map((name) => new TextEncoder().encode(name));
  const length = names.reduce((sum, name) => sum + 1 + name.length, 0);
  const writer = new ByteWriter(4 + 1 + HASH_BYTES + length + 8 + (labelKey === undefined ? 0 : HASH_BYTES));
  writer.u32(MAGIC);
  writer.u8(labelKey === undefined ? VERSION_WITHOUT_LABEL_KEY : VERSION);
  writer.bytes(hexToBytes(digest));
  for (const name of names) {
    writer.u8(name.length);
    writer.bytes(name);
  }
  writer.u32(inputScale);
  writer.u32(batches);
  if (labelKey !== undefined) writer.bytes(hexToBytes(labelKey));
  return writer.finish();
}

/**
 * Writes a whole file or none: `batch(i)` makes the bytes of batch i when its turn comes.
 * Without `labelKey` the file is of the earlier version, which does not tell owners apart who renamed the classes differently.
 * @throws {DataError} when the disk does not take it, and what `batch` throws.
 */
export async function writeEncryptedFile(
  path: string,
  spec: DatasetSpec,
  owner: string,
  batches: number,
  batch: (index: number) => Uint8Array | Promise<Uint8Array>,
  calls?: FileCalls,
  labelKey?: string,
): Promise<void> {
  const header = {
    dataset: spec.id,
    digest: datasetDigest(spec),
    owner,
    inputScale: spec.inputScale,
    batches,
    labelKey,
  };
  async function* parts(): AsyncGenerator<Uint8Array> {
    yield headerBytes(header);
    for (let i = 0; i < batches; i++) {
      const bytes = await batch(i);
      const writer = new ByteWriter(RECORD_HEADER_BYTES);
      writer.u32(bytes.length);
      writer.bytes(createHash('sha256').update(bytes).digest());
      yield writer.finish();
      yield bytes;
    }
  }
  try {
    await replaceFileByParts(path, parts(), calls);
  } catch (error) {
    if (error instanceof FileWriteError) throw new DataError(error.message);
    throw error;
  }
}

/** A file as the trainer reads it: its header and the places of its batches; batches are read when they are asked for. */
export class EncryptedFile implements AsyncDisposable {
  readonly path: string;
  readonly header: EncryptedFileHeader;
  /** SHA-256 over the header and the hashes of all batches: which data this is. */
  readonly identity: string;
  readonly #file: FileHandle;
  readonly #records: readonly { readonly at: number; readonly length: number; readonly hash: string }[];

  private constructor(
    path: string,
    file: FileHandle,
    header: EncryptedFileHeader,
    records: readonly { readonly at: number; readonly length: number; readonly hash: string }[],
  ) {
    this.path = path;
    this.header = header;
    this.#file = file;
    this.#records = records;
    const hash = createHash('sha256').update(headerBytes(header));
    for (const record of records) hash.update(record.hash, 'hex');
    this.identity = hash.digest('hex');
  }

  /** @throws {DecodeError} when the file is short, too long, or none of ours. */
  static async open(path: string): Promise<EncryptedFile> {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const start = await readAt(file, 0, Math.min(size, MAX_HEADER_BYTES));
      const { header, length } = readHeader(start);
      const records = [];
      let at = length;
      for (let i = 0; i < header.batches; i++) {
        if (at + RECORD_HEADER_BYTES > size) throw short(path, i, header.batches);
        const reader = new ByteReader('an encrypted file', await readAt(file, at, RECORD_HEADER_BYTES));
        const record = {
          at: at + RECORD_HEADER_BYTES,
          length: reader.u32(),
          hash: bytesToHex(reader.bytes(32)),
        };
        if (record.length > MAX_BATCH_BYTES) throw reader.error('a batch is too long');
        at = record.at + record.length;
        if (at > size) throw short(path, i, header.batches);
        records.push(record);
      }
      if (at !== size) throw new DecodeError('an encrypted file', `${path} has bytes after its last batch`);
      return new EncryptedFile(path, file, header, records);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** The bytes of one batch. @throws {DecodeError} when they are damaged. */
  async batch(index: number): Promise<Uint8Array> {
    const record = this.#records[index];
    if (record === undefined) throw new RangeError(`there is no batch ${index}`);
    const bytes = await readAt(this.#file, record.at, record.length);
    if (createHash('sha256').update(bytes).digest('hex') !== record.hash)
      throw new DecodeError('an encrypted file', `batch ${index} of ${this.path} is damaged`);
    return bytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

function short(path: string, batch: number, batches: number): DecodeError {
  return new DecodeError('an encrypted file', `${path} ends in batch ${batch + 1} of ${batches}`);
}

function readHeader(bytes: Uint8Array): { header: EncryptedFileHeader; length: number } {
  const reader = new ByteReader('an encrypted file', bytes);
  if (reader.u32() !== MAGIC) throw reader.error('bad magic');
  const version = reader.u8();
  if (version !== VERSION && version !== VERSION_WITHOUT_LABEL_KEY) throw reader.error('unknown version');
  const digest = bytesToHex(reader.bytes(HASH_BYTES));
  const name = () => new TextDecoder().decode(reader.bytes(reader.u8()));
  const [dataset, owner] = [name(), name()];
  const [inputScale, batches] = [reader.u32(), reader.u32()];
  if (batches < 1 || batches > MAX_BATCHES) throw reader.error('the number of batches is out of range');
  const labelKey = version === VERSION ? bytesToHex(reader.bytes(HASH_BYTES)) : undefined;
  return {
    header: { dataset, digest, owner, inputScale, batches, labelKey },
    length: bytes.length - reader.remaining,
  };
}

/** @throws {DecodeError} when the file ends before. */
async function readAt(file: FileHandle, at: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, at + done);
    if (bytesRead === 0) throw new DecodeError('an encrypted file', 'it is shorter than it was');
    done += bytesRead;
  }
  return bytes;
}
