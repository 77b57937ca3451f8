/** `subrosa train cryptonn`: the trainer's part of training on data that it cannot read. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { UsageError } from '../../base/errors.ts';
import { LatticeSchemes } from '../../protocols/cryptonn/lattice-schemes.ts';
import { solvableUnknowns } from '../../protocols/cryptonn/leak-budget.ts';
import { TranscriptRecorder, transcriptBytes } from '../../protocols/cryptonn/training-transcript.ts';
import { trainFaithful } from '../cryptonn/faithful-training.ts';
import { readToken } from '../cryptonn/policy-file.ts';
import { trainProjected } from '../cryptonn/projected-training.ts';
import { RemoteAuthority } from '../cryptonn/remote-authority.ts';
import { TrainingData } from '../cryptonn/training-data.ts';
import {
  planDigest,
  type TrainingPlan,
  type TrainingResult,
  type TrainingWatch,
} from '../cryptonn/training-plan.ts';
import { replaceFile } from '../keystore/atomic-file.ts';
import { WHO_LEARNS_WHAT_IN_TRAINING } from './authority.ts';
import type { EngineParts } from './parts.ts';
import { ProgressBar } from './progress-bar.ts';
import { wholeNumber } from './serve.ts';
import type { Terminal } from './terminal.ts';

/** Requests whose products a transcript keeps: enough steps for every attack, not the whole training. */
const TRANSCRIPT_STEPS = 32;

export interface TrainCryptonnFlags {
  readonly authority: string;
  readonly tokenFile: string;
  readonly mode: 'projected' | 'faithful';
  readonly iUnderstandWhatLeaks?: boolean;
  readonly test?: string;
  readonly out: string;
  readonly epochs: number;
  readonly units: readonly number[];
  readonly learningRate?: number;
  readonly momentum: number;
  readonly seed: number;
  readonly checkpoint?: string;
  readonly checkpointEvery: number;
  readonly stopAfter?: number;
  readonly transcript?: string;
  readonly json?: boolean;
}

const DEFAULT_RATES = { projected: 0.1, faithful: 0.1 } as const;

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
    .addOption(
      new Option('--mode <mode>', 'must be that of the data set')
        .choices(['projected', 'faithful'])
        .default('projected'),
    )
    .option('--i-understand-what-leaks', 'needed for faithful: this computer will know every input')
    .option('--test <file>', 'encrypted batches to measure the accuracy with')
    .requiredOption('--out <file>', 'the trained network')
    .addOption(new Option('--epochs <n>', 'over all batches').default(2).argParser(wholeNumber(1, 10_000)))
    .addOption(
      new Option('--units <list>', 'dense layers before the output').default([128, 32]).argParser(unitList),
    )
    .addOption(new Option('--learning-rate <x>', 'of gradient descent').argParser(positive))
    .addOption(new Option('--momentum <x>', 'of gradient descent').default(0.9).argParser(positive))
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
    .option('--transcript <file>', 'faithful: keep what a curious trainer would, for subrosa attack')
    .option('--json', 'one JSON object on standard output, for programs')
    .addHelpText('after', WHO_LEARNS_WHAT_IN_TRAINING)
    .action((files, flags) => trainCryptonn(files, flags, terminal, parts));
}

function planOf(flags: TrainCryptonnFlags): TrainingPlan {
  const { epochs, units, momentum, seed, checkpointEvery, stopAfter } = flags;
  const learningRate = flags.learningRate ?? DEFAULT_RATES[flags.mode];
  const base = { epochs, units, learningRate, momentum, seed };
  return {
    ...base,
    digest: planDigest(flags.mode, base),
    checkpoint: flags.checkpoint ?? `${flags.out}.checkpoint`,
    checkpointEvery,
    ...(stopAfter === undefined ? {} : { stopAfter }),
  };
}

/** What is known to the trainer at this moment, for people and for programs. */
export function leakageOf(authority: RemoteAuthority, data: TrainingData) {
  const { spec, samples } = data;
  const forward = Math.max(authority.rank('forward'), authority.rank('projection'));
  const gradient = authority.rank('gradient');
  const ranks = { features: spec.features, batch: spec.batch, forward, gradient };
  return {
    keysIssued: authority.keys,
    rankIssued: forward + gradient,
    unknowns: samples * spec.features,
    unknownsSolvable: solvableUnknowns(ranks, samples),
  };
}

export async function trainCryptonn(
  files: readonly string[],
  flags: TrainCryptonnFlags,
  terminal: Terminal,
  parts: EngineParts,
): Promise<void> {
  if (flags.mode === 'faithful' && flags.iUnderstandWhatLeaks !== true) {
    throw new UsageError(
      'faithful training gives this computer every input after a few steps: add --i-understand-what-leaks, or use --mode projected',
    );
  }
  const authority = new RemoteAuthority(flags.authority, { token: readToken(flags.tokenFile) });
  using log = new ProgressBar(terminal);
  using kernel = await parts.openKernel((reason) => log.note(reason));
  using schemes = new LatticeSchemes(kernel);
  await using data = await TrainingData.open(files, authority, schemes.schemeFor);
  await using test =
    flags.test === undefined
      ? undefined
      : await TrainingData.open([flags.test], authority, schemes.schemeFor);
  const { spec } = data;
  if (spec.mode !== flags.mode)
    throw new UsageError(`the data set "${spec.id}" is ${spec.mode}: use --mode ${spec.mode}`);
  const recorder = new TranscriptRecorder(spec, flags.transcript === undefined ? 0 : TRANSCRIPT_STEPS);
  const started = performance.now();
  const watch: TrainingWatch = {
    products: recorder.note,
    progress: ({ done, epoch, loss, accuracy }) => {
      const { keysIssued, unknowns, unknownsSolvable } = leakageOf(authority, data);
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
  const result = await run(planOf(flags), data, test, authority, kernel, watch);
  const seconds = (performance.now() - started) / 1000;
  await replaceFile(flags.out, result.model);
  if (flags.transcript !== undefined)
    await replaceFile(flags.transcript, transcriptBytes(recorder.transcript));
  log[Symbol.dispose]();
  report(result, { flags, data, authority, seconds }, terminal);
}

interface Ran {
  readonly flags: TrainCryptonnFlags;
  readonly data: TrainingData;
  readonly authority: RemoteAuthority;
  readonly seconds: number;
}

function report(result: TrainingResult, { flags, data, authority, seconds }: Ran, terminal: Terminal): void {
  const leakage = leakageOf(authority, data);
  const { steps, isComplete, loss, accuracy, testAccuracy } = result;
  if (flags.json === true) {
    const { mode, epochs, out } = flags;
    const row = {
      mode,
      scheme: data.spec.scheme,
      network: flags.units.join('-'),
      epochs,
      samples: data.samples,
    };
    terminal.out(
      `${JSON.stringify({ ...row, accuracy: testAccuracy ?? accuracy, trainingAccuracy: accuracy, loss, steps, isComplete, seconds, ...leakage, out })}\n`,
    );
    return;
  }
  const tested = testAccuracy === undefined ? '' : `, ${(100 * testAccuracy).toFixed(2)} % on the test file`;
  terminal.out(
    [
      `${flags.out}  ${steps} steps${isComplete ? '' : ' (not complete: the same command continues)'} in ${seconds.toFixed(1)} s`,
      `loss ${loss.toFixed(3)}, ${(100 * accuracy).toFixed(2)} % right in training${tested}`,
      whatLeaked(data, leakage),
      '',
    ].join('\n'),
  );
}

/** One sentence that a trainer cannot overlook. */
export function whatLeaked({ spec }: TrainingData, leakage: ReturnType<typeof leakageOf>): string {
  const { keysIssued, rankIssued, unknowns, unknownsSolvable } = leakage;
  const share = `${keysIssued} keys of rank ${rankIssued}: ${unknownsSolvable} of ${unknowns} unknowns of the data are solvable by linear algebra`;
  return spec.mode === 'faithful'
    ? `What leaked: ${share}; subrosa attack cryptonn shows the inputs.`
    : `What leaked: P x of every sample, as if it were published (${share}), and which samples share a class.`;
}
