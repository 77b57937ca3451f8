/** What is fixed of the MNIST networks: layers, epochs, seeds. */
import type { LayerSpec, SampleShape } from '../../nn/index.ts';
import type { ImageVariation } from './varied-images.ts';

export type ImageNetworkKind = 'lenet5' | 'cryptonets';

export interface ImagePlan {
  readonly network: ImageNetworkKind;
  readonly seed: number;
  readonly inputShape: SampleShape;
  readonly layers: readonly LayerSpec[];
  readonly epochs: number;
  readonly batch: number;
  /** Peak learning rate of Adam. */
  readonly rate: number;
  readonly weightDecay: number;
  /** What each image goes through whenever it is read. */
  readonly variation: ImageVariation;
  /** Of the training images; all when absent. */
  readonly limit?: number;
}

const RELU: LayerSpec = { kind: 'relu' };

/** The learned quadratic; inputs are normalised, so beyond six deviations something is wrong and is penalised. */
const QUADRATIC: LayerSpec = { kind: 'quadratic', bound: 6, penalty: 0.01 };

const convolution = (filters: number, stride: number, padding: number, bias = true): LayerSpec => ({
  kind: 'conv2d',
  filters,
  size: [5, 5],
  stride: [stride, stride],
  padding: [padding, padding],
  bias,
});

/** LeNet-5 (LeCun, Bottou, Bengio, Haffner 1998) as it is built today: ReLU, largest of 2 x 2, every map seen by every filter. */
const LENET5: readonly LayerSpec[] = [
  convolution(6, 1, 2),
  RELU,
  { kind: 'max-pool', size: [2, 2] },
  convolution(16, 1, 0),
  RELU,
  { kind: 'max-pool', size: [2, 2] },
  { kind: 'dense', outputs: 120 },
  RELU,
  { kind: 'dense', outputs: 84 },
  RELU,
  { kind: 'dense', outputs: 10 },
];

/**
 * The shape of CryptoNets (Dowlin, Gilad-Bachrach, Laine, Lauter, Naehrig, Wernsing 2016) without its extra row and column of
 * zeros: 5 maps of 12 x 12, then 100, then 10, a square after the first two. The square is learned as a quadratic over batch
 * norm, which folds into the linear layers.
 */
const CRYPTONETS: readonly LayerSpec[] = [
  convolution(5, 2, 0, false),
  { kind: 'batch-norm' },
  QUADRATIC,
  { kind: 'dense', outputs: 100, bias: false },
  { kind: 'batch-norm' },
  QUADRATIC,
  { kind: 'dense', outputs: 10 },
];

/** Two images of five as they are, the others with one change or two. */
const VARIATION: ImageVariation = {
  untouched: 0.4,
  placement: 0.5,
  placed: { shift: 0, turn: 12, size: [0.8, 1.15] },
  thicker: 0.1,
  thinner: 0.15,
  blurred: 0.1,
  dimmed: 0.3,
  leastGain: 0.2,
  noisy: 0.35,
  mostNoise: 0.5,
  shift: 1,
};

const COMMON = {
  seed: 1998,
  inputShape: [1, 28, 28],
  batch: 128,
  weightDecay: 1e-2,
  variation: VARIATION,
} as const;

const PLANS: Readonly<Record<ImageNetworkKind, ImagePlan>> = {
  lenet5: { ...COMMON, network: 'lenet5', layers: LENET5, epochs: 6, rate: 2e-3 },
  cryptonets: { ...COMMON, network: 'cryptonets', layers: CRYPTONETS, epochs: 16, rate: 2e-3 },
};

export const IMAGE_NETWORKS = Object.keys(PLANS) as ImageNetworkKind[];

/** `quick` uses a part of the images and few epochs, and is good for nothing but checking the machinery. */
export function imagePlanFor(network: ImageNetworkKind, quick = false): ImagePlan {
  return quick ? { ...PLANS[network], epochs: 2, limit: 4000 } : PLANS[network];
}
