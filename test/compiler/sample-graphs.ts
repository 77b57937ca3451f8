/** Small graphs of every kind of node that can run under encryption, with ranges measured on random inputs. */
import { GraphBuilder, tensorInput } from '../../src/nn/graph/graph-builder.ts';
import { interpret } from '../../src/nn/graph/clear-interpreter.ts';
import { DenseMap, DiagonalMap, GatherMap, WindowMap } from '../../src/nn/graph/linear-map.ts';
import type { ChannelStatistics, ModelGraph } from '../../src/nn/graph/model-graph.ts';
import { SeededGenerator } from '../../src/nn/tensor/generator.ts';
import { randomInputs } from '../protocols/random-network.ts';

/** Weights are whole multiples of a step, the largest 127 of them, so that eight bits hold them exactly. */
function exactWeights(generator: SeededGenerator, count: number, step: number): Float64Array {
  const weights = Float64Array.from({ length: count }, () => step * (generator.below(255) - 127));
  weights[0] = 127 * step;
  return weights;
}

function dense(generator: SeededGenerator, rows: number, cols: number): DenseMap {
  const step = 1 / (127 * Math.sqrt(cols));
  const bias = Float64Array.from({ length: rows }, () => 0.2 * generator.normal());
  return new DenseMap(rows, cols, exactWeights(generator, rows * cols, step), bias);
}

/** 3 x 3 over 5 x 5 with a border of zeros. */
function paddedConvolution(generator: SeededGenerator, channels: number): WindowMap {
  const inputs = new Int32Array(25 * 9);
  for (let y = 0; y < 5; y++)
    for (let x = 0; x < 5; x++)
      for (let tap = 0; tap < 9; tap++) {
        const [sourceY, sourceX] = [y + Math.floor(tap / 3) - 1, x + (tap % 3) - 1];
        const isInside = sourceY >= 0 && sourceY < 5 && sourceX >= 0 && sourceX < 5;
        inputs[(y * 5 + x) * 9 + tap] = isInside ? sourceY * 5 + sourceX : -1;
      }
  return new WindowMap({
    cols: 25,
    groups: 1,
    channels,
    taps: 9,
    positions: 25,
    matrix: exactWeights(generator, channels * 9, 1 / (127 * 3)),
    inputs,
    bias: Float64Array.from({ length: channels * 25 }, () => 0.1 * generator.normal()),
  });
}

export function measured(graph: ModelGraph, samples = 200): ModelGraph {
  const size = graph.wires[0]!.shape.reduce((a, b) => a * b, 1);
  const statistics = new Map<number, ChannelStatistics>();
  interpret(graph, [randomInputs(samples, size, 99)], samples, {
    observe: (wire, values) => {
      const { shape } = graph.wires[wire]!;
      const channels = shape[0]!;
      const elements = shape.reduce((a, b) => a * b, 1);
      const low = new Float64Array(channels).fill(Infinity);
      const high = new Float64Array(channels).fill(-Infinity);
      values.forEach((value, i) => {
        const channel = Math.floor((i % elements) / (elements / channels));
        low[channel] = Math.min(low[channel]!, value);
        high[channel] = Math.max(high[channel]!, value);
      });
      const middle = low.map((value, c) => (value + high[c]!) / 2);
      statistics.set(wire, {
        samples,
        low,
        high,
        mean: middle,
        variance: new Float64Array(channels).fill(1),
      });
    },
  });
  return { ...graph, wires: graph.wires.map((wire) => ({ ...wire, trained: statistics.get(wire.id)! })) };
}

const perChannel = (...values: number[]) => Float64Array.from(values);

export const SAMPLE_GRAPHS: Readonly<Record<string, () => ModelGraph>> = {
  'a linear model': () => {
    const generator = new SeededGenerator(1);
    const builder = new GraphBuilder();
    const x = builder.input(tensorInput('x', [6]));
    return builder.build(builder.linear(x, dense(generator, 3, 6)));
  },
  'completed squares with a factor and an offset per channel': () => {
    const generator = new SeededGenerator(2);
    const builder = new GraphBuilder();
    let wire = builder.linear(builder.input(tensorInput('x', [5])), dense(generator, 4, 5));
    const [c, b, a] = [
      perChannel(0.1, -0.2, 0.3, 0),
      perChannel(0.4, -0.3, 0.5, 0.1),
      perChannel(0.5, 0.5, 0.5, 0.5),
    ];
    wire = builder.polynomial(wire, [c, b, a]);
    return builder.build(builder.linear(wire, dense(generator, 3, 4)));
  },
  'nearly linear quadratics': () => {
    const generator = new SeededGenerator(3);
    const builder = new GraphBuilder();
    let wire = builder.linear(builder.input(tensorInput('x', [5])), dense(generator, 4, 5));
    wire = builder.polynomial(wire, [
      perChannel(0, 0.1, 0, 0),
      perChannel(0.5, 0.5, 0.6, 0.5),
      perChannel(0.01, 0, -0.02, 0.1),
    ]);
    return builder.build(builder.linear(wire, dense(generator, 3, 4)));
  },
  'a residual sum across a square': () => {
    const generator = new SeededGenerator(4);
    const builder = new GraphBuilder();
    const first = builder.linear(builder.input(tensorInput('x', [5])), dense(generator, 4, 5));
    const squared = builder.multiply(first, first);
    const second = builder.linear(squared, dense(generator, 4, 4));
    const sum = builder.add(second, first);
    const again = builder.polynomial(sum, [0, 0.25, 0.5]);
    return builder.build(builder.linear(again, dense(generator, 3, 4)));
  },
  'a product of two branches': () => {
    const generator = new SeededGenerator(5);
    const builder = new GraphBuilder();
    const x = builder.input(tensorInput('x', [5]));
    const left = builder.linear(x, dense(generator, 4, 5));
    const right = builder.linear(x, dense(generator, 4, 5));
    return builder.build(builder.linear(builder.multiply(left, right), dense(generator, 3, 4)));
  },
  'a padded convolution, a transposition, channel factors': () => {
    const generator = new SeededGenerator(6);
    const builder = new GraphBuilder();
    let wire = builder.linear(builder.input(tensorInput('x', [25])), paddedConvolution(generator, 3), {
      shape: [3, 25],
    });
    wire = builder.polynomial(wire, [0, perChannel(0.2, 0.3, -0.1), perChannel(0.5, 0.25, 0.5)]);
    const turned = Int32Array.from({ length: 75 }, (_, i) => (i % 3) * 25 + Math.floor(i / 3));
    wire = builder.linear(wire, new GatherMap(turned, 75), { shape: [25, 3] });
    wire = builder.linear(wire, new DiagonalMap(new Float64Array(75).fill(0.5)), { shape: [25, 3] });
    return builder.build(builder.linear(wire, dense(generator, 4, 75)));
  },
  'a cubic': () => {
    const generator = new SeededGenerator(7);
    const builder = new GraphBuilder();
    let wire = builder.linear(builder.input(tensorInput('x', [5])), dense(generator, 4, 5));
    wire = builder.polynomial(wire, [0.1, 0.5, -0.2, 0.15]);
    return builder.build(builder.linear(wire, dense(generator, 3, 4)));
  },
  'a quartic': () => {
    const generator = new SeededGenerator(8);
    const builder = new GraphBuilder();
    let wire = builder.linear(builder.input(tensorInput('x', [5])), dense(generator, 4, 5));
    wire = builder.polynomial(wire, [0.1, 0.5, 0.3, 0.05, -0.04]);
    return builder.build(builder.linear(wire, dense(generator, 3, 4)));
  },
  'a model that ends with an activation and repeats an output': () => {
    const generator = new SeededGenerator(9);
    const builder = new GraphBuilder();
    let wire = builder.linear(builder.input(tensorInput('x', [5])), dense(generator, 4, 5));
    wire = builder.polynomial(wire, [0.1, 0.3, 0.5]);
    return builder.build(builder.linear(wire, new GatherMap(Int32Array.of(3, 0, 0, 1), 4)));
  },
};
