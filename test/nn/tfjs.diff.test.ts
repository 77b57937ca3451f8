import { beforeAll, describe, expect, it } from 'vitest';
import { OutOfRangeError, ShapeError } from '../../src/base/errors.ts';
import { SoftmaxCrossEntropy } from '../../src/nn/training/cross-entropy.ts';
import { SeededGenerator } from '../../src/nn/tensor/generator.ts';
import type { Layer, LayerSpec } from '../../src/nn/layers/layer.ts';
import { buildLayer } from '../../src/nn/layers/layer-factory.ts';
import { plainMatrixMultiply } from '../../src/nn/tensor/matrix-multiply.ts';
import { sizeOf } from '../../src/nn/tensor/tensor.ts';
import * as tf from './tensorflow.ts';

// The cpu backend: the wasm one routes gradients of negative max-pool windows to the wrong element.
beforeAll(async () => {
  await tf.setBackend('cpu');
});

const PASS = { multiply: plainMatrixMultiply, training: true };

function normals(shape: readonly number[], seed: number): Float32Array {
  const generator = new SeededGenerator(seed);
  return Float32Array.from({ length: sizeOf(shape) }, () => generator.normal());
}

function expectClose(got: ArrayLike<number>, wanted: ArrayLike<number>, tolerance = 2e-5): void {
  expect(got.length).toBe(wanted.length);
  let largest = 1;
  for (let i = 0; i < wanted.length; i++) largest = Math.max(largest, Math.abs(wanted[i]));
  for (let i = 0; i < wanted.length; i++) {
    expect(Math.abs(got[i] - wanted[i]) / largest).toBeLessThan(tolerance);
  }
}

/** NCHW to the NHWC that tfjs computes in, and back. */
const toLast = (x: tf.Tensor) => tf.transpose(x, [0, 2, 3, 1]);
const toFirst = (x: tf.Tensor) => tf.transpose(x, [0, 3, 1, 2]);

interface Row {
  readonly name: string;
  readonly spec: LayerSpec;
  readonly shape: readonly number[];
  /** The same layer in tfjs, over `[batch, ...shape]` and the parameters in their order. */
  readonly oracle: (x: tf.Tensor, parameters: tf.Tensor[], layer: Layer) => tf.Tensor;
}

function pad(x: tf.Tensor, vertical: number, horizontal: number): tf.Tensor4D {
  return tf.pad(toLast(x), [
    [0, 0],
    [vertical, vertical],
    [horizontal, horizontal],
    [0, 0],
  ]) as tf.Tensor4D;
}

function convolution(stride: [number, number], padding: [number, number]): Row['oracle'] {
  return (x, [weights, bias]) => {
    const filters = tf.transpose(weights, [2, 3, 1, 0]) as tf.Tensor4D;
    return toFirst(tf.add(tf.conv2d(pad(x, ...padding), filters, stride, 'valid'), bias));
  };
}

/** gain * (x - mean) / sqrt(variance + epsilon) + shift over `axes`, differentiated through the statistics. */
function normalisation(axes: number[], view: number[]): Row['oracle'] {
  return (x, [gain, shift]) => {
    const { mean, variance } = tf.moments(x, axes, true);
    const normal = tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-5)));
    return tf.add(tf.mul(normal, tf.reshape(gain, view)), tf.reshape(shift, view));
  };
}

const ROWS: readonly Row[] = [
  {
    name: 'dense',
    spec: { kind: 'dense', outputs: 5 },
    shape: [7],
    oracle: (x, [weights, bias]) =>
      tf.add(tf.matMul(x as tf.Tensor2D, weights as tf.Tensor2D, false, true), bias),
  },
  {
    name: 'conv2d',
    spec: { kind: 'conv2d', filters: 4, size: [3, 2] },
    shape: [3, 6, 5],
    oracle: convolution([1, 1], [0, 0]),
  },
  {
    name: 'conv2d with stride and padding',
    spec: { kind: 'conv2d', filters: 4, size: [3, 3], stride: [2, 2], padding: [1, 1] },
    shape: [2, 7, 6],
    oracle: convolution([2, 2], [1, 1]),
  },
  { name: 'batch norm', spec: { kind: 'batch-norm' }, shape: [6], oracle: normalisation([0], [1, 6]) },
  {
    name: 'batch norm of channels',
    spec: { kind: 'batch-norm' },
    shape: [3, 4, 2],
    oracle: normalisation([0, 2, 3], [1, 3, 1, 1]),
  },
  { name: 'relu', spec: { kind: 'relu' }, shape: [9], oracle: (x) => tf.relu(x) },
  { name: 'sigmoid', spec: { kind: 'sigmoid' }, shape: [9], oracle: (x) => tf.sigmoid(x) },
  {
    name: 'max pool',
    spec: { kind: 'max-pool', size: [2, 2] },
    shape: [2, 4, 6],
    oracle: (x) => toFirst(tf.maxPool(toLast(x) as tf.Tensor4D, [2, 2], [2, 2], 'valid')),
  },
  {
    name: 'mean pool',
    spec: { kind: 'mean-pool', size: [2, 3] },
    shape: [2, 4, 6],
    oracle: (x) => toFirst(tf.avgPool(toLast(x) as tf.Tensor4D, [2, 3], [2, 3], 'valid')),
  },
];

/** The shape that tfjs gives parameter `i` of a layer. */
function parameterShape(layer: Layer, i: number): number[] {
  const spec = layer.spec;
  if (i === 0 && spec.kind === 'dense') return [spec.outputs, sizeOf(layer.inputShape)];
  if (i === 0 && spec.kind === 'conv2d') return [spec.filters, layer.inputShape[0], ...spec.size];
  return [layer.parameters[i].value.length];
}

describe('layers against tfjs', () => {
  it.each(ROWS)('$name', ({ spec, shape, oracle }) => {
    const batch = 4;
    const layer = buildLayer(spec, shape, new SeededGenerator(2));
    for (const [i, parameter] of layer.parameters.entries())
      parameter.value.set(normals([parameter.value.length], 20 + i));
    const x = normals([batch, ...shape], 1);
    const y = layer.forward(x, batch, PASS).slice();
    const readout = normals([y.length], 3);
    const dx = layer.backward(readout, batch, PASS, true);

    const inputs = [
      tf.tensor(x, [batch, ...shape]),
      ...layer.parameters.map((parameter, i) => tf.tensor(parameter.value, parameterShape(layer, i))),
    ];
    expectClose(y, oracle(inputs[0], inputs.slice(1), layer).dataSync());
    const objective = (...args: tf.Tensor[]) => {
      const out = oracle(args[0], args.slice(1), layer);
      return tf.sum(tf.mul(tf.reshape(out, [-1]), tf.tensor1d(readout))) as tf.Scalar;
    };
    const gradients = tf.grads(objective)(inputs);
    expectClose(dx, gradients[0].dataSync());
    layer.parameters.forEach((parameter, i) => expectClose(parameter.gradient, gradients[i + 1].dataSync()));
  });
});

describe('softmax cross entropy against tfjs', () => {
  it.each([0, 0.1])('with label smoothing %f', (labelSmoothing) => {
    const [batch, classes] = [6, 5];
    const logits = normals([batch, classes], 5).map((v) => 4 * v);
    const labels = Int32Array.of(0, 4, 2, 2, 1, 3);
    const loss = new SoftmaxCrossEntropy({ labelSmoothing });
    const got = loss.evaluate(logits, labels, batch);
    const target = tf.oneHot(tf.tensor1d(labels, 'int32'), classes);
    const objective = (z: tf.Tensor) =>
      tf.losses.softmaxCrossEntropy(target, z, undefined, labelSmoothing) as tf.Scalar;
    const z = tf.tensor2d(logits, [batch, classes]);
    expect(got).toBeCloseTo(objective(z).dataSync()[0], 5);
    expectClose(loss.gradient, tf.grad(objective)(z).dataSync());
  });

  it.each([0, 0.3, 1])('with a teacher that has a share of %f', (teacherShare) => {
    const [batch, classes] = [6, 5];
    const logits = normals([batch, classes], 5).map((v) => 4 * v);
    const labels = Int32Array.of(0, 4, 2, 2, 1, 3);
    const taught = tf.softmax(tf.tensor2d(normals([batch, classes], 8), [batch, classes]));
    const loss = new SoftmaxCrossEntropy({ labelSmoothing: 0.1, teacherShare });
    const got = loss.evaluate(logits, labels, batch, taught.dataSync() as Float32Array);
    const smoothed = tf.add(tf.mul(tf.oneHot(tf.tensor1d(labels, 'int32'), classes), 0.9), 0.1 / classes);
    const target = tf.add(tf.mul(taught, teacherShare), tf.mul(smoothed, 1 - teacherShare));
    const objective = (z: tf.Tensor) => tf.losses.softmaxCrossEntropy(target, z) as tf.Scalar;
    const z = tf.tensor2d(logits, [batch, classes]);
    expect(got).toBeCloseTo(objective(z).dataSync()[0], 5);
    expectClose(loss.gradient, tf.grad(objective)(z).dataSync());
  });

  it('refuses a teacher of another shape', () => {
    const loss = new SoftmaxCrossEntropy();
    expect(() => loss.evaluate(normals([2, 3], 1), Int32Array.of(0, 1), 2, new Float32Array(4))).toThrow(
      ShapeError,
    );
    expect(() => new SoftmaxCrossEntropy({ teacherShare: 1.5 })).toThrow(OutOfRangeError);
  });

  it('weights classes and skips rows without a label', () => {
    const logits = normals([3, 4], 6);
    const classWeights = Float32Array.of(1, 2, 3, 4);
    const weighted = new SoftmaxCrossEntropy({ classWeights });
    const single = new SoftmaxCrossEntropy();
    const losses = [0, 1].map((i) =>
      single.evaluate(logits.subarray(4 * i, 4 * i + 4), Int32Array.of(i + 1), 1),
    );
    expect(weighted.evaluate(logits, Int32Array.of(1, 2, -1), 3)).toBeCloseTo(
      (2 * losses[0] + 3 * losses[1]) / 5,
      6,
    );
    expect([...weighted.gradient.subarray(8)]).toEqual([0, 0, 0, 0]);
    expect(weighted.counted).toBe(2);
  });

  it('stays finite for huge logits', () => {
    const loss = new SoftmaxCrossEntropy();
    expect(loss.evaluate(Float32Array.of(1e30, -1e30, 0), Int32Array.of(0), 1)).toBe(0);
    expect(loss.correct).toBe(1);
    expect(loss.gradient.every(Number.isFinite)).toBe(true);
  });
});
