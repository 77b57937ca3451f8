/** Says which file a system call failed on: the system's own error for a write, a flush or a close does not. */
import { FileWriteError } from '../../base/errors.ts';

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full; make room and try again',
  EDQUOT: 'the disk quota is used up; make room and try again',
  EROFS: 'the file system is mounted for reading only',
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EEXIST: 'there is such a file already',
  ENOENT: 'its folder is not there',
  ENOTDIR: 'its folder is not there',
  EISDIR: 'a folder has this name',
  EIO: 'the disk reports an error',
  EFBIG: 'the file system does not take files of this size',
  EMFILE: 'too many files are open',
};

/** Codes of Node and of this package look different. */
const SYSTEM_CODE = /^E[A-Z0-9]+$/;

/**
 * The typed error for a failed system call on `path`; an error that is none of the system's (of whoever makes the content) comes
 * back as it is. `kept` says what the failure did not touch.
 */
export function fileWriteError(path: string, error: unknown, kept?: string): unknown {
  if (error instanceof FileWriteError) return error;
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code !== 'string' || !SYSTEM_CODE.test(code)) return error;
  const reason = REASONS[code] ?? 'the system refused';
  return new FileWriteError(path, code, kept === undefined ? reason : `${kept}; ${reason}`, { cause: error });
}

/** Runs `write`, which writes to the file at `path`. @throws {FileWriteError} naming it */
export async function writingFile<T>(path: string, write: () => Promise<T>, kept?: string): Promise<T> {
  try {
    return await write();
  } catch (error) {
    throw fileWriteError(path, error, kept);
  }
}

/** The same where nothing can be awaited. @throws {FileWriteError} */
export function writingFileSync<T>(path: string, write: () => T, kept?: string): T {
  try {
    return write();
  } catch (error) {
    throw fileWriteError(path, error, kept);
  }
}
