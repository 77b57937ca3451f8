/** Training of one network over epochs, with a checkpoint after each, from which a stopped run continues exactly. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Sequential, Trainer } from '../../nn/index.ts';
import type { LayerSpec, MatrixMultiply, SampleShape, TrainerOptions } from '../../nn/index.ts';
import type { FrameSet } from './frame-set.ts';
import type { PerturbationRanges } from './input-perturbation.ts';
import type { TrainingLog } from './training-log.ts';

/** Which frames an epoch sees. */
export interface FrameDraw {
  /** States below this are silence. */
  readonly silentStates: number;
  readonly silenceShare: number;
  readonly framesPerEpoch: number;
  /** How inputs are perturbed; not at all when absent. */
  readonly perturbation?: PerturbationRanges;
}

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
  /** Where the network comes from when there is no checkpoint. */
  readonly start: () => Sequential;
}

/** Replaces a file in one step, so that an interruption leaves the old one. */
export function writeWhole(path: string, bytes: Uint8Array | string): void {
  const partial = `${path}.${process.pid}.part`;
  writeFileSync(partial, bytes);
  renameSync(partial, path);
}

export function freshNetwork(
  inputShape: SampleShape,
  specs: readonly LayerSpec[],
  multiply: MatrixMultiply,
  seed: number,
): Sequential {
  return new Sequential(inputShape, specs, { multiply, seed });
}

/**
 * Trains to the end, or loads the result of an earlier call. The frames of epoch e depend on the seed and e alone, so an
 * interrupted run ends with the same weights as one that never stopped.
 */
export function trainNetwork(
  run: NetworkRun,
  frames: FrameSet,
  draw: FrameDraw,
  multiply: MatrixMultiply,
  work: string,
  log: TrainingLog,
): Sequential {
  mkdirSync(work, { recursive: true });
  const finished = join(work, `${run.name}.network`);
  if (existsSync(finished)) return Sequential.fromBytes(readFileSync(finished), multiply);
  const examplesOf = (epoch: number) =>
    frames.draw(
      run.seed + 1000 * (epoch + 1),
      draw.silentStates,
      draw.silenceShare,
      draw.framesPerEpoch,
      draw.perturbation,
    );
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
    loss: { labelSmoothing: run.labelSmoothing },
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
        `frame accuracy ${(100 * report.accuracy).toFixed(2)} %`,
    );
    writeWhole(checkpoint, trainer.toBytes());
  }
  writeWhole(finished, trainer.network.toBytes());
  rmSync(checkpoint, { force: true });
  return trainer.network;
}
