/**
 * The folder in which a trainer keeps the state of a run after every step, so that a run that is stopped, by whatever, goes on from there:
 * one file, replaced as a whole, and a lock against a second trainer. It belongs to one program on one file of rows.
 */
import { createHash } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DataError, DecodeError } from '../../base/errors.ts';
import type { Arena } from '../../ring/arena.ts';
import {
  type ExpectedCheckpoint,
  readCheckpoint,
  type TrainingCheckpoint,
  writeCheckpoint,
} from '../../runtime/training/index.ts';
import type { CkksContext } from '../../schemes/ckks/context.ts';
import { replaceFileSync } from '../keystore/atomic-file.ts';
import { DirectoryLock } from '../keystore/directory-lock.ts';
import { loadLargeFile } from './large-file.ts';

const NAME = 'state.checkpoint';
const MAX_BYTES = 2 ** 32;

export class RunCheckpoint implements Disposable {
  #path: string;
  #lock: DirectoryLock;
  #expected: ExpectedCheckpoint;

  private constructor(path: string, lock: DirectoryLock, expected: ExpectedCheckpoint) {
    this.#path = path;
    this.#lock = lock;
    this.#expected = expected;
  }

  /** `rowsDigest`: SHA-256 of the file of rows. @throws {UsageError} when another process runs there. {@link FileWriteError} */
  static async open(
    directory: string,
    expected: ExpectedCheckpoint,
    rowsDigest: string,
  ): Promise<RunCheckpoint> {
    const programId = createHash('sha256').update(`${expected.programId} ${rowsDigest}`).digest('hex');
    const lock = await DirectoryLock.take(directory);
    return new RunCheckpoint(join(directory, NAME), lock, { ...expected, programId });
  }

  /** The state that an earlier run left, if there is one. @throws {DataError} for one that is not of this run, or damaged. */
  load(context: CkksContext, arena: Arena): TrainingCheckpoint | undefined {
    if (!existsSync(this.#path)) return undefined;
    try {
      const bytes = loadLargeFile(this.#path, { atMost: MAX_BYTES });
      return readCheckpoint(this.#expected, context, bytes, arena);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      throw new DataError(
        `${this.#path} cannot be gone on from (${error.message}): it is damaged or of another program or other rows; choose another folder, or delete it`,
      );
    }
  }

  /** @throws {FileWriteError} */
  keep(checkpoint: TrainingCheckpoint): void {
    replaceFileSync(this.#path, writeCheckpoint(this.#expected.programId, checkpoint));
  }

  /** When the result is written. */
  clear(): void {
    rmSync(this.#path, { force: true });
  }

  [Symbol.dispose](): void {
    this.#lock[Symbol.dispose]();
  }
}
