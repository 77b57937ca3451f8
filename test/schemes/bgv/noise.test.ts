/** Measured variance of v / t over formula, in [0.90, 1.05], over at least 10^4 coefficients and many keys; maxima below bounds. */
import { beforeAll, expect, test } from 'vitest';
import type { NoiseRecord } from '../noise-record.ts';
import { measureBgvNoise, NOISY_PLAINTEXT_MODULUS } from './noise-measurement.ts';

const KEYS = 100;
let measured: NoiseRecord;

beforeAll(async () => {
  measured = await measureBgvNoise(KEYS);
}, 120_000);

const OPERATIONS = ['fresh', 'public', 'add', 'rotate', 'product', 'square', 'modSwitch', 'constant'];

test.each([...OPERATIONS, 'plain product'])('%s: variance and bound', (name) => measured.expectKept(name));

test('the interval catches a formula without the factor t (positive control)', () => {
  expect(measured.figures('product').ratio * NOISY_PLAINTEXT_MODULUS ** 2).toBeGreaterThan(1.05);
});
