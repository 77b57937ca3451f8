/** `subrosa train cryptonn`: the trainer's part of training on data that it cannot read. */
import { existsSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { UsageError } from '../../../base/errors.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { DatasetSchemes } from '../../../protocols/cryptonn/agreement/dataset-schemes.ts';
import type { DatasetSpec } from '../../../protocols/cryptonn/agreement/dataset-spec.ts';
import { LENET_FEATURES } from '../../../protocols/cryptonn/trainer/lenet.ts';
import type { MeasuredLeak } from '../../../protocols/cryptonn/leakage/prior-attack.ts';
import {
  TranscriptRecorder,
  transcriptBytes,
} from '../../../protocols/cryptonn/trainer/training-transcript.ts';
import { trainFaithful } from '../../cryptonn/faithful-training.ts';
import { curveSvg } from '../../cryptonn/curve-picture.ts';
import type { LearningCurve } from '../../cryptonn/learning-curve.ts';
import { leakageOf, whatLeaked } from '../../cryptonn/leakage.ts';
import {
  drawnSource,
  leakFigures,
  leakLines,
  measureLookAlike,
  notMeasured,
} from '../../cryptonn/measured-leak.ts';
import { readToken } from '../../cryptonn/policy-file.ts';
import { trainProjected } from '../../cryptonn/projected-training.ts';
import { RemoteAuthority } from '../../cryptonn/remote-authority.ts';
import { TrainingData } from '../../cryptonn/training-data.ts';
import {
  type FirstLayerName,
  planDigest,
  type TrainingPlan,
  type TrainingResult,
  type TrainingWatch,
} from '../../cryptonn/training-plan.ts';
import { replaceFile } from '../../keystore/atomic-file.ts';
import { WHO_LEARNS_WHAT_IN_TRAINING } from './authority.ts';
import { lookAlikeSource } from './look-alike.ts';
import type { EngineParts } from '../parts.ts';
import { ProgressBar, retryNote } from '../terminal/progress-bar.ts';
import { wholeNumber } from '../speech/serve.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { CA_FLAG, trustedCertificates } from '../tls-files.ts';

/** Requests whose products a transcript keeps: enough steps for every attack, not the whole training. */
const TRANSCRIPT_STEPS = 32;

export interface TrainCryptonnFlags {
  readonly authority: string;
  readonly tokenFile: string;
  readonly ca?: string;
  readonly mode: 'projected' | 'faithful';
  readonly iUnderstandWhatLeaks?: boolean;
  readonly test?: string;
  readonly out: string;
  readonly network: FirstLayerName;
  readonly epochs?: number;
  readonly units: readonly number[];
  readonly learningRate?: number;
  readonly momentum?: number;
  readonly seed: number;
  readonly checkpoint?: string;
  readonly checkpointEvery: number;
  readonly stopAfter?: number;
  readonly transcript?: string;
  readonly curve?: string;
  readonly lookAlike?: string;
  readonly lookAlikeLabels?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** Gradient descent; Adam, which is the default in projected mode, has its own. */
const DEFAULT_RATES = { dense: 0.1, lenet5: 0.03 } as const;
const ADAM_RATE = 0.003;
const MOMENTUM = 0.9;
/** In projected mode more epochs disclose nothing more; faithful mode has the original's. */
const DEFAULT_EPOCHS = { projected: 10, faithful: 2 } as const;

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < 100)) throw new InvalidArgumentError('a positive number below 100 is needed.');
  return value;
}

function unitList(text: string): number[] {
  return text.split(',').map(wholeNumber(1, 65_536));
}

export function addTrainCryptonn(train: Command, terminal: Terminal, parts: EngineParts): void {
  train
    .command('cryptonn')
    .argument('<file...>', 'encrypted batches from subrosa encrypt-data')
    .description('a network on data that only its owners can read, up to what the authority allows')
    .requiredOption('--authority <url>', 'https://..., or http:// on this machine')
    .requiredOption('--token-file <file>', "the trainer's token, from authority invite")
    .option(...CA_FLAG)
    .addOption(
      new Option('--mode <mode>', 'must be that of the data set')
        .choices(['projected', 'faithful'])
        .default('projected'),
    )
    .option('--i-understand-what-leaks', 'needed for faithful: this computer will know every input')
    .option('--test <file>', 'encrypted batches to measure the accuracy with')
    .requiredOption('--out <file>', 'the trained network')
    .addOption(
      new Option('--network <name>', 'must be what the owners encrypted for')
        .choices(['dense', 'lenet5'])
        .default('dense'),
    )
    .addOption(
      new Option('--epochs <n>', 'over all batches; default: 10 projected, 2 faithful').argParser(
        wholeNumber(1, 10_000),
      ),
    )
    .addOption(
      new Option('--units <list>', 'dense layers before the output').default([128, 32]).argParser(unitList),
    )
    .addOption(new Option('--learning-rate <x>', 'of gradient descent').argParser(positive))
    .addOption(
      new Option(
        '--momentum <x>',
        'of gradient descent; default: 0.9 faithful, projected uses Adam',
      ).argParser(positive),
    )
    .addOption(
      new Option('--seed <n>', 'of weights and order').default(1).argParser(wholeNumber(0, 999_999_999)),
    )
    .option('--checkpoint <file>', 'a stopped training continues from it; default: <out>.checkpoint')
    .addOption(
      new Option('--checkpoint-every <n>', 'steps').default(100).argParser(wholeNumber(1, 1_000_000)),
    )
    .addOption(
      new Option('--stop-after <n>', 'end after so many steps').argParser(wholeNumber(1, 1e8)).hideHelp(),
    )
    .option('--transcript <file>', 'keep what a curious trainer would, for subrosa attack')
    .option(
      '--look-alike <file>',
      'images like the data, to measure what leaks with; default for 28 x 28: digits drawn by code',
    )
    .option(
      '--look-alike-labels <file>',
      'their labels, IDX; default: beside the images, by the names of MNIST',
    )
    .option('--curve <file>', 'loss and accuracy of the training as SVG')
    .option('--force', 'replace files of another training that are there already')
    .option('--json', 'one JSON object on standard output, for programs')
    .addHelpText('after', WHO_LEARNS_WHAT_IN_TRAINING)
    .action((files, flags) => trainCryptonn(files, flags, terminal, parts));
}

function checkpointOf({ checkpoint, out }: TrainCryptonnFlags): string {
  return checkpoint ?? `${out}.checkpoint`;
}

function planOf(flags: TrainCryptonnFlags): TrainingPlan {
  const { network, units, seed, checkpointEvery, stopAfter } = flags;
  const epochs = flags.epochs ?? DEFAULT_EPOCHS[flags.mode];
  const momentum = flags.momentum ?? (flags.mode === 'faithful' ? MOMENTUM : undefined);
  const learningRate = flags.learningRate ?? (momentum === undefined ? ADAM_RATE : DEFAULT_RATES[network]);
  const base = { epochs, network, units, learningRate, momentum, seed };
  return {
    ...base,
    digest: planDigest(flags.mode, base),
    checkpoint: checkpointOf(flags),
    checkpointEvery,
    ...(stopAfter === undefined ? {} : { stopAfter }),
  };
}

/** A training that goes on from its checkpoint replaces what it wrote itself; nothing else is replaced unless asked. */
function requireNothingToLose(flags: TrainCryptonnFlags): void {
  if (flags.force === true || existsSync(checkpointOf(flags))) return;
  for (const path of [flags.out, flags.transcript, flags.curve])
    if (path !== undefined && existsSync(path))
      throw new UsageError(`${path} is there already: choose another file, or replace it with --force`);
}

async function trainCryptonn(
  files: readonly string[],
  flags: TrainCryptonnFlags,
  terminal: Terminal,
  parts: EngineParts,
): Promise<void> {
  if (flags.mode === 'projected' && flags.network !== 'dense')
    throw new UsageError('--network lenet5 belongs to --mode faithful: a projection leaves no images');
  if (flags.mode === 'faithful' && flags.iUnderstandWhatLeaks !== true) {
    throw new UsageError(
      'faithful training gives this computer every input after a few steps: add --i-understand-what-leaks, or use --mode projected',
    );
  }
  requireNothingToLose(flags);
  using log = new ProgressBar(terminal);
  const authority = new RemoteAuthority(flags.authority, {
    token: readToken(flags.tokenFile),
    ...trustedCertificates(flags),
    onRetry: retryNote(log),
  });
  using kernel = await parts.openKernel((reason) => log.note(reason));
  using schemes = new DatasetSchemes(kernel);
  await using data = await TrainingData.open(files, authority, schemes.schemeFor);
  await using test =
    flags.test === undefined
      ? undefined
      : await TrainingData.open([flags.test], authority, schemes.schemeFor);
  const { spec } = data;
  if (spec.mode !== flags.mode)
    throw new UsageError(`the data set "${spec.id}" is ${spec.mode}: use --mode ${spec.mode}`);
  if (test !== undefined) data.checkLabelsWith(test);
  const leak = measuredLeakOf(spec, flags, kernel);
  const recorder = new TranscriptRecorder(spec, flags.transcript === undefined ? 0 : TRANSCRIPT_STEPS);
  const started = performance.now();
  const watch: TrainingWatch = {
    products: recorder.note,
    projected: recorder.noteProjected,
    progress: ({ done, epoch, loss, accuracy, imageRank }) => {
      const { keysIssued, unknowns, unknownsSolvable } = leakageOf(authority, data, imageRank);
      const learning = Number.isNaN(loss)
        ? 'opening products'
        : `epoch ${epoch}  loss ${loss.toFixed(3)}  ${(100 * accuracy).toFixed(1)} % right`;
      log.progress(
        `${learning}  ${keysIssued} keys  ${(100 * (unknownsSolvable / unknowns)).toFixed(1)} % of the data known`,
        done,
      );
    },
  };
  const run = flags.mode === 'faithful' ? trainFaithful : trainProjected;
  const plan = planOf(flags);
  const result = await run(plan, data, test, authority, kernel, watch);
  const seconds = (performance.now() - started) / 1000;
  await replaceFile(flags.out, result.model);
  if (flags.transcript !== undefined)
    await replaceFile(flags.transcript, transcriptBytes(recorder.transcript));
  if (flags.curve !== undefined) await writeCurve(flags.curve, result.curve, spec, log);
  log[Symbol.dispose]();
  report(result, { flags, plan, data, authority, seconds, leak }, terminal);
}

/** What policy and owners were shown, again; undefined in faithful mode, and where nothing looks like the data. */
function measuredLeakOf(spec: DatasetSpec, flags: TrainCryptonnFlags, kernel: Kernel): NamedLeak | undefined {
  if (spec.projection === undefined) return undefined;
  const given = lookAlikeSource(flags.lookAlike, flags.lookAlikeLabels);
  const source = given ?? (spec.features === LENET_FEATURES ? drawnSource() : undefined);
  return source === undefined
    ? undefined
    : { leak: measureLookAlike(spec, source, kernel), source: source.name };
}

interface NamedLeak {
  readonly leak: MeasuredLeak;
  readonly source: string;
}

async function writeCurve(
  path: string,
  curve: LearningCurve,
  { id, mode, batch }: DatasetSpec,
  log: ProgressBar,
): Promise<void> {
  const from = curve.from * batch;
  if (from > 0)
    log.note(`the curve begins at ${from} samples: the checkpoint is of a version that kept nothing before`);
  const name = `${id}, ${mode}${from > 0 ? `, from ${from} samples on` : ''}`;
  const picture = curveSvg([{ name, points: curve.points(batch) }]);
  await replaceFile(path, new TextEncoder().encode(picture));
}

interface Ran {
  readonly flags: TrainCryptonnFlags;
  readonly plan: TrainingPlan;
  readonly data: TrainingData;
  readonly authority: RemoteAuthority;
  readonly seconds: number;
  readonly leak: NamedLeak | undefined;
}

function report(
  result: TrainingResult,
  { flags, plan, data, authority, seconds, leak }: Ran,
  terminal: Terminal,
): void {
  const leakage = leakageOf(authority, data, result.imageRank);
  const { steps, isComplete, loss, accuracy, testAccuracy } = result;
  if (flags.json === true) {
    const { mode, out } = flags;
    const { epochs, network, units } = plan;
    const row = {
      mode,
      scheme: data.spec.scheme,
      network: network === 'lenet5' ? 'LeNet-5' : units.join('-'),
      epochs,
      samples: data.samples,
    };
    terminal.out(
      `${JSON.stringify({ ...row, accuracy: testAccuracy ?? accuracy, trainingAccuracy: accuracy, loss, steps, isComplete, seconds, ...leakage, ...(leak === undefined ? {} : { measuredLeak: leakFigures(leak.leak, leak.source) }), out })}\n`,
    );
    return;
  }
  const tested = testAccuracy === undefined ? '' : `, ${(100 * testAccuracy).toFixed(2)} % on the test file`;
  terminal.out(
    [
      `${flags.out}  ${steps} steps${isComplete ? '' : ' (not complete: the same command continues)'} in ${seconds.toFixed(1)} s`,
      `loss ${loss.toFixed(3)}, ${(100 * accuracy).toFixed(2)} % right in training${tested}`,
      whatLeaked(data, leakage),
      ...(data.spec.projection === undefined
        ? []
        : leak === undefined
          ? [notMeasured(data.spec)]
          : leakLines(leak.leak, leak.source)),
      '',
    ].join('\n'),
  );
}
