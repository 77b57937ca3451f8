/** Polynomials with the NTT domain in the type, so that a product in the wrong domain does not compile. */
import type { Words } from '../kernel/kernel.ts';

export type Domain = 'coeff' | 'ntt';

/** A polynomial in R_Q: `mods.length` limbs of n residues back to back, limb i modulo `ring.moduli[mods[i]]`. Borrowed words. */
export interface Poly<D extends Domain = Domain> {
  readonly domain: D;
  readonly mods: readonly number[];
  readonly words: Words;
}

/** Copies equally long runs of words. Views are taken after both exist, so WebAssembly memory cannot move in between. */
export function copyWords(to: Words, from: Words): void {
  to.u64().set(from.u64());
}

/** Copies the given limbs of a polynomial over more of them. */
export function gatherLimbs(n: number, out: Words, from: Words, limbs: readonly number[]): void {
  limbs.forEach((limb, i) => {
    copyWords(out.sub(i * n, n), from.sub(limb * n, n));
  });
}
