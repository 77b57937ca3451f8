/** What keys are made of, whoever makes them: masked errors, and the gadget g_d times P and the secret that a switching key leads from. */
import type { Seed } from '../../../base/brand.ts';
import type { Drbg } from '../../../base/random.ts';
import type { Words } from '../../../kernel/kernel.ts';
import { errorInto, uniformInto } from '../../../ring/samplers.ts';
import { Scratch } from '../../../ring/scratch.ts';
import type { RlweContext } from '../context.ts';

/** out = e - a s, or e + a s, for each polynomial of the batch: a from `seed`, e from the next stream of `drbg`; `s` over `mods`. */
export function maskedErrorsInto(
  { kernel, ring }: RlweContext,
  out: Words,
  { seed, s, drbg, mods }: { seed: Seed; s: Words; drbg: Drbg; mods: readonly number[] },
  sign: 'plus' | 'minus' = 'minus',
): void {
  using scratch = new Scratch(kernel);
  const masks = scratch.allocate(out.length);
  uniformInto(ring, masks, seed, mods);
  kernel.mul(ring.tables, masks, masks, s, mods);
  errorInto(ring, out, drbg.nextKey('e'), mods);
  if (sign === 'plus') kernel.add(ring.tables, out, out, masks, mods);
  else kernel.sub(ring.tables, out, out, masks, mods);
}

/** Adds P g_d `from` to polynomial d of `out`, for every digit of a key at `level`; `from` is over the primes of the level at least. */
export function addGadget(
  { kernel, ring, params }: RlweContext,
  out: Words,
  from: Words,
  level: number,
): void {
  const { n, alpha } = params;
  const q = params.qMods(level);
  const digits = params.digits(level);
  const poly = out.length / digits;
  using scratch = new Scratch(kernel);
  const scaled = scratch.allocate(q.length * n);
  // P mod q_i for each limb.
  const factors = q.map((limb) => {
    const modulus = BigInt(params.q[limb]!.q);
    return Number(params.p.reduce((product, { q: p }) => (product * BigInt(p)) % modulus, 1n));
  });
  kernel.mulScalar(ring.tables, scaled, from.sub(0, scaled.length), factors, q);
  for (let d = 0; d < digits; d++) {
    const limbs = q.slice(d * alpha, (d + 1) * alpha);
    const [at, words] = [limbs[0]! * n, limbs.length * n];
    const target = out.sub(d * poly + at, words);
    kernel.add(ring.tables, target, target, scaled.sub(at, words), limbs);
  }
}
