/** `train mnist`: from the images to a trained float network, through checkpoints in a work directory. */
import { refreshStatistics, withLayers } from '../../nn/index.ts';
import type { LabelledImages, MatrixMultiply, Sequential } from '../../nn/index.ts';
import type { ImagePlan } from './image-plan.ts';
import { claimWorkDirectory, freshNetwork, trainNetwork } from './network-training.ts';
import type { TrainingLog } from './training-log.ts';
import { variedImages } from './varied-images.ts';

/** Images over which the means and variances of batch norms are averaged at the end, and quantisation is calibrated. */
const CALIBRATION_IMAGES = 4096;

/** A network that a plan made on the way. */
export interface TrainedPhase {
  readonly name: string;
  readonly network: Sequential;
}

/**
 * Trains the networks of the plan, one from the other, or takes what is done of it from the work directory. The last one is the result.
 * @throws {DataError} when the work directory belongs to another plan.
 */
export function trainImageNetworks(
  plan: ImagePlan,
  images: LabelledImages,
  multiply: MatrixMultiply,
  work: string,
  log: TrainingLog,
): TrainedPhase[] {
  claimWorkDirectory(work, plan);
  const { seed, variation, limit = images.count } = plan;
  const calibration = calibrationImages(images, plan);
  const first = { name: 'float', layers: plan.layers, epochs: plan.epochs, rate: plan.rate };
  const done: TrainedPhase[] = [];
  for (const [i, { name, layers, epochs, rate }] of [first, ...(plan.phases ?? [])].entries()) {
    const before = done.at(-1)?.network;
    const start = (): Sequential =>
      before === undefined
        ? freshNetwork(plan.inputShape, layers, multiply, seed)
        : withLayers(before, layers, multiply);
    const run = {
      name,
      epochs,
      batch: plan.batch,
      rate,
      weightDecay: plan.weightDecay,
      labelSmoothing: 0,
      seed,
      start,
    };
    const examplesOf = (epoch: number) =>
      variedImages(images, variation, seed + 1000 * (epoch + 1) + 500_000 * i, limit);
    const network = epochs === 0 ? start() : trainNetwork(run, examplesOf, multiply, work, log);
    refreshStatistics(network, calibration);
    done.push({ name, network });
  }
  return done;
}

/** The first training images as the network sees them in training: varied and normalised. */
export function calibrationImages(images: LabelledImages, { seed, variation }: ImagePlan): Float32Array {
  const count = Math.min(CALIBRATION_IMAGES, images.count);
  const inputs = new Float32Array(count * images.height * images.width);
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  variedImages(images, variation, seed, count).read(order, 0, inputs, new Int32Array(count));
  return inputs;
}

/** The share of images whose largest of ten scores is at their label. @throws {ShapeError} */
export function imageAccuracy(scores: ArrayLike<number>, labels: Uint8Array): number {
  const classes = scores.length / labels.length;
  let correct = 0;
  for (let i = 0; i < labels.length; i++) {
    let best = 0;
    for (let c = 1; c < classes; c++) if (scores[i * classes + c] > scores[i * classes + best]) best = c;
    if (best === labels[i]) correct++;
  }
  return correct / labels.length;
}
