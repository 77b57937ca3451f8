/** An owner's ledger on a disk: one file in a directory of its own, replaced whole, for one process at a time, closed to others. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { UsageError } from '../../base/errors.ts';
import { systemRandom } from '../../base/random.ts';
import { OwnerLedger } from '../../protocols/cryptonn/owner/owner-ledger.ts';
import { replaceFile } from '../keystore/atomic-file.ts';
import { DirectoryLock } from '../keystore/directory-lock.ts';
import { keyDirectory } from '../keystore/key-store.ts';
import { readPrivateFile } from '../keystore/private-file.ts';

const NAME = 'owner-ledger.json';
/** Another encryption on the same machine has the ledger for about a second. */
const [ATTEMPTS, PAUSE_MS] = [60, 500];

/** Beside the keys of encrypted inference. */
export function ledgerDirectory(env: NodeJS.ProcessEnv): string {
  return join(dirname(keyDirectory(env)), 'ledger');
}

/**
 * Calls `work` with the ledger of a directory, a new one where there is none, and keeps what became of it before this resolves.
 * @throws {KeyFileError} when others may read the file. {@link DecodeError} {@link FileWriteError} {@link UsageError}
 */
export async function withLedger<T>(directory: string, work: (ledger: OwnerLedger) => T): Promise<T> {
  using _lock = await patientLock(directory);
  const path = join(directory, NAME);
  const ledger = loadLedger(path);
  const result = work(ledger);
  await replaceFile(path, ledger.toBytes());
  return result;
}

function loadLedger(path: string): OwnerLedger {
  if (!existsSync(path)) return OwnerLedger.create(systemRandom);
  return OwnerLedger.fromBytes(readPrivateFile(path));
}

async function patientLock(directory: string): Promise<DirectoryLock> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await DirectoryLock.take(directory);
    } catch (error) {
      if (!(error instanceof UsageError) || attempt === ATTEMPTS) throw error;
    }
    await pause(PAUSE_MS);
  }
}
