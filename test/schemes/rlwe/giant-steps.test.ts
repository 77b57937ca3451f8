import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OutOfRangeError } from '../../../src/base/errors.ts';
import { giantSteps, linearTransformRotations } from '../../../src/schemes/rlwe/giant-steps.ts';

const SLOTS = 64;

test('every diagonal is one giant plus one baby step', () => {
  const steps = fc.uniqueArray(fc.integer({ min: 0, max: SLOTS - 1 }), { minLength: 1 });
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: SLOTS }), (diagonals, babySteps) => {
      const groups = giantSteps(diagonals, babySteps, SLOTS);
      const sums = groups.flatMap(({ step, babies }) => babies.map((baby) => step + baby));
      expect(sums).toEqual(diagonals.toSorted((a, b) => a - b));
      expect(groups.every(({ step }) => step % babySteps === 0)).toBe(true);
    }),
  );
});

test('a full matrix of d diagonals needs 2 (sqrt d - 1) keys, without giant steps d - 1', () => {
  const all = Array.from({ length: SLOTS }, (_, i) => i);
  expect(linearTransformRotations(all, 8, SLOTS)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 16, 24, 32, 40, 48, 56]);
  expect(linearTransformRotations(all, SLOTS, SLOTS)).toHaveLength(SLOTS - 1);
  expect(linearTransformRotations([-1, 0], SLOTS, SLOTS)).toEqual([SLOTS - 1]);
});

test.each([
  ['a fraction', [0.5], 8],
  ['a diagonal twice', [1, 1 - SLOTS], 8],
  ['no baby step', [1], 0],
  ['too many baby steps', [1], SLOTS + 1],
])('refuses %s', (_, steps, babySteps) => {
  expect(() => giantSteps(steps, babySteps, SLOTS)).toThrow(OutOfRangeError);
});
