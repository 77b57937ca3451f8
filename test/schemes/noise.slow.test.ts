/** A million coefficients per operation: none above its bound, the variance as the formula says. Prints the figures. */
import { expect, test } from 'vitest';
import { measureBgvNoise } from './bgv/noise-measurement.ts';
import { measureCkksNoise } from './ckks/noise-measurement.ts';

const COEFFICIENTS = 1_000_000;
const KEYS = Math.ceil(COEFFICIENTS / 128);

test.each([
  ['CKKS', measureCkksNoise],
  ['BGV', measureBgvNoise],
] as const)('%s', async (scheme, measure) => {
  const record = await measure(KEYS);
  for (const name of record.names) {
    process.stdout.write(`${scheme} ${name} ${JSON.stringify(record.figures(name))}\n`);
    expect(record.figures(name).coefficients).toBeGreaterThanOrEqual(COEFFICIENTS);
    record.expectKept(name);
  }
});
