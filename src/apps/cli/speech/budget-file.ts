/**
 * What principals have spent of their query budget, in a file: a restart is no new start. Principals are in it as they are, an
 * address or a name, so it is for its owner alone (mode 0600, like every file that `replaceFile` writes).
 */
import { existsSync, readFileSync } from 'node:fs';
import * as z from 'zod';
import { DataError } from '../../../base/errors.ts';
import { replaceFile } from '../../keystore/atomic-file.ts';
import type { KeptBudget } from '../../server/index.ts';

const schema = z.strictObject({
  version: z.literal(1),
  /** Model and principal, and samples. */
  spent: z.array(z.tuple([z.string().max(512), z.int().min(0)])),
});

/** @throws {DataError} when the file is there and is none of these. */
export function openBudgetFile(path: string): KeptBudget {
  let writing: Promise<void> | undefined;
  let next: { spent: KeptBudget['spent']; written: Promise<void> } | undefined;
  const write = (spent: KeptBudget['spent']): Promise<void> => {
    writing = replaceFile(path, new TextEncoder().encode(JSON.stringify({ version: 1, spent }))).finally(
      () => {
        writing = undefined;
      },
    );
    return writing;
  };
  return {
    spent: existsSync(path) ? readSpent(path) : [],
    /** While one state is written, later ones wait and only the last of them is written. */
    keep: (spent) => {
      if (writing === undefined) return write(spent);
      if (next === undefined) {
        const waiting = { spent, written: Promise.resolve() };
        waiting.written = writing
          .catch(() => undefined)
          .then(() => {
            next = undefined;
            return write(waiting.spent);
          });
        next = waiting;
      }
      next.spent = spent;
      return next.written;
    },
  };
}

function readSpent(path: string): KeptBudget['spent'] {
  try {
    return schema.parse(JSON.parse(readFileSync(path, 'utf8'))).spent;
  } catch {
    throw new DataError(`${path} is no budget file: move it away to begin anew, at zero for everyone`);
  }
}
