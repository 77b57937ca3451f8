/** The table of parameters in the documentation is what the code computes, and each row is at least 128-bit secure by its estimates. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  ESTIMATED_BITS,
  parameterRows,
  parameterTable,
  primalAttackBits,
} from '../../bench/cryptonn/lattice-parameters.ts';
import { logQCeiling } from '../../src/fe/lattice/params.ts';

test('the documentation has the table', () => {
  const text = readFileSync(new URL('../../docs/cryptonn.md', import.meta.url), 'utf8');
  const table = text.slice(text.indexOf('| use | l | Bx |')).split('\n\n')[0];
  expect(table).toBe(parameterTable());
});

test('every row is below its ceiling and at least 128-bit secure by both estimates', () => {
  for (const row of parameterRows()) {
    expect(Number(row['logQ'])).toBeLessThanOrEqual(Number(row['ceiling']));
    expect(Number(row['bits'])).toBeGreaterThanOrEqual(128);
    expect(Number(row['primalBits'])).toBeGreaterThanOrEqual(Number(row['bits']));
    expect(Number(row['packing']) * Number(row['rank'])).toBe(row['dimension']);
  }
});

test('the estimates end at the ceiling, and the primal attack agrees with them within eight bits', () => {
  for (const [dimension, estimates] of Object.entries(ESTIMATED_BITS)) {
    expect(estimates.at(-1)?.[0]).toBe(logQCeiling(Number(dimension)));
    for (const [logQ, bits] of estimates) {
      const primal = primalAttackBits(Number(dimension), logQ);
      expect(primal).toBeGreaterThan(bits);
      expect(primal - bits).toBeLessThan(8);
    }
  }
  // It can fail: a modulus of 120 bits is too much for n = 4096.
  expect(primalAttackBits(4096, 120)).toBeLessThan(120);
});
