/** A thousand random products per degree up to 128, above that as many as take as long: the schoolbook method is quadratic. Minutes. */
import { afterAll, expect, test } from 'vitest';
import { openCandidates } from './cases/differential.ts';
import { compareProducts, SCHOOLBOOK_DEGREES } from './cases/schoolbook.ts';

const candidates = openCandidates();

afterAll(() => {
  for (const { kernel } of candidates) kernel?.[Symbol.dispose]();
});

const products = (n: number) => Math.min(1000, Math.round(1000 * (128 / n) ** 2));

test.each(SCHOOLBOOK_DEGREES.map((n) => [products(n), n]))('%i products by transform, n = %i', (count, n) => {
  expect(compareProducts(candidates, n, count)).toBeUndefined();
});
