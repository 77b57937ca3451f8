import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sumWordErrors, wordErrors } from '../../src/speech/decoding/word-errors.ts';

const split = (text: string): string[] => text.split(' ').filter((word) => word !== '');

test.each([
  ['A B C', 'A B C', 0, 0, 0],
  ['A B C', 'A X C', 1, 0, 0],
  ['A B C', 'A C', 0, 0, 1],
  ['A C', 'A B C', 0, 1, 0],
  ['A B C D', 'B C D E', 0, 1, 1],
  ['A B', 'C D', 2, 0, 0],
  ['', 'A B', 0, 2, 0],
  ['A B', '', 0, 0, 2],
  ['', '', 0, 0, 0],
])("'%s' heard as '%s': %i substitutions, %i insertions, %i deletions", (reference, hypothesis, s, i, d) => {
  const errors = wordErrors(split(reference), split(hypothesis));
  expect([errors.substitutions, errors.insertions, errors.deletions]).toEqual([s, i, d]);
});

test('rates are over reference words and can exceed one', () => {
  expect(wordErrors(['A'], ['B', 'C', 'D']).rate).toBe(3);
  expect(wordErrors([], ['A']).rate).toBe(Number.POSITIVE_INFINITY);
  const total = sumWordErrors([wordErrors(['A', 'B', 'C'], ['A', 'B']), wordErrors(['A'], ['B'])]);
  expect(total).toEqual({ substitutions: 1, insertions: 0, deletions: 1, words: 4, rate: 0.5 });
  expect(sumWordErrors([]).rate).toBe(0);
});

/** The edit distance by trying everything. */
function distance(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return a.length + b.length;
  if (a[0] === b[0]) return distance(a.slice(1), b.slice(1));
  return 1 + Math.min(distance(a.slice(1), b.slice(1)), distance(a.slice(1), b), distance(a, b.slice(1)));
}

test('the counts add up to the edit distance and to the lengths', () => {
  const words = fc.array(fc.constantFrom('A', 'B', 'C'), { maxLength: 6 });
  fc.assert(
    fc.property(words, words, (reference, hypothesis) => {
      const { substitutions, insertions, deletions } = wordErrors(reference, hypothesis);
      expect(substitutions + insertions + deletions).toBe(distance(reference, hypothesis));
      expect(reference.length - deletions + insertions).toBe(hypothesis.length);
    }),
    { numRuns: 300, seed: 3 },
  );
});
