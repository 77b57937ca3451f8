/** The files of a model directory and what a card says of them. */
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFileSync } from '../keystore/atomic-file.ts';

/** Bytes and the first 16 hexadecimal digits of the SHA-256 of every file. */
export type FileFacts = Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;

const FINGERPRINT_DIGITS = 16;

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
