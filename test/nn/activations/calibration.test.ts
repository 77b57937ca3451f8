/** Calibration: trained networks with ReLUs, maxima and norms keep their decisions as polynomials. */
import { beforeAll, describe, expect, test } from 'vitest';
import { approximate } from '../../../src/nn/activations/approximate.ts';
import { calibrate } from '../../../src/nn/activations/calibration.ts';
import { normaliseChannels } from '../../../src/nn/activations/normalise-channels.ts';
import { quantiseGraph } from '../../../src/nn/activations/quantise-graph.ts';
import { interpret } from '../../../src/nn/graph/clear-interpreter.ts';
import { GraphBuilder, tensorInput } from '../../../src/nn/graph/graph-builder.ts';
import { layerModel } from '../../../src/nn/graph/layer-model.ts';
import { DenseMap } from '../../../src/nn/graph/linear-map.ts';
import type { ModelGraph } from '../../../src/nn/graph/model-graph.ts';
import type { LayerSpec } from '../../../src/nn/layers/layer.ts';
import { Sequential } from '../../../src/nn/layers/sequential.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { plainMatrixMultiply } from '../../../src/nn/tensor/matrix-multiply.ts';
import { arrayExamples, Trainer } from '../../../src/nn/training/trainer.ts';
import { MapSource } from '../graph/random-maps.ts';

const CLASSES = 3;

/** Three classes of 6 x 6 images: a bright square in one of three places, and noise. */
function images(count: number, seed: number, noise = 0.35): { inputs: Float32Array; labels: Int32Array } {
  const generator = new SeededGenerator(seed);
  const labels = Int32Array.from({ length: count }, () => Math.floor(CLASSES * generator.uniform()));
  const inputs = Float32Array.from({ length: 36 * count }, (_, i) => {
    const [sample, y, x] = [Math.floor(i / 36), Math.floor(i / 6) % 6, i % 6];
    const label = labels[sample];
    const isBright = y >= 2 * label && y < 2 * label + 2 && x >= label && x < label + 3;
    return (isBright ? 1 : 0) + noise * generator.normal();
  });
  return { inputs, labels };
}

function trained(specs: readonly LayerSpec[]): ModelGraph {
  const network = new Sequential([1, 6, 6], specs, { multiply: plainMatrixMultiply, seed: 2 });
  const { inputs, labels } = images(600, 1);
  const trainer = new Trainer(network, {
    batch: 30,
    schedule: { kind: 'constant', rate: 0.004 } as never,
    seed: 3,
  });
  for (let epoch = 0; epoch < 6; epoch++) trainer.train(arrayExamples(inputs, labels));
  return layerModel(network);
}

const data = images(480, 7);
const noisy = images(480, 8, 1.2);
let dense: ModelGraph;
let pooled: ModelGraph;

beforeAll(() => {
  dense = trained([
    { kind: 'dense', outputs: 16 },
    { kind: 'relu' },
    { kind: 'dense', outputs: 12 },
    { kind: 'relu' },
    { kind: 'dense', outputs: CLASSES },
  ]);
  pooled = trained([
    { kind: 'conv2d', filters: 4, size: [3, 3] },
    { kind: 'relu' },
    { kind: 'max-pool', size: [2, 2] },
    { kind: 'dense', outputs: CLASSES },
  ]);
});

describe('a dense network with ReLUs', () => {
  test('quadratics keep its decisions, and the report says so', () => {
    const { graph, report } = calibrate(dense, { inputs: [data.inputs], labels: data.labels });
    expect(graph.nodes.every(({ op }) => op === 'linear' || op === 'polynomial')).toBe(true);
    expect(report.float.agreement).toBe(1);
    expect(report.float.accuracy).toBeGreaterThan(0.9);
    expect(report.polynomial.agreement).toBeGreaterThanOrEqual(0.98);
    expect(report.quantised.agreement).toBeGreaterThan(0.97);
    expect([report.fitted, report.heldOut]).toEqual([320, 160]);
    expect(report.layers.map(({ what, by }) => [what, by.kind])).toEqual([
      ['relu', 'polynomial'],
      ['relu', 'polynomial'],
    ]);
    expect(report.trace[0]).toMatch(/^cheapest replacements: agreement/);
    for (const wire of graph.wires) expect(wire.trained?.low.length).toBe(wire.shape[0]);
    expect(graph.inputs[0].interval.every(Number.isFinite)).toBe(true);
  });

  test('the held-out agreement is that of the graph that comes back', () => {
    const { graph, report } = calibrate(dense, { inputs: [data.inputs] }, { seed: 5 });
    const all = [interpret(dense, [data.inputs], 480), interpret(graph, [data.inputs], 480)];
    const largest = (y: Float64Array, i: number): number =>
      [0, 1, 2].reduce((best, k) => (y[3 * i + k] > y[3 * i + best] ? k : best), 0);
    const same =
      Array.from({ length: 480 }, (_, i) => largest(all[0], i) === largest(all[1], i)).filter(Boolean)
        .length / 480;
    expect(Math.abs(same - report.polynomial.agreement)).toBeLessThan(0.03);
  });

  test('a drop that nothing reaches tries every degree; a drop of everything none', () => {
    const strict = calibrate(dense, { inputs: [noisy.inputs] }, { drop: 0, maxDegree: 6 });
    const lax = calibrate(dense, { inputs: [noisy.inputs] }, { drop: 1 });
    expect(strict.report.trace.length).toBeGreaterThan(lax.report.trace.length);
    expect(lax.report.trace).toHaveLength(1);
    expect(strict.report.polynomial.agreement).toBeGreaterThanOrEqual(lax.report.polynomial.agreement);
  });

  test('a fit per channel is closer than one for the layer', () => {
    const error = (perChannel: boolean): number => {
      const choices = new Map(
        dense.nodes.flatMap(({ op }, i) =>
          op === 'function' ? [[i, { kind: 'polynomial', degree: 2, perChannel } as const]] : [],
        ),
      );
      return approximate(dense, [data.inputs], 480, choices).layers[0].error!.rms;
    };
    expect(error(true)).toBeLessThan(error(false));
  });
});

describe('a convolution with a max pool', () => {
  test('a mean, or halves and a polynomial for |x|', () => {
    const { graph, report } = calibrate(
      pooled,
      { inputs: [data.inputs], labels: data.labels },
      { drop: 0.01 },
    );
    expect(report.polynomial.agreement).toBeGreaterThan(0.95);
    expect(graph.nodes.some(({ op }) => op === 'maximum' || op === 'function')).toBe(false);
  });

  test('a maximum by halves: no further off than the fit of |x|', () => {
    const { builder, x } = { builder: new GraphBuilder(), x: 0 };
    builder.input(tensorInput('x', [8]));
    const graph = builder.build(
      builder.maximum(x, { taps: 4, inputs: Int32Array.from({ length: 8 }, (_, i) => i) }, [2]),
    );
    const values = new MapSource(2).values(8 * 300);
    const close = (degree: number): number => {
      const by = { kind: 'pairwise', degree } as const;
      const replaced = approximate(graph, [values], 300, new Map([[0, by]])).graph;
      const [a, b] = [interpret(graph, [values], 300), interpret(replaced, [values], 300)];
      return Math.sqrt(a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0) / a.length);
    };
    expect(close(2)).toBeLessThan(0.25);
    expect(close(6)).toBeLessThan(close(2));
  });
});

test('a frozen norm is the norm where every sample has the same spread', () => {
  const builder = new GraphBuilder();
  const x = builder.input(tensorInput('x', [2, 4]));
  const gain = Float64Array.from({ length: 8 }, (_, i) => 1 + i);
  const graph = builder.build(builder.norm(x, [1], 1e-3, { gain, bias: gain }));
  const pattern = new MapSource(4).values(8);
  const values = Float64Array.from({ length: 80 }, (_, i) => pattern[i % 8] + Math.floor(i / 8));
  const frozen = approximate(graph, [values], 10, new Map([[0, { kind: 'frozen' } as const]])).graph;
  const needed = interpret(graph, [values], 10);
  interpret(frozen, [values], 10).forEach((value, i) => expect(value).toBeCloseTo(needed[i], 9));
});

test('normalised channels and quantised weights: same function, smaller coefficients, integers of the asked size', () => {
  const { graph } = calibrate(dense, { inputs: [data.inputs] });
  const normal = normaliseChannels(graph);
  const needed = interpret(graph, [data.inputs], 480);
  interpret(normal, [data.inputs], 480).forEach((value, i) => expect(value).toBeCloseTo(needed[i], 8));
  for (const node of normal.nodes) {
    if (node.op !== 'polynomial') continue;
    const { low, high } = normal.wires[node.in].trained!;
    low.forEach((value, i) => expect(Math.max(-value, high[i])).toBeCloseTo(1, 9));
  }
  const quantised = quantiseGraph(graph, 5);
  for (const node of quantised.nodes)
    if (node.op === 'linear' && node.map.kind === 'dense')
      expect(Math.max(...node.quantised!.integers.map(Math.abs))).toBe(15);
});

describe('calibration data that do not do', () => {
  const values = (count: number): Float32Array =>
    Float32Array.from({ length: 36 * count }, (_, i) => Math.sin(i));
  test('another shape, too few, numbers that are none', () => {
    expect(() => calibrate(dense, { inputs: [values(20).subarray(1)] })).toThrow(/n x 1 x 6 x 6/);
    expect(() => calibrate(dense, { inputs: [] })).toThrow(/one for each/);
    expect(() => calibrate(dense, { inputs: [values(3)] })).toThrow(/3 calibration samples; 8 are the least/);
    const broken = values(20);
    broken[36 * 4 + 2] = Number.NaN;
    expect(() => calibrate(dense, { inputs: [broken] })).toThrow(/sample 4 of input holds NaN at element 2/);
    expect(() => calibrate(dense, { inputs: [values(20)], labels: [1] })).toThrow(/labels/);
  });

  test('few samples, one class and dead channels are warned of', () => {
    const { report } = calibrate(dense, { inputs: [values(20)], labels: new Array(20).fill(1) });
    expect(report.warnings.join('\n')).toMatch(/20 calibration samples/);
    expect(report.warnings.join('\n')).toMatch(/one class/);
  });

  test('steps are refused by name', () => {
    const builder = new GraphBuilder();
    const x = builder.input(tensorInput('x', [36]));
    const step = builder.function(x, 'sign', [], { name: 'hash' });
    const graph = builder.build(builder.linear(step, new DenseMap(1, 36, new Float64Array(36))));
    expect(() => calibrate(graph, { inputs: [values(20)] })).toThrow(/sign at "hash"/);
  });
});
