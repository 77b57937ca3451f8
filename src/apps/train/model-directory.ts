/** The files of a model directory and what a card says of them. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import { replaceFileSync } from '../keystore/atomic-file.ts';

/** Bytes and the first 16 hexadecimal digits of the SHA-256 of every file. */
export type FileFacts = Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;

const FINGERPRINT_DIGITS = 16;

/**
 * Asked before a training that may take hours: the directory holds no network whose file name begins with `prefix`.
 * @throws {UsageError} when it does.
 */
export function requireNoModel(directory: string, prefix = ''): void {
  const names = existsSync(directory) ? readdirSync(directory) : [];
  const held = names.find((name) => name.startsWith(prefix) && name.endsWith('.bin'));
  if (held !== undefined) {
    const remedy = '--force replaces it, --out names another folder';
    throw new UsageError(`${directory} already holds a model (${held}): ${remedy}`);
  }
}

/** Makes the directory, replaces each file in one step. */
export function writeModelFiles(directory: string, files: Readonly<Record<string, Uint8Array>>): FileFacts {
  mkdirSync(directory, { recursive: true });
  return Object.fromEntries(
    Object.entries(files).map(([name, bytes]) => {
      replaceFileSync(join(directory, name), bytes);
      const sha256 = createHash('sha256').update(bytes).digest('hex').slice(0, FINGERPRINT_DIGITS);
      return [name, { bytes: bytes.length, sha256 }];
    }),
  );
}

/** The rows of a card's table of files. */
export function formatFileRows(files: FileFacts): string {
  return Object.entries(files)
    .map(([name, { bytes, sha256 }]) => `| ${name} | ${bytes} | ${sha256} |`)
    .join('\n');
}
