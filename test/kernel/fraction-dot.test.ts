/** Integers times fractions against integer arithmetic: exact parts, rest and bounds of the errors. */
import { afterAll, describe, expect, test } from 'vitest';
import { CanonicalEmbedding } from '../../src/kernel/tables/canonical-embedding.ts';
import type { FractionParts } from '../../src/kernel/kernel.ts';
import { ShapeError } from '../../src/base/errors.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { seededGenerator } from './bench.ts';

const kernels = await Promise.all(
  (['native', 'wasm', 'reference'] as const).map((kernel) => openKernel({ kernel }).catch(() => undefined)),
);
afterAll(() => {
  for (const kernel of kernels) expect(kernel?.liveWords ?? 0).toBe(0);
});

interface Case {
  readonly slots: number;
  readonly terms: number;
  readonly words: number;
  readonly parts: FractionParts;
  /** Of the integers, the sign apart. */
  readonly bits: number;
}

const CASES: readonly Case[] = [
  { slots: 32, terms: 64, words: 2, parts: { bits: 8, exact: 3 }, bits: 24 },
  { slots: 512, terms: 4, words: 2, parts: { bits: 12, exact: 2 }, bits: 20 },
  { slots: 4, terms: 512, words: 3, parts: { bits: 6, exact: 6 }, bits: 26 },
  { slots: 8, terms: 3, words: 4, parts: { bits: 10, exact: 0 }, bits: 12 },
];

/** The sum of products modulo X^n + 1 and modulo 1, as an integer modulo 2^(32 words), centred, by the definition. */
function exactProduct({ slots, terms, words }: Case, values: Int32Array, b: Uint32Array): bigint[] {
  const n = 2 * slots;
  const sums = new Array<bigint>(n).fill(0n);
  for (let t = 0; t < terms; t++) {
    for (let j = 0; j < n; j++) {
      let fraction = 0n;
      for (let w = 0; w < words; w++) fraction = (fraction << 32n) | BigInt(b[(t * n + j) * words + w]!);
      for (let i = 0; i < n; i++) {
        const [at, sign] = i + j < n ? [i + j, 1n] : [i + j - n, -1n];
        sums[at]! += sign * BigInt(values[t * n + i]!) * fraction;
      }
    }
  }
  return sums.map((sum) => BigInt.asIntN(32 * words, sum));
}

/** What the rest may be off: the bound of {@link FractionParts} with its coefficients at their largest, and half of 2^-48. */
function errorBound({ slots, terms, parts }: Case, values: Int32Array): number {
  const norm = Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0));
  const restNorm = 2 ** -(parts.bits * parts.exact + 1) * Math.sqrt(2 * slots * terms);
  return norm * restNorm * (13 * Math.log2(slots) + 2 * terms + 8) * 2 ** -53 + 2 ** -49;
}

describe.each(CASES)(
  '$slots slots, $terms terms of $words words, $parts.exact parts of $parts.bits bits',
  (it) => {
    const next = seededGenerator(it.slots + it.terms);
    const n = 2 * it.slots;
    const values = Int32Array.from(
      { length: it.terms * n },
      () => (next() >>> (32 - it.bits - 1)) - 2 ** it.bits,
    );
    const b = Uint32Array.from({ length: it.terms * n * it.words }, next);
    const expected = exactProduct(it, values, b);

    test.each(kernels.filter((kernel) => kernel !== undefined))(
      '$name: within the bound of the rest',
      (kernel) => {
        const out = new Float64Array(n);
        kernel.fractionDot(new CanonicalEmbedding(it.slots), out, values, b, it.words, it.parts);
        const bound = errorBound(it, values);
        let largest = 0;
        expected.forEach((exact, i) => {
          const off = out[i]! - Number(exact) * 2 ** -(32 * it.words);
          largest = Math.max(largest, Math.abs(off - Math.round(off)));
          expect(Math.abs(out[i]!)).toBeLessThanOrEqual(0.5);
        });
        expect(largest).toBeLessThan(bound);
        // The formula is of use only where it is not far above what happens.
        expect(largest).toBeGreaterThan(bound / 2 ** 12);
      },
    );
  },
);

test('parts that are too wide for exact products give wrong fractions: the bound is needed', () => {
  const it = { ...CASES[0]!, parts: { bits: 20, exact: 2 } };
  const next = seededGenerator(5);
  const values = Int32Array.from({ length: 4096 }, () => (next() >>> 2) - 2 ** 29);
  const b = Uint32Array.from({ length: 4096 * 2 }, next);
  const out = new Float64Array(64);
  kernels[2]!.fractionDot(new CanonicalEmbedding(32), out, values, b, 2, it.parts);
  const off = exactProduct(it, values, b).map((exact, i) => out[i]! - Number(exact) * 2 ** -64);
  expect(Math.max(...off.map((x) => Math.abs(x - Math.round(x))))).toBeGreaterThan(errorBound(it, values));
});

test('refuses lengths and parts that do not fit', () => {
  for (const kernel of kernels) {
    if (kernel === undefined) continue;
    const embedding = new CanonicalEmbedding(4);
    const dot = (out: number, values: number, b: number, words: number, bits: number, exact: number) =>
      kernel.fractionDot(
        embedding,
        new Float64Array(out),
        new Int32Array(values),
        new Uint32Array(b),
        words,
        {
          bits,
          exact,
        },
      );
    expect(() => dot(16, 48, 48, 2, 8, 3)).not.toThrow();
    expect(() => dot(15, 48, 48, 2, 8, 3)).toThrow(ShapeError);
    expect(() => dot(16, 47, 48, 2, 8, 3)).toThrow(ShapeError);
    expect(() => dot(16, 48, 40, 2, 8, 3)).toThrow(ShapeError);
    expect(() => dot(16, 0, 0, 2, 8, 3)).toThrow(ShapeError);
    expect(() => dot(16, 48, 24, 1, 8, 3)).toThrow(ShapeError);
    expect(() => dot(16, 48, 48, 2, 13, 4)).toThrow(ShapeError);
    expect(() => dot(16, 48, 48, 2, 0, 0)).toThrow(ShapeError);
  }
});
