/** What is fixed of the MNIST networks: layers, epochs, seeds. */
import { normalFit } from '../../nn/activations/weighted-fit.ts';
import type { LayerSpec, SampleShape } from '../../nn/index.ts';
import type { ImageVariation } from './varied-images.ts';

export type ImageNetworkKind = 'lenet5' | 'cryptonets' | 'chabanne' | 'cryptodl' | 'faster-cryptonets';

/** Training that goes on with other layers: activations exchanged, weights rounded. */
export interface TrainingPhase {
  /** Names its checkpoints and its row of the card. */
  readonly name: string;
  readonly layers: readonly LayerSpec[];
  /** 0 exchanges the layers and averages the statistics of batch norms anew, no more. */
  readonly epochs: number;
  readonly rate: number;
}

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
  /** After the first training, in this order. */
  readonly phases?: readonly TrainingPhase[];
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

const dense = (outputs: number): LayerSpec => ({ kind: 'dense', outputs, bias: false });

const polynomial = (...coefficients: number[]): LayerSpec => ({
  kind: 'polynomial',
  coefficients,
  bound: 6,
  penalty: 0.01,
});

/**
 * A network for the method of Chabanne, de Wargny, Milgram, Morel, Prouff (2017): six activations, a batch norm in front of each
 * that brings its inputs near N(0, 1). Batch norms have one variance for all channels only where weights must stay integers.
 */
function sixActivations(activation: LayerSpec): LayerSpec[] {
  const block = (linear: LayerSpec): LayerSpec[] => [linear, { kind: 'batch-norm' }, activation];
  return [
    ...block(squareConvolution(4, 5, 2)),
    ...block(squareConvolution(12, 4, 2)),
    ...block(squareConvolution(24, 3, 1)),
    ...block(dense(96)),
    ...block(dense(64)),
    ...block(dense(32)),
    { kind: 'dense', outputs: 10 },
  ];
}

const squareConvolution = (filters: number, size: number, stride: number): LayerSpec => ({
  kind: 'conv2d',
  filters,
  size: [size, size],
  stride: [stride, stride],
  bias: false,
});

/** Least squares under N(0, 1) for ReLU, degree 2. */
const NORMAL_FIT = normalFit((x) => Math.max(0, x), 2);

/**
 * CryptoDL (Hesamifard, Takabi, Ghasemi 2017): the polynomial that its authors found best is the integral of a linear fit of the step
 * function; networks are trained with it, over batch norms.
 */
const CRYPTODL_POLYNOMIAL = polynomial(0, 0.5, 0.118);
const CRYPTODL: readonly LayerSpec[] = [
  squareConvolution(6, 5, 2),
  { kind: 'batch-norm' },
  CRYPTODL_POLYNOMIAL,
  squareConvolution(24, 4, 2),
  { kind: 'batch-norm' },
  CRYPTODL_POLYNOMIAL,
  dense(100),
  { kind: 'batch-norm' },
  CRYPTODL_POLYNOMIAL,
  { kind: 'dense', outputs: 10 },
];

/**
 * Faster CryptoNets (Chou, Beal, Levy, Yeung, Haque, Fei-Fei 2018): the network of CryptoNets with x^2/8 + x/2 + 1/4 and weights
 * that are 0 or powers of two, most of the large layer 0. One variance per batch norm leaves the weights what they are.
 */
function fasterCryptonets(rounding: (pruned: number) => { bits?: number; pruned?: number }): LayerSpec[] {
  const activation: LayerSpec[] = [{ kind: 'batch-norm', shared: true }, polynomial(0.25, 0.5, 0.125)];
  return [
    { ...squareConvolution(5, 5, 2), ...rounding(0.2) },
    ...activation,
    { ...dense(100), ...rounding(0.9) },
    ...activation,
    { kind: 'dense', outputs: 10, ...rounding(0.5) },
  ];
}

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

/** For comparison with published numbers, which are of images as they are: nothing but the place, the size and the turn. */
const PLACED: ImageVariation = {
  untouched: 0.2,
  placement: 1,
  placed: { shift: 0, turn: 12, size: [0.85, 1.12] },
  thicker: 0.08,
  thinner: 0.08,
  blurred: 0,
  dimmed: 0,
  leastGain: 1,
  noisy: 0,
  mostNoise: 0,
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
  chabanne: {
    ...COMMON,
    network: 'chabanne',
    variation: PLACED,
    layers: sixActivations(RELU),
    epochs: 16,
    rate: 2e-3,
    phases: [
      { name: 'swapped', layers: sixActivations(polynomial(...NORMAL_FIT)), epochs: 0, rate: 0 },
      { name: 'retrained', layers: sixActivations(polynomial(...NORMAL_FIT)), epochs: 8, rate: 5e-4 },
    ],
  },
  cryptodl: {
    ...COMMON,
    network: 'cryptodl',
    variation: PLACED,
    layers: CRYPTODL,
    epochs: 24,
    rate: 2e-3,
  },
  'faster-cryptonets': {
    ...COMMON,
    network: 'faster-cryptonets',
    variation: PLACED,
    layers: fasterCryptonets(() => ({})),
    epochs: 10,
    rate: 2e-3,
    phases: [
      {
        name: 'powers-of-two',
        layers: fasterCryptonets((pruned) => ({ bits: 8, pruned })),
        epochs: 12,
        rate: 1e-3,
      },
    ],
  },
};

export const IMAGE_NETWORKS = Object.keys(PLANS) as ImageNetworkKind[];

/** `quick` uses a part of the images and few epochs, and is good for nothing but checking the machinery. */
export function imagePlanFor(network: ImageNetworkKind, quick = false): ImagePlan {
  const plan = PLANS[network];
  if (!quick) return plan;
  const phases = plan.phases?.map((phase) => ({ ...phase, epochs: Math.min(1, phase.epochs) }));
  return { ...plan, epochs: 2, limit: 4000, ...(phases && { phases }) };
}
