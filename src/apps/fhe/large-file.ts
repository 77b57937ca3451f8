/** Key files of gigabytes: read by parts, after their size has been checked against what is expected. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { DataError } from '../../base/errors.ts';

const PART = 2 ** 28;

/** All bytes of a file that must have this size, or at most it. @throws {DataError} before anything is read or allocated. */
export function loadLargeFile(
  path: string,
  size: { readonly exactly: number } | { readonly atMost: number },
): Uint8Array {
  const file = opened(path);
  try {
    const { size: found } = fstatSync(file);
    if ('exactly' in size ? found !== size.exactly : found > size.atMost) {
      const needed = 'exactly' in size ? `${size.exactly}` : `at most ${size.atMost}`;
      throw new DataError(
        `${path} has ${found} bytes, not ${needed}: it is not what this program needs, or was cut off`,
      );
    }
    const bytes = new Uint8Array(found);
    for (let at = 0; at < found; ) {
      const read = readSync(file, bytes, at, Math.min(PART, found - at), at);
      if (read === 0) throw new DataError(`${path} ended while it was read`);
      at += read;
    }
    return bytes;
  } finally {
    closeSync(file);
  }
}

function opened(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw new DataError(`cannot read ${path}: ${code === 'ENOENT' ? 'there is no such file' : code}`);
  }
}

/** A large buffer in parts that one system call takes. */
export function* partsOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PART) yield bytes.subarray(at, at + PART);
}
