/** The coefficients of a polynomial that a sparse message has: those of X^gap, X^(2 gap), .. All others are noise, and stay where they are. */
import { OutOfRangeError } from '../../../base/errors.ts';
import type { Words } from '../../../kernel/kernel.ts';
import { copyWords } from '../../../ring/poly.ts';
import { Scratch } from '../../../ring/scratch.ts';
import type { CkksContextBase } from '../context-base.ts';

/** @throws {OutOfRangeError} unless a message can have so many coefficients at multiples of a power of two. */
export function assertCoefficients({ params: { n } }: CkksContextBase, coefficients: number): void {
  if (!(Number.isInteger(Math.log2(coefficients)) && coefficients >= 1 && coefficients <= n))
    throw new OutOfRangeError('coefficients of a message', `a power of two up to ${n}`, coefficients);
}

/** Limb by limb the coefficients at multiples of `gap` of a polynomial in the NTT domain; `out` has as many words as that is. */
export function gatherCoefficients(
  { kernel, ring, params }: CkksContextBase,
  out: Words,
  polynomial: Words,
  gap: number,
  mods: readonly number[],
): void {
  const count = params.n / gap;
  using scratch = new Scratch(kernel);
  const work = scratch.allocate(polynomial.length);
  copyWords(work, polynomial);
  kernel.nttInverse(ring.tables, work, mods);
  const [from, to] = [work.u64(), out.u64()];
  for (let limb = 0; limb < mods.length; limb++)
    for (let j = 0; j < count; j++) to[limb * count + j] = from[limb * params.n + j * gap]!;
}

/** The polynomial, in the NTT domain, that has these coefficients at multiples of `gap` and no others. */
export function spreadCoefficients(
  { kernel, ring, params }: CkksContextBase,
  out: Words,
  coefficients: BigUint64Array,
  gap: number,
  mods: readonly number[],
): void {
  const count = params.n / gap;
  const to = out.u64();
  to.fill(0n);
  for (let limb = 0; limb < mods.length; limb++)
    for (let j = 0; j < count; j++) to[limb * params.n + j * gap] = coefficients[limb * count + j]!;
  kernel.nttForward(ring.tables, out, mods);
}

/**
 * Forgets all coefficients of a polynomial in the NTT domain but those at multiples of `gap`, and of these the imaginary parts of slots: a
 * message of real slots has c_(n-j) = -c_j among its n coefficients, so c_j - c_(n-j) for 0 < j < n/2 has the same real parts, and noise on
 * half as many coefficients.
 */
export function keepRealPart(
  context: CkksContextBase,
  polynomial: Words,
  gap: number,
  mods: readonly number[],
): void {
  const count = context.params.n / gap;
  using scratch = new Scratch(context.kernel);
  const kept = scratch.allocate(mods.length * count);
  gatherCoefficients(context, kept, polynomial, gap, mods);
  const coefficients = kept.u64().slice();
  mods.forEach((limb, i) => {
    const q = BigInt(context.params.q[limb]!.q);
    const at = i * count;
    for (let j = 1; j < count / 2; j++) {
      const folded = coefficients[at + j]! + q - coefficients[at + count - j]!;
      coefficients[at + j] = folded % q;
    }
    coefficients.fill(0n, at + Math.max(1, count / 2), at + count);
  });
  spreadCoefficients(context, polynomial, coefficients, gap, mods);
  coefficients.fill(0n);
}
