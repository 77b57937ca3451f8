/** Fits of activations: published coefficients, equioscillation, optimality. */
import { describe, expect, test } from 'vitest';
import { evaluateFunction } from '../../../src/nn/graph/element-functions.ts';
import { powerOfTwoQuadratic, remezFit } from '../../../src/nn/activations/minimax-fit.ts';
import {
  distributionError,
  empiricalFit,
  normalDistribution,
  normalFit,
} from '../../../src/nn/activations/weighted-fit.ts';
import {
  chebyshevFit,
  evaluatePolynomial,
  largestFitError,
  leastSquaresFit,
} from '../../../src/nn/layers/polynomial-fit.ts';
import { MapSource } from '../graph/random-maps.ts';

const relu = (x: number): number => Math.max(0, x);
const sigmoid = (x: number): number => evaluateFunction('sigmoid', x);

describe('least squares under a normal distribution', () => {
  // Chabanne et al., ePrint 2017/035.
  test.each([
    [2, [0.19947, 0.5, 0.19947], 0.106],
    [4, [0.1496, 0.5, 0.29921, 0, -0.01662], 0.068],
    [6, [0.12467, 0.5, 0.37401, 0, -0.04156, 0, 0.00166], 0.051],
  ] as const)('ReLU by degree %i', (degree, published, rms) => {
    const fit = normalFit(relu, degree);
    published.forEach((c, i) => expect(fit[i]).toBeCloseTo(c, 5));
    expect(distributionError((x) => evaluatePolynomial(fit, x), relu, normalDistribution(0, 1))).toBeCloseTo(
      rms,
      3,
    );
  });

  test('of another mean and variance it is the substituted one', () => {
    const [mean, variance] = [0.7, 4];
    const f = (x: number): number => relu((x - mean) / Math.sqrt(variance));
    const fit = normalFit(f, 4, mean, variance);
    for (const x of [-3, 0, 2, 5])
      expect(evaluatePolynomial(fit, x)).toBeCloseTo(
        evaluatePolynomial(normalFit(relu, 4), (x - mean) / 2),
        9,
      );
  });
});

describe('least squares of observed values', () => {
  test('no other polynomial of the degree is closer', () => {
    const source = new MapSource(1);
    const distribution = { values: source.values(200), weights: source.values(200).map(Math.abs) };
    const fit = empiricalFit(relu, distribution, 3);
    const error = (c: readonly number[]): number =>
      distributionError((x) => evaluatePolynomial(c, x), relu, distribution);
    const least = error(fit);
    for (let i = 0; i < 4; i++)
      for (const step of [0.01, -0.01])
        expect(error(fit.map((c, k) => (k === i ? c + step : c)))).toBeGreaterThan(least);
  });

  test('a polynomial is found again, far from 0 and in high degree', () => {
    const values = Float64Array.from({ length: 100 }, (_, i) => 50 + i / 10);
    const f = (x: number): number => 1 + 0.1 * (x - 55) ** 6;
    const fit = empiricalFit(f, { values, weights: new Float64Array(100).fill(1) }, 8);
    for (const x of [50, 53.3, 59]) expect(evaluatePolynomial(fit, x) / f(x)).toBeCloseTo(1, 4);
  });

  test('values of one kind give a constant', () => {
    const fit = empiricalFit(
      relu,
      { values: new Float64Array(4).fill(0.25), weights: new Float64Array(4).fill(1) },
      2,
    );
    expect(evaluatePolynomial(fit, 0.25)).toBe(0.25);
    expect(fit.slice(1)).toEqual([0, 0]);
  });

  test('a distribution without weight is refused', () => {
    expect(() =>
      empiricalFit(relu, { values: new Float64Array(2), weights: new Float64Array(2) }, 2),
    ).toThrow(/above 0/);
  });
});

describe('sigmoid on [-4, 4]', () => {
  test.each([
    [3, [0.5, 0.21661, 0, -0.0066047], 0.038],
    [5, [0.5, 0.23954, 0, -0.013292, 0, 0.00037617], 0.011],
  ] as const)('least squares of degree %i', (degree, published, maxError) => {
    const fit = leastSquaresFit(sigmoid, degree, -4, 4);
    published.forEach((c, i) => expect(fit[i]).toBeCloseTo(c, 4));
    expect(largestFitError(fit, sigmoid, -4, 4)).toBeCloseTo(maxError, 3);
  });

  test('Remez is better than Chebyshev and least squares in the largest error', () => {
    const { maxError } = remezFit(sigmoid, 5, -4, 4);
    expect(maxError).toBeLessThan(largestFitError(chebyshevFit(sigmoid, 5, -4, 4), sigmoid, -4, 4));
    expect(maxError).toBeLessThan(largestFitError(leastSquaresFit(sigmoid, 5, -4, 4), sigmoid, -4, 4));
  });
});

describe('Remez', () => {
  test.each([
    [relu, 2, -1, 1, 0.0625],
    [relu, 4, -2, 3, undefined],
    [Math.exp, 3, 0, 2, undefined],
  ] as const)('the error alternates degree + 2 times', (f, degree, low, high, known) => {
    const { coefficients, maxError } = remezFit(f, degree, low, high);
    let [turns, sign] = [0, 0];
    for (let i = 0; i <= 20_000; i++) {
      const x = low + ((high - low) * i) / 20_000;
      const error = evaluatePolynomial(coefficients, x) - f(x);
      expect(Math.abs(error)).toBeLessThan(maxError * 1.003);
      if (Math.abs(error) > 0.999 * maxError && Math.sign(error) !== sign) {
        turns++;
        sign = Math.sign(error);
      }
    }
    expect(turns).toBeGreaterThanOrEqual(degree + 2);
    // |x| / 2 by degree 2 on [-1, 1] is off by 1/16.
    if (known !== undefined) expect(maxError).toBeCloseTo(known, 6);
  });
});

test('the quadratic of powers of two for ReLU is that of Faster CryptoNets on [-3, 3]', () => {
  const values = Float64Array.from({ length: 601 }, (_, i) => (i - 300) / 100);
  const even = { values, weights: new Float64Array(601).fill(1) };
  expect(powerOfTwoQuadratic(relu, even)).toEqual([0.25, 0.5, 0.125]);
});
