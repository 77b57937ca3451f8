/**
 * Faithful training on encrypted digits beside the same trainer on the same integers in the clear, step by step; every
 * step compares all weights of the first layer. Owners encrypt some batches ahead, timed apart: what they leave in the caches is not
 * the trainer's. With a checkpoint directory a run that was cut continues: under new master keys, with the same weights.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CurvePoint } from '../../src/apps/cryptonn/curve-picture.ts';
import { replaceFile } from '../../src/apps/keystore/atomic-file.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { datasetWindows } from '../../src/protocols/cryptonn/agreement/axis-sizes.ts';
import type { ClearBatch } from '../../src/protocols/cryptonn/trainer/batch-products.ts';
import { FixedPointTrainer } from '../../src/protocols/cryptonn/trainer/fixed-point-trainer.ts';
import { solvableUnknowns } from '../../src/protocols/cryptonn/agreement/leak-budget.ts';
import type { SchemeFor } from '../../src/protocols/cryptonn/agreement/dataset-schemes.ts';
import { imageRank } from '../../src/protocols/cryptonn/leakage/window-rank.ts';
import { digitRange, MNIST_PIXELS, type MnistDigits } from './cryptonn-data.ts';
import type { FaithfulTask } from './cryptonn-tasks.ts';
import { type CryptonnWorld, type OpenedBatch, openCryptonnWorld } from './cryptonn-world.ts';
import { type BenchClock, processorClock } from '../in-turn.ts';
import type { BenchRow } from '../report.ts';

/** What a run has done so far; everything but the weights. */
interface Progress {
  step: number;
  encryptSeconds: number;
  keySeconds: number;
  seconds: number;
  clearSeconds: number;
  /** The same by the processor clock, whichever was chosen. */
  processorSeconds: number;
  clearProcessorSeconds: number;
  keysIssued: number;
  rankIssued: number;
  unknownsSolvable: number;
  isEqual: boolean;
  /** Means since the point before, on the training samples. */
  curve: CurvePoint[];
  /** Sums of the steps since the last point. */
  since: { loss: number; accuracy: number; steps: number };
}

export interface FaithfulRun {
  readonly task: FaithfulTask;
  readonly samples: number;
  readonly epochs: number;
  readonly checkpoint: string | undefined;
  readonly schemeFor?: SchemeFor;
  readonly schemeName: string;
  readonly clock: BenchClock;
}

export interface FaithfulResult {
  readonly rows: readonly BenchRow[];
  readonly curve: readonly CurvePoint[];
}

const NOTHING_SINCE: Progress['since'] = { loss: 0, accuracy: 0, steps: 0 };
const POINTS_PER_EPOCH = 20;
const STEPS_PER_CHECKPOINT = 50;
/** Batches that are encrypted and then trained on, one after another: those of LeNet-5 take about 10 MB each. */
const STEPS_AHEAD = 16;
/** Test images evaluated at once: bounds the memory for their windows. */
const TEST_BLOCK = 1000;

/** Only whole batches are trained on. */
export function stepsPerEpoch({ task, samples }: Pick<FaithfulRun, 'task' | 'samples'>): number {
  return Math.floor(samples / task.spec.batch);
}

/** Trains to the end. @throws what the protocol throws. */
export async function runFaithful(
  run: FaithfulRun,
  kernel: Kernel,
  digits: MnistDigits,
  note: (line: string) => void,
): Promise<FaithfulResult> {
  const { task, epochs } = run;
  using world = await openCryptonnWorld(task.spec, kernel, run.clock, run.schemeFor);
  const { batch } = task.spec;
  const steps = stepsPerEpoch(run);
  const options = task.options(kernel);
  const files = run.checkpoint === undefined ? undefined : checkpointFiles(run, run.checkpoint);
  const progress = readProgress(files?.progress);
  const trainer = () =>
    files === undefined || progress.step === 0
      ? new FixedPointTrainer(options)
      : FixedPointTrainer.fromBytes(readFileSync(files.weights(progress.step)), options);
  const [hidden, open] = [trainer(), trainer()];
  const every = Math.max(1, Math.floor(steps / POINTS_PER_EPOCH));
  for (const prepared of preparedBatches(run, world, digits, progress.step)) {
    const report = await oneStep(hidden, open, world, prepared, progress, run.clock);
    const { since } = progress;
    since.loss += report.loss;
    since.accuracy += report.accuracy;
    since.steps++;
    if (progress.step % every === 0) {
      noteRevealed(progress, world, task, hidden, steps * batch);
      const [loss, accuracy] = [since.loss / since.steps, since.accuracy / since.steps];
      progress.curve.push({ samples: progress.step * batch, loss, accuracy });
      progress.since = { ...NOTHING_SINCE };
      note(progressLine(run, progress, epochs * steps, steps * batch));
    }
    if (files !== undefined && progress.step % STEPS_PER_CHECKPOINT === 0) {
      await replaceFile(files.weights(progress.step), hidden.toBytes());
      await replaceFile(files.progress, new TextEncoder().encode(JSON.stringify(progress)));
    }
  }
  noteRevealed(progress, world, task, hidden, steps * batch);
  progress.isEqual &&= Buffer.compare(hidden.toBytes(), open.toBytes()) === 0;
  return { rows: await resultRows(run, world, hidden, open, progress, digits), curve: progress.curve };
}

interface PreparedBatch {
  readonly encrypted: OpenedBatch;
  /** By the clock of the run. */
  readonly encryptMs: number;
  readonly clear: ClearBatch;
}

/** The batches of all steps from `first` on. */
function* preparedBatches(
  run: FaithfulRun,
  world: CryptonnWorld,
  digits: MnistDigits,
  first: number,
): Generator<PreparedBatch> {
  const { clock } = run;
  const { batch } = run.task.spec;
  const perEpoch = stepsPerEpoch(run);
  const end = run.epochs * perEpoch;
  for (let start = first; start < end; start += STEPS_AHEAD) {
    const group: PreparedBatch[] = [];
    try {
      for (let step = start; step < Math.min(end, start + STEPS_AHEAD); step++) {
        const { pixels, labels } = digitRange(digits.train, (step % perEpoch) * batch, batch);
        const started = clock();
        const encrypted = world.encrypted(pixels, labels);
        group.push({ encrypted, encryptMs: clock() - started, clear: world.clear(pixels, labels) });
      }
      yield* group;
    } finally {
      for (const { encrypted } of group) encrypted[Symbol.dispose]();
    }
  }
}

async function oneStep(
  hidden: FixedPointTrainer,
  open: FixedPointTrainer,
  { issued }: CryptonnWorld,
  { encrypted, encryptMs, clear }: PreparedBatch,
  progress: Progress,
  clock: BenchClock,
) {
  const { seconds: keySeconds, keys } = issued;
  const times: (readonly [chosen: number, processor: number])[] = [];
  const note = () => times.push([clock(), processorClock()]);
  note();
  const report = await hidden.step(encrypted.batch);
  note();
  await open.step(clear);
  note();
  const between = (from: number, by: 0 | 1) =>
    ((times[from + 1]?.[by] as number) - (times[from]?.[by] as number)) / 1000;
  progress.encryptSeconds += encryptMs / 1000;
  progress.seconds += between(0, 0);
  progress.clearSeconds += between(1, 0);
  progress.processorSeconds += between(0, 1);
  progress.clearProcessorSeconds += between(1, 1);
  progress.keySeconds += issued.seconds - keySeconds;
  progress.keysIssued += issued.keys - keys;
  progress.isEqual &&= hidden.weights.value.every((w, i) => w === open.weights.value[i]);
  progress.step++;
  return report;
}

/** Ranks as the authority counts them; for windows, the rank of the equations of one image. */
function noteRevealed(
  progress: Progress,
  world: CryptonnWorld,
  { spec }: FaithfulTask,
  trainer: FixedPointTrainer,
  samples: number,
): void {
  const { forward = 0, gradient = 0 } = world.authority.issuedRanks(spec.id);
  progress.rankIssued = Math.max(progress.rankIssued, forward);
  const all = samples * MNIST_PIXELS;
  if (progress.unknownsSolvable === all) return;
  progress.unknownsSolvable =
    spec.convolution === undefined
      ? solvableUnknowns({ features: MNIST_PIXELS, batch: spec.batch, forward, gradient }, samples)
      : imageRank(trainer.keyVectors(), datasetWindows(spec.convolution)) * samples;
}

function progressLine(run: FaithfulRun, progress: Progress, steps: number, samples: number): string {
  const { loss, accuracy } = progress.curve.at(-1) as CurvePoint;
  const revealed = (100 * progress.unknownsSolvable) / (samples * MNIST_PIXELS);
  return [
    `${run.task.network}, ${run.schemeName}: step ${progress.step}/${steps}`,
    `loss ${loss.toFixed(3)}`,
    `accuracy ${(100 * accuracy).toFixed(1)} %`,
    `${progress.keysIssued} keys`,
    `${revealed.toFixed(1)} % of the data solvable`,
    `encrypt ${progress.encryptSeconds.toFixed(1)} s, train ${progress.seconds.toFixed(1)} s (keys ${progress.keySeconds.toFixed(1)} s), clear ${progress.clearSeconds.toFixed(1)} s`,
    progress.isEqual ? 'equal weights' : 'WEIGHTS DIFFER',
  ].join('; ');
}

/** The test images in the clear, block by block. */
export function testBlocks(world: CryptonnWorld, digits: MnistDigits) {
  return Array.from({ length: digits.test.labels.length / TEST_BLOCK }, (_, i) => {
    const { pixels, labels } = digitRange(digits.test, i * TEST_BLOCK, TEST_BLOCK);
    return world.clear(pixels, labels);
  });
}

async function resultRows(
  run: FaithfulRun,
  world: CryptonnWorld,
  hidden: FixedPointTrainer,
  open: FixedPointTrainer,
  progress: Progress,
  digits: MnistDigits,
): Promise<BenchRow[]> {
  const { task, epochs, schemeName } = run;
  const trained = stepsPerEpoch(run) * task.spec.batch;
  const tests = testBlocks(world, digits);
  const common = { network: task.network, epochs, samples: trained };
  const { keysIssued, rankIssued, unknownsSolvable, clearSeconds, clearProcessorSeconds, isEqual } = progress;
  const none = { keysIssued: 0, rankIssued: 0, unknownsSolvable: 0, encryptSeconds: 0, keySeconds: 0 };
  return [
    {
      ...{ mode: 'faithful', scheme: schemeName, ...common, accuracy: await hidden.accuracy(tests) },
      ...{ seconds: progress.seconds, clearSeconds, keysIssued, rankIssued, unknownsSolvable },
      ...{ encryptSeconds: progress.encryptSeconds, keySeconds: progress.keySeconds },
      ...{ processorSeconds: progress.processorSeconds, clearProcessorSeconds },
      equalWeights: isEqual,
    },
    {
      ...{ mode: 'clear fixed-point', scheme: 'none', ...common, accuracy: await open.accuracy(tests) },
      ...{ seconds: clearSeconds, clearSeconds, ...none },
      ...{ processorSeconds: clearProcessorSeconds, clearProcessorSeconds, equalWeights: isEqual },
    },
  ];
}

function checkpointFiles({ task, samples, epochs }: FaithfulRun, directory: string) {
  mkdirSync(directory, { recursive: true });
  const name = `${task.spec.id}-${samples}-${epochs}`;
  return {
    progress: join(directory, `${name}.json`),
    weights: (step: number) => join(directory, `${name}-${step}.bin`),
  };
}

/** Files of earlier versions lack some fields, which then begin with nothing. */
function readProgress(path: string | undefined): Progress {
  const stored: Partial<Progress> =
    path !== undefined && existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {};
  return {
    ...{ step: 0, encryptSeconds: 0, keySeconds: 0, seconds: 0, clearSeconds: 0, keysIssued: 0 },
    ...{ processorSeconds: 0, clearProcessorSeconds: 0 },
    ...{ rankIssued: 0, unknownsSolvable: 0, isEqual: true, curve: [], since: { ...NOTHING_SINCE } },
    ...stored,
  };
}
