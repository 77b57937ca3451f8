/** Faithful training over a remote authority: first layer by function keys, everything above in the clear. It leaks every input. */
import { UsageError } from '../../base/errors.ts';
import type { MatrixMultiply } from '../../nn/index.ts';
import type { BatchProducts } from '../../protocols/cryptonn/trainer/batch-products.ts';
import { faithfulNetwork } from '../../protocols/cryptonn/trainer/clear-network.ts';
import {
  FixedPointTrainer,
  type FixedPointOptions,
} from '../../protocols/cryptonn/trainer/fixed-point-trainer.ts';
import { datasetWindows } from '../../protocols/cryptonn/agreement/axis-sizes.ts';
import type { DatasetSpec } from '../../protocols/cryptonn/agreement/dataset-spec.ts';
import { LENET_KEY_SCALE, LENET_WINDOWS, lenetLayers } from '../../protocols/cryptonn/trainer/lenet.ts';
import { imageRank } from '../../protocols/cryptonn/leakage/window-rank.ts';
import type { RemoteAuthority } from './remote-authority.ts';
import { continuedCurve, loadCheckpoint, saveCheckpoint, trainingDigest } from './training-checkpoint.ts';
import type { LoadedBatch, TrainingData } from './training-data.ts';
import { networkAbove, type TrainingPlan, type TrainingResult, type TrainingWatch } from './training-plan.ts';

/** Weights enter with two decimals. */
const WEIGHT_SCALE = 100;

/** @throws {UsageError} when owners did not encrypt for this network. */
function fixedPointOptions(
  plan: TrainingPlan,
  { spec }: TrainingData,
  multiply: MatrixMultiply,
): FixedPointOptions {
  const { features, inputScale, inputBound, batch, faithful } = spec;
  if (faithful === undefined) throw new Error('a faithful data set has bounds');
  return {
    ...{ features, inputScale, inputBound, batch, multiply, seed: plan.seed },
    ...networkOf(plan, spec),
    ...{ weightScale: WEIGHT_SCALE, gradientBound: faithful.gradientBound },
    ...{ learningRate: plan.learningRate, momentum: plan.momentum ?? 0 },
  };
}

function networkOf(
  { network, units: [units, ...hidden] }: TrainingPlan,
  { id, classes, convolution, faithful }: DatasetSpec,
): Pick<FixedPointOptions, 'units' | 'first' | 'partVectors' | 'upper' | 'weightBound'> {
  const weightBound = faithful?.weightBound ?? 0;
  if (network === 'dense' && convolution === undefined)
    return { units: units as number, upper: networkAbove(hidden, classes), weightBound };
  const isLenet = JSON.stringify(convolution) === JSON.stringify(LENET_WINDOWS);
  if (network === 'lenet5' && isLenet)
    return { ...lenetLayers(classes), weightBound: Math.floor(weightBound / LENET_KEY_SCALE) };
  const there =
    convolution === undefined ? 'whole samples' : isLenet ? 'windows of LeNet-5' : 'other windows';
  throw new UsageError(`the owners of "${id}" encrypted ${there}, not what --network ${network} needs`);
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
  const curve = continuedCurve(before, trainer.steps);
  if (before === null) await data.checkScales(trainer.keyVectors());
  else authority.resume(before.seen, before.keys);
  const steps = plan.epochs * data.batches;
  const save = () =>
    saveCheckpoint(plan.checkpoint, {
      plan: digest,
      step: trainer.steps,
      keys: authority.keys,
      seen: authority.seen,
      curve,
      trainer: trainer.toBytes(),
    });
  let known: number | undefined;
  const last = Math.min(steps, plan.stopAfter ?? steps);
  while (trainer.steps < last) {
    const index = data.order(plan.seed, Math.floor(trainer.steps / data.batches))[
      trainer.steps % data.batches
    ] as number;
    known = rankPerImage(data.spec, trainer, known);
    try {
      using batch = await data.load(index);
      curve.note(await trainer.step(watched(batch, index, watch)));
    } catch (error) {
      await save();
      throw error;
    }
    if (trainer.steps % plan.checkpointEvery === 0 || trainer.steps === last) await save();
    watch.progress({
      done: trainer.steps / steps,
      epoch: Math.ceil(trainer.steps / data.batches),
      ...curve.latest,
      imageRank: known,
    });
  }
  return {
    steps: trainer.steps,
    isComplete: trainer.steps === steps,
    ...{ ...curve.latest, curve, imageRank: known },
    testAccuracy: test === undefined ? undefined : await accuracyOf(trainer, test),
    model: faithfulNetwork(trainer).toBytes(),
  };
}

/** What the keys of the coming step disclose of one image, by linear algebra; looked at again until that is all. */
function rankPerImage(
  { convolution, features }: DatasetSpec,
  trainer: FixedPointTrainer,
  before: number | undefined,
): number | undefined {
  if (convolution === undefined || before === features) return before;
  return Math.max(before ?? 0, imageRank(trainer.keyVectors(), datasetWindows(convolution)));
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
    gradient: (weights, out) => tell('gradient', weights, products.gradient(weights, out)),
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
