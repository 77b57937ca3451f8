/**
 * The differential test over a hundred thousand polynomials of one limb per method, half random and half of edge values: operands, or
 * output values where a method takes no polynomial. A quarter of an hour. `DIFFERENTIAL_POLYNOMIALS=n` asks for another number.
 * Prints what was compared.
 */
import { describe, expect, it } from 'vitest';
import { Differential, METHODS, openCandidates } from './cases/differential.ts';

const differential = new Differential();
const candidates = openCandidates().filter(({ kernel }) => kernel !== undefined);
const POLYNOMIALS = Number(process.env['DIFFERENTIAL_POLYNOMIALS'] ?? 100_000);
/** Of a method that puts out a handful of numbers: allocation, opening of rings, packing of weights. */
const MAX_SEEDS = POLYNOMIALS / 40;
const BATCH = 10;
/** The smallest degree at which every instruction set runs its own loops. */
const DEGREES = [64];

describe.each(METHODS)('%s on random operands and edge values', (method) => {
  it('equals the reference on every kernel', () => {
    const before = differential.polynomials;
    const isDone = (seeds: number) => {
      const made = differential.polynomials - before;
      return made >= POLYNOMIALS || (made < seeds && seeds >= MAX_SEEDS);
    };
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
    process.stdout.write(
      `${method}: ${Math.floor(differential.polynomials - before)} polynomials, ${seeds} seeds\n`,
    );
  });
});
