import { describe, expect, it } from 'vitest';
import { activationTable, relu, reluNormalFit, sigmoid } from '../../src/nn/layers/activations.ts';
import {
  chebyshevFit,
  derivativeFit,
  evaluatePolynomial,
  largestFitError,
  leastSquaresFit,
  polynomialDepth,
} from '../../src/nn/layers/polynomial-fit.ts';

function expectCoefficients(got: readonly number[], wanted: readonly number[], digits = 5): void {
  expect(got.length).toBe(wanted.length);
  wanted.forEach((value, i) => expect(got[i]).toBeCloseTo(value, digits));
}

describe('fits of ReLU', () => {
  it('gives the closed forms under N(0,1)', () => {
    expectCoefficients(reluNormalFit(2), [0.19947, 0.5, 0.19947], 4);
    expectCoefficients(reluNormalFit(4), [0.1496, 0.5, 0.29921, 0, -0.01662], 4);
    expectCoefficients(reluNormalFit(6), [0.12467, 0.5, 0.37401, 0, -0.04156, 0, 0.00166], 4);
    const errors = [2, 4, 6].map((degree) => activationTable().get(`relu-normal-${degree}`)!.normalError);
    expectCoefficients(errors, [0.106, 0.068, 0.051], 3);
  });

  it('agrees with numeric least squares under the normal density', () => {
    const density = (x: number) => Math.exp((-x * x) / 2);
    expectCoefficients(leastSquaresFit(relu, 4, -9, 9, density), reluNormalFit(4), 4);
  });

  it('gives 3/(32) x^2 + x/2 + ... on an interval', () => {
    // On [-L, L]: 15/(32 L) x^2 + x/2 + 3 L/32, by the Legendre series of |x|.
    expectCoefficients(leastSquaresFit(relu, 2, -4, 4), [12 / 32, 0.5, 15 / 128], 3);
    // The step has slope 3/(4L) in least squares, so its integral starts with 3/(8L) x^2.
    expectCoefficients(derivativeFit(2, 4), [0, 0.5, 3 / 32], 3);
  });

  it('prices power-of-two coefficients', () => {
    expect(activationTable().get('relu-shifts')!.normalError).toBeCloseTo(0.151, 3);
  });
});

describe('fits of the sigmoid', () => {
  it.each([
    ['sigmoid-4-3', [0.5, 0.21661, 0, -0.0066047], 0.038, 1e-4],
    ['sigmoid-4-5', [0.5, 0.23954, 0, -0.013292, 0, 0.00037617], 0.011, 1e-4],
    ['sigmoid-8-3', [0.5, 0.15012, 0, -0.001593], 0.114, 1e-3],
    ['sigmoid-8-5', [0.5, 0.19131, 0, -0.0045963, 0, 0.0000412332], 0.061, 0.04],
    ['sigmoid-8-7', [0.5, 0.216884, 0, -0.00819276, 0, 0.000165861, 0, -0.00000119581], 0.032, 1e-2],
  ] as const)('%s', (name, coefficients, error, tolerance) => {
    const fit = activationTable().get(name)!;
    expect(fit.coefficients.length).toBe(coefficients.length);
    // Curves are compared, not digits: the published fifth-power coefficient on [-8, 8] is 2 % off least squares.
    const published = (x: number) => evaluatePolynomial(coefficients, x);
    expect(largestFitError(fit.coefficients, published, ...fit.interval)).toBeLessThan(tolerance);
    expect(fit.largestError).toBeCloseTo(error, 3);
  });

  it('shows that the Taylor series fails outside its interval', () => {
    const taylor = activationTable().get('sigmoid-taylor-3')!;
    expect(taylor.largestError).toBeCloseTo(0.0475, 3);
    const at = (x: number) => Math.abs(evaluatePolynomial(taylor.coefficients, x) - sigmoid(x));
    expect(at(4)).toBeCloseTo(0.82, 2);
    expect(at(8)).toBeCloseTo(9.17, 1);
  });
});

describe('polynomials', () => {
  it('reproduces a polynomial exactly by every fit', () => {
    const f = (x: number) => 1 - 2 * x + 0.5 * x ** 3;
    expect(largestFitError(leastSquaresFit(f, 3, -1, 5), f, -1, 5)).toBeLessThan(1e-10);
    expect(largestFitError(chebyshevFit(f, 3, -1, 5), f, -1, 5)).toBeLessThan(1e-10);
  });

  it('is uniformly closer by Chebyshev than by least squares for a smooth function', () => {
    const chebyshev = largestFitError(chebyshevFit(sigmoid, 7, -8, 8), sigmoid, -8, 8);
    expect(chebyshev).toBeLessThan(largestFitError(leastSquaresFit(sigmoid, 7, -8, 8), sigmoid, -8, 8));
  });

  it('counts depth by repeated squaring', () => {
    expect(
      [
        [0, 1],
        [0, 0, 1],
        [1, 1, 1, 0],
        [0, 0, 0, 1],
        [0, 0, 0, 0, 0, 1],
      ].map(polynomialDepth),
    ).toEqual([0, 1, 1, 2, 3]);
  });

  it('lists an interval, an error and a depth for every entry', () => {
    for (const fit of activationTable().values()) {
      expect(fit.interval[0]).toBeLessThan(fit.interval[1]);
      expect(fit.depth).toBeGreaterThanOrEqual(1);
      expect(fit.largestError).toBeLessThan(fit.target === undefined ? 1 : 4);
    }
  });
});
