import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidParamsError, OutOfRangeError, UnsupportedOpError } from '../../src/base/errors.ts';
import { compile } from '../../src/compiler/compile.ts';
import type { IntegerMap } from '../../src/compiler/integer-map.ts';
import { lowerGraph } from '../../src/compiler/lower-graph.ts';
import {
  addressesOf,
  checkLayout,
  digitsOf,
  elementsOf,
  type Layout,
  slotOf,
  slotVectors,
} from '../../src/compiler/packed/layout.ts';
import { hybridLayout, skewedPeriod } from '../../src/compiler/packed/layout-candidates.ts';
import { searchLayouts } from '../../src/compiler/packed/layout-search.ts';
import { forEachTransformPart, splitSteps, transformParts } from '../../src/compiler/packed/rotations.ts';
import { offerOf } from '../../src/compiler/program-facts.ts';
import { reportOf } from '../../src/compiler/report.ts';
import { interpret } from '../../src/nn/graph/clear-interpreter.ts';
import { GraphBuilder, tensorInput } from '../../src/nn/graph/graph-builder.ts';
import { DenseMap, WindowMap } from '../../src/nn/graph/linear-map.ts';
import { PolynomialNetwork } from '../../src/nn/polynomial/polynomial-network.ts';
import { SeededGenerator } from '../../src/nn/tensor/generator.ts';
import { runClear } from '../../src/runtime/clear-machine.ts';
import { randomInputs, randomNetwork } from '../protocols/random-network.ts';
import { measured, SAMPLE_GRAPHS } from './sample-graphs.ts';

const SLOTS = 64;

/** Grids with gaps, copies and an origin: those that have a slot for everything. */
const layouts: fc.Arbitrary<Layout> = fc
  .record({
    channels: fc.integer({ min: 1, max: 3 }),
    width: fc.integer({ min: 1, max: 5 }),
    gap: fc.integer({ min: 1, max: 3 }),
    block: fc.integer({ min: 1, max: 70 }),
    origin: fc.integer({ min: 0, max: 20 }),
    copies: fc.integer({ min: 1, max: 4 }),
    period: fc.integer({ min: 1, max: SLOTS }),
  })
  .map(({ channels, width, gap, block, origin, copies, period }): Layout => {
    const digits = [
      { extent: width, step: 1, weight: gap },
      { extent: channels, step: width, weight: block },
    ];
    return {
      ...{ count: channels * width, slots: SLOTS, origin, digits, sums: 1, rest: 'zero' },
      ...{ copies, period: copies === 1 ? SLOTS : period },
    };
  })
  .filter((layout) => {
    try {
      checkLayout(layout);
      return true;
    } catch {
      return false;
    }
  });

function denseMap(rows: number, cols: number, seed: number): IntegerMap {
  const generator = new SeededGenerator(seed);
  const weights = Int32Array.from({ length: rows * cols }, () => generator.below(15) - 7);
  return {
    ...{ name: 'map', inputs: cols, outputs: rows, step: 0.25, bits: 4, offsets: new Float64Array(rows) },
    ...{ matrices: [{ rows, cols, weights }], blocks: [{ matrix: 0, first: 0 }] },
  };
}

interface SquareConvolution {
  readonly channels: number;
  readonly rows: number;
  /** Of input and output, both square. */
  readonly extent: number;
  readonly out: number;
  readonly taps: number;
  readonly pad: number;
  readonly step: number;
}

function convolutionMap(
  generator: SeededGenerator,
  { channels, rows, extent, out, taps, pad, step }: SquareConvolution,
): WindowMap {
  const [positions, all] = [out * out, channels * taps * taps];
  const inputs = new Int32Array(positions * all);
  for (let p = 0; p < positions; p++)
    for (let t = 0; t < all; t++) {
      const [channel, tap] = [Math.floor(t / taps ** 2), t % taps ** 2];
      const y = Math.floor(p / out) * step + Math.floor(tap / taps) - pad;
      const x = (p % out) * step + (tap % taps) - pad;
      const isInside = y >= 0 && y < extent && x >= 0 && x < extent;
      inputs[p * all + t] = isInside ? (channel * extent + y) * extent + x : -1;
    }
  return new WindowMap({
    ...{ cols: channels * extent * extent, groups: 1, channels: rows, taps: all, positions, inputs },
    matrix: Float64Array.from({ length: rows * all }, () => generator.normal() / Math.sqrt(all)),
    bias: Float64Array.from({ length: rows * positions }, () => 0.1 * generator.normal()),
  });
}

/** What the diagonals make of slots in which whatever no element has is `rest`. */
function applied(map: IntegerMap, from: Layout, to: Layout, x: Float64Array, rest: number): Float64Array {
  const taken = slotVectors(from, new Float64Array(from.count).fill(1));
  const slots = slotVectors(from, x).map((vector, i) =>
    vector.map((value, t) => (taken[i]![t] === 0 ? rest : value)),
  );
  const count = 1 + Math.max(0, ...addressesOf(to).map((address) => Math.floor(address / SLOTS)));
  const out = new Float64Array(count * SLOTS);
  forEachTransformPart(map, from, to, (part, diagonals) => {
    for (const [step, diagonal] of diagonals)
      diagonal.forEach((weight, t) => {
        if (weight !== 0) out[part.out * SLOTS + t]! += weight * slots[part.in]![(t + step + SLOTS) % SLOTS]!;
      });
  });
  return out;
}

describe('a layout', () => {
  it('says where elements are, and gives them back', () => {
    fc.assert(
      fc.property(layouts, fc.integer({ min: 1, max: 1000 }), (layout, seed) => {
        const x = Float64Array.from(randomInputs(1, layout.count, seed));
        const slots = slotVectors(layout, x).flatMap((vector) => [...vector]);
        expect(elementsOf(layout, slots)).toEqual(x);
        const digits = digitsOf([...addressesOf(layout)]);
        if (digits !== undefined) expect(addressesOf({ ...layout, ...digits })).toEqual(addressesOf(layout));
      }),
      { numRuns: 50 },
    );
  });

  it('is refused where two elements share a slot, or one has none', () => {
    const layout = { count: 6, slots: 64, origin: 0, copies: 1, period: 64, sums: 1, rest: 'zero' } as const;
    const refused = (change: Partial<Layout>) => () => checkLayout({ ...layout, digits: [], ...change });
    expect(refused({ digits: [{ extent: 6, step: 1, weight: 0 }] })).toThrow(/slots of their own/);
    expect(refused({ digits: [{ extent: 3, step: 1, weight: 1 }] })).toThrow(/every element/);
    expect(refused({ digits: [{ extent: 6, step: 1, weight: 1 }], copies: 3, period: 5 })).toThrow(
      /of their own/,
    );
    expect(refused({ digits: [{ extent: 6, step: 1, weight: 1 }], copies: 3, sums: 2, period: 6 })).toThrow(
      /divide/,
    );
    expect(refused({ digits: [{ extent: 6, step: 1, weight: 1 }], origin: -1 })).toThrow(OutOfRangeError);
  });
});

describe('a map between layouts', () => {
  it('is the map, whole in every copy, whatever other slots hold', () => {
    fc.assert(
      fc.property(layouts, layouts, fc.integer({ min: 1, max: 1000 }), (from, to, seed) => {
        const map = denseMap(to.count, from.count, seed);
        const x = Float64Array.from(randomInputs(1, from.count, seed));
        const expected = Float64Array.from({ length: to.count }, (_, r) =>
          x.reduce((sum, value, c) => sum + 0.25 * map.matrices[0]!.weights[r * from.count + c]! * value, 0),
        );
        const out = applied(map, from, to, x, Number.NaN);
        slotVectors(to, expected)
          .flatMap((vector) => [...vector])
          .forEach((value, t) => expect(out[t]).toBeCloseTo(value, 4));
      }),
      { numRuns: 60 },
    );
  });

  it('is the map after its partial sums have been added up', () => {
    fc.assert(
      fc.property(
        layouts,
        fc.integer({ min: 1, max: 16 }),
        fc.integer({ min: 1, max: 1000 }),
        (from, rows, seed) => {
          const map = denseMap(rows, from.count, seed);
          const x = Float64Array.from(randomInputs(1, from.count, seed));
          const to = hybridLayout(from, rows)!;
          const out = applied(map, from, to, x, Number.NaN);
          elementsOf(to, out).forEach((value, r) => {
            const row = map.matrices[0]!.weights.subarray(r * from.count, (r + 1) * from.count);
            expect(value).toBeCloseTo(0.25 * x.reduce((sum, each, c) => sum + row[c]! * each, 0), 4);
          });
          // No more rotations than the period has places.
          for (const { rotations } of transformParts(map, from, to))
            expect(rotations.length).toBeLessThanOrEqual(to.period);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('takes a quarter of the rotations when four copies stand askew', () => {
    const from: Layout = {
      ...{ count: 300, slots: 4096, origin: 0, copies: 1, period: 4096, sums: 1, rest: 'zero' },
      digits: [{ extent: 300, step: 1, weight: 1 }],
    };
    const period = skewedPeriod(from, 4, 128)!;
    const map = denseMap(128, 300, 1);
    const steps = (layout: Layout) =>
      transformParts(map, layout, hybridLayout(layout, 128)!)[0]!.rotations.length;
    expect(steps(from)).toBe(128);
    expect(steps({ ...from, copies: 4, period })).toBeLessThanOrEqual(36);
  });

  it('splits rotations into steps that add up to them', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: -200, max: 200 }), { minLength: 1 }),
        fc.integer({ min: 0, max: 64 }),
        (rotations, width) => {
          const split = splitSteps(rotations, width);
          const made = split.giants.flatMap(({ step, babies }) => babies.map((baby) => step + baby));
          expect(made.sort((a, b) => a - b)).toEqual(rotations.sort((a, b) => a - b));
        },
      ),
    );
  });
});

describe('a program for one sample', () => {
  it.each(Object.entries(SAMPLE_GRAPHS))('computes %s', (_, make) => {
    const graph = measured(make());
    const program = compile(graph, { name: 'graph', layout: 'packed' });
    const samples = 3;
    const inputs = randomInputs(samples, program.inputs, 7);
    const scores = runClear(program, inputs);
    const expected = interpret(graph, [inputs], samples);
    scores.forEach((score, i) => expect(Math.abs(score - expected[i]!)).toBeLessThan(2 ** -14));
  });

  it('computes two convolutions of any border and stride, and a dense layer', () => {
    const generator = new SeededGenerator(5);
    const shapes = fc.record({
      size: fc.integer({ min: 5, max: 8 }),
      maps: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 4 })),
      kernel: fc.tuple(fc.integer({ min: 2, max: 3 }), fc.integer({ min: 1, max: 3 })),
      border: fc.tuple(fc.integer({ min: 0, max: 1 }), fc.integer({ min: 0, max: 1 })),
      stride: fc.integer({ min: 1, max: 2 }),
    });
    fc.assert(
      fc.property(shapes, ({ size, maps, kernel, border, stride }) => {
        const builder = new GraphBuilder();
        let wire = builder.input(tensorInput('x', [1, size, size]));
        let [channels, extent] = [1, size];
        maps.forEach((rows, i) => {
          const [taps, pad, step] = [kernel[i]!, border[i]!, i === 0 ? 1 : stride];
          const out = Math.floor((extent + 2 * pad - taps) / step) + 1;
          const map = convolutionMap(generator, { channels, rows, extent, out, taps, pad, step });
          wire = builder.linear(wire, map, { shape: [rows, out, out] });
          wire = builder.multiply(wire, wire);
          [channels, extent] = [rows, out];
        });
        const features = channels * extent * extent;
        const weights = Float64Array.from({ length: 4 * features }, () => generator.normal() / features);
        wire = builder.linear(wire, new DenseMap(4, features, weights));
        const graph = measured(builder.build(wire), 40);
        const program = compile(graph, { name: 'graph', layout: 'packed', precision: 2 ** -7 });
        const inputs = randomInputs(1, size * size, 7);
        const expected = interpret(graph, [inputs]);
        const largest = Math.max(...expected.map(Math.abs));
        runClear(program, inputs).forEach((score, i) => {
          expect(Math.abs(score - expected[i]!)).toBeLessThan(2 ** -9 * largest);
        });
      }),
      { numRuns: 3 },
    );
  });

  it.each(['packed', 'batch'] as const)('keeps scales below the modulus, or refuses: %s', (layout) => {
    const generator = new SeededGenerator(3);
    const outcomes = [0, 8, 16].map((bits) => {
      const weights = (count: number) =>
        Float64Array.from({ length: count }, () => 2 ** -bits * generator.normal());
      const builder = new GraphBuilder();
      const x = builder.input(tensorInput('x', [6]));
      const hidden = builder.linear(x, new DenseMap(5, 6, weights(30)));
      const square = builder.multiply(hidden, hidden);
      const graph = measured(builder.build(builder.linear(square, new DenseMap(3, 5, weights(15)))));
      const inputs = randomInputs(1, 6, 7);
      const expected = interpret(graph, [inputs]);
      const largest = Math.max(...expected.map(Math.abs));
      try {
        // Its validator refuses a scale beyond the modulus.
        const program = compile(graph, { name: 'small', layout, precision: 2 ** -7, logN: [12, 13] });
        runClear(program, inputs).forEach((score, i) => {
          expect(Math.abs(score - expected[i]!)).toBeLessThan(2 ** -4 * largest);
        });
        return 'computed';
      } catch (error) {
        if (!(error instanceof InvalidParamsError)) throw error;
        return 'refused';
      }
    });
    expect(outcomes[0]).toBe('computed');
  });

  it('computes CryptoNets in one ciphertext, with keys and bytes of a request', () => {
    const bytes = readFileSync(new URL('../../models/mnist/cryptonets-polynomial-8bit.bin', import.meta.url));
    const network = PolynomialNetwork.fromBytes(bytes);
    const program = compile(network, { name: 'cryptonets', inputBound: 1, layout: 'packed' });
    const inputs = randomInputs(2, 784, 1).map((value) => Math.min(1, Math.abs(value) / 3));
    const scores = runClear(program, inputs);
    const expected = network.run(Float64Array.from(inputs.subarray(784)));
    expected.forEach((score, i) => expect(scores[10 + i]).toBeCloseTo(score, 5));
    const { buckets, keyBytes } = reportOf(program);
    expect(program.params.logN).toBe(13);
    expect(buckets[0]!.bytesUp).toBeLessThanOrEqual(172_200);
    expect(keyBytes).toBeLessThan(16e6);
    expect(offerOf(program).packed!.input.copies).toBe(5);
  });

  it('answers the same whatever else a dishonest query has in its slots, but not whatever its copies hold', () => {
    const program = compile(randomNetwork([40, 12, 5], 4, 1), { name: 'net', layout: 'packed' });
    const { input } = offerOf(program).packed!;
    const inputs = randomInputs(1, 40, 5);
    const taken = slotVectors(input, new Float64Array(40).fill(1)).flatMap((vector) => [...vector]);
    const scores = (change: (slots: Float64Array) => void) =>
      runClear(program, inputs, {
        observe: (value, slots) => {
          if (value === 0) change(slots);
        },
      });
    const honest = scores(() => undefined);
    const isRest = taken.map((mark) => mark === 0);
    expect(isRest).toContain(true);
    const poisoned = scores((slots) => {
      isRest.forEach((rest, t) => {
        if (rest) slots[t] = 1e6;
      });
    });
    expect(poisoned).toEqual(honest);
    expect(input.copies).toBeGreaterThan(1);
    const mixed = scores((slots) => {
      slots[slotOf(input, addressesOf(input)[0]!, 1)] = 100;
    });
    expect(mixed).not.toEqual(honest);
  });

  it('is refused where every layout takes more diagonals than fit memory', () => {
    // 257 ciphertexts of 32 slots times 32 rows.
    const [rows, count] = [32, 257 * 32];
    const builder = new GraphBuilder();
    const input = builder.input(tensorInput('x', [count]));
    const weights = new Float64Array(rows * count).fill(1 / count);
    const graph = builder.build(builder.linear(input, new DenseMap(rows, count, weights)));
    const circuit = lowerGraph(graph, { inputBound: 1, weightBits: 8 });
    expect(() => searchLayouts(circuit, 6)).toThrow(UnsupportedOpError);
  });

  it('is what auto makes, and not what there was before', () => {
    expect(compile(randomNetwork([64, 32, 10], 4, 1), { name: 'net', layout: 'auto' }).packed).toBeDefined();
    expect(compile(randomNetwork([64, 32, 10], 4, 1), { name: 'net' }).packed).toBeUndefined();
  });
});
