import { expect, test } from 'vitest';
import { InvalidParamsError } from '../../src/base/errors.ts';
import { primesBelow, primesNear } from '../../src/ring/primes.ts';

/** Trial division: slow and obviously right. */
function isPrimeByDivision(q: number): boolean {
  for (let d = 2; d * d <= q; d++) if (q % d === 0) return false;
  return q > 1;
}

test('primesBelow finds exactly the primes 1 mod 2n, from the top', () => {
  const wanted: number[] = [];
  for (let q = 2 ** 20 - 1; q > 2 ** 19; q--) if (q % 128 === 1 && isPrimeByDivision(q)) wanted.push(q);
  expect(primesBelow(20, 64, 40)).toEqual(wanted.slice(0, 40));
});

test('primesBelow skips what is taken and takes fractional bits', () => {
  const [first, second] = primesBelow(42, 8192, 2);
  expect(primesBelow(42, 8192, 1, new Set([first!]))).toEqual([second]);
  const [half] = primesBelow(42.5, 8192, 1);
  expect(half!).toBeLessThan(2 ** 42.5);
  expect(half!).toBeGreaterThan(2 ** 42.4);
});

test('primesNear stays around the power of two', () => {
  const primes = primesNear(40, 8192, 6);
  const distances = primes.map((q) => Math.abs(q - 2 ** 40));
  expect(distances).toEqual([...distances].sort((a, b) => a - b));
  expect(primes.some((q) => q > 2 ** 40) && primes.some((q) => q < 2 ** 40)).toBe(true);
  const drift = primes.reduce((sum, q) => sum + Math.log2(q) - 40, 0);
  expect(Math.abs(drift)).toBeLessThan(2 ** -18);
  for (const q of primes) expect(q % 16384).toBe(1);
});

test('what does not exist is refused', () => {
  expect(() => primesBelow(51, 64, 1)).toThrow(InvalidParamsError);
  expect(() => primesBelow(Number.NaN, 64, 1)).toThrow(InvalidParamsError);
  expect(() => primesBelow(14, 4096, 9)).toThrow(InvalidParamsError);
  expect(() => primesNear(14, 4096, 9)).toThrow(InvalidParamsError);
});
