/** Passes that make fitted quadratics cheaper: constant channels dropped, vertices brought near. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { calibrate } from '../../../src/nn/activations/calibration.ts';
import { completedSquares, nearbySquares } from '../../../src/nn/activations/nearby-squares.ts';
import { interpret } from '../../../src/nn/graph/clear-interpreter.ts';
import { GraphBuilder, tensorInput } from '../../../src/nn/graph/graph-builder.ts';
import { DenseMap } from '../../../src/nn/graph/linear-map.ts';
import type { ModelGraph } from '../../../src/nn/graph/model-graph.ts';
import { pruneConstants } from '../../../src/nn/graph/passes/prune-constants.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';

const [INPUTS, HIDDEN] = [6, 8];

/** 6 -> 8 -> 2; `slopes` are the linear coefficients, `bends` the quadratic ones. */
function network(slopes: readonly number[], bends: readonly number[]): ModelGraph {
  const generator = new SeededGenerator(7);
  const random = (length: number) => Float32Array.from({ length }, () => generator.uniform() * 2 - 1);
  const builder = new GraphBuilder();
  let wire = builder.input(tensorInput('x', [INPUTS]));
  wire = builder.linear(
    wire,
    new DenseMap(HIDDEN, INPUTS, random(HIDDEN * INPUTS), Float64Array.from(random(HIDDEN))),
  );
  wire = builder.polynomial(wire, [
    Float64Array.from(random(HIDDEN)),
    Float64Array.from(slopes),
    Float64Array.from(bends),
  ]);
  return builder.build(
    builder.linear(wire, new DenseMap(2, HIDDEN, random(2 * HIDDEN), Float64Array.of(0.5, -0.5))),
  );
}

const coefficients = fc.array(
  fc.constantFrom(0, 1, -0.5, 1e-9, 2).map((value) => value),
  { minLength: HIDDEN, maxLength: HIDDEN },
);

function samplesOf(count: number): Float32Array {
  const generator = new SeededGenerator(3);
  return Float32Array.from({ length: count * INPUTS }, () => generator.uniform() * 4 - 2);
}

describe('constant channels', () => {
  test('the same function of fewer channels', () => {
    fc.assert(
      fc.property(coefficients, coefficients, (slopes, bends) => {
        const graph = network(slopes, bends);
        const pruned = pruneConstants(graph);
        const live = slopes.filter((slope, i) => slope !== 0 || bends[i] !== 0).length;
        expect(pruned.wires[2]!.shape).toEqual([live === 0 ? HIDDEN : live]);
        const inputs = [samplesOf(5)];
        const [ours, theirs] = [interpret(pruned, inputs, 5), interpret(graph, inputs, 5)];
        ours.forEach((value, i) => expect(value).toBeCloseTo(theirs[i]!, 4));
      }),
    );
  });
});

/** With the statistics of what the hidden channels carry. */
function measured(graph: ModelGraph, count = 64): ModelGraph {
  const inputs = samplesOf(count);
  const values = interpret({ ...graph, nodes: graph.nodes.slice(0, 1), output: 1 }, [inputs], count);
  const of = (make: (channel: number[]) => number) =>
    Float64Array.from({ length: HIDDEN }, (_, c) =>
      make(Array.from({ length: count }, (_unused, i) => values[i * HIDDEN + c]!)),
    );
  const mean = of((list) => list.reduce((a, b) => a + b, 0) / count);
  const trained = {
    samples: count,
    low: of((list) => Math.min(...list)),
    high: of((list) => Math.max(...list)),
    mean,
    variance: of((list) => {
      const own = list.reduce((a, b) => a + b, 0) / count;
      return list.reduce((sum, value) => sum + (value - own) ** 2, 0) / count;
    }),
  };
  const wires = graph.wires.map((wire) => (wire.id === 1 ? { ...wire, trained } : wire));
  return { ...graph, wires };
}

describe('vertices', () => {
  test('end within two half widths; slope in the middle and mean are kept', () => {
    fc.assert(
      fc.property(coefficients, coefficients, (slopes, bends) => {
        const graph = measured(network(slopes, bends));
        const bent = nearbySquares(graph);
        const { low, high, mean, variance } = graph.wires[1]!.trained!;
        const [before, after] = [graph, bent].map(({ nodes }) => nodes[1]!);
        if (before?.op !== 'polynomial' || after?.op !== 'polynomial') throw new Error('no polynomial');
        for (let c = 0; c < HIDDEN; c++) {
          const rows = [before, after].map((node) => node.coefficients.map((row) => row[c]!));
          const [[c0, b0, a0], [c1, b1, a1]] = rows as [number[], number[]];
          const [middle, half] = [(low[c]! + high[c]!) / 2, (high[c]! - low[c]!) / 2];
          if (a1 !== 0)
            expect(Math.abs(-b1! / (2 * a1!) - middle)).toBeLessThanOrEqual(2 * half * (1 + 1e-9));
          else expect(b1).toBe(0);
          // What is near is computed as one square.
          expect(completedSquares(bent).nodes[1]).toEqual({ ...after, form: 'completed' });
          expect(b1! + 2 * a1! * middle).toBeCloseTo(b0! + 2 * a0! * middle, 9);
          const second = variance[c]! + mean[c]! ** 2;
          expect(c1! + b1! * mean[c]! + a1! * second).toBeCloseTo(c0! + b0! * mean[c]! + a0! * second, 9);
        }
      }),
    );
  });

  test('what bends enough stays, bit for bit', () => {
    const graph = measured(network(new Array(HIDDEN).fill(0), new Array(HIDDEN).fill(1)));
    const [before, after] = [graph, nearbySquares(graph)].map(({ nodes }) => nodes[1]!);
    expect(after).toEqual(before);
  });
});

test('a network that loses decisions is fitted again where decisions are near, if that loses fewer', () => {
  const generator = new SeededGenerator(11);
  const random = (length: number) => Float32Array.from({ length }, () => generator.uniform() * 2 - 1);
  const builder = new GraphBuilder();
  let wire = builder.input(tensorInput('x', [INPUTS]));
  wire = builder.linear(
    wire,
    new DenseMap(HIDDEN, INPUTS, random(HIDDEN * INPUTS), new Float64Array(HIDDEN)),
  );
  wire = builder.function(wire, 'relu');
  const graph = builder.build(
    builder.linear(wire, new DenseMap(2, HIDDEN, random(2 * HIDDEN), new Float64Array(2))),
  );
  const { report } = calibrate(graph, { inputs: [samplesOf(600)] }, { maxDegree: 2, drop: 0 });
  const again = report.trace.findIndex((line) => line.startsWith('again, samples near a decision'));
  expect(again).toBeGreaterThan(0);
  const agreementIn = (line: string) => Number(/([\d.]+) %/.exec(line)![1]);
  const best = Math.max(...report.trace.filter((line) => / %/.test(line)).map(agreementIn));
  // With a drop of nothing, nothing of it is given up for cheaper squares.
  expect(100 * report.polynomial.agreement).toBeGreaterThanOrEqual(best - 0.01);
});
