/** `train mnist`: from the images to a trained float network, through checkpoints in a work directory. */
import { refreshStatistics } from '../../nn/index.ts';
import type { LabelledImages, MatrixMultiply, Sequential } from '../../nn/index.ts';
import type { ImagePlan } from './image-plan.ts';
import { claimWorkDirectory, freshNetwork, trainNetwork } from './network-training.ts';
import type { TrainingLog } from './training-log.ts';
import { variedImages } from './varied-images.ts';

/** Images over which the means and variances of batch norms are averaged at the end, and quantisation is calibrated. */
const CALIBRATION_IMAGES = 4096;

/**
 * Trains the network of the plan, or takes what is done of it from the work directory.
 * @throws {DataError} when the work directory belongs to another plan.
 */
export function trainImageNetwork(
  plan: ImagePlan,
  images: LabelledImages,
  multiply: MatrixMultiply,
  work: string,
  log: TrainingLog,
): Sequential {
  claimWorkDirectory(work, plan);
  const { seed, variation, limit = images.count } = plan;
  const run = {
    name: 'float',
    epochs: plan.epochs,
    batch: plan.batch,
    rate: plan.rate,
    weightDecay: plan.weightDecay,
    labelSmoothing: 0,
    seed,
    start: () => freshNetwork(plan.inputShape, plan.layers, multiply, seed),
  };
  const examplesOf = (epoch: number) => variedImages(images, variation, seed + 1000 * (epoch + 1), limit);
  const network = trainNetwork(run, examplesOf, multiply, work, log);
  refreshStatistics(network, calibrationImages(images, plan));
  return network;
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
