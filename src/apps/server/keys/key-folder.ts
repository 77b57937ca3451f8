/**
 * Enrolments in a folder, one file each, for its owner alone. A file is there whole or not at all: it is written beside its place,
 * flushed and renamed. Its name is a hash of whose keys it holds, so that no name from the network ever becomes part of a path.
 *
 *   'SRK1'  u32 length of the header  header (JSON)  SHA-256 of the header (32)  the message of the enrolment
 *
 * The message needs no sum of its own: a key id is a hash of it, which is taken again whenever keys are made ready.
 */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readdirSync, readSync, rmSync, statSync } from 'node:fs';
import { readFile, unlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { ByteReader, ByteWriter } from '../../../base/bytes.ts';
import {
  type KeyId,
  keyId,
  type ModelName,
  modelName,
  type TenantId,
  tenantId,
} from '../../../protocols/inference/names.ts';
import { type FileCalls, replaceFile } from '../../keystore/atomic-file.ts';
import { DirectoryLock } from '../../keystore/directory-lock.ts';
import { refuseOpenMode } from '../../keystore/private-file.ts';
import { type HeldKeys, type KeyShelf, shelfName } from './key-shelf.ts';

const MAGIC = 0x314b5253;
const PREFIX_BYTES = 8;
const HASH_BYTES = 32;
const MAX_HEADER_BYTES = 4096;
const FILE = /^[0-9a-f]{32}\.keys$/;
/** What a process that was killed while it wrote has left. */
const LEFT_OVER = /^[0-9a-f]{32}\.keys\.[0-9a-f]{12}\.tmp$/;
/** A use is noted in the file's time at most so often. */
const NOTE_MS = 3_600_000;
const DAY_MS = 86_400_000;

const headerSchema = z.strictObject({
  principal: z.string().max(512),
  // The hash of a token: what tenants of a server over HTTP are.
  tenant: z.string().regex(/^[0-9a-f]{64}$/),
  model: z.string(),
  keyId: z.string(),
  bytes: z
    .int()
    .min(1)
    .max(2 ** 32),
});

export interface KeyFolderOptions {
  /** Keys that nobody used for so many days are removed when the folder is opened. */
  readonly keptDays: number;
  /** Is told what was removed and why, in sentences without names. */
  readonly onNote?: (sentence: string) => void;
  /** The system calls in use; tests let one fail. */
  readonly calls?: FileCalls;
}

export class KeyFolder implements KeyShelf, Disposable {
  readonly held: readonly HeldKeys[];
  readonly #directory: string;
  readonly #lock: DirectoryLock;
  readonly #calls: FileCalls | undefined;
  readonly #notedAt = new Map<string, number>();
  /** The last write or removal of each file, so that they happen in the order in which they were asked for. */
  readonly #pending = new Map<string, Promise<void>>();

  private constructor(directory: string, lock: DirectoryLock, held: readonly HeldKeys[], calls?: FileCalls) {
    this.#calls = calls;
    this.#directory = directory;
    this.#lock = lock;
    this.held = held;
  }

  /**
   * Makes the folder where it is missing, and locks it for this process. Files that are damaged, and what a killed process has left half
   * written, are removed.
   * @throws {KeyFileError} when others may read the folder. {@link UsageError} when another process has it open.
   */
  static async open(directory: string, options: KeyFolderOptions): Promise<KeyFolder> {
    const lock = await DirectoryLock.take(directory);
    try {
      refuseOpenMode(directory, statSync(directory).mode, 0o700);
      return new KeyFolder(directory, lock, readFolder(directory, options), options.calls);
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  }

  put(keys: HeldKeys, message: Uint8Array): Promise<void> {
    const { tenant, model, keyId: id } = keys;
    const path = this.#pathOf(tenant, model, id);
    return this.#after(path, () => {
      this.#lock.assertHeld();
      return replaceFile(path, fileOf(keys, message), this.#calls);
    });
  }

  async read(tenant: TenantId, model: ModelName, id: KeyId): Promise<Uint8Array | null> {
    const path = this.#pathOf(tenant, model, id);
    await this.#pending.get(path)?.catch(() => undefined);
    const bytes = await readFile(path).catch(() => null);
    const found = bytes === null ? null : headerOf(bytes);
    if (bytes === null || found === null || !isOf(found.keys, tenant, model, id)) return null;
    await this.#noteUse(path);
    const message = bytes.subarray(found.end);
    return message.length === found.keys.bytes ? message : null;
  }

  remove(tenant: TenantId, model: ModelName, id: KeyId): void {
    const path = this.#pathOf(tenant, model, id);
    this.#notedAt.delete(path);
    // What is not there need not be removed; what cannot be is found again by the next start.
    this.#after(path, () => unlink(path)).catch(() => undefined);
  }

  #pathOf(tenant: TenantId, model: ModelName, id: KeyId): string {
    const name = createHash('sha256')
      .update(shelfName(tenant, model, id))
      .digest('hex')
      .slice(0, 32);
    return join(this.#directory, `${name}.keys`);
  }

  #after(path: string, work: () => Promise<void>): Promise<void> {
    const before = this.#pending.get(path) ?? Promise.resolve();
    const done = before.catch(() => undefined).then(work);
    this.#pending.set(path, done);
    const forget = () => {
      if (this.#pending.get(path) === done) this.#pending.delete(path);
    };
    done.then(forget, forget);
    return done;
  }

  /** The order of uses is worth a little: without it the next start drops others first. */
  async #noteUse(path: string): Promise<void> {
    const now = Date.now();
    if (now - (this.#notedAt.get(path) ?? 0) < NOTE_MS) return;
    this.#notedAt.set(path, now);
    await utimes(path, now / 1000, now / 1000).catch(() => undefined);
  }

  /** Gives the folder free for another process; what is being written is written. */
  [Symbol.dispose](): void {
    this.#lock[Symbol.dispose]();
  }
}

function fileOf(keys: HeldKeys, message: Uint8Array): Uint8Array {
  const { principal, tenant, model, keyId: id, bytes } = keys;
  const header = new TextEncoder().encode(JSON.stringify({ principal, tenant, model, keyId: id, bytes }));
  const writer = new ByteWriter(PREFIX_BYTES + header.length + HASH_BYTES + message.length);
  writer.u32(MAGIC);
  writer.u32(header.length);
  writer.bytes(header);
  writer.bytes(createHash('sha256').update(header).digest());
  writer.bytes(message);
  return writer.finish();
}

interface ReadHeader {
  readonly keys: HeldKeys;
  /** Where the message begins. */
  readonly end: number;
}

/** Null for bytes that do not begin with a whole header. */
function headerOf(bytes: Uint8Array): ReadHeader | null {
  try {
    const reader = new ByteReader('a file of keys', bytes);
    if (reader.u32() !== MAGIC) return null;
    const length = reader.u32();
    if (length > MAX_HEADER_BYTES) return null;
    const header = reader.bytes(length);
    const sum = createHash('sha256').update(header).digest();
    if (!sum.equals(reader.bytes(HASH_BYTES))) return null;
    const read = headerSchema.parse(JSON.parse(new TextDecoder().decode(header)));
    const names = { tenant: tenantId(read.tenant), model: modelName(read.model), keyId: keyId(read.keyId) };
    return { keys: { ...read, ...names }, end: PREFIX_BYTES + length + HASH_BYTES };
  } catch {
    return null;
  }
}

function isOf(keys: HeldKeys, tenant: TenantId, model: ModelName, id: KeyId): boolean {
  return shelfName(keys.tenant, keys.model, keys.keyId) === shelfName(tenant, model, id);
}

/** The longest unused first. */
function readFolder(directory: string, { keptDays, onNote }: KeyFolderOptions): HeldKeys[] {
  const oldest = Date.now() - keptDays * DAY_MS;
  const found: { readonly keys: HeldKeys; readonly usedAt: number }[] = [];
  let [damaged, unused] = [0, 0];
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    if (LEFT_OVER.test(name)) rmSync(path, { force: true });
    if (!FILE.test(name)) continue;
    const { keys, usedAt } = readStart(path);
    if (keys !== null && usedAt >= oldest) found.push({ keys, usedAt });
    else {
      rmSync(path, { force: true });
      if (keys === null) damaged++;
      else unused++;
    }
  }
  if (damaged > 0) onNote?.(`removed ${damaged} damaged files of keys: their clients enrol again`);
  if (unused > 0) onNote?.(`removed ${unused} files of keys that were not used for ${keptDays} days`);
  return found.sort((a, b) => a.usedAt - b.usedAt).map(({ keys }) => keys);
}

/** Reads no more than a header; a file that is shorter or longer than its header says has none. */
function readStart(path: string): { readonly keys: HeldKeys | null; readonly usedAt: number } {
  const file = openSync(path, 'r');
  try {
    const { size, mtimeMs } = fstatSync(file);
    const start = Buffer.alloc(Math.min(size, PREFIX_BYTES + MAX_HEADER_BYTES + HASH_BYTES));
    readSync(file, start, 0, start.length, 0);
    const header = headerOf(start);
    const isWhole = header !== null && size === header.end + header.keys.bytes;
    return { keys: isWhole ? header.keys : null, usedAt: mtimeMs };
  } finally {
    closeSync(file);
  }
}
