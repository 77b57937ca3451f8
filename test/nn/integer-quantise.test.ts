/** Float graphs to integer networks: near the float result, the same integers when outsourced, refusals. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OutOfRangeError, ShapeError, UnsupportedOpError } from '../../src/base/errors.ts';
import { loadReferenceKernel } from '../../src/kernel/reference/reference.ts';
import {
  IntegerNetwork,
  IntegerRunner,
  LayerGraph,
  SeededGenerator,
  Sequential,
  applyIntegerLinear,
  buildLayer,
  evaluateIntegerNetwork,
  fixedPointFactors,
  graphOf,
  plainMatrixMultiply,
  quantiseInput,
  quantiseToIntegers,
  realOutput,
  refreshStatistics,
} from '../../src/nn/index.ts';
import type { ApplyLinear, GraphNode, IntegerStep, LayerSpec } from '../../src/nn/index.ts';
import { cosine } from './cosine.ts';

const PIXELS = { scale: 1 / 255, offset: 0, low: 0, high: 255 } as const;
const SHAPE = [4, 9, 8];
const SIZE = 4 * 9 * 8;

function pixels(count: number, seed: number): Float32Array {
  const generator = new SeededGenerator(seed);
  return Float32Array.from({ length: count * SIZE }, () => generator.below(256) / 255);
}

/** Convolutions with short cuts around them: padding, stride, dilation, groups, every kind of node. */
function residual(): LayerGraph {
  const generator = new SeededGenerator(3);
  const layer = (spec: LayerSpec, shape: readonly number[]): GraphNode => ({
    kind: 'layer',
    layer: buildLayer(spec, shape, generator),
  });
  const [size, pair] = [
    [3, 3],
    [2, 2],
  ] as const;
  return new LayerGraph(SHAPE, [
    layer({ kind: 'conv2d', filters: 6, size, padding: [1, 1], groups: 2 }, SHAPE),
    layer({ kind: 'relu' }, [6, 9, 8]),
    layer({ kind: 'conv2d', filters: 8, size, stride: pair, padding: [1, 0] }, [6, 9, 8]),
    { kind: 'zero-extend', to: { channels: 8, height: 5, width: 4 } },
    { ...layer({ kind: 'mean-pool', size: [1, 2], stride: pair }, [6, 9, 8]), from: 1 },
    { kind: 'zero-extend', to: { channels: 8, height: 5, width: 4 } },
    { kind: 'add', from: 3, other: 5 },
    layer({ kind: 'relu' }, [8, 5, 4]),
    layer({ kind: 'conv2d', filters: 8, size, padding: [2, 1], dilation: [2, 1] }, [8, 5, 4]),
    { kind: 'add', from: 8, other: 7 },
    layer({ kind: 'max-pool', size: pair }, [8, 5, 4]),
    layer({ kind: 'dense', outputs: 7 }, [8, 2, 2]),
  ]);
}

function trainedSquares(): Sequential {
  const specs: LayerSpec[] = [
    { kind: 'conv2d', filters: 5, size: [3, 3], stride: [2, 1], bias: false },
    { kind: 'batch-norm' },
    { kind: 'quadratic' },
    { kind: 'mean-pool', size: [2, 2] },
    { kind: 'dense', outputs: 12, bias: false },
    { kind: 'batch-norm' },
    { kind: 'quadratic' },
    { kind: 'dense', outputs: 4 },
  ];
  const network = new Sequential(SHAPE, specs, { multiply: plainMatrixMultiply, seed: 6 });
  refreshStatistics(network, pixels(64, 1), 32);
  return network;
}

const plain: ApplyLinear = (_index, map, x, batch) => applyIntegerLinear(map, x, batch);

function integerScores(network: IntegerNetwork, x: Float32Array): Float64Array {
  return realOutput(network, evaluateIntegerNetwork(network, quantiseInput(network, x), plain));
}

const SOURCES: readonly [string, LayerGraph][] = [
  ['a residual network', residual()],
  ['a network of learned quadratics', graphOf(trainedSquares(), plainMatrixMultiply)],
];

describe.each(SOURCES)('%s', (_name, graph) => {
  const network = quantiseToIntegers(graph, pixels(48, 2), PIXELS, plainMatrixMultiply);
  const x = pixels(8, 4);
  const float = graph.infer(x, plainMatrixMultiply).slice();

  test('gives nearly the float scores in 8 bits; calibrated on dark inputs it does not', () => {
    expect(cosine(integerScores(network, x), float)).toBeGreaterThan(0.9995);
    const dark = pixels(48, 2).map((value) => value / 16);
    const clipped = quantiseToIntegers(graph, dark, PIXELS, plainMatrixMultiply);
    expect(cosine(integerScores(clipped, x), float)).toBeLessThan(0.995);
  });

  test('enters every linear step with 8 bits and survives its file', () => {
    for (const { inputBound } of network.linears) expect(inputBound).toBeLessThanOrEqual(255);
    const copy = IntegerNetwork.fromBytes(network.toBytes());
    expect(integerScores(copy, x)).toEqual(integerScores(network, x));
  });
});

test('a chain with ReLU and max pools takes one step each, batch norms folded', () => {
  const specs: LayerSpec[] = [
    { kind: 'conv2d', filters: 3, size: [3, 3], bias: false },
    { kind: 'batch-norm' },
    { kind: 'relu' },
    { kind: 'max-pool', size: [2, 2] },
    { kind: 'dropout', rate: 0.5 },
    { kind: 'dense', outputs: 4 },
  ];
  const chain = new Sequential(SHAPE, specs, { multiply: plainMatrixMultiply, seed: 8 });
  refreshStatistics(chain, pixels(64, 1), 32);
  const graph = graphOf(chain, plainMatrixMultiply);
  const x = pixels(6, 5);
  const network = quantiseToIntegers(graph, pixels(48, 2), PIXELS, plainMatrixMultiply);
  expect(network.steps.map(({ kind }) => kind)).toEqual(['linear', 'requantise', 'max-pool', 'linear']);
  expect(cosine(integerScores(network, x), chain.infer(x))).toBeGreaterThan(0.9995);
});

describe('outsourced inference', () => {
  /** What two edges do: each applies the map to its share, the device adds. */
  const shared =
    (apply: ApplyLinear): ApplyLinear =>
    (index, map, x, batch) => {
      const generator = new SeededGenerator(index);
      const a = x.map(() => generator.word() | 0);
      const b = x.map((value, i) => (value - a[i]) | 0);
      const [ya, yb] = [apply(index, map, a, batch), apply(index, map, b, batch)];
      return ya.map((value, i) => (value + yb[i]) | 0);
    };

  test.each(SOURCES)('of %s equals clear inference bit for bit', async (_name, graph) => {
    const network = quantiseToIntegers(graph, pixels(16, 2), PIXELS, plainMatrixMultiply);
    const input = quantiseInput(network, pixels(3, 9));
    using runner = new IntegerRunner(network, loadReferenceKernel());
    const clear = runner.run(input);
    expect(evaluateIntegerNetwork(network, input, shared(runner.apply))).toEqual(clear);
    const y = await runner.applyAsync(0, network.linears[0].map, input, 3);
    expect(y).toEqual(runner.apply(0, network.linears[0].map, input, 3));
    const wrong: ApplyLinear = (...request) => shared(runner.apply)(...request).map((value) => value + 4096);
    expect(evaluateIntegerNetwork(network, input, wrong)).not.toEqual(clear);
  });
});

describe('refusals', () => {
  test('layers without an integer form, inputs of more bits, no calibration', () => {
    const make = (kind: 'sigmoid' | 'relu') =>
      new LayerGraph(SHAPE, [{ kind: 'layer', layer: buildLayer({ kind }, SHAPE, new SeededGenerator(1)) }]);
    const quantise = (graph: LayerGraph, samples: Float32Array, input: typeof PIXELS | object) =>
      quantiseToIntegers(graph, samples, { ...PIXELS, ...input }, plainMatrixMultiply);
    expect(() => quantise(make('sigmoid'), pixels(1, 1), {})).toThrow(UnsupportedOpError);
    expect(() => quantise(make('relu'), pixels(1, 1), { high: 256 })).toThrow(OutOfRangeError);
    expect(() => quantise(make('relu'), pixels(1, 1), { offset: 0.5 })).toThrow(OutOfRangeError);
    expect(() => quantise(make('relu'), new Float32Array(0), {})).toThrow(ShapeError);
    expect(() => make('relu').infer(new Float32Array(7), plainMatrixMultiply)).toThrow(ShapeError);
    expect(() => new LayerGraph(SHAPE, [{ kind: 'add', other: 0 }])).toThrow(ShapeError);
  });
});

test('fixed-point factors are as close as 2^52 allows and keep every product exact', () => {
  const ratio = fc.double({ min: 1e-7, max: 10, noNaN: true });
  const property = fc.property(
    fc.array(ratio, { minLength: 1, maxLength: 4 }),
    fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    (ratios, bound) => {
      const operand = { ratios: Float64Array.from(ratios), bound };
      const { multipliers, shift } = fixedPointFactors([operand, operand]);
      expect(2 * bound * Math.max(...multipliers[0]) + 2 ** (shift - 1)).toBeLessThanOrEqual(2 ** 53);
      multipliers[0].forEach((multiplier, i) => {
        expect(Math.abs(multiplier * 2 ** -shift - ratios[i])).toBeLessThanOrEqual(2 ** -shift);
      });
    },
  );
  fc.assert(property, { numRuns: 300 });
  expect(() => fixedPointFactors([{ ratios: Float64Array.of(2 ** 22), bound: 2 ** 31 }])).toThrow(
    OutOfRangeError,
  );
});

test('squares: exact, kept in files, refused beyond int32', () => {
  const network = (high: number): IntegerNetwork =>
    new IntegerNetwork({ shape: [3], scale: 1, offset: 0, low: -5, high }, SQUARE, {
      scale: 1,
      softmax: false,
    });
  const SQUARE: IntegerStep[] = [{ kind: 'square' }];
  const copy = IntegerNetwork.fromBytes(network(46_340).toBytes());
  expect([...evaluateIntegerNetwork(copy, Int32Array.of(-5, 0, 46_340), plain)]).toEqual([
    25,
    0,
    46_340 ** 2,
  ]);
  expect(() => network(46_341)).toThrow(OutOfRangeError);
});
