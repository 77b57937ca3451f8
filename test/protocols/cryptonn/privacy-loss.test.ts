import { expect, test } from 'vitest';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import {
  analyticGaussianEpsilon,
  concentratedEpsilon,
  gaussianDelta,
  logNormalCdf,
  spectralNormBound,
} from '../../../src/protocols/cryptonn/agreement/privacy-loss.ts';

// Evaluated from theorem 8 of Balle and Wang with mpmath at 40 digits, bisected to 1e-30.
test.each([
  [0.25, 1.06070186232827],
  [1, 4.886554117462212],
  [3, 18.163445759078478],
  [20, 294.1717862576445],
])('the analytic Gaussian mechanism with ratio %f has epsilon %f at delta 1e-6', (ratio, epsilon) => {
  expect(analyticGaussianEpsilon(ratio, 1e-6)).toBeCloseTo(epsilon, 9);
  expect(gaussianDelta(epsilon, ratio)).toBeCloseTo(1e-6, 12);
});

test('the deviation that the published calibration gives for epsilon 1, delta 1e-5 has that delta', () => {
  // calibrateAnalyticGaussianMechanism(1, 1e-5, 1) of the authors' code.
  expect(gaussianDelta(1, 1 / 3.730631634816464)).toBeCloseTo(1e-5, 15);
});

test('the normal distribution function far out', () => {
  // mpmath, log(ncdf(x)).
  expect(logNormalCdf(-30)).toBeCloseTo(-454.3212439563432, 10);
  expect(logNormalCdf(-5)).toBeCloseTo(-15.06499839398873, 12);
  expect(logNormalCdf(-1)).toBeCloseTo(-1.841021645009264, 13);
  expect(logNormalCdf(2)).toBeCloseTo(-0.023012909328963, 14);
});

test('zCDP to (epsilon, delta): values of an independent minimisation', () => {
  // Corollary 13 of Canonne, Kamath and Steinke, minimised over alpha with scipy.
  expect(concentratedEpsilon(2.56, 1e-10)).toBeCloseTo(17.158308712, 7);
  expect(concentratedEpsilon(0.07, 1e-10)).toBeCloseTo(2.387275177, 7);
});

/** delta at epsilon between the discrete Gaussian and itself moved by `shift`, from the definition. */
function discreteDelta(epsilon: number, sigma: number, shift: number): number {
  const reach = Math.ceil(40 * sigma) + shift;
  const weight = (x: number) => Math.exp(-(x * x) / (2 * sigma * sigma));
  let [total, sum] = [0, 0];
  for (let x = -reach; x <= reach; x++) {
    total += weight(x);
    sum += Math.max(0, weight(x) - Math.exp(epsilon) * weight(x - shift));
  }
  return sum / total;
}

test.each([
  [4, 1],
  [4, 4],
  [4, 12],
  [10, 25],
])(
  'discrete noise of deviation %i against a change of %i: the reported epsilon holds and is not far off',
  (sigma, shift) => {
    const ratio = shift / sigma;
    for (const delta of [1e-4, 1e-6]) {
      const epsilon = concentratedEpsilon(ratio ** 2 / 2, delta);
      expect(discreteDelta(epsilon, sigma, shift)).toBeLessThanOrEqual(delta);
      // Close to what continuous noise gives, and a tenth less would be a false promise.
      const continuous = analyticGaussianEpsilon(ratio, delta);
      expect(epsilon / continuous).toBeGreaterThan(1);
      expect(epsilon / continuous).toBeLessThan(1.25);
      expect(discreteDelta(0.9 * continuous, sigma, shift)).toBeGreaterThan(delta);
    }
  },
);

test('the bound of the largest singular value is above it, and by less than rows^(1/128)', () => {
  expect(spectralNormBound(Int32Array.of(3, 0, 0, 0, 4, 0), 2)).toBeCloseTo(4, 6);
  expect(spectralNormBound(new Int32Array(6), 2)).toBe(0);
  const generator = new SeededGenerator(1);
  const [rows, columns] = [24, 60];
  const matrix = Int32Array.from({ length: rows * columns }, () => generator.below(3) - 1);
  let vector = Float64Array.from({ length: rows }, () => generator.normal());
  let norm = 0;
  for (let round = 0; round < 500; round++) {
    const down = Float64Array.from({ length: columns }, (_, j) =>
      vector.reduce((sum, value, i) => sum + value * matrix[i * columns + j]!, 0),
    );
    const up = vector.map((_, i) =>
      down.reduce((sum, value, j) => sum + value * matrix[i * columns + j]!, 0),
    );
    norm = Math.hypot(...down) / Math.hypot(...vector);
    const length = Math.hypot(...up);
    vector = up.map((value) => value / length);
  }
  const bound = spectralNormBound(matrix, rows);
  expect(bound).toBeGreaterThanOrEqual(norm * (1 - 1e-9));
  expect(bound).toBeLessThan(norm * rows ** (1 / 128));
});
