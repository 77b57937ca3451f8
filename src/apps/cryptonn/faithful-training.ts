/** Faithful training over a remote authority: first layer by function keys, everything above in the clear. It leaks every input. */
import { UnsupportedOpError } from '../../base/errors.ts';
import type { MatrixMultiply } from '../../nn/index.ts';
import type { BatchProducts } from '../../protocols/cryptonn/batch-products.ts';
import { faithfulNetwork } from '../../protocols/cryptonn/clear-network.ts';
import { FixedPointTrainer, type FixedPointOptions } from '../../protocols/cryptonn/fixed-point-trainer.ts';
import type { RemoteAuthority } from './remote-authority.ts';
import { loadCheckpoint, saveCheckpoint, trainingDigest } from './training-checkpoint.ts';
import type { LoadedBatch, TrainingData } from './training-data.ts';
import { networkAbove, type TrainingPlan, type TrainingResult, type TrainingWatch } from './training-plan.ts';

/** Weights enter with two decimals. */
const WEIGHT_SCALE = 100;
/** Weight of the past in the displayed loss and accuracy. */
const SMOOTHING = 0.95;

function fixedPointOptions(
  plan: TrainingPlan,
  data: TrainingData,
  multiply: MatrixMultiply,
): FixedPointOptions {
  const { features, inputScale, inputBound, batch, classes, faithful } = data.spec;
  if (faithful === undefined) throw new Error('a faithful data set has bounds');
  if (data.spec.convolution !== undefined)
    throw new UnsupportedOpError(['a convolution as the first layer, by this command; the bench trains one']);
  const [units, ...hidden] = plan.units;
  return {
    ...{ features, inputScale, inputBound, batch, units: units as number, multiply, seed: plan.seed },
    upper: networkAbove(hidden, classes),
    ...{
      weightBound: faithful.weightBound,
      weightScale: WEIGHT_SCALE,
      gradientBound: faithful.gradientBound,
    },
    ...{ learningRate: plan.learningRate, momentum: plan.momentum },
  };
}

/**
 * Trains from the checkpoint, or from the start, and saves one every `plan.checkpointEvery` steps and when the authority is lost.
 * `watch.products` sees every batch before its step: what the trainer holds.
 * @throws {TransportError} {@link KeyRefusedError} {@link RolledBackError} {@link InvalidParamsError} for different scales.
 */
export async function trainFaithful(
  plan: TrainingPlan,
  data: TrainingData,
  test: TrainingData | undefined,
  authority: RemoteAuthority,
  multiply: MatrixMultiply,
  watch: TrainingWatch,
): Promise<TrainingResult> {
  const options = fixedPointOptions(plan, data, multiply);
  const digest = trainingDigest(plan, data);
  const before = await loadCheckpoint(plan.checkpoint, digest);
  const trainer =
    before === null ? new FixedPointTrainer(options) : FixedPointTrainer.fromBytes(before.trainer, options);
  if (before === null) await data.checkScales(trainer.keyVectors());
  else authority.resume(before.seen, before.keys);
  const steps = plan.epochs * data.batches;
  const save = () =>
    saveCheckpoint(plan.checkpoint, {
      plan: digest,
      step: trainer.steps,
      keys: authority.keys,
      seen: authority.seen,
      trainer: trainer.toBytes(),
    });
  let [loss, accuracy] = [Number.NaN, Number.NaN];
  const last = Math.min(steps, plan.stopAfter ?? steps);
  while (trainer.steps < last) {
    const index = data.order(plan.seed, Math.floor(trainer.steps / data.batches))[
      trainer.steps % data.batches
    ] as number;
    try {
      using batch = await data.load(index);
      const report = await trainer.step(watched(batch, index, watch));
      loss = smoothed(loss, report.loss);
      accuracy = smoothed(accuracy, report.accuracy);
    } catch (error) {
      await save();
      throw error;
    }
    if (trainer.steps % plan.checkpointEvery === 0 || trainer.steps === last) await save();
    watch.progress({
      done: trainer.steps / steps,
      epoch: Math.ceil(trainer.steps / data.batches),
      loss,
      accuracy,
    });
  }
  return {
    steps: trainer.steps,
    isComplete: trainer.steps === steps,
    loss,
    accuracy,
    testAccuracy: test === undefined ? undefined : await accuracyOf(trainer, test),
    model: faithfulNetwork(trainer).toBytes(),
  };
}

function smoothed(before: number, value: number): number {
  return Number.isNaN(before) ? value : SMOOTHING * before + (1 - SMOOTHING) * value;
}

function watched({ products }: LoadedBatch, index: number, watch: TrainingWatch): BatchProducts {
  const tell = async <T extends Float32Array | Float64Array>(
    axis: 'forward' | 'gradient',
    weights: Int32Array,
    work: Promise<T>,
  ): Promise<T> => {
    const values = await work;
    watch.products?.(index, axis, weights, values);
    return values;
  };
  return {
    samples: products.samples,
    labels: products.labels,
    encryptedLabels: products.encryptedLabels,
    forward: (weights) => tell('forward', weights, products.forward(weights)),
    gradient: (weights) => tell('gradient', weights, products.gradient(weights)),
  };
}

async function accuracyOf(trainer: FixedPointTrainer, data: TrainingData): Promise<number> {
  let sum = 0;
  for (let i = 0; i < data.batches; i++) {
    using batch = await data.load(i);
    sum += await trainer.accuracy([batch.products]);
  }
  return sum / data.batches;
}
