/** The networks of faithful training: what owners encrypt for them, and how they are trained. */
import type { Kernel } from '../src/kernel/kernel.ts';
import type { LayerSpec } from '../src/nn/index.ts';
import type { DatasetSpec } from '../src/protocols/cryptonn/dataset-spec.ts';
import { pooledConvolution } from '../src/protocols/cryptonn/first-layer.ts';
import type { FixedPointOptions } from '../src/protocols/cryptonn/fixed-point-trainer.ts';
import { digitsSpec, MNIST_CLASSES, MNIST_PIXELS } from './cryptonn-data.ts';

export interface FaithfulTask {
  readonly network: string;
  readonly spec: DatasetSpec;
  readonly options: (kernel: Kernel) => FixedPointOptions;
  /** Samples of a run that does not say how many. */
  readonly samples: number;
}

const BATCH = 64;
const acknowledged = 'I understand what leaks';
const common = {
  ...{ features: MNIST_PIXELS, inputScale: 100, inputBound: 100, batch: BATCH },
  ...{ weightBound: 127, weightScale: 100, gradientBound: 127, momentum: 0.9, seed: 1 },
} as const;

/** Two hidden layers above the pixels. */
const denseUpper: readonly LayerSpec[] = [
  { kind: 'relu' },
  { kind: 'dense', outputs: 32 },
  { kind: 'relu' },
  { kind: 'dense', outputs: MNIST_CLASSES },
];

export const denseTask: FaithfulTask = {
  network: '784-128-32-10',
  spec: {
    ...{ ...digitsSpec, id: 'dense', mode: 'faithful', batch: BATCH },
    faithful: { acknowledged, weightBound: 127, gradientBound: 127 },
  },
  options: (multiply) => ({ ...common, units: 128, upper: denseUpper, learningRate: 0.05, multiply }),
  samples: 2000,
};

/** The first pooling as a mean, which the convolution below it takes in; then as in the original. */
const lenetUpper: readonly LayerSpec[] = [
  { kind: 'relu' },
  { kind: 'conv2d', filters: 16, size: [5, 5] },
  { kind: 'mean-pool', size: [2, 2] },
  { kind: 'relu' },
  { kind: 'conv2d', filters: 120, size: [5, 5] },
  { kind: 'relu' },
  { kind: 'dense', outputs: 84 },
  { kind: 'relu' },
  { kind: 'dense', outputs: MNIST_CLASSES },
];

const lenetFirst = { inputShape: [1, 28, 28], filters: 6, size: 5, padding: 2, pool: 2 } as const;
/** Samples whose windows make one vector along the batch: 784 windows, whose sums are exact in single precision. */
const GRADIENT_SAMPLES = 4;
const POSITIONS = 14 ** 2;

export const lenetTask: FaithfulTask = {
  network: 'LeNet-5',
  spec: {
    ...{ ...digitsSpec, id: 'lenet', mode: 'faithful', batch: BATCH },
    // The sum of up to four weights of a filter.
    faithful: { acknowledged, weightBound: 4 * 127, gradientBound: 127 },
    convolution: {
      ...{ channels: 1, height: 28, width: 28, size: 6, stride: 2, padding: 2 },
      gradientSamples: GRADIENT_SAMPLES,
    },
  },
  options: (multiply) => ({
    ...{ ...common, units: lenetFirst.filters, upper: lenetUpper, learningRate: 0.03, multiply },
    ...{ first: pooledConvolution(lenetFirst), partVectors: GRADIENT_SAMPLES * POSITIONS },
  }),
  samples: 640,
};
