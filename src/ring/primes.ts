/**
 * Search for NTT-friendly primes: q = 1 mod 2N, below 2^50. Deterministic, so that a parameter literal fixes its primes.
 * Everything here is public; BigInt and data-dependent time are fine.
 */
import { InvalidParamsError } from '../base/errors.ts';
import { isPrime, MODULUS_LIMIT } from '../kernel/tables/primitive-root.ts';

/**
 * The largest `count` primes q = 1 mod 2n below 2^bits (`bits` may be fractional), descending, none of them in `taken`.
 *
 * @throws {InvalidParamsError} when there are not enough, or the bound exceeds 2^50.
 */
export function primesBelow(
  bits: number,
  n: number,
  count: number,
  taken: ReadonlySet<number> = new Set(),
): number[] {
  const bound = Math.floor(2 ** bits);
  if (!(bound <= MODULUS_LIMIT)) {
    throw new InvalidParamsError(`a modulus prime is below 2^50, but ${bits} bits were asked for`, { bits });
  }
  const found: number[] = [];
  const step = 2 * n;
  for (let q = Math.floor((bound - 2) / step) * step + 1; q > bound / 2 && found.length < count; q -= step) {
    if (!taken.has(q) && isPrime(q)) found.push(q);
  }
  if (found.length < count) throw scarcePrimes(bits, n, count, found.length);
  return found;
}

/**
 * `count` primes q = 1 mod 2n as near to 2^bits as possible, nearest first: 2^bits + 1, then alternately below and above.
 * Their product stays close to 2^(bits * count), so that scales drift least over many rescalings.
 *
 * @throws {InvalidParamsError} when there are not enough below 2^50 and within a factor of two.
 */
export function primesNear(
  bits: number,
  n: number,
  count: number,
  taken: ReadonlySet<number> = new Set(),
): number[] {
  const step = 2 * n;
  const centre = Math.floor(2 ** bits / step) * step + 1;
  const found: number[] = [];
  for (let k = 0; found.length < count && k * step < centre / 2; k++) {
    for (const q of k === 0 ? [centre] : [centre - k * step, centre + k * step]) {
      if (q >= MODULUS_LIMIT || found.length === count) continue;
      if (!taken.has(q) && isPrime(q)) found.push(q);
    }
  }
  if (found.length < count) throw scarcePrimes(bits, n, count, found.length);
  return found;
}

function scarcePrimes(bits: number, n: number, needed: number, found: number): InvalidParamsError {
  return new InvalidParamsError(
    `${needed} primes of ${bits} bits for ring degree ${n} are needed, but only ${found} exist`,
    { bits, n, needed, found },
  );
}
