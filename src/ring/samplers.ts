/**
 * Random polynomials in the NTT domain. A small integer is drawn once and reduced into every limb; the integers live in one
 * typed array that is wiped before returning. Distributions and streams: see {@link Kernel}.
 */
import type { Seed } from '../base/brand.ts';
import { OutOfRangeError } from '../base/errors.ts';
import type { Words } from '../kernel/kernel.ts';
import type { Ring } from './ring.ts';
import { Scratch } from './scratch.ts';

/** The standard deviation of {@link Kernel.wideGaussian} with multiplier 1. */
export const UNIT_SIGMA = 1 / Math.sqrt(2 * Math.LN2);
/** Bits of the widest multiplier of one draw. */
const DRAW_BITS = 45;
/** Bits by which the fine draw of {@link gaussianInto} is wider than the coarse one's steps. */
const OVERLAP_BITS = 2;
/** The widest that two draws reach; a multiplier is below 2^46. */
export const WIDEST_GAUSSIAN_BITS = 2 * DRAW_BITS - OVERLAP_BITS - 1;

/** Uniform polynomials from a public seed, from number `first` on; polynomial i depends on the seed and i only. */
export function uniformInto(ring: Ring, out: Words, seed: Seed, mods: readonly number[], first = 0): void {
  ring.kernel.uniform(ring.tables, out, seed, mods, first);
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

/**
 * Exactly `weight` coefficients 1 or -1, places and signs uniform, the others 0. Each place is drawn until it is a new one, and every
 * draw passes over all coefficients: no address or branch depends on a place, and the number of draws says nothing about them. Leaves
 * `key` to the caller.
 *
 * @throws {OutOfRangeError} when half of the coefficients are fewer than `weight`.
 */
export function sparseTernaryInto(
  ring: Ring,
  out: Words,
  weight: number,
  key: Uint8Array,
  mods: readonly number[],
): void {
  const { n, kernel } = ring;
  if (!(Number.isInteger(weight) && weight >= 1 && 2 * weight <= n))
    throw new OutOfRangeError('the weight of a sparse secret', `from 1 to ${n / 2}`, weight);
  const draws = new Float64Array(2 * weight);
  const signs = new Float64Array(2 * weight);
  smallInto(ring, out, mods, (small) => {
    try {
      for (let nonce = 0, left = weight; left > 0; nonce += 2) {
        kernel.uniformSigned(draws, Math.log2(n) - 1, key, nonce);
        kernel.uniformSigned(signs, 0, key, nonce + 1);
        for (let i = 0; i < draws.length && left > 0; i++)
          left -= placeInto(small, draws[i]! + n / 2, 2 * signs[i]! + 1);
      }
    } finally {
      for (const values of [draws, signs]) values.fill(0);
    }
  });
}

/** small[place] = sign unless there is one already; how many were placed. The same work whatever the place. */
function placeInto(small: Int8Array, place: number, sign: number): number {
  let taken = 0;
  for (let j = 0; j < small.length; j++) taken |= small[j]! & -isZero(j ^ place);
  const free = isZero(taken);
  for (let j = 0; j < small.length; j++) small[j] = small[j]! | (sign & -(isZero(j ^ place) & free));
  return free;
}

/** 1 for 0, else 0, of integers above -2^31. */
function isZero(x: number): number {
  return ((x | -x) >>> 31) ^ 1;
}

/** The widest uniform noise of one draw: doubles are exact. */
const FLOOD_DRAW_BITS = 51;

/**
 * Uniform in [-2^bits, 2^bits): noise that drowns what a decryption would otherwise show. Beyond one draw: 2^k x_1 + x_2 with x_1 uniform in
 * [-2^51, 2^51) and x_2 in [-2^(k-1), 2^(k-1)), which is uniform again, moved by half. Wipes `key`.
 */
export function floodInto(
  ring: Ring,
  out: Words,
  bits: number,
  key: Uint8Array,
  mods: readonly number[],
): void {
  const { kernel, tables } = ring;
  const wide = new Float64Array(out.length / mods.length);
  using scratch = new Scratch(kernel);
  try {
    let step = bits - Math.min(bits, FLOOD_DRAW_BITS);
    kernel.uniformSigned(wide, bits - step, key, 0);
    kernel.transformDoubles(tables, out, wide, mods);
    if (step === 0) return;
    const draw = scratch.allocate(out.length);
    for (let nonce = 1; step > 0; nonce++) {
      const next = step - 1 - Math.min(step - 1, FLOOD_DRAW_BITS);
      kernel.mulScalar(tables, out, out, powersOfTwo(ring, step - next, mods), mods);
      kernel.uniformSigned(wide, step - 1 - next, key, nonce);
      kernel.transformDoubles(tables, draw, wide, mods);
      kernel.add(tables, out, out, draw, mods);
      step = next;
    }
  } finally {
    wide.fill(0);
    key.fill(0);
  }
}

/** 2^bits modulo each prime. */
function powersOfTwo({ moduli }: Ring, bits: number, mods: readonly number[]): number[] {
  return mods.map((i) => Number((1n << BigInt(bits)) % BigInt(moduli[i]!.q)));
}

/**
 * Discrete Gaussians with a standard deviation of at least 2^sigmaBits, at most {@link WIDEST_GAUSSIAN_BITS}, on every coefficient.
 * Beyond one draw: 2^k x_1 + x_2, where x_2 is 3.4 times as wide as the steps 2^k, so that by the convolution theorem of [MW17] the sum
 * is within 2^-60 of a discrete Gaussian. Wipes `key`.
 */
export function gaussianInto(
  ring: Ring,
  out: Words,
  sigmaBits: number,
  key: Uint8Array,
  mods: readonly number[],
): void {
  const { kernel, tables } = ring;
  const bits = sigmaBits - Math.log2(UNIT_SIGMA);
  const step = Math.max(0, Math.ceil(bits) - DRAW_BITS);
  const values = new Float64Array(out.length / mods.length);
  using scratch = new Scratch(kernel);
  try {
    kernel.wideGaussian(values, Math.max(1, Math.ceil(2 ** (bits - step))), key, 0);
    for (let i = 0; i < values.length; i++) values[i]! *= 2 ** step;
    kernel.transformDoubles(tables, out, values, mods);
    if (step > 0) {
      const fine = scratch.allocate(out.length);
      kernel.wideGaussian(values, 2 ** (step + OVERLAP_BITS), key, 1);
      kernel.transformDoubles(tables, fine, values, mods);
      kernel.add(tables, out, out, fine, mods);
    }
  } finally {
    values.fill(0);
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
