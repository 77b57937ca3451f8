import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OutOfRangeError, ShapeError } from '../../../src/base/errors.ts';
import type { Arena } from '../../../src/ring/arena.ts';
import type { CkksContext } from '../../../src/schemes/ckks/context.ts';
import type { CkksEncoder } from '../../../src/schemes/ckks/encoder.ts';
import { rootOfUnity } from '../../../src/kernel/tables/root-of-unity.ts';
import { INSECURE_TINY, maxDifference, openTestContext, testValues } from './insecure-params.ts';

let context: CkksContext;
let arena: Arena;
let encoder: CkksEncoder;

beforeAll(async () => {
  context = await openTestContext(INSECURE_TINY, 'encoder');
  arena = context.arena();
  encoder = context.encoder(arena);
});

afterAll(() => {
  arena[Symbol.dispose]();
  expect(arena.live).toBe(0);
  expect(context.kernel.liveWords).toBe(0);
  context[Symbol.dispose]();
});

/** Slot j of the polynomial with these coefficients, straight from the definition: the value at exp(pi i 5^j / N). */
function slotByDefinition(coefficients: Float64Array, j: number): [number, number] {
  const n = coefficients.length;
  let power = 1;
  for (let i = 0; i < j; i++) power = (power * 5) % (2 * n);
  let [re, im] = [0, 0];
  coefficients.forEach((c, k) => {
    const angle = (Math.PI * ((power * k) % (2 * n))) / n;
    re += c * Math.cos(angle);
    im += c * Math.sin(angle);
  });
  return [re, im];
}

describe('encode', () => {
  test('agrees with the definition of the canonical embedding', () => {
    const { slots } = context.params;
    const [re, im] = [testValues(slots, 1), testValues(slots, 2)];
    const plaintext = encoder.encode(re, { imaginary: im, scale: 2 ** 40 });
    const coefficients = encoder.decodeCoefficients(plaintext);
    for (let j = 0; j < slots; j++) {
      const [x, y] = slotByDefinition(coefficients, j);
      expect(Math.abs(x - re[j]!)).toBeLessThan(2 ** -36);
      expect(Math.abs(y - im[j]!)).toBeLessThan(2 ** -36);
    }
  });

  test('decode(encode(x)) = x up to the rounding of coefficients', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -8, max: 8, noNaN: true }), { maxLength: 32 }), (values) => {
        const decoded = encoder.decode(encoder.encode(values));
        expect(maxDifference(decoded, values)).toBeLessThan(2 ** -28);
      }),
      { numRuns: 50 },
    );
  });

  test('a subring plaintext repeats its slots and decodes from them', () => {
    const values = testValues(4, 3);
    const plaintext = encoder.encode(values, { slots: 4 });
    const all = encoder.decode(plaintext);
    all.forEach((value, i) => {
      expect(Math.abs(value - values[i % 4]!)).toBeLessThan(2 ** -28);
    });
    expect(maxDifference(encoder.decode(plaintext, { slots: 4 }), values)).toBeLessThan(2 ** -30);
  });

  test('one slot holds a constant', () => {
    const plaintext = encoder.encode([0.625], { slots: 1 });
    expect(encoder.decodeCoefficients(plaintext)[0]).toBe(0.625);
    expect(encoder.decode(plaintext, { slots: 1 })[0]).toBe(0.625);
  });

  test('interleaved vectors come back', () => {
    const k = 4;
    const vectors = Array.from({ length: k }, (_, i) => testValues(context.params.n / (2 * k), 10 + i));
    const decoded = encoder.decodeInterleaved(encoder.encodeInterleaved(vectors), k);
    decoded.forEach((vector, i) => {
      expect(maxDifference(vector, vectors[i]!)).toBeLessThan(2 ** -30);
    });
  });

  test('coefficients beyond 53 bits survive with double precision', () => {
    const plaintext = encoder.encode([3.25, -1.5], { scale: 2 ** 90 });
    expect(maxDifference(encoder.decode(plaintext), [3.25, -1.5])).toBeLessThan(2 ** -45);
  });

  test('refuses what does not fit', () => {
    const { n, slots } = context.params;
    expect(() => encoder.encode(new Float64Array(slots + 1))).toThrow(ShapeError);
    expect(() => encoder.encode([1], { slots: 3 })).toThrow(ShapeError);
    expect(() => encoder.encode([1], { level: 3 })).toThrow(OutOfRangeError);
    expect(() => encoder.encode([Number.NaN])).toThrow(OutOfRangeError);
    expect(() => encoder.encode([2 ** 20], { level: 0, slots: 1 })).toThrow(OutOfRangeError);
    expect(() => encoder.encodeCoefficients(new Float64Array(n - 1))).toThrow(ShapeError);
    expect(() => encoder.encodeInterleaved([[1], [2], [3]])).toThrow(ShapeError);
  });
});

describe('rootOfUnity', () => {
  test('agrees with the engine to the last places, and its octants mirror one another', () => {
    for (let k = 0; k < 512; k++) {
      const [c, s] = rootOfUnity(k, 512);
      expect(Math.abs(c - Math.cos((2 * Math.PI * k) / 512))).toBeLessThan(2 ** -50);
      expect(Math.abs(s - Math.sin((2 * Math.PI * k) / 512))).toBeLessThan(2 ** -50);
      const [mirrored, minus] = rootOfUnity(-k, 512);
      expect(Math.abs(mirrored - c)).toBeLessThan(2 ** -52);
      expect(Math.abs(minus + s)).toBeLessThan(2 ** -52);
    }
  });
});
