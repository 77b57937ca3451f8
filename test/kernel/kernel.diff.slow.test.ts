/** The differential test over at least ten thousand random polynomials per method; minutes, as the reference is slow. */
import { afterEach, describe, expect, it } from 'vitest';
import { Differential, METHODS, openCandidates } from './differential.ts';

const differential = new Differential();
const candidates = openCandidates().filter(({ kernel }) => kernel !== undefined);
/** A row of the table works on two polynomials or more, and each seed is used at three degrees. */
const SEEDS = 1700;
const BATCH = 100;

describe.each(METHODS)('%s on random operands', (method) => {
  afterEach(() => differential.forget());

  it('equals the reference on every kernel', () => {
    for (let first = 0; first < SEEDS; first += BATCH) {
      const seeds = Array.from({ length: BATCH }, (_, i) => 1000 + first + i);
      const sweep = { degrees: [8, 16, 32], patterns: ['random'], seeds } as const;
      for (const { name, kernel } of candidates) {
        const difference = kernel && differential.firstDifference(kernel, method, sweep);
        expect({ name, difference }).toEqual({ name, difference: undefined });
      }
      // The expected outputs of a batch serve every kernel, then make room.
      differential.forget();
    }
  });
});
