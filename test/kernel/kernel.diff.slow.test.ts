/**
 * The differential test over a hundred thousand operand polynomials of one limb per method, half random and half of edge values;
 * most of an hour, as the reference is slow. `DIFFERENTIAL_POLYNOMIALS=n` asks for another number. Prints what was compared.
 */
import { describe, expect, it } from 'vitest';
import { Differential, METHODS, openCandidates } from './differential.ts';

const differential = new Differential();
const candidates = openCandidates().filter(({ kernel }) => kernel !== undefined);
const POLYNOMIALS = Number(process.env['DIFFERENTIAL_POLYNOMIALS'] ?? 100_000);
/** For the methods that take no polynomial: the samplers, conversions, bits, products of other numbers. Thousands of values each. */
const MAX_SEEDS = Math.min(100, POLYNOMIALS);
const BATCH = 10;
/** The smallest degree at which every instruction set runs its own loops. */
const DEGREES = [64];

describe.each(METHODS)('%s on random operands and edge values', (method) => {
  it('equals the reference on every kernel', () => {
    const before = differential.polynomials;
    const isDone = (seeds: number) =>
      differential.polynomials - before >= POLYNOMIALS ||
      (differential.polynomials === before && seeds >= MAX_SEEDS);
    let seeds = 0;
    for (; seeds === 0 || !isDone(seeds); seeds += BATCH) {
      const first = 1000 + seeds;
      const sweep = {
        degrees: DEGREES,
        patterns: ['random', 'edges'],
        seeds: Array.from({ length: BATCH }, (_, i) => first + i),
      } as const;
      for (const { name, kernel } of candidates) {
        const difference = kernel && differential.firstDifference(kernel, method, sweep);
        expect({ name, difference }).toEqual({ name, difference: undefined });
      }
      // The expected outputs of a batch serve every kernel, then make room.
      differential.forget();
    }
    process.stdout.write(`${method}: ${differential.polynomials - before} polynomials, ${seeds} seeds\n`);
  });
});
