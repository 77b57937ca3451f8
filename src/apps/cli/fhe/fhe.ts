/** `subrosa fhe`: a model trained by a server on rows that it cannot read. */
import { totalmem } from 'node:os';
import { type Command, Option } from 'commander';
import { DataError, KeyFileError, LimitError, UsageError } from '../../../base/errors.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import {
  areaUnderCurve,
  type LabelledTable,
  LogisticOwner,
  type LogisticProgram,
  LogisticTrainer,
  mirrorLogistic,
  originalWeights,
  readTrainingFile,
  scoresOf,
  splitTable,
  standardised,
  tableStandardisation,
  tuneLogistic,
  writeTrainingFile,
} from '../../../runtime/training/index.ts';
import { CkksContext } from '../../../schemes/ckks/context.ts';
import { readCsvTable } from '../../fhe/csv-table.ts';
import { loadLargeFile } from '../../fhe/large-file.ts';
import {
  assertNewFolder,
  assertSameColumns,
  createOwnerFolder,
  fileDigest,
  loadProgram,
  loadTrainerKeys,
  type OwnerNotes,
  openOwnerFolder,
  openOwnerKey,
  publicFolder,
  writeNotes,
} from '../../fhe/owner-folder.ts';
import { replaceFile } from '../../keystore/atomic-file.ts';
import type { EngineParts } from '../parts.ts';
import { wholeNumber } from '../speech/serve.ts';
import { readPassphrase, terminalPrompt } from '../terminal/passphrase.ts';
import { ProgressBar } from '../terminal/progress-bar.ts';
import { formatBytes, formatTable, plural } from '../terminal/table.ts';
import { printable, type Terminal } from '../terminal/terminal.ts';
import { fheDemo } from './fhe-demo.ts';
import { figuresOf, programReport, WHO_LEARNS_WHAT_IN_FHE } from './fhe-report.ts';

const HELD_OUT_ONE_IN = 5;
const NOTHING_GIVEN = { released: 0, keysDigest: '', rowsDigest: '' };
/** Of a file of encrypted rows or weights. */
const MAX_FILE = 2 ** 33;
const JSON_FLAG = ['--json', 'one JSON object on standard output, for programs'] as const;
const PASSPHRASE_FLAG = [
  '--passphrase-file <file>',
  "passphrase of the owner's key; or SUBROSA_PASSPHRASE",
] as const;

interface ShapeFlags {
  readonly data: string;
  readonly label: string;
  readonly iterations: number;
  readonly bootstrap?: boolean;
  readonly publish?: boolean;
  readonly json?: boolean;
}

interface PassphraseFlags {
  readonly passphraseFile?: string;
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
        new Option('--iterations <n>', 'steps of training').default(4).argParser(wholeNumber(1, 200)),
      )
      .option('--bootstrap', 'levels back by bootstrapping: for many iterations; gigabytes of keys')
      .option('--publish', 'weights that may be handed on: two iterations at most');
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
    .action((flags) => runTraining(flags, terminal, parts));
  command('open', 'the owner: open the weights and see what they are worth on rows that never left')
    .argument('<file>', 'encrypted weights')
    .requiredOption('--keys <dir>', "the owner's folder")
    .requiredOption('--data <file.csv>', 'the same table')
    .option('--publish', 'through the release of the key: computed again here, then hidden by noise; once')
    .option('--rows <file>', 'with --publish: the encrypted rows')
    .option(...PASSPHRASE_FLAG)
    .action((file, flags) => openWeights(file, flags, terminal, parts));
  command('inspect', 'what a program needs, and who learns what')
    .argument('<program>', 'public folder or program.json')
    .action((path, flags) => inspectProgram(path, flags, terminal));
}

interface Prepared {
  readonly program: LogisticProgram;
  readonly train: LabelledTable;
  readonly heldOut: LabelledTable;
  readonly notes: OwnerNotes;
}

/** The table split, standardised by its training rows, and tuned. */
function prepared({ data, label, iterations, bootstrap, publish }: ShapeFlags): Prepared {
  if (bootstrap === true && publish === true)
    throw new UsageError('--bootstrap and --publish exclude each other');
  const raw = readCsvTable(data, label);
  const { train, heldOut } = splitTable(raw, HELD_OUT_ONE_IN);
  const standard = tableStandardisation(train);
  const table = standardised(train, standard);
  const rule = publish === true ? 'publish' : 'keep';
  const program = tuneLogistic(table, { iterations, rule, bootstrapping: bootstrap === true });
  const notes = { label, columns: raw.columns, ...standard, heldOutOneIn: HELD_OUT_ONE_IN, ...NOTHING_GIVEN };
  return { program, train: table, heldOut: standardised(heldOut, standard), notes };
}

/** AUC on held-out rows, or null where they are of one class. */
function heldOutAuc(heldOut: LabelledTable, weights: ArrayLike<number>): number | null {
  try {
    return areaUnderCurve(scoresOf(heldOut, weights), heldOut.labels);
  } catch (error) {
    if (error instanceof DataError) return null;
    throw error;
  }
}

function tune(flags: ShapeFlags, terminal: Terminal): void {
  const { program, train, heldOut } = prepared(flags);
  const { weights, largestMargin } = mirrorLogistic(train, program.steps);
  const auc = heldOutAuc(heldOut, weights);
  if (flags.json === true) {
    terminal.out(`${JSON.stringify({ program: program.spec, largestMargin, auc, ...figuresOf(program) })}\n`);
    return;
  }
  terminal.out(programReport(program));
  terminal.out(
    `\nThe clear mirror on your rows: AUC ${auc?.toFixed(3) ?? 'unknown'} on held-out rows, largest margin ${largestMargin.toFixed(1)} of 8.\n`,
  );
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

/** @throws {LimitError} that says what would fit. */
function assertMemory(program: LogisticProgram): void {
  const { memory } = figuresOf(program);
  const there = totalmem();
  if (memory <= there) return;
  const slots = program.bootstrap?.fittingSlots(there);
  const advice =
    slots === undefined
      ? 'fewer iterations without --bootstrap'
      : `keys for ${slots} slots: at most ${slots / 2 - 1} columns`;
  throw new LimitError(
    'the memory of this program',
    `${formatBytes(there)} that this machine has (what would fit: ${advice})`,
    formatBytes(memory),
  );
}

async function withContext<T>(
  program: LogisticProgram,
  parts: EngineParts,
  work: (context: CkksContext) => Promise<T>,
): Promise<T> {
  using kernel: Kernel = await parts.openKernel(() => undefined);
  using context = await CkksContext.open(program.params, { kernel });
  return await work(context);
}

interface KeysFlags extends ShapeFlags, PassphraseFlags {
  readonly out: string;
}

async function makeKeys(flags: KeysFlags, terminal: Terminal, parts: EngineParts): Promise<void> {
  assertNewFolder(flags.out);
  const { program, notes } = prepared(flags);
  assertMemory(program);
  const ask = terminalPrompt(terminal);
  const passphrase = await readPassphrase(passphraseSource(flags, terminal, ask), true);
  const figures = figuresOf(program);
  terminal.err(`${figures.keys} keys: ${formatBytes(figures.keyBytes)} for the trainer\n`);
  using bar = new ProgressBar(terminal);
  bar.progress('making keys', 0);
  await withContext(program, parts, async (context) => {
    using generator = context.keyGenerator();
    using secret = generator.secretKey();
    using arena = context.arena();
    // A program that leaves no precision is refused before there is anything to encrypt.
    if (program.spec.rule === 'publish') new LogisticOwner(context, program, secret).release(arena);
    using evaluation = generator.evaluationKeys(secret, program.keyPlan);
    const encapsulation = program.bootstrap === undefined ? undefined : generator.encapsulationKeys(secret);
    try {
      bar.progress('writing keys', 0.8);
      await createOwnerFolder(
        { path: flags.out, program, notes },
        { secret, evaluation, encapsulation },
        context,
        passphrase,
      );
    } finally {
      encapsulation?.[Symbol.dispose]();
    }
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

function passphraseSource(
  { passphraseFile }: PassphraseFlags,
  terminal: Terminal,
  ask: ReturnType<typeof terminalPrompt>,
) {
  return {
    env: terminal.env,
    ...(passphraseFile !== undefined && { file: passphraseFile }),
    ...(ask !== undefined && { ask }),
  };
}

interface OwnerFlags extends PassphraseFlags {
  readonly keys: string;
  readonly data: string;
  readonly json?: boolean;
}

/** The rows to train on and those held out, standardised as the keys were made for. */
function ownersTables(
  folder: ReturnType<typeof openOwnerFolder>,
  data: string,
): { train: LabelledTable; heldOut: LabelledTable } {
  const { notes } = folder;
  const raw = readCsvTable(data, notes.label);
  assertSameColumns(folder, raw);
  const { train, heldOut } = splitTable(raw, notes.heldOutOneIn);
  return { train: standardised(train, notes), heldOut: standardised(heldOut, notes) };
}

async function encryptRows(
  flags: OwnerFlags & { out: string },
  terminal: Terminal,
  parts: EngineParts,
): Promise<void> {
  const folder = openOwnerFolder(flags.keys);
  const { program } = folder;
  const { train } = ownersTables(folder, flags.data);
  const passphrase = await readPassphrase(passphraseSource(flags, terminal, terminalPrompt(terminal)), false);
  const bytes = await withContext(program, parts, async (context) => {
    using secret = await openOwnerKey(folder, context, passphrase);
    using arena = context.arena();
    const rows = new LogisticOwner(context, program, secret).encrypt(train, arena);
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

async function runTraining(
  flags: { keys: string; rows: string; out: string; json?: boolean },
  terminal: Terminal,
  parts: EngineParts,
): Promise<void> {
  const program = loadProgram(flags.keys);
  assertMemory(program);
  const started = performance.now();
  using bar = new ProgressBar(terminal);
  bar.progress('reading keys', 0);
  const steps: { iteration: number; seconds: number; isBootstrapped: boolean }[] = [];
  const bytes = await withContext(program, parts, async (context) => {
    const keys = loadTrainerKeys(flags.keys, program, context);
    using arena = context.arena();
    try {
      const file = loadLargeFile(flags.rows, { atMost: MAX_FILE });
      const rows = readTrainingFile('rows', program, context, file, arena);
      using trainer = new LogisticTrainer(context, program, keys);
      let last = performance.now();
      const weights = trainer.run(rows, arena, ({ iteration, of, isBootstrapped }) => {
        const now = performance.now();
        steps.push({ iteration, seconds: (now - last) / 1000, isBootstrapped });
        const left = (((now - started) / 1000) * (of - iteration)) / iteration;
        bar.progress(`iteration ${iteration} of ${of}, about ${left.toFixed(0)} s left`, iteration / of);
        last = now;
      });
      return writeTrainingFile('weights', program, [weights]);
    } finally {
      keys.evaluation[Symbol.dispose]();
      keys.encapsulation?.[Symbol.dispose]();
    }
  });
  await replaceFile(flags.out, bytes);
  bar[Symbol.dispose]();
  const seconds = (performance.now() - started) / 1000;
  terminal.out(
    flags.json === true
      ? `${JSON.stringify({ id: program.id, seconds, steps, bytes: bytes.length, file: flags.out })}\n`
      : `trained for ${plural(program.spec.iterations, 'iteration')} in ${seconds.toFixed(1)} s: give ${flags.out} to the owner. What is in it, this process cannot tell.\n`,
  );
}

interface OpenFlags extends OwnerFlags {
  readonly publish?: boolean;
  readonly rows?: string;
}

async function openWeights(
  file: string,
  flags: OpenFlags,
  terminal: Terminal,
  parts: EngineParts,
): Promise<void> {
  if (flags.publish === true && flags.rows === undefined)
    throw new UsageError('--publish computes the weights again: --rows FILE, the encrypted rows');
  const folder = openOwnerFolder(flags.keys);
  const { program, notes } = folder;
  const { train, heldOut } = ownersTables(folder, flags.data);
  const passphrase = await readPassphrase(passphraseSource(flags, terminal, terminalPrompt(terminal)), false);
  const weights = await withContext(program, parts, async (context) => {
    using secret = await openOwnerKey(folder, context, passphrase);
    using arena = context.arena();
    const owner = new LogisticOwner(context, program, secret);
    const bytes = loadLargeFile(file, { atMost: MAX_FILE });
    const [result] = readTrainingFile('weights', program, context, bytes, arena);
    if (flags.publish !== true) return owner.open(result!);
    const release = owner.release(arena, notes.released);
    // The owner vouches for its keys and rows, and looks whether they are the ones that it made.
    const keys = loadTrainerKeys(publicFolder(flags.keys), program, context, notes.keysDigest);
    try {
      const file = loadLargeFile(flags.rows!, { atMost: MAX_FILE });
      if (fileDigest(file) !== notes.rowsDigest)
        throw new KeyFileError(`${flags.rows} is not what was encrypted last: nothing is published`);
      const rows = readTrainingFile('rows', program, context, file, arena);
      // Written down first: a release that fails afterwards is spent as well.
      await writeNotes(flags.keys, { ...notes, released: notes.released + 1 });
      const evaluator = context.evaluator(keys.evaluation, arena);
      const statement = { inputs: 'honestly-encrypted', keys: 'made-by-the-owner' } as const;
      const published = release.recompute(evaluator, rows, { claimed: result!, ...statement });
      return published.slice(0, program.spec.features + 1);
    } finally {
      keys.evaluation[Symbol.dispose]();
    }
  });
  const auc = heldOutAuc(heldOut, weights);
  const mirror = mirrorLogistic(train, program.steps).weights;
  const difference = mirror.reduce((max, weight, j) => Math.max(max, Math.abs(weight - weights[j]!)), 0);
  const original = originalWeights(weights, notes);
  const names = ['(constant)', ...notes.columns];
  if (flags.json === true) {
    const told = {
      published: flags.publish === true,
      auc,
      heldOut: heldOut.labels.length,
      mirrorDifference: difference,
    };
    terminal.out(
      `${JSON.stringify({ ...told, weights: Object.fromEntries(names.map((name, j) => [name, original[j]])), whoLearnsWhat: program.whoLearnsWhat })}\n`,
    );
    return;
  }
  terminal.out(
    formatTable(
      names.map((name, j) => [printable(name), original[j]!.toFixed(4)]),
      [{}, { align: 'right' }],
    ),
  );
  terminal.out(
    `\nAUC on ${heldOut.labels.length} rows that never left this machine: ${auc?.toFixed(3) ?? 'unknown (one class)'}\n`,
  );
  terminal.out(
    `Largest difference from the clear mirror: ${difference.toExponential(1)}${difference > 1e-3 && flags.publish !== true ? ': THE TRAINER DID NOT RUN THIS PROGRAM ON THESE ROWS' : ''}\n`,
  );
  if (flags.publish !== true)
    terminal.out(
      'These weights are for you alone: exact ones that are handed on can give away your key (fhe keys --publish makes some that can be).\n',
    );
}
