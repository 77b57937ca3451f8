import * as arg from '../../base/arguments.ts';
import { OutOfRangeError, UnsupportedOpError } from '../../base/errors.ts';
import { BatchNorm } from './batch-norm.ts';
import { Conv2d } from './conv2d.ts';
import { Dense } from './dense.ts';
import { Dropout, Relu, Sigmoid } from './elementwise.ts';
import type { SeededGenerator } from '../tensor/generator.ts';
import type { Layer, LayerSpec } from './layer.ts';
import { PolynomialActivation } from './polynomial-activation.ts';
import { MaxPool, MeanPool } from './pool.ts';
import { Quadratic, Square } from './quadratic.ts';
import { QuantiseActivations } from './quantise-activations.ts';
import { checkShape, sizeOf } from '../tensor/tensor.ts';
import type { SampleShape } from '../tensor/tensor.ts';

/**
 * A layer from its description, with fresh weights from `generator`.
 * @throws {ShapeError} {@link OutOfRangeError} {@link UnsupportedOpError}
 */
export function buildLayer(spec: LayerSpec, inputShape: SampleShape, generator: SeededGenerator): Layer {
  arg.checkArguments('buildLayer', [spec, inputShape, generator], {
    spec: arg.options,
    inputShape: arg.numbers,
    generator: arg.like('a SeededGenerator', 'word', 'uniform'),
  });
  checkShape('a layer input', inputShape);
  switch (spec.kind) {
    case 'dense':
      checkShape('dense outputs', [spec.outputs]);
      return new Dense(spec, inputShape, generator);
    case 'conv2d':
      checkShape('filters', [spec.filters]);
      return new Conv2d(spec, inputShape, generator);
    case 'batch-norm':
      return new BatchNorm(spec, inputShape);
    case 'relu':
      return new Relu(spec, inputShape);
    case 'sigmoid':
      return new Sigmoid(spec, inputShape);
    case 'square':
      return new Square(spec, inputShape);
    case 'quadratic':
      return new Quadratic(spec, inputShape);
    case 'polynomial':
      return new PolynomialActivation(spec, inputShape);
    case 'max-pool':
      return new MaxPool(spec, inputShape);
    case 'mean-pool':
      return new MeanPool(spec, inputShape);
    case 'quantise-activations':
      return new QuantiseActivations(spec, inputShape);
    case 'dropout':
      if (!(spec.rate >= 0 && spec.rate < 1)) throw new OutOfRangeError('dropout', 'in [0, 1)', spec.rate);
      return new Dropout(spec, inputShape, () => generator.word());
    default:
      throw new UnsupportedOpError([`layer ${(spec as { kind: string }).kind}`]);
  }
}

/** Weights that a layer would allocate; NaN for a description without the numbers it needs. */
export function weightCount(spec: LayerSpec, inputShape: SampleShape): number {
  arg.checkArguments('weightCount', [spec, inputShape], { spec: arg.options, inputShape: arg.numbers });
  if (spec.kind === 'dense') return spec.outputs * sizeOf(inputShape);
  if (spec.kind !== 'conv2d') return 0;
  return (spec.filters * inputShape[0] * sizeOf(spec.size ?? [])) / (spec.groups ?? 1);
}
