/** Removes blobs that nobody will ask for: queries and replies of jobs that the broker has forgotten, parts of uploads that stopped. */
import type { BlobStore } from './blob-store.ts';

export interface SweepRule {
  readonly prefix: string;
  readonly keptMs: number;
}

const MINUTE = 60_000;

/** Longer than the broker keeps a job, and a client its patience. */
export const SWEEP_RULES: readonly SweepRule[] = [
  { prefix: 'queries/', keptMs: 20 * MINUTE },
  { prefix: 'replies/', keptMs: 20 * MINUTE },
  { prefix: 'uploads/', keptMs: 20 * MINUTE },
  // The broker keeps blocks for fourteen days.
  { prefix: 'blocks/', keptMs: 15 * 24 * 60 * MINUTE },
];

/** Returns how many went. @throws {BlobStoreError} */
export async function sweep(store: BlobStore, rules = SWEEP_RULES, now = Date.now()): Promise<number> {
  let removed = 0;
  for (const { prefix, keptMs } of rules) {
    for await (const { name, writtenAt } of store.list(prefix)) {
      if (writtenAt > now - keptMs) continue;
      await store.remove(name);
      removed++;
    }
  }
  return removed;
}
