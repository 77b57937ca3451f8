/** `subrosa fhe`: a model trained by a server on rows that it cannot read. */
import { type Command, Option } from 'commander';
import { KeyFileError, UsageError } from '../../../base/errors.ts';
import {
  categoryRowScores,
  LogisticOwner,
  LogisticProgram,
  mirrorCategory,
  mirrorLogistic,
  scoresOf,
  writeTrainingFile,
} from '../../../runtime/training/index.ts';
import { readCsvTable } from '../../fhe/csv-table.ts';
import {
  encryptTable,
  heldOutAuc,
  type MethodShape,
  prepareProgram,
  type PreparedProgram,
} from '../../fhe/methods.ts';
import {
  assertNewFolder,
  completeOwnerFolder,
  createOwnerFolder,
  fileDigest,
  loadProgram,
  openOwnerFolder,
  openOwnerKey,
  type OwnerNotes,
  publicFolder,
  writeNotes,
} from '../../fhe/owner-folder.ts';
import { replaceFile } from '../../keystore/atomic-file.ts';
import type { EngineParts } from '../parts.ts';
import { wholeNumber } from '../speech/serve.ts';
import { passphraseFor } from '../terminal/passphrase.ts';
import { ProgressBar } from '../terminal/progress-bar.ts';
import { formatBytes } from '../terminal/table.ts';
import { printable, type Terminal } from '../terminal/terminal.ts';
import { logisticCurve, writeCurve } from '../../fhe/training-curve.ts';
import { fheDemo } from './fhe-demo.ts';
import { addFheNetwork } from './fhe-network.ts';
import { openWeights } from './fhe-open.ts';
import {
  assertMemory,
  ownersTables,
  type OwnerFlags,
  type PassphraseFlags,
  PASSPHRASE_FLAG,
  withContext,
} from './fhe-parts.ts';
import { runTraining } from './fhe-run.ts';
import { figuresOf, programReport, WHO_LEARNS_WHAT_IN_FHE } from './fhe-report.ts';

const HELD_OUT_ONE_IN = 5;
const DEFAULT_ITERATIONS = 4;
const DEFAULT_CHOSEN = 5;
const NOTHING_GIVEN = { released: 0, keysDigest: '', rowsDigest: '' };
const JSON_FLAG = ['--json', 'one JSON object on standard output, for programs'] as const;
interface ShapeFlags {
  readonly data: string;
  readonly label: string;
  readonly method: 'logistic' | 'category';
  readonly iterations?: number;
  readonly bootstrap?: boolean;
  readonly publish?: boolean;
  readonly choose?: number;
  readonly curve?: string;
  readonly json?: boolean;
}

export function addFhe(program: Command, terminal: Terminal, parts: EngineParts): void {
  const fhe = program
    .command('fhe')
    .description('train a model on a server that can read neither the data nor the model')
    .addHelpText('after', WHO_LEARNS_WHAT_IN_FHE);
  const command = (name: string, description: string): Command =>
    fhe
      .command(name)
      .description(description)
      .option(...JSON_FLAG)
      .addHelpText('after', WHO_LEARNS_WHAT_IN_FHE);
  const shaped = (target: Command): Command =>
    target
      .requiredOption('--data <file.csv>', 'a header, numbers, and a column of yes and no (or 1 and 0)')
      .requiredOption('--label <column>', 'the column of yes and no')
      .addOption(
        new Option('--method <name>', 'all columns by Nesterov steps, or a few chosen under encryption')
          .choices(['logistic', 'category'])
          .default('logistic'),
      )
      .addOption(
        new Option('--iterations <n>', 'logistic: steps of training (default: 4)').argParser(
          wholeNumber(1, 200),
        ),
      )
      .option('--bootstrap', 'logistic: levels back by bootstrapping, for many iterations; gigabytes of keys')
      .option('--publish', 'logistic: weights that may be handed on; three iterations at most')
      .addOption(
        new Option(
          '--choose <k>',
          'category: how many columns, all of 0 and 1, are chosen (default: 5); 13 GB of memory',
        ).argParser(wholeNumber(1, 6)),
      )
      .option('--curve <file.svg>', 'logistic: AUC and accuracy on held-out rows by iteration, in the clear');
  command('demo', 'an owner and a trainer in two processes, on a table made by code')
    .addOption(new Option('--rows <n>', 'of the table').default(1280).argParser(wholeNumber(50, 100_000)))
    .addOption(new Option('--columns <n>', 'of the table').default(18).argParser(wholeNumber(2, 511)))
    .addOption(new Option('--iterations <n>', 'steps of training').default(4).argParser(wholeNumber(1, 200)))
    .action((flags) => fheDemo(flags, terminal));
  shaped(command('tune', 'choose step sizes on your own rows, in the clear; nothing is written')).action(
    (flags: ShapeFlags) => tune(flags, terminal),
  );
  shaped(command('keys', 'the owner: choose the program and make its keys'))
    .requiredOption('--out <dir>', "the owner's new folder; `public` in it is for the trainer")
    .option('--resume', 'go on with a folder whose making was interrupted')
    .option(...PASSPHRASE_FLAG)
    .action((flags) => makeKeys(flags, terminal, parts));
  command('encrypt', 'the owner: encrypt the rows that are trained on')
    .requiredOption('--keys <dir>', "the owner's folder")
    .requiredOption('--data <file.csv>', 'the same table')
    .requiredOption('--out <file>', 'encrypted rows, for the trainer')
    .option(...PASSPHRASE_FLAG)
    .action((flags) => encryptRows(flags, terminal, parts));
  command('run', 'the trainer: train on encrypted rows')
    .requiredOption('--keys <dir>', "the owner's public folder")
    .requiredOption('--rows <file>', 'encrypted rows')
    .requiredOption('--out <file>', 'encrypted weights, for the owner')
    .option('--checkpoint <dir>', 'keeps the state after every step, and goes on from it when it is there')
    .addOption(
      new Option('--stop-after <n>', 'stop after so many steps in all; with --checkpoint').argParser(
        wholeNumber(1, 1000),
      ),
    )
    .action((flags) => runTraining(flags, terminal, parts));
  command('open', 'the owner: open the weights and see what they are worth on rows that never left')
    .argument('<file>', 'encrypted weights')
    .requiredOption('--keys <dir>', "the owner's folder")
    .requiredOption('--data <file.csv>', 'the same table')
    .option('--publish', 'through the release of the key: computed again here, then hidden by noise; once')
    .option('--rows <file>', 'with --publish: the encrypted rows')
    .option('--curve <file.svg>', 'AUC and accuracy on held-out rows by iteration, the result beside them')
    .option(...PASSPHRASE_FLAG)
    .action((file, flags) => openWeights(file, flags, terminal, parts));
  command('inspect', 'what a program needs, and who learns what')
    .argument('<program>', 'public folder or program.json')
    .action((path, flags) => inspectProgram(path, flags, terminal));
  addFheNetwork(fhe, { terminal, parts });
}

interface Prepared extends PreparedProgram {
  readonly notes: OwnerNotes;
}

/** @throws {UsageError} for flags of the other method. */
function shapeOf({ method, iterations, bootstrap, publish, choose }: ShapeFlags): MethodShape {
  if (method === 'category') {
    if (iterations !== undefined || bootstrap === true || publish === true)
      throw new UsageError('--iterations, --bootstrap and --publish are for --method logistic');
    return { method, choose: choose ?? DEFAULT_CHOSEN };
  }
  if (choose !== undefined) throw new UsageError('--choose is for --method category');
  if (bootstrap === true && publish === true)
    throw new UsageError('--bootstrap and --publish exclude each other');
  return {
    method,
    iterations: iterations ?? DEFAULT_ITERATIONS,
    bootstrapping: bootstrap === true,
    publish: publish === true,
  };
}

/** The table split, standardised by its training rows, and tuned. */
function prepared(flags: ShapeFlags): Prepared {
  const shape = shapeOf(flags);
  const raw = readCsvTable(flags.data, flags.label);
  const made = prepareProgram(raw, shape, HELD_OUT_ONE_IN);
  const { label } = flags;
  const notes = {
    label,
    columns: raw.columns,
    ...made.standard,
    heldOutOneIn: HELD_OUT_ONE_IN,
    ...NOTHING_GIVEN,
  };
  return { ...made, notes };
}

function tune(flags: ShapeFlags, terminal: Terminal): void {
  const { program, train, heldOut } = prepared(flags);
  if (program instanceof LogisticProgram) {
    const { weights, largestMargin } = mirrorLogistic(train, program.steps);
    const auc = heldOutAuc(heldOut, scoresOf(heldOut, weights));
    if (flags.curve !== undefined) writeCurve(flags.curve, logisticCurve(program, train, heldOut));
    if (flags.json === true) {
      terminal.out(
        `${JSON.stringify({ program: program.spec, largestMargin, auc, ...figuresOf(program) })}\n`,
      );
      return;
    }
    terminal.out(programReport(program));
    terminal.out(
      `\nThe clear mirror on your rows: AUC ${auc?.toFixed(3) ?? 'unknown'} on held-out rows, largest margin ${largestMargin.toFixed(1)} of 8.\n`,
    );
    return;
  }
  if (flags.curve !== undefined)
    throw new UsageError('--curve is for --method logistic: this method has no iterations');
  const mirror = mirrorCategory(train, program.spec.chosen);
  const auc = heldOutAuc(heldOut, categoryRowScores(heldOut, mirror));
  const columns = mirror.columns.map((column) => train.columns[column]!);
  if (flags.json === true)
    terminal.out(`${JSON.stringify({ program: program.spec, columns, auc, ...figuresOf(program) })}\n`);
  else {
    terminal.out(programReport(program));
    terminal.out(
      `\nThe clear mirror on your rows: AUC ${auc?.toFixed(3) ?? 'unknown'} on held-out rows, with ${columns.map(printable).join(', ')}.\n`,
    );
  }
}

function inspectProgram(path: string, { json }: { json?: boolean }, terminal: Terminal): void {
  const program = loadProgram(path);
  const figures = figuresOf(program);
  terminal.out(
    json === true
      ? `${JSON.stringify({ id: program.id, program: program.spec, ...figures, whoLearnsWhat: program.whoLearnsWhat })}\n`
      : programReport(program),
  );
}

interface KeysFlags extends ShapeFlags, PassphraseFlags {
  readonly out: string;
  readonly resume?: boolean;
}

async function makeKeys(flags: KeysFlags, terminal: Terminal, parts: EngineParts): Promise<void> {
  if (flags.resume !== true) assertNewFolder(flags.out);
  const { program, notes } = prepared(flags);
  const folder = flags.resume === true ? openOwnerFolder(flags.out) : { path: flags.out, program, notes };
  if (folder.program.id !== program.id)
    throw new KeyFileError(
      `${flags.out} is for another program: resume with the flags and the table of before`,
    );
  assertMemory(program);
  const passphrase = await passphraseFor(flags.passphraseFile, terminal, flags.resume !== true);
  const figures = figuresOf(program);
  terminal.err(`${figures.keys} keys: ${formatBytes(figures.keyBytes)} for the trainer\n`);
  using bar = new ProgressBar(terminal);
  bar.progress('making keys', 0);
  await withContext(program, parts, async (context) => {
    using generator = context.keyGenerator();
    using secret =
      flags.resume === true ? await openOwnerKey(folder, context, passphrase) : generator.secretKey();
    using arena = context.arena();
    // A program that leaves no precision is refused before there is anything to encrypt.
    if (program instanceof LogisticProgram && program.spec.rule === 'publish')
      new LogisticOwner(context, program, secret).release(arena);
    if (flags.resume !== true) await createOwnerFolder(folder, secret, passphrase);
    await completeOwnerFolder(folder, context, generator, secret, (there, of) =>
      bar.progress(`key ${there} of ${of}`, there / of),
    );
  });
  bar[Symbol.dispose]();
  if (flags.json === true)
    terminal.out(
      `${JSON.stringify({ id: program.id, folder: flags.out, public: publicFolder(flags.out), ...figures })}\n`,
    );
  else {
    terminal.out(programReport(program));
    terminal.out(`\nGive ${publicFolder(flags.out)} to the trainer. Keep the rest of ${flags.out}.\n`);
  }
}

async function encryptRows(
  flags: OwnerFlags & { out: string },
  terminal: Terminal,
  parts: EngineParts,
): Promise<void> {
  const folder = openOwnerFolder(flags.keys);
  const { program } = folder;
  const { train } = ownersTables(folder, flags.data);
  const passphrase = await passphraseFor(flags.passphraseFile, terminal, false);
  const bytes = await withContext(program, parts, async (context) => {
    using secret = await openOwnerKey(folder, context, passphrase);
    using arena = context.arena();
    const rows = encryptTable(program, context, secret, train, arena);
    return writeTrainingFile('rows', program, rows);
  });
  await replaceFile(flags.out, bytes);
  await writeNotes(flags.keys, { ...folder.notes, rowsDigest: fileDigest(bytes) });
  const told = { rows: program.spec.rows, bytes: bytes.length, file: flags.out };
  terminal.out(
    flags.json === true
      ? `${JSON.stringify(told)}\n`
      : `${told.rows} rows encrypted, ${formatBytes(told.bytes)}: give ${told.file} to the trainer.\n`,
  );
}
