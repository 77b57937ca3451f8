/** The differential test over ten thousand random polynomials per method; minutes, as the reference is slow. */
import { describe, expect, it } from 'vitest';
import { Differential, METHODS, openCandidates } from './differential.ts';

const differential = new Differential();
const candidates = openCandidates().filter(({ kernel }) => kernel !== undefined);
const POLYNOMIALS = 10_000;
/** Enough for the methods that take no polynomial: the samplers, the bits, the single-precision product. */
const MAX_SEEDS = 1000;
const BATCH = 10;

describe.each(METHODS)('%s on random operands', (method) => {
  it('equals the reference on every kernel', () => {
    const before = differential.polynomials;
    for (
      let first = 0;
      first < MAX_SEEDS && differential.polynomials < before + POLYNOMIALS;
      first += BATCH
    ) {
      const seeds = Array.from({ length: BATCH }, (_, i) => 1000 + first + i);
      const sweep = { degrees: [8, 16, 64], patterns: ['random'], seeds } as const;
      for (const { name, kernel } of candidates) {
        const difference = kernel && differential.firstDifference(kernel, method, sweep);
        expect({ name, difference }).toEqual({ name, difference: undefined });
      }
      // The expected outputs of a batch serve every kernel, then make room.
      differential.forget();
    }
  });
});
