/**
 * LeNet-5 as it is trained on encrypted images of 28 x 28: what owners encrypt for it, its first layer, and the layers above. The
 * first pooling is a mean, which the convolution below it takes in; the rest is as in CryptoCNN (Xu, Joshi, Li, ICDCS 2019).
 */
import * as arg from '../../../base/arguments.ts';
import type { LayerSpec } from '../../../nn/layers/layer.ts';
import type { DatasetSpec } from '../agreement/dataset-spec.ts';
import { type PooledConvolution, pooledConvolution, pooledWindows } from './first-layer.ts';
import type { FixedPointOptions } from './fixed-point-trainer.ts';

const FIRST: PooledConvolution = { inputShape: [1, 28, 28], filters: 6, size: 5, padding: 2, pool: 2 };
const WINDOWS = pooledWindows(FIRST);

/** Samples whose windows make one vector along the batch: 784 windows, whose sums are exact in single precision. */
const GRADIENT_SAMPLES = 4;

/** What a key entry sums: up to so many weights of a filter. */
export const LENET_KEY_SCALE = FIRST.pool ** 2;

/** Samples are so large. */
export const LENET_FEATURES = 28 ** 2;

/** The windows that owners encrypt. */
export const LENET_WINDOWS: NonNullable<DatasetSpec['convolution']> = {
  ...{ channels: 1, height: 28, width: 28 },
  ...{ size: WINDOWS.size[0], stride: FIRST.pool, padding: FIRST.padding, gradientSamples: GRADIENT_SAMPLES },
};

function upper(classes: number): LayerSpec[] {
  return [
    { kind: 'relu' },
    { kind: 'conv2d', filters: 16, size: [5, 5] },
    { kind: 'mean-pool', size: [2, 2] },
    { kind: 'relu' },
    { kind: 'conv2d', filters: 120, size: [5, 5] },
    { kind: 'relu' },
    { kind: 'dense', outputs: 84 },
    { kind: 'relu' },
    { kind: 'dense', outputs: classes },
  ];
}

/** What makes a {@link FixedPointTrainer} one of LeNet-5. */
export function lenetLayers(
  classes: number,
): Pick<FixedPointOptions, 'units' | 'first' | 'partVectors' | 'upper'> {
  arg.checkArguments('lenetLayers', [classes], { classes: arg.number });
  const first = pooledConvolution(FIRST);
  const partVectors = GRADIENT_SAMPLES * first.positions;
  return { units: first.units, first, partVectors, upper: upper(classes) };
}
