/**
 * Replaces a file so that a crash, a full disk or a power cut leaves the old content or the new, never a mixture:
 * write a temporary file beside it, flush it to the disk, rename it over the old, flush the directory.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writingFile, writingFileSync } from './file-errors.ts';

/** The system calls in use; tests let the k-th one fail. */
export interface FileCalls {
  open(path: string, flags: string, mode?: number): Promise<Pick<FileHandle, 'writeFile' | 'sync' | 'close'>>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
}

/** What a failure has left as it was. */
const UNTOUCHED = 'nothing half written is left, and an earlier file is unchanged';
const UNFLUSHED = 'nothing half written is left, but the new file might not survive a power cut';

const SYSTEM: FileCalls = { open, rename, unlink };

/** Mode 0600. @throws {FileWriteError} naming the file; then the old one is as it was and nothing is left behind. */
export function replaceFile(path: string, bytes: Uint8Array, calls: FileCalls = SYSTEM): Promise<void> {
  return replaceFileByParts(path, [bytes], calls);
}

/** The same for content that is made while it is written; an error of its maker ends it, too, and comes out as it is. */
export async function replaceFileByParts(
  path: string,
  parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  calls: FileCalls = SYSTEM,
): Promise<void> {
  const temporary = temporaryBeside(path);
  const step = <T>(call: () => Promise<T>) => writingFile(path, call, UNTOUCHED);
  try {
    const file = await step(() => calls.open(temporary, 'wx', 0o600));
    try {
      // Each call continues where the one before ended.
      for await (const part of parts) await step(() => file.writeFile(part));
      await step(() => file.sync());
    } finally {
      await step(() => file.close());
    }
    await step(() => calls.rename(temporary, path));
  } catch (error) {
    await calls.unlink(temporary).catch(() => undefined);
    throw error;
  }
  await writingFile(path, () => flushDirectory(path, calls), UNFLUSHED);
}

async function flushDirectory(path: string, calls: FileCalls): Promise<void> {
  const directory = await calls.open(dirname(path), 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/**
 * The same where nothing can be awaited, for files that are no secrets: their mode is what the user's mask leaves of 0666.
 * @throws {FileWriteError} naming the file
 */
export function replaceFileSync(path: string, content: Uint8Array | string): void {
  const temporary = temporaryBeside(path);
  try {
    writingFileSync(path, () => writeAndRename(temporary, path, content), UNTOUCHED);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  writingFileSync(path, () => flushDirectorySync(path), UNFLUSHED);
}

function writeAndRename(temporary: string, path: string, content: Uint8Array | string): void {
  const file = openSync(temporary, 'wx', 0o666);
  try {
    writeFileSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
}

function flushDirectorySync(path: string): void {
  const directory = openSync(dirname(path), 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

/** Of a temporary file, which a process that was killed leaves, the name of the file that it was to replace. */
export function replacedBy(name: string): string | undefined {
  return /^(.+)\.[0-9a-f]{12}\.tmp$/.exec(name)?.[1];
}

function temporaryBeside(path: string): string {
  return `${path}.${randomBytes(6).toString('hex')}.tmp`;
}
