/** A thousand random products per degree; minutes, as the schoolbook method is quadratic. */
import { afterAll, expect, test } from 'vitest';
import { openCandidates } from './differential.ts';
import { compareProducts, SCHOOLBOOK_DEGREES } from './schoolbook.ts';

const candidates = openCandidates();

afterAll(() => {
  for (const { kernel } of candidates) kernel?.[Symbol.dispose]();
});

test.each(SCHOOLBOOK_DEGREES)('a thousand products by transform, n = %i', (n) => {
  expect(compareProducts(candidates, n, 1000)).toBeUndefined();
});
