/** What several commands of encrypted training share. */
import { totalmem } from 'node:os';
import { LimitError } from '../../../base/errors.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import {
  LogisticProgram,
  splitTable,
  standardised,
  type TableProgram,
} from '../../../runtime/training/index.ts';
import { CkksContext } from '../../../schemes/ckks/context.ts';
import type { CkksParams } from '../../../schemes/ckks/params.ts';
import { readCsvTable } from '../../fhe/csv-table.ts';
import type { PreparedTables } from '../../fhe/methods.ts';
import { assertSameColumns, type OwnerFolder } from '../../fhe/owner-folder.ts';
import type { EngineParts } from '../parts.ts';
import { formatBytes } from '../terminal/table.ts';
import { figuresOf } from './fhe-report.ts';

/** Of a file of encrypted rows or weights. */
export const MAX_FILE = 2 ** 33;
export const PASSPHRASE_FLAG = [
  '--passphrase-file <file>',
  "passphrase of the owner's key; or SUBROSA_PASSPHRASE",
] as const;

export interface PassphraseFlags {
  readonly passphraseFile?: string;
}

/** @throws {LimitError} that says what would fit. */
export function assertMemory(program: TableProgram): void {
  const { memory } = figuresOf(program);
  const there = totalmem();
  if (memory <= there) return;
  const slots = program instanceof LogisticProgram ? program.bootstrap?.fittingSlots(there) : undefined;
  const advice =
    slots === undefined
      ? '--method logistic with few iterations and without --bootstrap'
      : `keys for ${slots} slots: at most ${slots / 2 - 1} columns`;
  throw new LimitError(
    'the memory of this program',
    `${formatBytes(there)} that this machine has (what would fit: ${advice})`,
    formatBytes(memory),
  );
}

export async function withContext<T>(
  program: { readonly params: CkksParams },
  parts: EngineParts,
  work: (context: CkksContext) => Promise<T>,
): Promise<T> {
  using kernel: Kernel = await parts.openKernel(() => undefined);
  using context = await CkksContext.open(program.params, { kernel });
  return await work(context);
}

export interface OwnerFlags extends PassphraseFlags {
  readonly keys: string;
  readonly data: string;
  readonly json?: boolean;
}

/** The rows to train on and those held out, standardised as the keys were made for. */
export function ownersTables(folder: OwnerFolder, data: string): PreparedTables {
  const { notes } = folder;
  const raw = readCsvTable(data, notes.label);
  assertSameColumns(folder, raw);
  const { train, heldOut } = splitTable(raw, notes.heldOutOneIn);
  return { train: standardised(train, notes), heldOut: standardised(heldOut, notes) };
}
