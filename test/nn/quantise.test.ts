import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OutOfRangeError } from '../../src/base/errors.ts';
import { SeededGenerator } from '../../src/nn/tensor/generator.ts';
import { applyCodebook, lloydMax } from '../../src/nn/quantise/lloyd-max.ts';
import {
  WeightQuantiser,
  integerWeights,
  largestLevel,
  quantisationError,
  searchStep,
} from '../../src/nn/quantise/quantise.ts';

function normals(count: number, seed = 1): Float32Array {
  const generator = new SeededGenerator(seed);
  return Float32Array.from({ length: count }, () => generator.normal());
}

describe('uniform quantisation', () => {
  it('has the levels of its bits', () => {
    expect([2, 4, 8, 16].map(largestLevel)).toEqual([1, 7, 127, 32_767]);
    for (const bits of [1, 17, 2.5]) expect(() => largestLevel(bits)).toThrow(OutOfRangeError);
  });

  it('stays in range and within half a step of what is not clipped', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: -50, max: 50, noNaN: true }), { minLength: 1 }),
        fc.constantFrom(2, 4, 8, 16),
        (weights, bits) => {
          const step = searchStep(weights, bits);
          const level = largestLevel(bits);
          integerWeights(weights, step, bits).forEach((integer, i) => {
            expect(Math.abs(integer)).toBeLessThanOrEqual(level);
            const error = Math.abs(integer * step - weights[i]);
            if (Math.abs(weights[i]) <= level * step) expect(error).toBeLessThanOrEqual(step * 0.500001);
          });
        },
      ),
    );
  });

  it('finds a step that no other of a fine grid beats', () => {
    const weights = normals(4000);
    for (const bits of [2, 3, 4, 8]) {
      const found = quantisationError(weights, searchStep(weights, bits), bits);
      const largest = weights.reduce((a, b) => Math.max(a, Math.abs(b)), 0) / largestLevel(bits);
      for (let i = 1; i <= 300; i++) {
        expect(found).toBeLessThanOrEqual(1.005 * quantisationError(weights, (largest * i) / 300, bits));
      }
    }
  });

  it('finds the known optimum for normal weights at two bits', () => {
    // Symmetric three-level quantiser of N(0,1): levels +-1.224, mean squared error 0.1902 (Max 1960).
    const weights = normals(60_000);
    expect(searchStep(weights, 2)).toBeCloseTo(1.224, 1);
    expect(quantisationError(weights, searchStep(weights, 2), 2)).toBeCloseTo(0.19, 2);
  });

  it('gives the same integers in the training loop as in conversion', () => {
    const weights = normals(5000);
    for (const bits of [2, 4, 8, 16]) {
      const quantiser = new WeightQuantiser(weights.length, bits, true);
      quantiser.calibrate(weights);
      const step = quantiser.step.value[0];
      const integers = integerWeights(weights, step, bits);
      quantiser
        .apply(weights)
        .forEach((weight, i) => expect(Math.round(weight / step) + 0).toBe(integers[i]));
    }
  });

  it('passes gradients straight through, stops them where clipped, and follows LSQ for the step', () => {
    const weights = Float32Array.of(0.2, -0.7, 1.4, 1.6, -9);
    const quantiser = new WeightQuantiser(weights.length, 2, true);
    quantiser.step.value[0] = 1;
    expect([...quantiser.apply(weights)].map((v) => v + 0)).toEqual([0, -1, 1, 1, -1]);
    const gradient = Float32Array.of(1, 1, 1, 1, 1);
    quantiser.routeGradient(weights, gradient);
    expect([...gradient]).toEqual([1, 1, 1, 0, 0]);
    // (0 - 0.2) + (-1 + 0.7) + (1 - 1.4) + 1 - 1, over sqrt(5 * 1).
    expect(quantiser.step.gradient[0]).toBeCloseTo(-0.9 / Math.sqrt(5), 5);
  });
});

describe('Lloyd-Max codebooks', () => {
  it('forces a zero, uses all levels and beats uniform steps', () => {
    const weights = normals(5000);
    for (const bits of [2, 4]) {
      const codebook = lloydMax(weights, bits);
      expect(codebook.levels.length).toBe(2 ** bits);
      expect([...codebook.levels].filter((level) => level === 0).length).toBe(1);
      expect([...codebook.levels]).toEqual([...codebook.levels].sort((a, b) => a - b));
      expect(codebook.error).toBeLessThan(quantisationError(weights, searchStep(weights, bits), bits));
      const applied = applyCodebook(codebook, weights);
      const squares = applied.reduce((sum, value, i) => sum + (value - weights[i]) ** 2, 0);
      expect(squares / weights.length).toBeCloseTo(codebook.error, 4);
    }
  });

  it('is near the optimum for normal weights', () => {
    // Sixteen free levels give 0.009501 (Max 1960); one is spent on 0 here.
    const error = lloydMax(normals(40_000), 4).error;
    expect(error).toBeGreaterThan(0.0085);
    expect(error).toBeLessThan(0.0115);
  });

  it('refuses nonsense', () => {
    expect(() => lloydMax([], 4)).toThrow(OutOfRangeError);
    expect(() => lloydMax([1], 9)).toThrow(OutOfRangeError);
  });
});
