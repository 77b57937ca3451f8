/**
 * An authority's state in a directory: `root.key` (sealed by a passphrase), `audit.log`, `audit.N.log` (parts of the log that were put
 * aside, up to entry N), `head.json` (where the log ends) and `lock`.
 * Each call is done when the disk has it; what a crash may leave is what `AuthorityStorage` allows.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { existsSync } from 'node:fs';
import {
  copyFile,
  type FileHandle,
  link,
  open,
  readdir,
  readFile,
  rename,
  stat,
  unlink,
} from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, LimitError, UsageError } from '../../base/errors.ts';
import type { AuthorityStorage } from '../../protocols/cryptonn/authority/authority-storage.ts';
import { type FileCalls, replaceFile } from '../keystore/atomic-file.ts';
import { DirectoryLock, type LockOptions } from '../keystore/directory-lock.ts';
import { fileWriteError } from '../keystore/file-errors.ts';
import { readPrivateFile } from '../keystore/private-file.ts';
import { openSecret, PRODUCTION_COST, type ScryptCost, sealSecret } from '../keystore/sealed-box.ts';

const LABEL = 'subrosa authority';
/** A part of the log is replayed in memory at a restart. */
const MAX_LOG_BYTES = 2 ** 30;
const ARCHIVE = /^audit\.(\d{1,15})\.log$/;
const archiveName = (lastEntry: number) => `audit.${String(lastEntry).padStart(12, '0')}.log`;

export interface AuthorityFilesOptions extends LockOptions {
  /** Where the head of the log is kept; best on another device than the state. Default: beside it. */
  readonly anchor?: string;
  readonly cost?: ScryptCost;
  readonly calls?: FileCalls;
}

export class AuthorityFiles implements AuthorityStorage, AsyncDisposable {
  readonly directory: string;
  readonly #passphrase: string;
  readonly #anchor: string;
  readonly #cost: ScryptCost;
  readonly #calls: FileCalls | undefined;
  readonly #lock: DirectoryLock | undefined;
  #log: FileHandle | undefined;

  private constructor(
    directory: string,
    passphrase: string,
    options: AuthorityFilesOptions,
    lock?: DirectoryLock,
    log?: FileHandle,
  ) {
    this.directory = directory;
    this.#passphrase = passphrase;
    this.#anchor = options.anchor ?? join(directory, 'head.json');
    this.#cost = options.cost ?? PRODUCTION_COST;
    this.#calls = options.calls;
    this.#lock = lock;
    this.#log = log;
  }

  /** Takes the directory for this process alone. @throws {UsageError} when another process has it. */
  static async open(
    directory: string,
    passphrase: string,
    options: AuthorityFilesOptions = {},
  ): Promise<AuthorityFiles> {
    const lock = await DirectoryLock.take(directory, options);
    const path = join(directory, 'audit.log');
    try {
      const log = await open(path, 'a', 0o600);
      await syncDirectory(directory);
      const files = new AuthorityFiles(directory, passphrase, options, lock, log);
      await files.#removeNames(path);
      return files;
    } catch (error) {
      lock[Symbol.dispose]();
      throw fileWriteError(path, error);
    }
  }

  /** To look at, for an audit: writes fail. The authority may run meanwhile. */
  static readOnly(
    directory: string,
    passphrase: string,
    options: AuthorityFilesOptions = {},
  ): AuthorityFiles {
    return new AuthorityFiles(directory, passphrase, options);
  }

  /** @throws {KeyFileError} for a wrong passphrase, a damaged file or one that others can read. */
  async readSecrets(): Promise<Uint8Array | null> {
    const path = join(this.directory, 'root.key');
    if (!existsSync(path)) return null;
    return openSecret(readPrivateFile(path), LABEL, this.#passphrase, this.#cost);
  }

  /** @throws {FileWriteError} when the disk does not take it; an old file is then intact. */
  async writeSecrets(bytes: Uint8Array): Promise<void> {
    this.#writable();
    const path = join(this.directory, 'root.key');
    const file = await sealSecret(bytes, LABEL, this.#passphrase, this.#cost);
    await written(path, replaceFile(path, file, this.#calls));
  }

  /** @throws {LimitError} for a file that no authority let grow so far. */
  async readLog(): Promise<Uint8Array> {
    return (await this.#readPart('audit.log')) ?? new Uint8Array(0);
  }

  async #readPart(name: string): Promise<Uint8Array | null> {
    const path = join(this.directory, name);
    const size = await stat(path).then(
      (found) => found.size,
      () => 0,
    );
    if (size > MAX_LOG_BYTES) throw new LimitError(`the log ${path}`, MAX_LOG_BYTES, size);
    return readOrNull(path);
  }

  /** @throws {FileWriteError} when the disk does not take it; then any prefix may be there. */
  async appendLog(bytes: Uint8Array): Promise<void> {
    const log = this.#writable();
    await written(
      join(this.directory, 'audit.log'),
      log.writeFile(bytes).then(() => log.datasync()),
    );
  }

  async truncateLog(length: number): Promise<void> {
    const log = this.#writable();
    await written(
      join(this.directory, 'audit.log'),
      log.truncate(length).then(() => log.datasync()),
    );
  }

  /** @throws {FileWriteError} The old part is then still the current. */
  async rotateLog(first: Uint8Array, lastEntry: number): Promise<void> {
    const old = this.#writable();
    const [path, archive] = [join(this.directory, 'audit.log'), join(this.directory, archiveName(lastEntry))];
    const temporary = join(this.directory, 'audit.log.new');
    await unlink(temporary).catch(() => undefined);
    const next = await written(temporary, open(temporary, 'ax', 0o600));
    try {
      await written(
        temporary,
        next.writeFile(first).then(() => next.sync()),
      );
      // A second name for the old part; where the file system has none, a copy.
      await written(
        archive,
        link(path, archive).catch(() => copyFile(path, archive)),
      );
      await written(path, rename(temporary, path));
    } catch (error) {
      await next.close();
      for (const left of [temporary, archive]) await unlink(left).catch(() => undefined);
      throw error;
    }
    this.#log = next;
    await old.close();
    await written(path, syncDirectory(this.directory));
  }

  async archivedLogs(): Promise<number[]> {
    const names = await readdir(this.directory);
    const entries = names.flatMap((name) => ARCHIVE.exec(name)?.[1] ?? []);
    return entries.map(Number).sort((a, b) => a - b);
  }

  async readArchivedLog(lastEntry: number): Promise<Uint8Array> {
    const bytes = await this.#readPart(archiveName(lastEntry));
    if (bytes === null) throw new DataError(`${join(this.directory, archiveName(lastEntry))} is not there`);
    return bytes;
  }

  /** A crash in the middle of putting a part aside leaves it with two names. */
  async #removeNames(path: string): Promise<void> {
    const { ino } = await stat(path);
    for (const lastEntry of await this.archivedLogs()) {
      const archive = join(this.directory, archiveName(lastEntry));
      if ((await stat(archive)).ino === ino) await unlink(archive);
    }
  }

  readAnchor(): Promise<Uint8Array | null> {
    return readOrNull(this.#anchor);
  }

  async writeAnchor(bytes: Uint8Array): Promise<void> {
    this.#writable();
    await written(this.#anchor, replaceFile(this.#anchor, bytes, this.#calls));
  }

  /** @throws {UsageError} for a state to look at, and when another process has taken this one for dead and the directory for itself. */
  #writable(): FileHandle {
    if (this.#log === undefined || this.#lock === undefined)
      throw new UsageError(`${this.directory} was opened for reading alone`);
    this.#lock.assertHeld();
    return this.#log;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#log?.close();
    this.#lock?.[Symbol.dispose]();
  }
}

/** @throws {FileWriteError} naming the file. */
function written<T>(path: string, work: Promise<T>): Promise<T> {
  return work.catch((error: unknown) => {
    throw fileWriteError(path, error);
  });
}

async function readOrNull(path: string): Promise<Uint8Array | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

printOnOneLine(AuthorityFiles);
arg.guard('AuthorityFiles', AuthorityFiles, {
  open: { directory: arg.text, passphrase: arg.text, options: arg.optional(arg.options) },
  readOnly: { directory: arg.text, passphrase: arg.text, options: arg.optional(arg.options) },
});
arg.guard('AuthorityFiles', AuthorityFiles.prototype, {
  writeSecrets: { bytes: arg.bytes },
  appendLog: { bytes: arg.bytes },
  truncateLog: { length: arg.number },
  rotateLog: { first: arg.bytes, lastEntry: arg.number },
  readArchivedLog: { lastEntry: arg.number },
  writeAnchor: { bytes: arg.bytes },
});
