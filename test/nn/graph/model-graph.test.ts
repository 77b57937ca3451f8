/** Model graphs: the interpreter against hand-made answers, the checks, and our polynomial networks as graphs. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { interpret, interpretWithTail } from '../../../src/nn/graph/clear-interpreter.ts';
import {
  errorFunction,
  evaluateFunction,
  FUNCTION_PARAMETERS,
} from '../../../src/nn/graph/element-functions.ts';
import type { FunctionName } from '../../../src/nn/graph/element-functions.ts';
import { GraphBuilder, tensorInput } from '../../../src/nn/graph/graph-builder.ts';
import { DenseMap } from '../../../src/nn/graph/linear-map.ts';
import { checkModelGraph } from '../../../src/nn/graph/model-graph.ts';
import { toModelGraph } from '../../../src/nn/graph/polynomial-model.ts';
import { runTail } from '../../../src/nn/graph/tail-graph.ts';
import { plainMatrixMultiply } from '../../../src/nn/tensor/matrix-multiply.ts';
import { PolynomialNetwork } from '../../../src/nn/polynomial/polynomial-network.ts';
import { MapSource } from './random-maps.ts';

function start(shape: readonly number[]): { builder: GraphBuilder; x: number } {
  const builder = new GraphBuilder();
  return { builder, x: builder.input(tensorInput('x', shape)) };
}

describe('the interpreter', () => {
  test('linear, function, polynomial, sum and product', () => {
    const { builder, x } = start([2]);
    const y = builder.linear(x, new DenseMap(2, 2, Float64Array.of(1, 2, 3, 4), Float64Array.of(0.5, -20)));
    const f = builder.function(y, 'leaky-relu', [], { perChannel: Float64Array.of(0.1, 0.5) });
    const p = builder.polynomial(y, [1, Float64Array.of(0, 1), 2]);
    const graph = builder.build(builder.multiply(builder.add(f, p), x));
    // y = (5.5, -9), f = (5.5, -4.5), p = (1 + 2 * 30.25, 1 - 9 + 2 * 81)
    expect(interpret(graph, [[1, 2]])).toEqual(Float64Array.of(67, 2 * (-4.5 + 154)));
  });

  test('the largest of windows, with places outside, and NaN kept', () => {
    const { builder, x } = start([4]);
    const graph = builder.build(builder.maximum(x, { taps: 2, inputs: Int32Array.of(0, 1, -1, 2) }, [2]));
    expect(interpret(graph, [[-3, -2, -7, 9]])).toEqual(Float64Array.of(-2, -7));
    expect(interpret(graph, [[Number.NaN, 1, 2, 3]])[0]).toBeNaN();
  });

  test('norms over the last axis and over the places of a channel', () => {
    const { builder, x } = start([2, 2]);
    const gain = Float64Array.of(1, 1, 2, 2);
    const layer = builder.build(builder.norm(x, [1], 0, { gain, bias: Float64Array.of(0, 0, 0, 5) }));
    expect(interpret(layer, [[1, 3, 10, 30]])).toEqual(Float64Array.of(-1, 1, -2, 7));
    const whole = start([2, 2]);
    const both = whole.builder.build(whole.builder.norm(whole.x, [0, 1], 0));
    const deviation = Math.sqrt(1.25);
    expect(Array.from(interpret(both, [[1, 2, 3, 4]]))).toEqual(
      [-1.5, -0.5, 0.5, 1.5].map((v) => expect.closeTo(v / deviation, 12)),
    );
  });

  test('several samples at once, each like alone, and the same through a kernel to single precision', () => {
    const source = new MapSource(5);
    const { builder, x } = start([12]);
    const hidden = builder.function(builder.linear(x, source.map('window'), { shape: [4, 3] }), 'tanh');
    const graph = builder.build(builder.linear(hidden, source.map('dense')));
    const samples = source.values(36);
    const together = interpret(graph, [samples], 3);
    for (let i = 0; i < 3; i++)
      expect(interpret(graph, [samples.slice(12 * i, 12 * i + 12)])).toEqual(
        together.slice(12 * i, 12 * i + 12),
      );
    const single = interpret(graph, [samples], 3, { multiply: plainMatrixMultiply });
    single.forEach((value, i) => expect(Math.abs(value - together[i])).toBeLessThan(1e-5));
  });

  test('observers see every wire; wrong inputs are refused', () => {
    const { builder, x } = start([2]);
    const graph = builder.build(builder.multiply(x, x));
    const seen: number[] = [];
    interpret(graph, [[2, 3]], 1, { observe: (wire) => seen.push(wire) });
    expect(seen).toEqual([0, 1]);
    expect(() => interpret(graph, [[1, 2, 3]])).toThrow(/input x must be 1 x 2 values but is 3/);
    expect(() => interpret(graph, [])).toThrow(/inputs of the model/);
  });
});

describe('element functions', () => {
  test('known values', () => {
    const at = (name: FunctionName, x: number, ...parameters: number[]): number =>
      evaluateFunction(name, x, parameters);
    expect(at('clip', 0, 5, 2)).toBe(2);
    expect(at('hard-sigmoid', 1, 0.2, 0.5)).toBe(0.7);
    expect(at('gelu', 1)).toBeCloseTo(0.8413447460685429, 14);
    expect(at('selu', -1, 1.6732632423543772, 1.0507009873554805)).toBeCloseTo(-1.1113307378125625, 14);
    expect([0.5, 1.5, 2.5, -1.5, 2.4].map((x) => at('round', x))).toEqual([0, 2, 2, -2, 2]);
    expect(errorFunction(0.5)).toBeCloseTo(0.5204998778130465, 15);
    expect(errorFunction(-3)).toBeCloseTo(-0.9999779095030014, 15);
    expect(errorFunction(2.499999)).toBeCloseTo(errorFunction(2.500001), 7);
  });

  test.each(Object.keys(FUNCTION_PARAMETERS) as FunctionName[])('%s keeps NaN', (name) => {
    expect(evaluateFunction(name, Number.NaN, [1, 2, 3].slice(0, FUNCTION_PARAMETERS[name]))).toBeNaN();
  });
});

describe('a tail', () => {
  const logits = Float64Array.of(1, 3, 2, 5, 5, 0);
  const axis = { before: 2, extent: 3, after: 1 } as const;
  const run = (...nodes: Parameters<typeof runTail>[0]['nodes']): number[] => {
    const size = { 'arg-max': 2, 'top-values': 4, 'top-indices': 4 }[nodes.at(-1)!.op as string] ?? 6;
    return Array.from(
      runTail({ nodes, outputs: [{ name: 'y', shape: [size], value: nodes.length }] }, logits).get('y')!.data,
    );
  };

  test('softmax, arg max, top values and thresholds', () => {
    const soft = run({ op: 'softmax', in: 0, ...axis });
    expect(soft[0] + soft[1] + soft[2]).toBeCloseTo(1, 14);
    expect(soft[1] / soft[0]).toBeCloseTo(Math.exp(2), 12);
    expect(run({ op: 'arg-max', in: 0, last: false, ...axis })).toEqual([1, 0]);
    expect(run({ op: 'arg-max', in: 0, last: true, ...axis })).toEqual([1, 1]);
    expect(run({ op: 'top-values', in: 0, count: 2, largest: true, ...axis })).toEqual([3, 2, 5, 5]);
    expect(run({ op: 'top-indices', in: 0, count: 2, largest: true, ...axis })).toEqual([1, 2, 0, 1]);
    expect(
      run(
        { op: 'affine', in: 0, factor: [2], offset: [-4] },
        { op: 'compare', in: 1, relation: 'greater-equal', bound: [0] },
      ),
    ).toEqual([0, 1, 1, 1, 1, 0]);
  });

  test('groups along an axis that is not the last', () => {
    const along = { before: 1, extent: 2, after: 3 } as const;
    const graph = {
      nodes: [{ op: 'top-values', in: 0, count: 1, largest: false, ...along }],
      outputs: [{ name: 'y', shape: [3], value: 1 }],
    } as const;
    expect(Array.from(runTail(graph, logits).get('y')!.data)).toEqual([1, 3, 0]);
  });

  test('what does not fit is refused before it runs', () => {
    expect(() => run({ op: 'softmax', in: 1, ...axis })).toThrow(/reads value 1/);
    expect(() => run({ op: 'softmax', in: 0, before: 1, extent: 5, after: 1 })).toThrow(/must be 6 but is 5/);
    expect(() => run({ op: 'select', in: 0, from: [0, 6] })).toThrow(/not there/);
    const many = Array.from(
      { length: 900_000 },
      (_, i) => ({ op: 'affine', in: i, factor: [1], offset: [0] }) as const,
    );
    const outputs = [{ name: 'y', shape: [6], value: 0 }];
    expect(() => runTail({ nodes: many, outputs }, logits)).toThrow(/limit of/);
  });
});

describe('checks of a graph', () => {
  const { builder, x } = start([2]);
  const graph = builder.build(builder.multiply(x, x));
  test.each([
    [
      'a wire read before it is written',
      { nodes: [{ op: 'multiply', a: 1, b: 0, out: 1 }] },
      /written before/,
    ],
    ['an input written again', { nodes: [{ op: 'multiply', a: 0, b: 0, out: 0 }] }, /no other writes/],
    ['an output that nobody writes', { nodes: [] }, /output wire/],
    [
      'a map of the wrong size',
      { nodes: [{ op: 'linear', in: 0, out: 1, map: new DenseMap(3, 2, new Float64Array(6)) }] },
      /rows of node 0/,
    ],
    [
      'too few parameters',
      { nodes: [{ op: 'function', in: 0, out: 1, fn: 'clip', parameters: [1] }] },
      /parameters of node 0/,
    ],
    ['no coefficients', { nodes: [{ op: 'polynomial', in: 0, out: 1, coefficients: [] }] }, /at least 1/],
  ])('%s', (_, change, reason) => {
    expect(() => checkModelGraph({ ...graph, ...change } as typeof graph)).toThrow(reason);
  });
});

describe('polynomial networks as graphs', () => {
  test.each(['digits/polynomial-cnn-4bit', 'mnist/cryptonets-polynomial-8bit'])(
    '%s gives the same numbers',
    (file) => {
      const network = PolynomialNetwork.fromBytes(
        readFileSync(new URL(`../../../models/${file}.bin`, import.meta.url)),
      );
      const graph = toModelGraph(network);
      checkModelGraph(graph);
      const x = new MapSource(6).values(2 * network.inputs).map((value) => value / 4);
      const needed = network.run(x);
      const scale = Math.max(...needed.map(Math.abs));
      interpret(graph, [x], 2).forEach((value, i) =>
        expect(Math.abs(value - needed[i])).toBeLessThan(1e-12 * scale),
      );
      expect([...interpretWithTail(graph, [x.slice(0, network.inputs)]).values()][0].data.length).toBe(
        network.outputs,
      );
      const first = graph.nodes[0];
      expect(first.op === 'linear' && first.quantised!.rowStep[0]).toBe(network.layers[0].step);
      expect(graph.wires[1].trained!.low[0]).toBe(network.ranges[0][0]);
    },
  );
});
