/** Projected training: keys for the rows of the public projection once, then ordinary training on P x in the clear. */
import { arrayExamples, type Examples, type MatrixMultiply, Sequential, Trainer } from '../../nn/index.ts';
import { foldProjection } from '../../protocols/cryptonn/trainer/clear-network.ts';
import {
  projectedInputs,
  type Standardisation,
  standardisationOf,
} from '../../protocols/cryptonn/trainer/projected-inputs.ts';
import { projectionMatrix } from '../../protocols/cryptonn/agreement/projection.ts';
import { projectionKeys } from '../../protocols/cryptonn/agreement/projection-noise.ts';
import type { RemoteAuthority } from './remote-authority.ts';
import {
  continuedCurve,
  loadCheckpoint,
  saveCheckpoint,
  type TrainingCheckpoint,
  trainingDigest,
} from './training-checkpoint.ts';
import type { TrainingData } from './training-data.ts';
import { networkAbove, type TrainingPlan, type TrainingResult, type TrainingWatch } from './training-plan.ts';

/** Share of the progress that opening the products has. */
const OPENING_SHARE = 0.5;

interface Projected {
  /** `[rank, samples]` integers. */
  readonly products: Float32Array;
  readonly labels: Int32Array;
}

/**
 * Trains from the checkpoint, or from the start. A continuation asks for the same keys again, which reveals nothing more.
 * @throws {TransportError} {@link KeyRefusedError} {@link RolledBackError} {@link InvalidParamsError} for different scales.
 */
export async function trainProjected(
  plan: TrainingPlan,
  data: TrainingData,
  test: TrainingData | undefined,
  authority: RemoteAuthority,
  multiply: MatrixMultiply,
  watch: TrainingWatch,
): Promise<TrainingResult> {
  const { spec } = data;
  const { rank, seed } = spec.projection ?? { rank: 0, seed: '' };
  const digest = trainingDigest(plan, data);
  const before = await loadCheckpoint(plan.checkpoint, digest);
  if (before !== null) authority.resume(before.seen, before.keys);
  const projection = projectionMatrix(seed, rank, spec.features);
  const keys = projectionKeys(spec);
  await data.checkScales(keys);
  const open = (done: number) =>
    watch.progress({ done: OPENING_SHARE * done, epoch: 0, loss: Number.NaN, accuracy: Number.NaN });
  const opened = await openProducts(data, keys, rank, open);
  watch.projected?.(opened.products, opened.labels);
  const standard = standardisationOf(opened.products, rank);
  const examples = examplesOf(opened, standard);
  const trainer = projectedTrainer(plan, data, rank, before, multiply);
  const curve = continuedCurve(before, trainer.steps);
  const steps = plan.epochs * data.batches;
  const last = Math.min(steps, plan.stopAfter ?? steps);
  while (trainer.steps < last) {
    curve.note(trainer.train(examples, 1));
    if (trainer.steps % plan.checkpointEvery !== 0 && trainer.steps !== last) continue;
    const { seen, keys: received } = authority;
    await saveCheckpoint(plan.checkpoint, {
      plan: digest,
      step: trainer.steps,
      keys: received,
      ...{ seen, curve },
      trainer: trainer.toBytes(),
    });
    const done = OPENING_SHARE + (1 - OPENING_SHARE) * (trainer.steps / steps);
    watch.progress({
      ...{ done, epoch: Math.ceil(trainer.steps / data.batches), ...curve.latest },
    });
  }
  const tested = test === undefined ? undefined : await openProducts(test, keys, rank, () => undefined);
  return {
    steps: trainer.steps,
    isComplete: trainer.steps === steps,
    ...curve.latest,
    curve,
    testAccuracy: tested === undefined ? undefined : trainer.evaluate(examplesOf(tested, standard)).accuracy,
    model: foldProjection(trainer.network, projection, standard, spec.inputScale, multiply).toBytes(),
  };
}

function projectedTrainer(
  plan: TrainingPlan,
  { spec, batches }: TrainingData,
  rank: number,
  before: TrainingCheckpoint | null,
  multiply: MatrixMultiply,
): Trainer {
  const options = {
    batch: spec.batch,
    seed: plan.seed,
    schedule: { kind: 'cosine', rate: plan.learningRate, steps: plan.epochs * batches } as const,
    optimiser:
      plan.momentum === undefined
        ? ({ kind: 'adam' } as const)
        : ({ kind: 'sgd', momentum: plan.momentum } as const),
  };
  if (before !== null) return Trainer.fromBytes(before.trainer, multiply, options);
  const [units, ...hidden] = plan.units as [number, ...number[]];
  const layers = [{ kind: 'dense', outputs: units } as const, ...networkAbove(hidden, spec.classes)];
  return new Trainer(new Sequential([rank], layers, { multiply, seed: plan.seed }), options);
}

function examplesOf({ products, labels }: Projected, standard: Standardisation): Examples {
  return arrayExamples(projectedInputs(products, standard), labels);
}

async function openProducts(
  data: TrainingData,
  keys: Int32Array,
  rank: number,
  progress: (done: number) => void,
): Promise<Projected> {
  const { batch } = data.spec;
  const products = new Float32Array(rank * data.samples);
  const labels = new Int32Array(data.samples);
  for (let i = 0; i < data.batches; i++) {
    using loaded = await data.load(i);
    const part = await loaded.products.forward(keys);
    for (let k = 0; k < rank; k++)
      products.set(part.subarray(k * batch, (k + 1) * batch), k * data.samples + i * batch);
    labels.set(loaded.products.labels, i * batch);
    progress((i + 1) / data.batches);
  }
  return { products, labels };
}
