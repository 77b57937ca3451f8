/**
 * Random polynomials in the NTT domain. A small integer is drawn once and reduced into every limb; the integers live in one
 * typed array that is wiped before returning. Distributions and streams: see {@link Kernel}.
 */
import type { Seed } from '../base/brand.ts';
import type { Words } from '../kernel/kernel.ts';
import type { Ring } from './ring.ts';

/** Uniform polynomials from a public seed; polynomial i of the batch depends on the seed and i only. */
export function uniformInto(ring: Ring, out: Words, seed: Seed, mods: readonly number[]): void {
  ring.kernel.uniform(ring.tables, out, seed, mods);
}

/** Errors: centred binomial with k = 21, variance 10.5. Wipes `key`. */
export function errorInto(ring: Ring, out: Words, key: Uint8Array, mods: readonly number[]): void {
  try {
    smallInto(ring, out, mods, (small) => ring.kernel.centredBinomial(small, key, 0));
  } finally {
    key.fill(0);
  }
}

/** Uniform in {-1, 0, 1}, variance 2/3. Leaves `key` to the caller. */
export function ternaryInto(ring: Ring, out: Words, key: Uint8Array, mods: readonly number[]): void {
  smallInto(ring, out, mods, (small) => ring.kernel.ternary(small, key, 0));
}

/** Uniform in [-2^bits, 2^bits), bits <= 51: noise that drowns what a decryption would otherwise show. Wipes `key`. */
export function floodInto(
  ring: Ring,
  out: Words,
  bits: number,
  key: Uint8Array,
  mods: readonly number[],
): void {
  const wide = new Float64Array(out.length / mods.length);
  try {
    ring.kernel.uniformSigned(wide, bits, key, 0);
    ring.kernel.transformDoubles(ring.tables, out, wide, mods);
  } finally {
    wide.fill(0);
    key.fill(0);
  }
}

function smallInto(ring: Ring, out: Words, mods: readonly number[], draw: (small: Int8Array) => void): void {
  const small = new Int8Array(out.length / mods.length);
  try {
    draw(small);
    ring.kernel.transformSigned(ring.tables, out, small, mods);
  } finally {
    small.fill(0);
  }
}
