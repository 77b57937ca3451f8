/**
 * Reading files that hold secrets (passphrases, tokens, policies, keys of devices and edges, names of classes): refused when anybody
 * but their owner may read or write them. The mode is taken from the open file, so that nobody can put another one there in between;
 * links are followed. Pipes (`--passphrase-file <(...)`) and terminals have no readers to keep out.
 */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { KeyFileError } from '../../base/errors.ts';

/** Bits of the group and of everybody else. */
const OTHERS = 0o077;

/**
 * Refuses a mode with bits beyond `wanted`. Windows has no such modes; there the user profile's access list does this work.
 * @throws {KeyFileError} with the command that mends it
 */
export function refuseOpenMode(path: string, mode: number, wanted: 0o600 | 0o700): void {
  if (process.platform === 'win32' || (mode & OTHERS) === 0) return;
  const octal = (mode & 0o777).toString(8).padStart(4, '0');
  throw new KeyFileError(
    `${path} holds a secret and has mode ${octal}: others may read or change it; if you still trust its content, chmod ${wanted.toString(8)} ${path}`,
  );
}

/** The content of a file that only its owner may read. @throws {KeyFileError} naming the file */
export function readPrivateFile(path: string): Uint8Array {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    throw unreadable(path, error);
  }
  try {
    const info = fstatSync(file);
    if (info.isFile()) refuseOpenMode(path, info.mode, 0o600);
    return readFileSync(file);
  } catch (error) {
    throw error instanceof KeyFileError ? error : unreadable(path, error);
  } finally {
    closeSync(file);
  }
}

/** The same as text. @throws {KeyFileError} naming the file */
export function readPrivateText(path: string): string {
  const bytes = readPrivateFile(path);
  try {
    return new TextDecoder().decode(bytes);
  } finally {
    bytes.fill(0);
  }
}

function unreadable(path: string, error: unknown): KeyFileError {
  const { code = 'unknown error' } = error as NodeJS.ErrnoException;
  const why = code === 'ENOENT' ? 'there is no such file' : code;
  return new KeyFileError(`cannot read ${path}: ${why}`, { cause: error });
}
