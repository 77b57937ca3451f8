/** Networks of the trainer as graphs: the same numbers. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { interpret } from '../../../src/nn/graph/clear-interpreter.ts';
import { layerModel } from '../../../src/nn/graph/layer-model.ts';
import { buildLayer } from '../../../src/nn/layers/layer-factory.ts';
import { LayerGraph } from '../../../src/nn/layers/layer-graph.ts';
import type { LayerSpec } from '../../../src/nn/layers/layer.ts';
import { Sequential } from '../../../src/nn/layers/sequential.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { plainMatrixMultiply } from '../../../src/nn/tensor/matrix-multiply.ts';
import { MapSource } from './random-maps.ts';

function expectSame(
  network: Sequential | LayerGraph,
  inputs: number,
  run: (x: Float32Array) => Float32Array,
): void {
  const x = Float32Array.from(new MapSource(3).values(2 * inputs));
  const needed = Float64Array.from(run(x));
  const range = Math.max(...needed.map(Math.abs));
  const got = interpret(layerModel(network), [x], 2);
  needed.forEach((value, i) => expect(Math.abs(value - got[i])).toBeLessThan(1e-4 * range));
}

/** Weights, shifts and running statistics away from where they start. */
function shaken(network: Sequential): Sequential {
  const generator = new SeededGenerator(9);
  for (const parameter of network.parameters)
    parameter.value.forEach((value, i) => (parameter.value[i] = value + 0.1 * generator.normal()));
  for (const layer of network.layers)
    for (const statistic of layer.statistics)
      statistic.forEach((value, i) => (statistic[i] = value + 0.1 * generator.uniform()));
  return network;
}

const SPECS: Readonly<Record<string, readonly LayerSpec[]>> = {
  'quadratics behind batch norms': [
    { kind: 'conv2d', filters: 4, size: [3, 2], stride: [2, 1], padding: [1, 0], bits: 4 },
    { kind: 'batch-norm' },
    { kind: 'quadratic' },
    { kind: 'mean-pool', size: [2, 2], scale: 1 },
    { kind: 'dense', outputs: 7, bias: false },
    { kind: 'batch-norm', shared: true },
    { kind: 'square' },
    { kind: 'dense', outputs: 3, bits: 5 },
  ],
  'a grouped convolution, ReLU and a max pool': [
    { kind: 'conv2d', filters: 6, size: [3, 3], groups: 3, dilation: [2, 1] },
    { kind: 'relu' },
    { kind: 'max-pool', size: [2, 2], stride: [1, 2] },
    { kind: 'dropout', rate: 0.5 },
    { kind: 'dense', outputs: 5 },
    { kind: 'polynomial', coefficients: [0.1, 0.5, 0.2, -0.03] },
    { kind: 'sigmoid' },
  ],
};

describe('chains of layers', () => {
  test.each(Object.entries(SPECS))('%s', (_, specs) => {
    const network = shaken(new Sequential([3, 9, 8], specs, { multiply: plainMatrixMultiply, seed: 4 }));
    expectSame(network, network.inputs, (x) => network.infer(x));
  });

  test('the shipped float LeNet-5', () => {
    const bytes = readFileSync(new URL('../../../models/mnist/lenet5-float.bin', import.meta.url));
    const network = Sequential.fromBytes(bytes, plainMatrixMultiply);
    expectSame(network, network.inputs, (x) => network.infer(x));
  });
});

test('a graph with a residual sum and zero extension', () => {
  const build = (spec: LayerSpec, shape: readonly number[]) =>
    buildLayer(spec, shape, new SeededGenerator(5));
  const graph = new LayerGraph(
    [2, 4, 4],
    [
      {
        kind: 'layer',
        layer: build({ kind: 'conv2d', filters: 3, size: [3, 3], padding: [1, 1] }, [2, 4, 4]),
      },
      { kind: 'layer', layer: build({ kind: 'relu' }, [3, 4, 4]) },
      { kind: 'zero-extend', to: { channels: 3, height: 4, width: 4 }, from: -1 },
      { kind: 'add', from: 1, other: 2 },
      { kind: 'layer', layer: build({ kind: 'dense', outputs: 4 }, [3, 4, 4]) },
    ],
  );
  expectSame(graph, graph.inputs, (x) => graph.infer(x, plainMatrixMultiply));
});

test('layers without such a form are named', () => {
  const network = new Sequential(
    [4],
    [
      { kind: 'dense', outputs: 2 },
      { kind: 'quantise-activations', bits: 4 },
    ],
    { multiply: plainMatrixMultiply, seed: 1 },
  );
  expect(() => layerModel(network)).toThrow(/quantise-activations/);
});
