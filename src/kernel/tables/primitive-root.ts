/**
 * Prime moduli and the 2N-th roots of unity on which every kernel's NTT stands. Public parameters only: the
 * arithmetic is BigInt and takes a time that depends on its arguments.
 */
import { InvalidParamsError } from '../../base/errors.ts';
import { powerMod } from './modular.ts';

/** One more than the largest modulus that a kernel accepts. */
export const MODULUS_LIMIT = 2 ** 50;

/** Deterministic below 3.3 * 10^24: Miller-Rabin with the first 13 primes (Sorenson and Webster, 2015). */
const WITNESSES = [2n, 3n, 5n, 7n, 11n, 13n, 17n, 19n, 23n, 29n, 31n, 37n, 41n];

/** Whether the safe integer `value` is prime; a proof, not a probable prime. */
export function isPrime(value: number): boolean {
  if (!Number.isSafeInteger(value) || value < 2) return false;
  const v = BigInt(value);
  for (const witness of WITNESSES) if (v % witness === 0n) return v === witness;
  let odd = v - 1n;
  let twos = 0;
  for (; (odd & 1n) === 0n; odd >>= 1n) twos++;
  return WITNESSES.every((witness) => {
    let x = powerMod(witness, odd, v);
    if (x === 1n || x === v - 1n) return true;
    for (let i = 1; i < twos; i++) {
      x = (x * x) % v;
      if (x === v - 1n) return true;
    }
    return false;
  });
}

/**
 * psi = g^((q-1)/2n) for the smallest g >= 2 that makes psi^n = -1 mod q, so that psi has order 2n.
 * @throws {InvalidParamsError} unless n is a power of two and q a prime, 1 mod 2n, below 2^50.
 */
export function primitiveRoot2N(n: number, q: number): number {
  if (!Number.isSafeInteger(n) || n < 2 || n > 2 ** 17 || 2 ** Math.round(Math.log2(n)) !== n) {
    throw new InvalidParamsError(`the ring degree must be a power of two from 2 to 2^17 but is ${n}`, { n });
  }
  if (!Number.isSafeInteger(q) || q >= MODULUS_LIMIT || q % (2 * n) !== 1 || !isPrime(q)) {
    throw new InvalidParamsError(
      `a modulus for degree ${n} must be a prime 1 mod ${2 * n} below 2^50 but is ${q}`,
      {
        n,
        q,
      },
    );
  }
  const modulus = BigInt(q);
  const cofactor = (modulus - 1n) / BigInt(2 * n);
  for (let g = 2n; ; g++) {
    const psi = powerMod(g, cofactor, modulus);
    if (powerMod(psi, BigInt(n), modulus) === modulus - 1n) return Number(psi);
  }
}
