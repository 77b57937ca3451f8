/** The wide Gaussian sampler at ten million samples: variance within a quarter of a percent, fourth moment within a half, twenty streams. */
import { afterAll, expect, test } from 'vitest';
import { openKernel } from '../../src/kernel/open.ts';
import {
  integerChiSquare,
  intervalChiSquare,
  kolmogorovDistance,
  moments,
} from './cases/gaussian-statistics.ts';

const kernel = await openKernel();
afterAll(() => kernel[Symbol.dispose]());

const COUNT = 10_000_000;
const LIMIT = 4.9;
const values = new Float64Array(COUNT);

test.each([1, 3, 39, 266])(
  'multiplier %i: every integer has its probability',
  (multiplier) => {
    kernel.wideGaussian(values, multiplier, new Uint8Array(32).fill(5), 1);
    expect(Math.abs(integerChiSquare(values, multiplier))).toBeLessThan(LIMIT);
  },
  60_000,
);

test.each([304214978, 2 ** 46 - 1])(
  'multiplier %i: shape, moments, tails',
  (multiplier) => {
    kernel.wideGaussian(values, multiplier, new Uint8Array(32).fill(6), 1);
    expect(Math.abs(intervalChiSquare(values, multiplier))).toBeLessThan(LIMIT);
    const found = moments(values, multiplier);
    for (const [name, value] of Object.entries(found)) expect(Math.abs(value), name).toBeLessThan(LIMIT);
    expect(Math.abs(found['variance']! * Math.sqrt(2 / COUNT))).toBeLessThan(0.0025);
    expect(Math.abs((found['fourth']! * Math.sqrt(96 / COUNT)) / 3)).toBeLessThan(0.005);
  },
  60_000,
);

test('the chi-square values of twenty streams are themselves distributed as they must be', () => {
  const part = values.subarray(0, 1_000_000);
  const deviates = Float64Array.from({ length: 20 }, (_, stream) => {
    kernel.wideGaussian(part, 2 ** 30 + 7, new Uint8Array(32).fill(7), stream);
    return intervalChiSquare(part, 2 ** 30 + 7);
  });
  // p > 1e-3, of normal deviates against the normal distribution: multiplier of sigma 1.
  expect(kolmogorovDistance(deviates, Math.sqrt(2 * Math.LN2))).toBeLessThan(1.95);
});
