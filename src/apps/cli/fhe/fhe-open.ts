/** `subrosa fhe open`: the owner's command for a result. */
import { KeyFileError, UsageError } from '../../../base/errors.ts';
import { LogisticOwner, LogisticProgram, readTrainingFile } from '../../../runtime/training/index.ts';
import { loadLargeFile } from '../../fhe/large-file.ts';
import {
  heldOutAuc,
  mirrorTolerance,
  type OpenedModel,
  openedLogistic,
  openResult,
} from '../../fhe/methods.ts';
import {
  fileDigest,
  loadTrainerKeys,
  openOwnerFolder,
  openOwnerKey,
  publicFolder,
  writeNotes,
} from '../../fhe/owner-folder.ts';
import { logisticCurve, writeCurve } from '../../fhe/training-curve.ts';
import type { EngineParts } from '../parts.ts';
import { passphraseFor } from '../terminal/passphrase.ts';
import { formatTable } from '../terminal/table.ts';
import { printable, type Terminal } from '../terminal/terminal.ts';
import { MAX_FILE, type OwnerFlags, ownersTables, withContext } from './fhe-parts.ts';

interface OpenFlags extends OwnerFlags {
  readonly publish?: boolean;
  readonly rows?: string;
  readonly curve?: string;
}

export async function openWeights(
  file: string,
  flags: OpenFlags,
  terminal: Terminal,
  parts: EngineParts,
): Promise<void> {
  if (flags.publish === true && flags.rows === undefined)
    throw new UsageError('--publish computes the weights again: --rows FILE, the encrypted rows');
  const folder = openOwnerFolder(flags.keys);
  const { program, notes } = folder;
  const logistic = program instanceof LogisticProgram ? program : undefined;
  if (logistic === undefined && (flags.publish === true || flags.curve !== undefined))
    throw new UsageError('--publish and --curve are for results of --method logistic');
  const tables = ownersTables(folder, flags.data);
  const { heldOut } = tables;
  const passphrase = await passphraseFor(flags.passphraseFile, terminal, false);
  const model = await withContext(program, parts, async (context): Promise<OpenedModel> => {
    using secret = await openOwnerKey(folder, context, passphrase);
    using arena = context.arena();
    const bytes = loadLargeFile(file, { atMost: MAX_FILE });
    const [result] = readTrainingFile('weights', program, context, bytes, arena);
    if (flags.publish !== true || logistic === undefined)
      return openResult(program, context, secret, tables, notes, result!);
    const owner = new LogisticOwner(context, logistic, secret);
    const release = owner.release(arena, notes.released);
    // The owner vouches for its keys and rows, and looks whether they are the ones that it made.
    const keys = loadTrainerKeys(publicFolder(flags.keys), program, context, notes.keysDigest);
    try {
      const rowsFile = loadLargeFile(flags.rows!, { atMost: MAX_FILE });
      if (fileDigest(rowsFile) !== notes.rowsDigest)
        throw new KeyFileError(`${flags.rows} is not what was encrypted last: nothing is published`);
      const rows = readTrainingFile('rows', program, context, rowsFile, arena);
      // Written down first: a release that fails afterwards is spent as well.
      await writeNotes(flags.keys, { ...notes, released: notes.released + 1 });
      const evaluator = context.evaluator(keys.evaluation, arena);
      const statement = { inputs: 'honestly-encrypted', keys: 'made-by-the-owner' } as const;
      const published = release.recompute(evaluator, rows, { claimed: result!, ...statement });
      return openedLogistic(logistic, tables, notes, published.slice(0, program.spec.features + 1));
    } finally {
      keys.evaluation[Symbol.dispose]();
    }
  });
  const auc = heldOutAuc(heldOut, model.scores);
  if (logistic !== undefined && flags.curve !== undefined)
    writeCurve(flags.curve, { ...logisticCurve(logistic, tables.train, heldOut), encryptedAuc: auc });
  report(model, auc, flags, terminal, {
    whoLearnsWhat: program.whoLearnsWhat,
    heldOut: heldOut.labels.length,
    tolerance: mirrorTolerance(program),
  });
}

interface ReportFacts {
  readonly whoLearnsWhat: unknown;
  readonly heldOut: number;
  readonly tolerance: number;
}

function report(
  { weights, mirrorDifference }: OpenedModel,
  auc: number | null,
  { publish, json }: OpenFlags,
  terminal: Terminal,
  { whoLearnsWhat, heldOut, tolerance }: ReportFacts,
): void {
  if (json === true) {
    const told = { published: publish === true, auc, heldOut, mirrorDifference };
    terminal.out(`${JSON.stringify({ ...told, weights: Object.fromEntries(weights), whoLearnsWhat })}\n`);
    return;
  }
  terminal.out(
    formatTable(
      weights.map(([name, weight]) => [printable(name), weight.toFixed(4)]),
      [{}, { align: 'right' }],
    ),
  );
  terminal.out(
    `\nAUC on ${heldOut} rows that never left this machine: ${auc?.toFixed(3) ?? 'unknown (one class)'}\n`,
  );
  const isOther = mirrorDifference > tolerance && publish !== true;
  terminal.out(
    `Largest difference from the clear mirror: ${mirrorDifference.toExponential(1)}${isOther ? ': THE TRAINER DID NOT RUN THIS PROGRAM ON THESE ROWS' : ''}\n`,
  );
  if (publish !== true)
    terminal.out(
      'These weights are for you alone: exact ones that are handed on can give away your key (fhe keys --publish makes some that can be).\n',
    );
}
