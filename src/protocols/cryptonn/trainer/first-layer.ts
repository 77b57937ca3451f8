/**
 * The layer that sees encrypted data: how its trained weights become key vectors, and how the products of the gradient axis
 * become gradients of those weights. A product is `keyScale` times the layer's output, without bias.
 */
import { windowGeometry, type WindowGeometry } from '../../../nn/tensor/im2col.ts';
import * as arg from '../../../base/arguments.ts';
import type { LayerSpec } from '../../../nn/layers/layer.ts';
import type { SampleShape } from '../../../nn/tensor/tensor.ts';

export interface FirstLayer {
  readonly units: number;
  /** Trained weights of one unit, and entries of its key vector. */
  readonly weightsPerUnit: number;
  readonly keyLength: number;
  /** Encrypted vectors per sample: 1 for a dense layer, the windows of a convolution. */
  readonly positions: number;
  /** Entries of key vectors are at most this many times the largest weight, and sums of so many weights. */
  readonly keyScale: number;
  readonly inputShape: SampleShape;
  readonly outputShape: SampleShape;
  /** The same as ordinary layers, the first of them with the trained weights and the bias. */
  readonly layers: readonly LayerSpec[];
  /** `[units, weightsPerUnit]` to `[units, keyLength]`. */
  keyVectors(weights: Int32Array): Int32Array;
  /** d(loss)/d(weights) of one unit from d(loss)/d(key vector), times {@link FirstLayer.keyScale}. */
  weightGradient(keyGradient: Float64Array): Float64Array;
}

export function denseFirstLayer(features: number, units: number): FirstLayer {
  arg.checkArguments('denseFirstLayer', [features, units], { features: arg.number, units: arg.number });
  return {
    ...{ units, weightsPerUnit: features, keyLength: features, positions: 1, keyScale: 1 },
    ...{ inputShape: [features], outputShape: [units], layers: [{ kind: 'dense', outputs: units }] },
    keyVectors: (weights) => weights,
    weightGradient: (gradient) => gradient,
  };
}

/** Convolution with stride 1 and zero padding, then the mean over squares of `pool` x `pool`, side by side. */
export interface PooledConvolution {
  readonly inputShape: readonly [channels: number, height: number, width: number];
  readonly filters: number;
  readonly size: number;
  readonly padding: number;
  readonly pool: number;
}

/** The windows of {@link pooledConvolution}: larger than the filter, a pool apart. */
export function pooledWindows({ inputShape, size, padding, pool }: PooledConvolution): WindowGeometry {
  const side = size + pool - 1;
  return windowGeometry('a pooled convolution', inputShape, [side, side], [pool, pool], [padding, padding]);
}

/**
 * Both are linear, so that together they are one convolution of stride `pool` whose filter is the sum of the `pool`^2 shifted
 * ones, times 1 / `pool`^2: a share of the windows, and the exact network all the same.
 */
export function pooledConvolution(layer: PooledConvolution): FirstLayer {
  arg.checkArguments('pooledConvolution', [layer], {
    layer: arg.like('a PooledConvolution', 'inputShape', 'filters'),
  });
  const { filters, size, pool, inputShape } = layer;
  const { outHeight, outWidth, size: window } = pooledWindows(layer);
  const [side] = window;
  const channels = inputShape[0];
  const keyLength = channels * side * side;
  const weightsPerUnit = channels * size * size;
  /** Calls `visit` with every weight of a unit and every key entry that it is part of. */
  const pairs = (visit: (weight: number, entry: number) => void) => {
    for (let weight = 0; weight < weightsPerUnit; weight++) {
      const [channel, y, x] = [
        Math.floor(weight / size ** 2),
        Math.floor(weight / size) % size,
        weight % size,
      ];
      for (let shift = 0; shift < pool ** 2; shift++) {
        const row = y + Math.floor(shift / pool);
        visit(weight, (channel * side + row) * side + x + (shift % pool));
      }
    }
  };
  return {
    ...{ units: filters, weightsPerUnit, keyLength, positions: outHeight * outWidth, keyScale: pool ** 2 },
    ...{ inputShape, outputShape: [filters, outHeight, outWidth] },
    layers: [
      { kind: 'conv2d', filters, size: [size, size], padding: [layer.padding, layer.padding] },
      { kind: 'mean-pool', size: [pool, pool] },
    ],
    keyVectors(weights) {
      const out = new Int32Array(filters * keyLength);
      for (let unit = 0; unit < filters; unit++)
        pairs((weight, entry) => {
          out[unit * keyLength + entry]! += weights[unit * weightsPerUnit + weight]!;
        });
      return out;
    },
    weightGradient(keyGradient) {
      const out = new Float64Array(weightsPerUnit);
      pairs((weight, entry) => {
        out[weight]! += keyGradient[entry]!;
      });
      return out;
    },
  };
}
