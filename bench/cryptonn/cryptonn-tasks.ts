/** The networks of faithful training: what owners encrypt for them, and how they are trained. */
import type { Kernel } from '../../src/kernel/kernel.ts';
import type { LayerSpec } from '../../src/nn/index.ts';
import type { DatasetSpec } from '../../src/protocols/cryptonn/agreement/dataset-spec.ts';
import type { FixedPointOptions } from '../../src/protocols/cryptonn/trainer/fixed-point-trainer.ts';
import { LENET_KEY_SCALE, LENET_WINDOWS, lenetLayers } from '../../src/protocols/cryptonn/trainer/lenet.ts';
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

export const lenetTask: FaithfulTask = {
  network: 'LeNet-5',
  spec: {
    ...{ ...digitsSpec, id: 'lenet', mode: 'faithful', batch: BATCH },
    // The sum of up to four weights of a filter.
    faithful: { acknowledged, weightBound: LENET_KEY_SCALE * 127, gradientBound: 127 },
    convolution: LENET_WINDOWS,
  },
  options: (multiply) => ({ ...common, ...lenetLayers(MNIST_CLASSES), learningRate: 0.03, multiply }),
  samples: 640,
};
