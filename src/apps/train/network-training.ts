/** Training of one network over epochs, with a checkpoint after each, from which a stopped run continues exactly. */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DataError } from '../../base/errors.ts';
import { Sequential, Trainer } from '../../nn/index.ts';
import type { Examples, LayerSpec, MatrixMultiply, SampleShape, TrainerOptions } from '../../nn/index.ts';
import { replaceFileSync } from '../keystore/atomic-file.ts';
import type { TrainingLog } from './training-log.ts';

export interface NetworkRun {
  /** Names the checkpoint files. */
  readonly name: string;
  readonly epochs: number;
  readonly batch: number;
  /** Peak learning rate of Adam. */
  readonly rate: number;
  readonly weightDecay: number;
  readonly labelSmoothing: number;
  readonly seed: number;
  /** A network whose answers take `share` of every target. */
  readonly teacher?: { readonly network: () => Sequential; readonly share: number };
  /** Where the network comes from when there is no checkpoint. */
  readonly start: () => Sequential;
}

export function freshNetwork(
  inputShape: SampleShape,
  specs: readonly LayerSpec[],
  multiply: MatrixMultiply,
  seed: number,
): Sequential {
  return new Sequential(inputShape, specs, { multiply, seed });
}

/** A work directory remembers its plan: checkpoints of another would be continued wrongly without anybody noticing. */
export function claimWorkDirectory(work: string, plan: object): void {
  mkdirSync(work, { recursive: true });
  const path = join(work, 'plan.json');
  const text = `${JSON.stringify(plan, null, 2)}\n`;
  if (!existsSync(path)) replaceFileSync(path, text);
  else if (readFileSync(path, 'utf8') !== text) {
    throw new DataError(`${work} holds a training run with another plan; choose another --work directory`);
  }
}

/**
 * Trains to the end, or loads the result of an earlier call. The examples of epoch e must depend on e alone; then an
 * interrupted run ends with the same weights as one that never stopped.
 */
export function trainNetwork(
  run: NetworkRun,
  examplesOf: (epoch: number) => Examples,
  multiply: MatrixMultiply,
  work: string,
  log: TrainingLog,
): Sequential {
  mkdirSync(work, { recursive: true });
  const finished = join(work, `${run.name}.network`);
  if (existsSync(finished)) return Sequential.fromBytes(readFileSync(finished), multiply);
  const first = examplesOf(0);
  const steps = run.epochs * Math.ceil(first.count / run.batch);
  const options: TrainerOptions = {
    batch: run.batch,
    schedule: {
      kind: 'cosine',
      rate: run.rate,
      steps,
      warmup: Math.min(200, Math.ceil(steps / 20)),
      floor: 0.01,
    },
    optimiser: { kind: 'adam', weightDecay: run.weightDecay },
    clipNorm: 5,
    loss: { labelSmoothing: run.labelSmoothing, teacherShare: run.teacher?.share ?? 0 },
    ...(run.teacher === undefined ? {} : { teacher: run.teacher.network() }),
    seed: run.seed,
  };
  const checkpoint = join(work, `${run.name}.checkpoint`);
  const trainer = existsSync(checkpoint)
    ? Trainer.fromBytes(readFileSync(checkpoint), multiply, options)
    : new Trainer(run.start(), options);
  while (trainer.epoch < run.epochs) {
    const epoch = trainer.epoch;
    const report = trainer.train(epoch === 0 ? first : examplesOf(epoch), Number.POSITIVE_INFINITY, (done) =>
      log.progress(run.name, (epoch + done) / run.epochs),
    );
    log.note(
      `${run.name} epoch ${epoch + 1}/${run.epochs}: loss ${report.loss.toFixed(4)}, ` +
        `accuracy ${(100 * report.accuracy).toFixed(2)} %`,
    );
    replaceFileSync(checkpoint, trainer.toBytes());
  }
  replaceFileSync(finished, trainer.network.toBytes());
  rmSync(checkpoint, { force: true });
  return trainer.network;
}
