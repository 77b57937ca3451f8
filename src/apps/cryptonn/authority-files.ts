/**
 * An authority's state in a directory: `root.key` (sealed by a passphrase), `audit.log`, `head.json` (where the log ends) and `lock`.
 * Each call is done when the disk has it; what a crash may leave is what `AuthorityStorage` allows.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, KeyFileError, LimitError, UsageError } from '../../base/errors.ts';
import type { AuthorityStorage } from '../../protocols/cryptonn/authority-storage.ts';
import { type FileCalls, replaceFile } from '../keystore/atomic-file.ts';
import { readPrivateFile } from '../keystore/private-file.ts';
import { openSecret, PRODUCTION_COST, type ScryptCost, sealSecret } from '../keystore/sealed-box.ts';

const LABEL = 'subrosa authority';
/** A log is replayed in memory at a restart. */
const MOST_LOG_BYTES = 2 ** 30;

export interface AuthorityFilesOptions {
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
  readonly #log: FileHandle | undefined;

  private constructor(
    directory: string,
    passphrase: string,
    options: AuthorityFilesOptions,
    log: FileHandle | undefined,
  ) {
    this.directory = directory;
    this.#passphrase = passphrase;
    this.#anchor = options.anchor ?? join(directory, 'head.json');
    this.#cost = options.cost ?? PRODUCTION_COST;
    this.#calls = options.calls;
    this.#log = log;
  }

  /** Takes the directory for this process alone. @throws {UsageError} when another process has it. */
  static async open(
    directory: string,
    passphrase: string,
    options: AuthorityFilesOptions = {},
  ): Promise<AuthorityFiles> {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    takeLock(join(directory, 'lock'));
    const log = await open(join(directory, 'audit.log'), 'a', 0o600);
    await syncDirectory(directory);
    return new AuthorityFiles(directory, passphrase, options, log);
  }

  /** To look at, for an audit: writes fail. The authority may run meanwhile. */
  static readOnly(
    directory: string,
    passphrase: string,
    options: AuthorityFilesOptions = {},
  ): AuthorityFiles {
    return new AuthorityFiles(directory, passphrase, options, undefined);
  }

  /** @throws {KeyFileError} for a wrong passphrase, a damaged file or one that others can read. */
  async readSecrets(): Promise<Uint8Array | null> {
    const path = join(this.directory, 'root.key');
    if (!existsSync(path)) return null;
    return openSecret(readPrivateFile(path), LABEL, this.#passphrase, this.#cost);
  }

  /** @throws {KeyFileError} when the disk does not take it; an old file is then intact. */
  async writeSecrets(bytes: Uint8Array): Promise<void> {
    this.#writable();
    const path = join(this.directory, 'root.key');
    const file = await sealSecret(bytes, LABEL, this.#passphrase, this.#cost);
    await replaceFile(path, file, this.#calls).catch((cause: Error) => {
      throw new KeyFileError(cause.message, { cause });
    });
  }

  async readLog(): Promise<Uint8Array> {
    const bytes = await readOrNull(join(this.directory, 'audit.log'));
    if (bytes !== null && bytes.length > MOST_LOG_BYTES)
      throw new LimitError('the log', MOST_LOG_BYTES, bytes.length);
    return bytes ?? new Uint8Array(0);
  }

  /** @throws {DataError} when the disk does not take it; then any prefix may be there. */
  async appendLog(bytes: Uint8Array): Promise<void> {
    const log = this.#writable();
    try {
      await log.writeFile(bytes);
      await log.datasync();
    } catch (error) {
      throw new DataError(
        `cannot write the log in ${this.directory} (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`,
      );
    }
  }

  async truncateLog(length: number): Promise<void> {
    const log = this.#writable();
    await log.truncate(length);
    await log.datasync();
  }

  readAnchor(): Promise<Uint8Array | null> {
    return readOrNull(this.#anchor);
  }

  async writeAnchor(bytes: Uint8Array): Promise<void> {
    this.#writable();
    await replaceFile(this.#anchor, bytes, this.#calls);
  }

  #writable(): FileHandle {
    if (this.#log === undefined) throw new UsageError(`${this.directory} was opened for reading alone`);
    return this.#log;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#log === undefined) return;
    await this.#log.close();
    rmSync(join(this.directory, 'lock'), { force: true });
  }
}

/** A lock of a process that is gone is taken over. @throws {UsageError} */
function takeLock(path: string): void {
  for (let attempt = 0; ; attempt++) {
    try {
      writeFileSync(path, `${process.pid}\n`, { flag: 'wx', mode: 0o600 });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || attempt > 0) throw error;
    }
    const owner = Number(readFileSync(path, 'utf8'));
    if (isAlive(owner)) throw new UsageError(`process ${owner} is the authority of ${path}: stop it first`);
    rmSync(path, { force: true });
  }
}

function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid < 1) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
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
