/**
 * The client's keys on disk: one sealed file per server, model and parameter set, in a directory that only the owner
 * may enter. Separate files keep servers from recognising a client by its token.
 */
import { createHash } from 'node:crypto';
import { lstat, mkdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { DecodeError, FileWriteError, KeyFileError } from '../../base/errors.ts';
import { type FileCalls, replaceFile } from './atomic-file.ts';
import { type ClientKeys, type KeySubject, packClientKeys, unpackClientKeys } from './client-keys.ts';
import { fileWriteError } from './file-errors.ts';
import { refuseOpenMode } from './private-file.ts';
import { openSecret, PRODUCTION_COST, type ScryptCost, sealSecret } from './sealed-box.ts';

export interface KeyStoreOptions {
  readonly cost?: ScryptCost;
  readonly calls?: FileCalls;
}

const MAX_FILE = 65 * 2 ** 20;

/** `$SUBROSA_HOME/keys`, otherwise `~/.config/subrosa/keys`. */
export function keyDirectory(env: NodeJS.ProcessEnv): string {
  return join(env.SUBROSA_HOME ?? join(env.XDG_CONFIG_HOME ?? join(homedir(), '.config'), 'subrosa'), 'keys');
}

export class KeyStore {
  readonly #directory: string;
  readonly #cost: ScryptCost;
  readonly #calls: FileCalls | undefined;

  /** `cost` is what new files get and the least that is accepted of old ones. */
  constructor(directory: string, options: KeyStoreOptions = {}) {
    this.#directory = directory;
    this.#cost = options.cost ?? PRODUCTION_COST;
    this.#calls = options.calls;
  }

  path(subject: KeySubject): string {
    const name = createHash('sha256').update(labelOf(subject)).digest('hex').slice(0, 16);
    return join(this.#directory, `${subject.model.replace(/[^a-z0-9_-]/g, '_')}-${name}.key`);
  }

  async has(subject: KeySubject): Promise<boolean> {
    return (await statOrNull(this.path(subject))) !== null;
  }

  /**
   * Null when there is no file yet. The caller wipes `secret` and `token`.
   * @throws {KeyFileError} when the file or its directory is open to others, is damaged, or the passphrase is wrong.
   */
  async load(subject: KeySubject, passphrase: string): Promise<ClientKeys | null> {
    const path = this.path(subject);
    const info = await statOrNull(path);
    if (info === null) return null;
    await this.#checkDirectory();
    if (!info.isFile() || info.size > MAX_FILE) throw new KeyFileError(`${path} is not a key file`);
    refuseOpenMode(path, info.mode, 0o600);
    const opened = await openSecret(await readOwn(path), labelOf(subject), passphrase, this.#cost);
    try {
      return unpack(opened);
    } finally {
      opened.fill(0);
    }
  }

  /** @throws {KeyFileError} when the file cannot be written, for example on a full disk; an old file is then intact. */
  async save(subject: KeySubject, passphrase: string, keys: ClientKeys): Promise<void> {
    const path = this.path(subject);
    const packed = packClientKeys(keys);
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      await this.#checkDirectory();
      await replaceFile(
        path,
        await sealSecret(packed, labelOf(subject), passphrase, this.#cost),
        this.#calls,
      );
    } catch (error) {
      const failure = fileWriteError(path, error);
      if (!(failure instanceof FileWriteError)) throw failure;
      throw new KeyFileError(`${failure.message}: keys were not saved`, { cause: error });
    } finally {
      packed.fill(0);
    }
  }

  async #checkDirectory(): Promise<void> {
    const info = await statOrNull(this.#directory);
    if (info === null || !info.isDirectory()) throw new KeyFileError(`${this.#directory} is not a directory`);
    refuseOpenMode(this.#directory, info.mode, 0o700);
  }
}

function labelOf({ server, model, paramsId }: KeySubject): string {
  return JSON.stringify(['subrosa client keys', server, model, paramsId]);
}

async function statOrNull(path: string) {
  try {
    return await lstat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new KeyFileError(
      `cannot look at ${path} (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`,
      { cause: error },
    );
  }
}

async function readOwn(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new KeyFileError(
      `cannot read ${path} (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`,
      { cause: error },
    );
  }
}

function unpack(opened: Uint8Array): ClientKeys {
  try {
    return unpackClientKeys(opened);
  } catch (error) {
    if (error instanceof DecodeError) throw new KeyFileError('the key file holds no keys');
    throw error;
  }
}
