import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DisposedError } from '../../src/base/errors.ts';
import type { Kernel, Words } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { Arena, Owned } from '../../src/ring/arena.ts';
import type { Poly } from '../../src/ring/poly.ts';
import { primesBelow } from '../../src/ring/primes.ts';
import { modulusOf, Ring } from '../../src/ring/ring.ts';
import { errorInto, floodInto, ternaryInto, uniformInto } from '../../src/ring/samplers.ts';
import { seedFromBytes } from '../../src/base/random.ts';
import { seededRandom } from '../../src/base/testing.ts';

const N = 32;
const MODS = [0, 1];
let kernel: Kernel;
let ring: Ring;

beforeAll(async () => {
  kernel = await openKernel({ onFallback: () => undefined });
  ring = new Ring(kernel, N, primesBelow(45, N, 2).map(modulusOf));
});

afterAll(() => {
  ring[Symbol.dispose]();
  expect(kernel.liveWords).toBe(0);
  kernel[Symbol.dispose]();
});

const small = fc.array(fc.integer({ min: -100, max: 100 }), { minLength: N, maxLength: N });

function polynomial(values: readonly number[]): Poly<'coeff'> {
  const words = kernel.allocate(MODS.length * N);
  kernel.fromDoubles(ring.tables, words, Float64Array.from(values), MODS);
  return { domain: 'coeff', mods: MODS, words };
}

function coefficients(words: Words): number[] {
  const out = new Float64Array(N);
  kernel.toDoubles(ring.tables, out, words, MODS);
  return [...out].map((value) => value + 0);
}

/** The product in Z[X]/(X^N + 1) from its definition. */
function schoolbook(a: readonly number[], b: readonly number[]): number[] {
  const out = Array.from({ length: N }, () => 0);
  for (let i = 0; i < N; i++) {
    for (let j = 0; j < N; j++) out[(i + j) % N]! += (i + j < N ? 1 : -1) * a[i]! * b[j]!;
  }
  return out.map((value) => value + 0);
}

test('the product in the NTT domain is the negacyclic product', () => {
  fc.assert(
    fc.property(small, small, (u, v) => {
      const [a, b] = [ring.toNtt(polynomial(u)), ring.toNtt(polynomial(v))];
      ring.mulInto(a, a, b);
      expect(coefficients(ring.toCoeff(a).words)).toEqual(schoolbook(u, v));
      for (const p of [a, b]) p.words[Symbol.dispose]();
    }),
    { numRuns: 20 },
  );
});

test('a (b + c) = a b + a c and (a - b) + b = a', () => {
  fc.assert(
    fc.property(small, small, small, (u, v, w) => {
      const [a, b, c, t] = [u, v, w, u].map((values) => ring.toNtt(polynomial(values)));
      ring.addInto(t!, b!, c!);
      ring.mulInto(t!, a!, t!);
      ring.mulInto(b!, a!, b!);
      ring.mulInto(c!, a!, c!);
      ring.subInto(t!, t!, b!);
      expect(t!.words.u64()).toEqual(c!.words.u64());
      for (const p of [a!, b!, c!, t!]) p.words[Symbol.dispose]();
    }),
    { numRuns: 20 },
  );
});

test('automorphisms compose and are ring homomorphisms', () => {
  const u = Array.from({ length: N }, (_, i) => i - 7);
  const a = ring.toNtt(polynomial(u));
  const [b, c, d] = [a, a, a].map(() => ring.toNtt(polynomial(u)));
  ring.automorphismInto(b!, a, 5);
  ring.automorphismInto(c!, b!, 13);
  ring.automorphismInto(d!, a, (5 * 13) % (2 * N));
  expect(c!.words.u64()).toEqual(d!.words.u64());
  for (const p of [a, b!, c!, d!]) p.words[Symbol.dispose]();
});

test('monomials multiply as powers of X, negative ones too', () => {
  const u = Array.from({ length: N }, (_, i) => i + 1);
  const a = ring.toNtt(polynomial(u));
  ring.mulInto(a, a, { domain: 'ntt', mods: MODS, words: ring.monomial(3) });
  ring.mulInto(a, a, { domain: 'ntt', mods: MODS, words: ring.monomial(-3) });
  expect(coefficients(ring.toCoeff(a).words)).toEqual(u);
  expect(ring.monomial(2 * N + 3)).toBe(ring.monomial(3));
  a.words[Symbol.dispose]();
});

test('samplers have their distributions, and all limbs carry the same integer', () => {
  const count = 200;
  const random = seededRandom('samplers');
  const draw = (into: (out: Words) => void, mods = MODS): number[] => {
    const words = kernel.allocate(count * N * mods.length);
    into(words);
    kernel.nttInverse(ring.tables, words, mods);
    const out = new Float64Array(count * N);
    kernel.toDoubles(ring.tables, out, words, mods);
    words[Symbol.dispose]();
    return [...out];
  };
  const meanSquare = (values: number[]): number => values.reduce((sum, v) => sum + v * v, 0) / values.length;
  const key = random.seed();
  const errors = draw((out) => errorInto(ring, out, key, MODS));
  expect(key.every((byte) => byte === 0)).toBe(true);
  expect(Math.max(...errors.map(Math.abs))).toBeLessThanOrEqual(21);
  expect(Math.abs(meanSquare(errors) / 10.5 - 1)).toBeLessThan(0.08);
  const ternary = draw((out) => ternaryInto(ring, out, random.seed(), MODS));
  expect(new Set(ternary.map(Math.abs))).toEqual(new Set([0, 1]));
  expect(Math.abs(meanSquare(ternary) * 1.5 - 1)).toBeLessThan(0.04);
  const flood = draw((out) => floodInto(ring, out, 10, random.seed(), MODS));
  expect(Math.abs((meanSquare(flood) * 3) / 2 ** 20 - 1)).toBeLessThan(0.06);
  const q = ring.moduli[0]!.q;
  const uniform = draw((out) => uniformInto(ring, out, seedFromBytes(random.seed()), [0]), [0]);
  expect(Math.abs((meanSquare(uniform) * 12) / q ** 2 - 1)).toBeLessThan(0.06);
});

class Probe extends Owned {
  freed = 0;
  protected override free(): void {
    this.freed++;
  }
}

test('an arena frees what it owns, once, and not what was kept', () => {
  const arena = new Arena(kernel);
  const [owned, kept, early] = [new Probe(), new Probe(), new Probe()].map((probe) => arena.adopt(probe));
  expect(arena.live).toBe(3);
  arena.keep(kept!);
  early![Symbol.dispose]();
  expect(arena.live).toBe(1);
  arena[Symbol.dispose]();
  arena[Symbol.dispose]();
  expect([owned!.freed, kept!.freed, early!.freed]).toEqual([1, 0, 1]);
  expect(() => owned!.assertLive('a probe')).toThrow(DisposedError);
  expect(() => arena.make(1, () => new Probe())).toThrow(DisposedError);
  const late = new Probe();
  expect(() => arena.adopt(late)).toThrow(DisposedError);
  expect(late.freed).toBe(1);
});
