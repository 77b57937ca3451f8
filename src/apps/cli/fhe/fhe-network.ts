/** `subrosa fhe network`: a network trained by a server on pictures that it cannot see, and asked there without showing what is asked. */
import { type Command, Option } from 'commander';
import { UsageError } from '../../../base/errors.ts';
import { systemRandom } from '../../../base/random.ts';
import {
  PERCEPTRON_RECIPE,
  PerceptronOwner,
  PerceptronProgram,
  type PerceptronSpec,
  samplesAt,
} from '../../../runtime/training/index.ts';
import {
  INPUT_SCALES,
  type InputScale,
  loadNetworkProgram,
  type NetworkFolder,
  type NetworkOptions,
  openNetworkFolder,
  keepAsked,
  keepNetworkBatch,
  keepFirstState,
} from '../../fhe/network-folder.ts';
import {
  boundedSpec,
  mirrorRun,
  plannedSteps,
  triedSteps,
  writeAccuracyCurve,
} from '../../fhe/network-training.ts';
import {
  assertNewFolder,
  completeOwnerFolder,
  createOwnerFolder,
  openOwnerKey,
  publicFolder,
} from '../../fhe/owner-folder.ts';
import { wholeNumber } from '../speech/serve.ts';
import { passphraseFor } from '../terminal/passphrase.ts';
import { ProgressBar } from '../terminal/progress-bar.ts';
import { formatBytes, formatTable, plural } from '../terminal/table.ts';
import {
  assertNetworkMemory,
  type NetworkCommands,
  networkFigures,
  type NetworkOwnerFlags,
  networkReport,
  networkSamples,
  ownersNetwork,
} from './fhe-network-parts.ts';
import { answerAsked, openNetwork, openAnswers, runNetwork } from './fhe-network-run.ts';
import { type PassphraseFlags, PASSPHRASE_FLAG, withContext } from './fhe-parts.ts';

const WHO_LEARNS_WHAT = `
Who learns what:
  owner    the weights, and the scores of the pictures that it asks about, for itself
  trainer  the shape of the network, batch size, steps, rates, powers of two that bound values, the time;
           not the pictures, labels, weights, gradients, scores: it has no key to open any
The trainer is trusted to compute, not to keep a secret. \`open\` compares its weights with the same steps
in the clear, which the owner can run: it knows the samples.
`;

interface TuneFlags extends ShapeFlags {
  readonly search?: boolean;
}

/** Bounds of tables are powers of two. */
const TABLE_SUM_BOUND = 16;

interface ShapeFlags {
  readonly data: string;
  readonly layers: readonly number[];
  readonly batch: number;
  readonly steps: number;
  readonly rate?: number;
  readonly momentum: number;
  readonly decay: number;
  readonly loss: PerceptronSpec['loss'];
  readonly activation: PerceptronSpec['activation'];
  readonly sumBound?: number;
  readonly inputs: InputScale;
  readonly guard?: true;
  readonly curve?: string;
  readonly json?: boolean;
}

function sizes(text: string): number[] {
  const layers = text.split('-').map(Number);
  if (!layers.every((units) => Number.isInteger(units) && units > 0))
    throw new UsageError('--layers is a list like 64-32-16-10');
  return layers;
}

function number(text: string): number {
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value)))
    throw new UsageError(`${text.slice(0, 20)} is no positive number`);
  return value;
}

/** Noisier gradients of fewer samples are followed by smaller steps. */
function usualRate(batch: number): number {
  const { rate, batch: usual } = PERCEPTRON_RECIPE;
  return Number((rate * Math.sqrt(Math.min(1, batch / usual))).toPrecision(2));
}

function share(text: string): number {
  const value = Number(text);
  if (!(value >= 0 && value < 1 && text.trim() !== ''))
    throw new UsageError(`${text.slice(0, 20)} is no number from 0 to below 1`);
  return value;
}

export function addFheNetwork(fhe: Command, commands: NetworkCommands): void {
  const network = fhe
    .command('network')
    .description('networks: trained by a server on pictures that it cannot see, and used there')
    .addHelpText('after', WHO_LEARNS_WHAT);
  const command = (name: string, description: string): Command =>
    network
      .command(name)
      .description(description)
      .option('--json', 'one JSON object on standard output, for programs')
      .addHelpText('after', WHO_LEARNS_WHAT);
  const recipe = PERCEPTRON_RECIPE;
  const shaped = (target: Command): Command =>
    target
      .requiredOption('--data <dir>', 'where MNIST is, or pictures of 28 x 28 in its format')
      .addOption(
        new Option('--layers <sizes>', 'units of every layer')
          .default(recipe.layers, '64-32-16-10')
          .argParser(sizes),
      )
      .addOption(
        new Option('--batch <n>', 'samples in a step')
          .default(recipe.batch)
          .argParser(wholeNumber(1, 2 ** 14)),
      )
      .addOption(
        new Option('--steps <n>', 'steps of training')
          .default(recipe.steps)
          .argParser(wholeNumber(1, 100_000)),
      )
      .addOption(
        new Option(
          '--rate <x>',
          `size of a step (default: ${recipe.rate} for ${recipe.batch} samples, with the root of the batch below)`,
        ).argParser(number),
      )
      .addOption(
        new Option('--momentum <x>', 'of the last step that is made again')
          .default(recipe.momentum)
          .argParser(share),
      )
      .addOption(
        new Option('--decay <x>', 'of what a weight loses in a step').default(recipe.decay).argParser(share),
      )
      .addOption(
        new Option('--loss <name>', 'what is lowered')
          .choices(['cross-entropy', 'squared'])
          .default(recipe.loss),
      )
      .addOption(
        new Option('--activation <name>', 'polynomials on the circle, or tables of 256 entries')
          .choices(['smooth', 'table'])
          .default(recipe.activation),
      )
      .addOption(
        new Option(
          '--sum-bound <x>',
          `of sums before an activation (default: ${recipe.sumBound}, of tables ${TABLE_SUM_BOUND})`,
        ).argParser(number),
      )
      .addOption(
        new Option('--inputs <kind>', 'what is made of pictures in the clear before they are encrypted')
          .choices(INPUT_SCALES)
          .default('straightened'),
      )
      .option('--guard', 'watch under encryption whether sums leave their range; told to the owner alone')
      .option('--curve <file.svg>', 'accuracy on test pictures by step, in the clear');
  shaped(command('tune', 'run all steps on your own pictures in the clear; nothing else is written'))
    .option('--search', 'try nine rates and momenta, judged by training pictures that are held out')
    .action((flags: TuneFlags) => (flags.search === true ? search(flags, commands) : tune(flags, commands)));
  shaped(command('keys', 'the owner: fix the program and make its keys; 15 GB of memory'))
    .requiredOption('--out <dir>', "the owner's new folder; `public` in it is for the trainer")
    .option('--resume', 'go on with a folder whose making was interrupted')
    .option(...PASSPHRASE_FLAG)
    .action((flags) => makeKeys(flags, commands));
  const owned = (target: Command): Command =>
    target
      .requiredOption('--keys <dir>', "the owner's folder")
      .requiredOption('--data <dir>', 'the same pictures')
      .option(...PASSPHRASE_FLAG);
  owned(command('encrypt', 'the owner: encrypt the first weights and the batches of some steps'))
    .requiredOption('--out <dir>', 'encrypted batches, for the trainer')
    .addOption(new Option('--from <n>', 'first step').default(1).argParser(wholeNumber(1, 100_000)))
    .addOption(new Option('--steps <n>', 'how many steps (default: all)').argParser(wholeNumber(1, 100_000)))
    .action((flags) => encryptBatches(flags, commands));
  command('run', 'the trainer: train on encrypted batches, as many as there are; goes on from where it was')
    .requiredOption('--keys <dir>', "the owner's public folder")
    .requiredOption('--batches <dir>', 'encrypted batches')
    .requiredOption('--out <dir>', 'the encrypted model, kept after every step')
    .addOption(new Option('--steps <n>', 'at most so many steps now').argParser(wholeNumber(1, 100_000)))
    .action((flags) => runNetwork(flags, commands));
  owned(command('open', 'the owner: open the model and see what it is worth on test pictures'))
    .argument('<dirs...>', 'the encrypted model, or copies of it after several steps')
    .option('--curve <file.svg>', 'accuracy by step in the clear, and of the model')
    .action((directories, flags) => openNetwork(directories, flags, commands));
  owned(command('ask', 'the owner: encrypt test pictures to ask about'))
    .requiredOption('--out <file>', 'for the trainer')
    .addOption(
      new Option('--count <n>', 'how many, a batch at most').default(16).argParser(wholeNumber(1, 2 ** 14)),
    )
    .action((flags) => askNetwork(flags, commands));
  command('answer', 'the trainer: scores of encrypted pictures by the encrypted model')
    .requiredOption('--keys <dir>', "the owner's public folder")
    .requiredOption('--model <dir>', 'the encrypted model')
    .requiredOption('--asked <file>', 'encrypted pictures')
    .requiredOption('--out <file>', 'encrypted scores, for the owner')
    .action((flags) => answerAsked(flags, commands));
  owned(command('read', 'the owner: open scores'))
    .argument('<file>', 'encrypted scores')
    .addOption(
      new Option('--count <n>', 'how many were asked').default(16).argParser(wholeNumber(1, 2 ** 14)),
    )
    .action((file, flags) => openAnswers(file, flags, commands));
  command('inspect', 'what a program needs, and who learns what')
    .argument('<program>', 'public folder or program.json')
    .action((path, { json }) => inspect(path, json === true, commands));
}

function specOf(flags: ShapeFlags): PerceptronSpec {
  const { layers, batch, steps, momentum, decay, loss, activation } = flags;
  const rate = flags.rate ?? usualRate(batch);
  const sumBound = flags.sumBound ?? (activation === 'table' ? TABLE_SUM_BOUND : PERCEPTRON_RECIPE.sumBound);
  const chosen = { layers, batch, steps, rate, momentum, decay, loss, activation, sumBound };
  return { ...PERCEPTRON_RECIPE, ...chosen, ...(flags.guard === true && { guard: true }) };
}

/** The program for these pictures and a new seed, and its run in the clear. */
function prepared(flags: ShapeFlags) {
  const spec = specOf(flags);
  const seed = Buffer.from(systemRandom.seed()).toString('hex');
  const { train, test } = networkSamples(spec, flags.data, flags.inputs);
  const run = mirrorRun(spec, seed, train, test);
  if (flags.curve !== undefined) writeAccuracyCurve(flags.curve, run.points);
  return { spec: boundedSpec(spec, run), seed, run, images: train.labels.length };
}

function tune(flags: ShapeFlags, { terminal, insecure }: NetworkCommands): void {
  const { spec, run } = prepared(flags);
  const program = new PerceptronProgram(spec, insecure);
  const { points, range } = run;
  if (flags.json === true) {
    terminal.out(`${JSON.stringify({ program: spec, points, range, ...networkFigures(program) })}\n`);
    return;
  }
  terminal.out(networkReport(program));
  const shown = points.filter(
    ({ step }, i) => i === points.length - 1 || [0, 1, 5, 10, 25, 50].includes(step) || step % 100 === 0,
  );
  terminal.out('\nThe clear mirror on your pictures:\n');
  terminal.out(
    formatTable(
      shown.map(({ step, accuracy }) => [
        `step ${step}`,
        `${(100 * accuracy).toFixed(1)} % of test pictures`,
      ]),
      [{}, {}],
    ),
  );
  terminal.out(`Largest sum ${range.sum.toFixed(1)} of ${spec.sumBound}.\n`);
}

function search(flags: ShapeFlags, { terminal }: NetworkCommands): void {
  if (flags.curve !== undefined)
    throw new UsageError('--search draws no curve: tune again with the rate that it finds and --curve');
  const spec = specOf(flags);
  const seed = Buffer.from(systemRandom.seed()).toString('hex');
  const { train } = networkSamples(spec, flags.data, flags.inputs);
  const tried = triedSteps(spec, seed, train);
  if (flags.json === true) {
    terminal.out(`${JSON.stringify({ program: spec, tried })}\n`);
    return;
  }
  const rows = tried.map(({ rate, momentum, accuracy, sum }) => [
    `--rate ${rate} --momentum ${momentum}`,
    `${(100 * accuracy).toFixed(1)} % of held-out pictures`,
    `largest sum ${sum.toFixed(1)} of ${spec.sumBound}`,
  ]);
  terminal.out(formatTable(rows, [{}, {}, {}]));
}

function inspect(path: string, isJson: boolean, { terminal, insecure }: NetworkCommands): void {
  const program = loadNetworkProgram(path, { insecure });
  const { id, spec, whoLearnsWhat } = program;
  terminal.out(
    isJson
      ? `${JSON.stringify({ id, program: spec, ...networkFigures(program), whoLearnsWhat })}\n`
      : networkReport(program),
  );
}

/** A new folder, or the one whose making was interrupted. */
function keysFolder(
  flags: ShapeFlags & { readonly out: string; readonly resume?: boolean },
  options: NetworkOptions,
): NetworkFolder {
  if (flags.resume === true) return openNetworkFolder(flags.out, options);
  assertNewFolder(flags.out);
  const { spec, seed, images } = prepared(flags);
  return {
    path: flags.out,
    program: new PerceptronProgram(spec, options.insecure),
    notes: { seed, images, keysDigest: '', inputs: flags.inputs },
  };
}

async function makeKeys(
  flags: ShapeFlags & PassphraseFlags & { readonly out: string; readonly resume?: boolean },
  { terminal, parts, insecure }: NetworkCommands,
): Promise<void> {
  const folder = keysFolder(flags, { insecure });
  const { program } = folder;
  assertNetworkMemory(program);
  const isNew = flags.resume !== true;
  const passphrase = await passphraseFor(flags.passphraseFile, terminal, isNew);
  using bar = new ProgressBar(terminal);
  bar.progress('making keys', 0);
  await withContext(program, parts, async (context) => {
    using generator = context.keyGenerator();
    using secret = isNew ? generator.secretKey() : await openOwnerKey(folder, context, passphrase);
    if (isNew) await createOwnerFolder(folder, secret, passphrase);
    await completeOwnerFolder(folder, context, generator, secret, (there, of) =>
      bar.progress(`key ${there} of ${of}`, there / of),
    );
  });
  bar[Symbol.dispose]();
  const told = {
    id: program.id,
    folder: flags.out,
    public: publicFolder(flags.out),
    ...networkFigures(program),
  };
  if (flags.json === true) terminal.out(`${JSON.stringify(told)}\n`);
  else {
    terminal.out(networkReport(program));
    terminal.out(`\nGive ${told.public} to the trainer. Keep the rest of ${flags.out}.\n`);
  }
}

async function encryptBatches(
  flags: NetworkOwnerFlags & { readonly out: string; readonly from: number; readonly steps?: number },
  { terminal, parts, insecure }: NetworkCommands,
): Promise<void> {
  const { folder, train } = ownersNetwork(flags, { insecure });
  const { program, notes } = folder;
  const { spec } = program;
  const last = Math.min(spec.steps, flags.from - 1 + (flags.steps ?? spec.steps));
  if (flags.from > spec.steps) throw new UsageError(`the program has ${plural(spec.steps, 'step')}`);
  const passphrase = await passphraseFor(flags.passphraseFile, terminal, false);
  const { first, orders } = plannedSteps(spec, notes.seed, train.labels.length);
  using bar = new ProgressBar(terminal);
  let bytes = 0;
  await withContext(program, parts, async (context) => {
    using secret = await openOwnerKey(folder, context, passphrase);
    const owner = new PerceptronOwner(context, program, secret);
    using start = context.arena();
    if (flags.from === 1) keepFirstState(flags.out, program, owner.encryptState(first, start));
    for (let step = flags.from; step <= last; step++) {
      using arena = context.arena();
      const batch = owner.encryptBatch(samplesAt(train, orders[step - 1]!), arena);
      bytes += await keepNetworkBatch(flags.out, program, step, batch);
      bar.progress(`step ${step}`, (step - flags.from + 1) / (last - flags.from + 1));
    }
  });
  bar[Symbol.dispose]();
  const count = last - flags.from + 1;
  terminal.out(
    flags.json === true
      ? `${JSON.stringify({ from: flags.from, steps: count, bytes, folder: flags.out })}\n`
      : `${plural(count, 'batch').replace('batchs', 'batches')} of ${spec.batch} samples encrypted, ${formatBytes(bytes)}: give ${flags.out} to the trainer.\n`,
  );
}

async function askNetwork(
  flags: NetworkOwnerFlags & { readonly out: string; readonly count: number },
  { terminal, parts, insecure }: NetworkCommands,
): Promise<void> {
  const { folder, test } = ownersNetwork(flags, { insecure });
  const { program } = folder;
  const passphrase = await passphraseFor(flags.passphraseFile, terminal, false);
  const count = Math.min(flags.count, test.labels.length);
  const bytes = await withContext(program, parts, async (context) => {
    using secret = await openOwnerKey(folder, context, passphrase);
    using arena = context.arena();
    const inputs = test.inputs.slice(0, count * program.spec.layers[0]!);
    const asked = new PerceptronOwner(context, program, secret).encryptInputs(inputs, arena);
    return keepAsked(flags.out, program, asked);
  });
  terminal.out(
    flags.json === true
      ? `${JSON.stringify({ count, bytes, file: flags.out })}\n`
      : `${plural(count, 'picture')} encrypted, ${formatBytes(bytes)}: give ${flags.out} to the trainer.\n`,
  );
}
