/** Integer networks: each step against its definition in BigInt, shapes and bounds, the file, sync = async. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DecodeError, LimitError, OutOfRangeError, ShapeError } from '../../src/base/errors.ts';
import {
  INT8_INPUT,
  IntegerNetwork,
  SeededGenerator,
  applyIntegerLinear,
  evaluateIntegerNetwork,
  evaluateIntegerNetworkAsync,
  integerConvolution,
  multiplyAdds,
  outputBound,
  quantiseInput,
  realOutput,
} from '../../src/nn/index.ts';
import { crc32 } from '../../src/nn/files/model-bytes.ts';
import type { ApplyLinear, IntegerLinearMap, IntegerStep } from '../../src/nn/index.ts';

const plain: ApplyLinear = (_index, map, x, batch) => applyIntegerLinear(map, x, batch);
const OUTPUT = { scale: 0.5, softmax: false };

function int8s(length: number, seed: number): Int8Array {
  const generator = new SeededGenerator(seed);
  return Int8Array.from({ length }, () => generator.below(256) - 128);
}

function network(shape: readonly number[], steps: readonly IntegerStep[]): IntegerNetwork {
  return new IntegerNetwork({ ...INT8_INPUT, shape, scale: 1 }, steps, OUTPUT);
}

const run = (
  shape: readonly number[],
  steps: readonly IntegerStep[],
  values: readonly number[],
): number[] => [...evaluateIntegerNetwork(network(shape, steps), Int32Array.from(values), plain)];

/** A network with every kind of step: two branches that meet again. */
function everyKind(): IntegerNetwork {
  const input = { channels: 3, height: 9, width: 8 };
  const first = integerConvolution(input, 4, [3, 3], int8s(4 * 3 * 9, 1), {
    padding: [1, 1],
    stride: [2, 2],
  });
  const second = integerConvolution(first.output, 6, [3, 3], int8s(6 * 2 * 9, 2), {
    padding: [2, 2],
    dilation: [2, 2],
    groups: 2,
  });
  const scale = { multipliers: Float64Array.of(11), shift: 14 };
  return new IntegerNetwork(
    { shape: [3, 9, 8], scale: 1 / 64, offset: 0.25, low: -100, high: 120 },
    [
      { kind: 'linear', map: first, bias: Int32Array.of(5, -7, 0, 900) },
      { kind: 'requantise', multipliers: Float64Array.of(3, 4, 5, 6), shift: 10 },
      { kind: 'linear', map: second, bias: new Int32Array(6).fill(-3) },
      { kind: 'requantise', ...scale, low: -64 },
      { kind: 'zero-extend', from: 1, to: { channels: 6, height: 5, width: 4 } },
      {
        kind: 'add',
        from: 3,
        other: 4,
        multipliers: Float64Array.of(70),
        otherMultipliers: Float64Array.of(50),
        shift: 7,
      },
      { kind: 'relu' },
      { kind: 'max-pool', size: [3, 3], stride: [2, 2], padding: [1, 1] },
      { kind: 'sum-pool', size: [2, 2], stride: [1, 1], divisor: 4 },
      { kind: 'flatten' },
      {
        kind: 'linear',
        map: { kind: 'dense', inputs: 12, outputs: 5, weights: int8s(60, 3) },
        bias: Int32Array.of(1, 2, 3, 4, 5),
      },
    ],
    { scale: 1 / 1000, softmax: true },
  );
}

function randomInput(of: IntegerNetwork, batch: number, seed: number): Int32Array {
  const generator = new SeededGenerator(seed);
  const { low, high } = of.input;
  return Int32Array.from({ length: batch * of.inputs }, () => low + generator.below(high - low + 1));
}

describe('linear maps', () => {
  test('a convolution by hand: stride, padding, dilation, groups', () => {
    const input = { channels: 2, height: 1, width: 3 };
    const map = integerConvolution(input, 2, [1, 2], Int8Array.of(1, 10, 1, 100), {
      groups: 2,
      padding: [0, 1],
      dilation: [1, 2],
      stride: [1, 2],
    });
    expect(map.output).toEqual({ channels: 2, height: 1, width: 2 });
    // Group 0: (0, x1), (x1, 0); group 1: (0, x4), (x4, 0).
    expect([...applyIntegerLinear(map, Int32Array.of(1, 2, 3, 4, 5, 6), 1)]).toEqual([20, 2, 500, 5]);
    expect(multiplyAdds(map)).toBe(8);
    expect(outputBound(map, 10)).toBe(1010);
  });

  test('wrap modulo 2^32, so shares add up to the result', () => {
    const map: IntegerLinearMap = { kind: 'dense', inputs: 40, outputs: 7, weights: int8s(280, 4) };
    const generator = new SeededGenerator(5);
    const x = Int32Array.from({ length: 80 }, () => generator.below(256) - 128);
    const a = Int32Array.from({ length: 80 }, () => generator.word() | 0);
    const b = x.map((value, i) => (value - a[i]) | 0);
    const [ya, yb] = [applyIntegerLinear(map, a, 2), applyIntegerLinear(map, b, 2)];
    expect(ya.map((value, i) => (value + yb[i]) | 0)).toEqual(applyIntegerLinear(map, x, 2));
  });

  test('the bound is reached', () => {
    const map: IntegerLinearMap = {
      kind: 'dense',
      inputs: 3,
      outputs: 1,
      weights: Int8Array.of(-128, 127, 1),
    };
    expect(outputBound(map, 128)).toBe(256 * 128);
    expect(applyIntegerLinear(map, Int32Array.of(-128, 128, 128), 1)[0]).toBe(256 * 128);
  });

  test('refuse what does not fit', () => {
    const input = { channels: 2, height: 4, width: 4 };
    expect(() => integerConvolution(input, 2, [5, 5], int8s(100, 6))).toThrow(ShapeError);
    expect(() => integerConvolution(input, 3, [3, 3], int8s(27, 6), { groups: 2 })).toThrow(ShapeError);
    expect(() => integerConvolution(input, 2, [3, 3], int8s(35, 6))).toThrow(ShapeError);
    expect(() => integerConvolution({ ...input, height: 2 ** 25 }, 2, [3, 3], int8s(36, 6))).toThrow(
      LimitError,
    );
  });
});

describe('steps', () => {
  test('requantisation rounds half up and clamps, as in BigInt', () => {
    const property = fc.property(
      fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      fc.integer({ min: 1, max: 2 ** 20 }),
      fc.integer({ min: 1, max: 50 }),
      (bias, multiplier, shift) => {
        // A zero weight and a bias put any int32 in front of the requantisation.
        fc.pre(Math.abs(bias) < 2 ** 31 && Math.abs(bias) * multiplier + 2 ** (shift - 1) <= 2 ** 53);
        const map: IntegerLinearMap = { kind: 'dense', inputs: 1, outputs: 1, weights: new Int8Array(1) };
        const clamps = { low: -1000, high: 999 };
        const [y] = run(
          [1],
          [
            { kind: 'linear', map, bias: Int32Array.of(bias) },
            { kind: 'requantise', multipliers: Float64Array.of(multiplier), shift, ...clamps },
          ],
          [1],
        );
        const exact = (BigInt(bias) * BigInt(multiplier) + 2n ** BigInt(shift - 1)) >> BigInt(shift);
        expect(y).toBe(Number(exact < -1000n ? -1000n : exact > 999n ? 999n : exact));
      },
    );
    fc.assert(property, { numRuns: 500 });
  });

  test('pools: padding never wins, means round half up, divisor 1 is the sum', () => {
    const values = [-9, -5, -7, -3];
    const pool = { size: [2, 2], stride: [1, 1] } as const;
    const padded = { kind: 'max-pool', ...pool, padding: [1, 1] } as const;
    expect(run([1, 2, 2], [padded], values)).toEqual([-9, -5, -5, -7, -3, -3, -7, -3, -3]);
    expect(run([1, 2, 2], [{ kind: 'sum-pool', ...pool, divisor: 4 }], [-1, -1, 0, 0])).toEqual([0]);
    expect(run([1, 2, 2], [{ kind: 'sum-pool', ...pool, divisor: 4 }], [1, 1, 0, 0])).toEqual([1]);
    expect(run([1, 2, 2], [{ kind: 'sum-pool', ...pool, divisor: 1 }], values)).toEqual([-24]);
  });

  test('addition scales both sides, zero extension keeps rows', () => {
    const steps: IntegerStep[] = [
      { kind: 'relu' },
      {
        kind: 'add',
        from: 0,
        other: -1,
        multipliers: Float64Array.of(3),
        otherMultipliers: Float64Array.of(1),
        shift: 1,
        high: 100,
      },
    ];
    // (3 relu(x) + x + 1) >> 1, at most 100.
    expect(run([4], steps, [-2, -1, 1, 90])).toEqual([-1, 0, 2, 100]);
    const to = { channels: 2, height: 2, width: 3 };
    expect(run([1, 1, 2], [{ kind: 'zero-extend', to }], [4, 5, 6, 7])).toEqual([
      4,
      5,
      0,
      0,
      0,
      0,
      ...Array(6).fill(0),
      6,
      7,
      0,
      0,
      0,
      0,
      ...Array(6).fill(0),
    ]);
  });
});

describe('networks', () => {
  test('know shapes and bounds, and no value exceeds them', () => {
    const net = everyKind();
    expect(net.facts.map(({ shape }) => shape.join('x'))).toEqual(
      '4x5x4 4x5x4 6x5x4 6x5x4 6x5x4 6x5x4 6x5x4 6x3x2 6x2x1 12 5'.split(' '),
    );
    expect(net.linears.map(({ inputBound }) => inputBound)).toEqual([120, 128, 128]);
    let seen = 0;
    evaluateIntegerNetwork(net, randomInput(net, 8, 9), (index, map, x, batch) => {
      expect(index).toBe(seen++);
      expect(x.every((value) => Math.abs(value) <= net.linears[index].inputBound)).toBe(true);
      return applyIntegerLinear(map, x, batch);
    });
    expect(seen).toBe(3);
  });

  test('a batch is its rows; elsewhere and in turn give the same', async () => {
    const net = everyKind();
    const input = randomInput(net, 3, 10);
    const whole = evaluateIntegerNetwork(net, input, plain);
    const rows = [0, 1, 2].flatMap((row) => [
      ...evaluateIntegerNetwork(net, input.slice(row * net.inputs, (row + 1) * net.inputs), plain),
    ]);
    expect([...whole]).toEqual(rows);
    expect(new Set(rows.slice(0, 5)).size).toBeGreaterThan(1);
    const elsewhere = await evaluateIntegerNetworkAsync(net, input, async (...request) => {
      await Promise.resolve();
      return plain(...request);
    });
    expect(elsewhere).toEqual(whole);
  });

  test('refuse inputs and replies that do not fit', () => {
    const net = everyKind();
    expect(() => evaluateIntegerNetwork(net, new Int32Array(7), plain)).toThrow(ShapeError);
    expect(() => evaluateIntegerNetwork(net, new Int32Array(216).fill(121), plain)).toThrow(OutOfRangeError);
    expect(() => evaluateIntegerNetwork(net, new Int32Array(216), () => new Int32Array(79))).toThrow(
      ShapeError,
    );
  });

  test('refuse steps that could leave the exact range', () => {
    const map: IntegerLinearMap = { kind: 'dense', inputs: 1, outputs: 1, weights: Int8Array.of(127) };
    const linear = (bias: number): IntegerStep => ({ kind: 'linear', map, bias: Int32Array.of(bias) });
    expect(() => network([1], [linear(2 ** 31 - 1 - 127 * 128)])).not.toThrow();
    expect(() => network([1], [linear(2 ** 31 - 127 * 128)])).toThrow(OutOfRangeError);
    const wide = (multiplier: number, shift: number): IntegerStep => ({
      kind: 'requantise',
      multipliers: Float64Array.of(multiplier),
      shift,
    });
    expect(() => network([1], [wide(2 ** 45, 52)])).not.toThrow();
    expect(() => network([1], [wide(2 ** 46, 52)])).toThrow(OutOfRangeError);
    expect(() => network([1], [wide(1, 53)])).toThrow(OutOfRangeError);
    expect(() => network([1], [wide(0.5, 3)])).toThrow(OutOfRangeError);
    expect(() => network([1], [{ kind: 'relu', from: 0 }])).toThrow(ShapeError);
    const huge = { channels: 2 ** 26, height: 2, width: 1 };
    expect(() => network([1, 1, 1], [{ kind: 'zero-extend', to: huge }])).toThrow(LimitError);
  });

  test('real numbers in and out', () => {
    const net = everyKind();
    const real = [0.25, 0.25 + 1 / 128, 100, -100, 0.25 - 1 / 128];
    expect([...quantiseInput(net, real)]).toEqual([0, 1, 120, -100, 0]);
    const out = realOutput(net, Int32Array.of(0, 0, 0, 0, 1000, 1, 1, 1, 1, 1));
    expect(out[4]).toBeCloseTo(Math.E / (4 + Math.E), 12);
    expect(out.slice(5)).toEqual(new Float64Array(5).fill(0.2));
    expect([...realOutput(network([1], [{ kind: 'relu' }]), Int32Array.of(6))]).toEqual([3]);
  });
});

describe('files', () => {
  const bytes = everyKind().toBytes();

  test('come back with the same outputs and the same bytes', () => {
    const copy = IntegerNetwork.fromBytes(bytes);
    expect(copy.toBytes()).toEqual(bytes);
    const input = randomInput(copy, 2, 11);
    expect(evaluateIntegerNetwork(copy, input, plain)).toEqual(
      evaluateIntegerNetwork(everyKind(), input, plain),
    );
  });

  test('are read from a slice of pooled memory at any offset, and do not keep it', () => {
    const input = randomInput(everyKind(), 2, 11);
    const expected = evaluateIntegerNetwork(everyKind(), input, plain);
    for (const offset of [1, 2, 3, 8]) {
      const pool = Buffer.alloc(bytes.length + 16, 0xa5);
      pool.set(bytes, offset);
      const copy = IntegerNetwork.fromBytes(pool.subarray(offset, offset + bytes.length));
      pool.fill(0x5a);
      expect(evaluateIntegerNetwork(copy, input, plain)).toEqual(expected);
      for (const { map } of copy.linears) expect(map.weights.buffer).not.toBe(pool.buffer);
    }
  });

  test('that are damaged are refused, or are networks', () => {
    expect(() => IntegerNetwork.fromBytes(bytes.subarray(0, bytes.length - 1))).toThrow(DecodeError);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
        const damaged = Uint8Array.from(bytes, (byte, i) => (i === at ? value : byte));
        const end = damaged.length - 4;
        new DataView(damaged.buffer).setUint32(end, crc32(damaged.subarray(0, end)), true);
        try {
          expect(IntegerNetwork.fromBytes(damaged)).toBeInstanceOf(IntegerNetwork);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
      { numRuns: 400 },
    );
  });
});
