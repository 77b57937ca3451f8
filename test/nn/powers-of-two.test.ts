import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OutOfRangeError, ShapeError } from '../../src/base/errors.ts';
import { withLayers } from '../../src/nn/layers/fold.ts';
import type { LayerSpec } from '../../src/nn/layers/layer.ts';
import { Sequential } from '../../src/nn/layers/sequential.ts';
import { exportPolynomial } from '../../src/nn/polynomial/fine-tuning.ts';
import { PowerOfTwoRounding, nearestPower } from '../../src/nn/quantise/powers-of-two.ts';
import { SeededGenerator } from '../../src/nn/tensor/generator.ts';
import { plainMatrixMultiply } from '../../src/nn/tensor/matrix-multiply.ts';
import { Trainer } from '../../src/nn/training/trainer.ts';

function normals(count: number, seed: number): Float32Array {
  const generator = new SeededGenerator(seed);
  return Float32Array.from({ length: count }, () => generator.normal());
}

const layers = (rounding: { bits?: number; pruned?: number }): LayerSpec[] => [
  { kind: 'dense', outputs: 12, bias: false, ...rounding },
  { kind: 'batch-norm', shared: true },
  { kind: 'polynomial', coefficients: [0.25, 0.5, 0.125] },
  { kind: 'dense', outputs: 3, ...rounding },
];

describe('weights that are powers of two', () => {
  it('rounds to the nearest power on the logarithmic scale', () => {
    const cases = [0, 0.7, 0.72, 1.4, 1.42, -2.8, 2.84, 5, 90, 1000].map((x) => nearestPower(x, 6));
    expect(cases.map((x) => x + 0)).toEqual([0, 0, 1, 1, 2, -2, 4, 4, 64, 64]);
  });

  it('prunes the asked share, reaches the largest weight, and keeps the sign', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 0.95, noNaN: true }),
        fc.integer({ min: 1, max: 99 }),
        (share, seed) => {
          const weights = normals(1000, seed);
          const rounding = new PowerOfTwoRounding(1000, 8, share);
          rounding.calibrate(weights);
          const step = rounding.step.value[0]!;
          const integers = [...rounding.apply(weights)].map((value) => Math.round(value / step));
          const zeros = integers.filter((value) => value === 0).length;
          expect(zeros).toBeGreaterThanOrEqual(Math.floor(1000 * share));
          for (const [i, value] of integers.entries()) {
            expect([0, 1, 2, 4, 8, 16, 32, 64]).toContain(Math.abs(value));
            if (value !== 0) expect(Math.sign(value)).toBe(Math.sign(weights[i]!));
          }
          const largest = Math.max(...weights.map(Math.abs));
          expect(Math.max(...integers.map(Math.abs)) * step * Math.SQRT2).toBeGreaterThanOrEqual(
            largest * 0.999,
          );
        },
      ),
      { numRuns: 30 },
    );
  });

  it('refuses what is no share and no width', () => {
    expect(() => new PowerOfTwoRounding(4, 8, 1)).toThrow(OutOfRangeError);
    expect(() => new PowerOfTwoRounding(4, 1, 0.5)).toThrow(OutOfRangeError);
  });

  it('trains pruned weights on: one that is missed grows back, and the exported integers are powers of two', () => {
    const inputs = normals(600, 3);
    const labels = Int32Array.from({ length: 100 }, (_, i) =>
      inputs[6 * i]! > 0.3 ? 2 : inputs[6 * i]! < -0.3 ? 0 : 1,
    );
    const float = new Sequential([6], layers({}), { multiply: plainMatrixMultiply, seed: 5 });
    const network = withLayers(float, layers({ bits: 8, pruned: 0.6 }), plainMatrixMultiply);
    const dense = network.layers[0]! as unknown as {
      quantiser: PowerOfTwoRounding;
      weights: { value: Float32Array };
    };
    const zerosOf = (): boolean[] =>
      [...dense.quantiser.apply(dense.weights.value)].map((value) => value === 0);
    const before = zerosOf();
    const trainer = new Trainer(network, { batch: 20, schedule: { kind: 'constant', rate: 0.02 }, seed: 1 });
    for (let i = 0; i < 40; i++) trainer.step(inputs, labels);
    const after = zerosOf();
    expect(before.filter(Boolean).length).toBeGreaterThanOrEqual(43);
    expect(before.some((zero, i) => zero && !after[i])).toBe(true);
    const exported = exportPolynomial(network, 8, inputs, plainMatrixMultiply);
    for (const layer of exported.layers)
      for (const weight of layer.weights) expect([0, 1, 2, 4, 8, 16, 32, 64]).toContain(Math.abs(weight));
    expect(Sequential.fromBytes(network.toBytes(), plainMatrixMultiply).infer(inputs)).toEqual(
      network.infer(inputs),
    );
  });
});

describe('exchanged layers', () => {
  it('keep weights and statistics, and only there where they fit', () => {
    const relu: LayerSpec[] = layers({}).map((spec) =>
      spec.kind === 'polynomial' ? { kind: 'relu' } : spec,
    );
    const network = new Sequential([6], relu, { multiply: plainMatrixMultiply, seed: 5 });
    network.layers[1]!.statistics[0]!.fill(0.25);
    const swapped = withLayers(network, layers({}), plainMatrixMultiply);
    expect(swapped.layers[0]!.parameters[0]!.value).toEqual(network.layers[0]!.parameters[0]!.value);
    expect(swapped.layers[1]!.statistics[0]).toEqual(network.layers[1]!.statistics[0]);
    expect(() => withLayers(network, layers({}).slice(1), plainMatrixMultiply)).toThrow(ShapeError);
    const other: LayerSpec[] = [{ kind: 'dense', outputs: 7 }, ...layers({}).slice(1)];
    expect(() => withLayers(network, other, plainMatrixMultiply)).toThrow(ShapeError);
  });
});
