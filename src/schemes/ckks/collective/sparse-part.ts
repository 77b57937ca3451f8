/** The coefficients of a polynomial that a sparse message has: those of X^gap, X^(2 gap), .. All others are noise, and stay where they are. */
import type { Words } from '../../../kernel/kernel.ts';
import { copyWords } from '../../../ring/poly.ts';
import { Scratch } from '../../../ring/scratch.ts';
import type { CkksContextBase } from '../context-base.ts';

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

/** Forgets all other coefficients of a polynomial in the NTT domain. */
export function keepCoefficients(
  context: CkksContextBase,
  polynomial: Words,
  gap: number,
  mods: readonly number[],
): void {
  if (gap === 1) return;
  using scratch = new Scratch(context.kernel);
  const kept = scratch.allocate((polynomial.length / context.params.n) * (context.params.n / gap));
  gatherCoefficients(context, kept, polynomial, gap, mods);
  const coefficients = kept.u64().slice();
  spreadCoefficients(context, polynomial, coefficients, gap, mods);
  coefficients.fill(0n);
}
