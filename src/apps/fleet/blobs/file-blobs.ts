/**
 * Blobs as files below one folder, which may be shared by machines (NFS). Written to a temporary file, flushed, then linked to the
 * name: a link is there whole or not at all, and fails when there is one already, where a rename would replace it.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, link, opendir, readFile, rm, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { UsageError } from '../../../base/errors.ts';
import { type BlobFacts, type BlobStore, BlobStoreError } from './blob-store.ts';
import { BLOB_NAME } from '../fleet-names.ts';

/** Beside the blobs, on the same file system: a link cannot leave it. */
const TEMPORARY = '.partial';

export class FileBlobs implements BlobStore {
  readonly place: string;
  readonly #root: string;

  private constructor(root: string) {
    this.#root = root;
    this.place = `file:${root}`;
  }

  /** Makes the folder when it is not there. @throws {UsageError} when that fails. */
  static async open(folder: string): Promise<FileBlobs> {
    const root = resolve(folder);
    try {
      await mkdir(join(root, TEMPORARY), { recursive: true, mode: 0o700 });
    } catch (error) {
      throw new UsageError(
        `the folder for blobs ${root} cannot be used (${(error as NodeJS.ErrnoException).code})`,
      );
    }
    return new FileBlobs(root);
  }

  async putOnce(name: string, bytes: Uint8Array): Promise<boolean> {
    const path = this.#pathOf(name);
    const temporary = join(this.#root, TEMPORARY, randomBytes(16).toString('hex'));
    try {
      const file = await open(temporary, 'wx', 0o600);
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      try {
        await link(temporary, path);
      } catch (error) {
        if (codeOf(error) === 'EEXIST') return false;
        throw error;
      }
      const folder = await open(dirname(path), 'r');
      try {
        await folder.sync();
      } finally {
        await folder.close();
      }
      return true;
    } catch (error) {
      throw failed('write', name, error);
    } finally {
      await unlink(temporary).catch(() => undefined);
    }
  }

  async get(name: string, most: number): Promise<Uint8Array | null> {
    const path = this.#pathOf(name);
    try {
      const { size } = await stat(path);
      if (size > most)
        throw new BlobStoreError('read', name, `it has ${size} bytes, at most ${most} may be read`);
      const { buffer, byteOffset, length } = await readFile(path);
      return new Uint8Array(buffer, byteOffset, length);
    } catch (error) {
      if (isAbsent(error)) return null;
      throw failed('read', name, error);
    }
  }

  async has(name: string): Promise<boolean> {
    try {
      return (await stat(this.#pathOf(name))).isFile();
    } catch (error) {
      if (isAbsent(error)) return false;
      throw failed('read', name, error);
    }
  }

  async remove(name: string): Promise<void> {
    try {
      await rm(this.#pathOf(name), { force: true });
    } catch (error) {
      if (!isAbsent(error)) throw failed('remove', name, error);
    }
  }

  async *list(prefix: string): AsyncIterable<BlobFacts> {
    const cut = prefix.lastIndexOf('/') + 1;
    yield* this.#walk(prefix.slice(0, cut), prefix);
  }

  async *#walk(folder: string, prefix: string): AsyncIterable<BlobFacts> {
    let entries: Awaited<ReturnType<typeof opendir>>;
    try {
      entries = await opendir(join(this.#root, folder));
    } catch (error) {
      if (isAbsent(error)) return;
      throw failed('list', folder, error);
    }
    for await (const entry of entries) {
      const name = `${folder}${entry.name}`;
      if (entry.isDirectory()) {
        const isWithin = name.startsWith(prefix) || prefix.startsWith(`${name}/`);
        if (isWithin && entry.name !== TEMPORARY) yield* this.#walk(`${name}/`, prefix);
      } else if (name.startsWith(prefix)) {
        const facts = await stat(join(this.#root, name)).catch(() => null);
        // Removed meanwhile.
        if (facts !== null) yield { name, bytes: facts.size, writtenAt: facts.mtimeMs };
      }
    }
  }

  #pathOf(name: string): string {
    if (!BLOB_NAME.test(name))
      throw new BlobStoreError('take', 'a blob', 'its name is none that a blob can have');
    return join(this.#root, name);
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '');
}

function failed(action: string, name: string, error: unknown): BlobStoreError {
  if (error instanceof BlobStoreError) return error;
  return new BlobStoreError(action, name, codeOf(error) ?? 'unknown error', { cause: error });
}
