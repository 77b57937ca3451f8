import { describe, expect, it } from 'vitest';
import { DataError, OutOfRangeError, ShapeError, UnsupportedOpError } from '../../src/base/errors.ts';
import { calibrate } from '../../src/nn/activations/calibration.ts';
import { decisionRule } from '../../src/nn/activations/decisions.ts';
import { interpret } from '../../src/nn/graph/clear-interpreter.ts';
import { GraphBuilder, tensorInput } from '../../src/nn/graph/graph-builder.ts';
import { DenseMap, DiagonalMap, GatherMap, WindowMap } from '../../src/nn/graph/linear-map.ts';
import { type ModelGraph, wireSize } from '../../src/nn/graph/model-graph.ts';
import { nearestWeights } from '../../src/nn/retraining/nearest-weights.ts';
import { retrain } from '../../src/nn/retraining/retrain.ts';
import { trainedNode } from '../../src/nn/retraining/trained-nodes.ts';
import { SeededGenerator } from '../../src/nn/tensor/generator.ts';
import { plainMatrixMultiply } from '../../src/nn/tensor/matrix-multiply.ts';
import { randomInputs } from '../protocols/random-network.ts';

const generator = new SeededGenerator(7);
const normals = (count: number): Float64Array =>
  Float64Array.from({ length: count }, () => generator.normal());
const dense = (rows: number, cols: number): DenseMap =>
  new DenseMap(
    rows,
    cols,
    normals(rows * cols).map((w) => w / Math.sqrt(cols)),
    normals(rows),
  );

/** Two groups, a border, and outputs in another order than channel by channel. */
function windows(): WindowMap {
  const inputs = Int32Array.from({ length: 2 * 3 * 2 }, (_, i) => {
    const [group, position, tap] = [Math.floor(i / 6), Math.floor((i % 6) / 2), i % 2];
    const at = position + tap;
    return at < 3 ? 3 * group + at : -1;
  });
  const places = Int32Array.from({ length: 12 }, (_, i) => (5 * i) % 12);
  return new WindowMap({
    ...{ cols: 6, groups: 2, channels: 4, taps: 2, positions: 3, inputs, places },
    matrix: normals(8),
    bias: normals(12),
  });
}

describe('the gradients of the nodes', () => {
  const graphOf = (build: (builder: GraphBuilder, x: number) => number): ModelGraph => {
    const builder = new GraphBuilder();
    const x = builder.input(tensorInput('x', [6]));
    return builder.build(build(builder, x));
  };
  const cases: readonly (readonly [string, ModelGraph])[] = [
    ['a dense map', graphOf((b, x) => b.linear(x, dense(5, 6)))],
    ['windows with groups, borders and places', graphOf((b, x) => b.linear(x, windows(), { shape: [4, 3] }))],
    ['a diagonal', graphOf((b, x) => b.linear(x, new DiagonalMap(normals(6))))],
    ['a choice of elements', graphOf((b, x) => b.linear(x, new GatherMap(Int32Array.of(2, -1, 2, 0), 6)))],
    ['a polynomial', graphOf((b, x) => b.polynomial(x, [0.2, 0.5, -0.3, 0.1], { name: 'p' }))],
    ['a square', graphOf((b, x) => b.multiply(x, x))],
    ['a sum of a wire with itself', graphOf((b, x) => b.add(x, x))],
  ];

  it.each(cases)('are those of differences: %s', (_, graph) => {
    const batch = 3;
    const node = trainedNode(graph, graph.nodes[0]!, 16, plainMatrixMultiply);
    const make = (): Float32Array[] =>
      graph.wires.map((__, id) => new Float32Array(batch * wireSize(graph, id)));
    const data = { batch, values: make(), gradients: make() };
    data.values[0]!.set(randomInputs(batch, 6, 3));
    const out = graph.output;
    const pull = Float32Array.from({ length: data.values[out]!.length }, () => generator.normal());
    const value = (): number => {
      node.forward(data);
      return data.values[out]!.reduce((sum, y, i) => sum + y * pull[i]!, 0);
    };
    value();
    data.gradients[out]!.set(pull);
    node.backward(data);
    const check = (array: Float32Array, gradient: Float32Array): void => {
      for (let i = 0; i < array.length; i++) {
        const kept = array[i]!;
        const [step] = [2 ** -6];
        array[i] = kept + step;
        const above = value();
        array[i] = kept - step;
        const below = value();
        array[i] = kept;
        expect(gradient[i]!).toBeCloseTo((above - below) / (2 * step), 1);
      }
    };
    check(data.values[0]!, data.gradients[0]!);
    for (const { value: array, gradient } of node.parameters) check(array, gradient);
  });

  it('start from the graph, and end as nodes of the same function', () => {
    for (const [, graph] of cases) {
      const node = trainedNode(graph, graph.nodes[0]!, 16, plainMatrixMultiply);
      const x = randomInputs(4, 6, 5);
      const finished = { ...graph, nodes: [node.finish()] };
      const [before, after] = [graph, finished].map((each) => interpret(each, [x], 4));
      before!.forEach((y, i) => expect(after![i]!).toBeCloseTo(y, 5));
    }
  });

  it('are refused for what is no sum or product', () => {
    const graph = graphOf((b, x) => b.function(x, 'relu'));
    expect(() => trainedNode(graph, graph.nodes[0]!, 8, plainMatrixMultiply)).toThrow(UnsupportedOpError);
  });
});

it('rounds weights as the compiler does', () => {
  expect([...nearestWeights(Float32Array.of(0.7, -0.31, 0.04, 0), 4)].map((w) => Math.round(10 * w))).toEqual(
    [7, -3, 0, 0],
  );
});

describe('retraining', () => {
  /** Rectifiers with a residual sum, the third class rare. */
  const network = (): ModelGraph => {
    const builder = new GraphBuilder();
    let wire = builder.linear(builder.input(tensorInput('x', [6])), dense(12, 6));
    wire = builder.function(wire, 'relu');
    const inner = builder.function(builder.linear(wire, dense(12, 12)), 'relu');
    wire = builder.add(wire, inner);
    return builder.build(builder.linear(wire, dense(3, 12)));
  };
  const float = network();
  const inputs = randomInputs(900, 6, 21);
  const start = { drop: 0, maxDegree: 2, perChannel: false };
  const calibrated = calibrate(float, { inputs: [inputs.subarray(0, 6 * 300)] }, start);
  const agreement = (graph: ModelGraph): number => {
    const test = inputs.subarray(6 * 600);
    const [got, needed] = [graph, float].map((each) => interpret(each, [test], 300));
    return decisionRule(float).agreement(got!, needed!, 300);
  };
  const options = { epochs: 16, rate: 1e-2, multiply: plainMatrixMultiply };
  const training = { inputs: inputs.subarray(0, 6 * 600) };

  it('brings back decisions that the polynomials lost, and measures ranges again', () => {
    const { graph, epochs } = retrain(calibrated.graph, float, training, options);
    expect(agreement(graph)).toBeGreaterThan(agreement(calibrated.graph));
    expect(epochs.at(-1)!.loss).toBeLessThan(epochs[0]!.loss);
    for (const { trained } of graph.wires) expect(trained?.samples).toBe(600);
    // The control: without steps that lead anywhere nothing is brought back.
    const idle = retrain(calibrated.graph, float, training, { ...options, epochs: 1, rate: 1e-9 });
    expect(agreement(idle.graph)).toBeCloseTo(agreement(calibrated.graph), 1);
  });

  it('keeps values in their range when it is told to', () => {
    const beyond = (rangePenalty: number): number => {
      const { graph } = retrain(calibrated.graph, float, training, { ...options, rate: 0.02, rangePenalty });
      return graph.nodes.reduce((most, node) => {
        if (node.op !== 'polynomial') return most;
        const [was, is] = [calibrated.graph.wires[node.in]!.trained!, graph.wires[node.in]!.trained!];
        const out = is.high.map((high, c) => (high - was.high[c]!) / (was.high[c]! - was.low[c]! || 1));
        return Math.max(most, ...out);
      }, 0);
    };
    expect(beyond(30)).toBeLessThan(beyond(0));
  });

  it('takes labels, and refuses those that are no classes and data of another shape', () => {
    const labels = Uint8Array.from({ length: 600 }, () => 1);
    const { graph } = retrain(calibrated.graph, float, { ...training, labels }, { ...options, epochs: 2 });
    // Half of the target says 1 always.
    expect(
      decisionRule(float).accuracy!(interpret(graph, [training.inputs], 600), [...labels]),
    ).toBeGreaterThan(decisionRule(float).accuracy!(interpret(float, [training.inputs], 600), [...labels]));
    expect(() => retrain(calibrated.graph, float, { ...training, labels: labels.fill(3) }, options)).toThrow(
      DataError,
    );
    expect(() => retrain(calibrated.graph, float, { inputs: inputs.subarray(1) }, options)).toThrow(
      ShapeError,
    );
    expect(() => retrain(calibrated.graph, float, training, { ...options, epochs: 0 })).toThrow(
      OutOfRangeError,
    );
  });

  it('learns a single number by its squared error', () => {
    const builder = new GraphBuilder();
    const hidden = builder.function(
      builder.linear(builder.input(tensorInput('x', [6])), dense(8, 6)),
      'relu',
    );
    const one = builder.build(builder.linear(hidden, dense(1, 8)));
    const fitted = calibrate(one, { inputs: [training.inputs] }, { drop: 0, maxDegree: 2 });
    const { epochs } = retrain(fitted.graph, one, training, { ...options, epochs: 6 });
    expect(epochs.at(-1)!.loss).toBeLessThan(epochs[0]!.loss);
  });
});
