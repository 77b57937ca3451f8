import { afterAll, expect, test } from 'vitest';
import { openCandidates } from './cases/differential.ts';
import { compareProducts, negacyclicProduct, SCHOOLBOOK_DEGREES } from './cases/schoolbook.ts';

const candidates = openCandidates();

afterAll(() => {
  for (const { kernel } of candidates) kernel?.[Symbol.dispose]();
});

test('the oracle knows X^n = -1', () => {
  expect(negacyclicProduct([0n, 1n, 0n, 0n], [0n, 0n, 0n, 1n], 17n)).toEqual([16n, 0n, 0n, 0n]);
  expect(negacyclicProduct([1n, 2n], [3n, 4n], 17n)).toEqual([(3n - 8n + 17n) % 17n, 10n]);
});

test.each(SCHOOLBOOK_DEGREES)('products by transform are the schoolbook products, n = %i', (n) => {
  expect(compareProducts(candidates, n, n <= 128 ? 12 : 3)).toBeUndefined();
});

test('one wrong coefficient is seen', () => {
  expect(compareProducts(candidates, 8, 1, 1n)).toContain('n = 8');
});
