/** The table of parameters in the documentation is what the code computes, and each row is at least 128-bit secure by its estimate. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { LatticeParams, logQCeiling } from '../../src/fe/lattice/params.ts';

/** Estimated bits up to a modulus (lattice estimator, MATZOV model, standard deviation 1). */
const ESTIMATES: Readonly<Record<number, readonly (readonly [logQ: number, bits: number])[]>> = {
  4096: [
    [96, 141],
    [100, 135],
    [102, 132],
    [104, 129.7],
  ],
  8192: [
    [142, 198],
    [157, 178],
    [206, 132],
  ],
};

const text = readFileSync(new URL('../../docs/functional-encryption.md', import.meta.url), 'utf8');
const table = text.slice(text.indexOf('| use | l | Bx |')).split('\n\n')[0] as string;
const rows = table
  .split('\n')
  .slice(2)
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );

test('there are rows', () => {
  expect(rows.length).toBeGreaterThan(6);
});

test.each(rows)('%s', (...cells) => {
  const [length, inputBound, weightBound, packing] = cells.slice(1, 5).map(Number) as [
    number,
    number,
    number,
    number,
  ];
  const params = new LatticeParams({ length, inputBound, weightBound, packing });
  const estimates = ESTIMATES[params.dimension]!;
  const bits = estimates.find(([logQ]) => params.logQ <= logQ)?.[1];
  expect(cells.slice(5)).toEqual([
    String(params.rank),
    String(params.dimension),
    params.logQ.toFixed(1),
    params.multipliers.join(', '),
    String(bits),
  ]);
  expect(bits).toBeGreaterThanOrEqual(128);
  expect(estimates.at(-1)![0]).toBe(logQCeiling(params.dimension));
  expect(params.packing * params.rank).toBe(params.dimension);
});
