/** Measured noise variance of CKKS over formula, in [0.90, 1.05], over at least 10^4 coefficients and many keys; maxima below bounds. */
import { beforeAll, expect, test } from 'vitest';
import { measureCkksNoise } from '../ckks/noise-measurement.ts';
import { NoiseRecord } from '../noise-record.ts';

const KEYS = 80;
let measured: NoiseRecord;

beforeAll(async () => {
  measured = await measureCkksNoise(KEYS);
}, 120_000);

test.each([
  'fresh',
  'public',
  'rotate',
  'rescale',
  'product',
  'square',
  'expand',
  'transform',
  'giant steps',
])('%s', (name) => measured.expectKept(name));

test('the interval catches a formula that is off by a tenth, the bound one coefficient (positive control)', () => {
  expect(measured.figures('fresh').ratio / 0.9).toBeGreaterThan(1.05);
  const record = new NoiseRecord();
  record.add('one too large', Float64Array.of(1, -1, 1.01, -1), 1, 0);
  expect(() => record.expectKept('one too large')).toThrow();
  expect(record.figures('one too large').above).toBe(1);
});
