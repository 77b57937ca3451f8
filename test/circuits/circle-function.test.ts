import { expect, test } from 'vitest';
import { InvalidParamsError, OutOfRangeError, ShapeError } from '../../src/base/errors.ts';
import {
  bitFunction,
  circleValue,
  identityFunction,
  smoothFunction,
  tableFunction,
} from '../../src/circuits/circle/circle-function.ts';
import { testValues } from '../schemes/ckks/insecure-params.ts';

const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));

test.each([1, 2, 8, 64, 2 ** -4])('reals up to %d come back to 2^-26.8 of the bound', (bound) => {
  const f = identityFunction(bound);
  for (let i = -50; i <= 50; i++) {
    const v = (bound * i) / 50;
    expect(Math.abs(circleValue(f, v) - v)).toBeLessThan(bound * 2 ** -26.8);
    expect(Math.abs(circleValue(f, v) - v)).toBeLessThanOrEqual(f.error * 1.01);
  }
});

test('bits are exact, and cleaned quadratically', () => {
  for (const bit of [0, 1]) {
    expect(circleValue(bitFunction, bit)).toBeCloseTo(bit, 14);
    for (const e of [0.1, -0.05, 0.01])
      expect(Math.abs(circleValue(bitFunction, bit + e) - bit)).toBeLessThan((Math.PI ** 2 / 4) * e ** 2);
  }
});

test.each([2, 4, 16, 64, 256])(
  'a table of %i entries is exact, flat at its entries and bounded by them',
  (p) => {
    const values = testValues(p, p);
    const f = tableFunction('random', values);
    const range = Math.max(...values) - Math.min(...values);
    for (let j = 0; j < p; j++) {
      expect(circleValue(f, j)).toBeCloseTo(values[j]!, 11);
      // Also from the other side of the circle.
      expect(circleValue(f, j - p)).toBeCloseTo(values[j]!, 11);
      for (const e of [0.03, -0.01])
        expect(Math.abs(circleValue(f, j + e) - values[j]!)).toBeLessThan(3.3 * e ** 2 * range);
      expect(Math.abs(circleValue(f, j + 0.5))).toBeLessThanOrEqual(f.maxAbs + 1e-12);
    }
  },
);

test('smooth functions are as near as their error says, and turn back beyond their bound', () => {
  for (const [degree, error] of [
    [7, 6e-4],
    [15, 1e-4],
  ] as const) {
    const f = smoothFunction('sigmoid', sigmoid, { bound: 8, degree });
    expect(f.error).toBeLessThan(error);
    for (let v = -8; v <= 8; v += 0.1)
      expect(Math.abs(circleValue(f, v) - sigmoid(v))).toBeLessThanOrEqual(f.error * 1.1);
    expect(Math.abs(circleValue(f, 11) - sigmoid(11))).toBeGreaterThan(0.1);
  }
});

test('bad functions are refused', () => {
  expect(() => identityFunction(3)).toThrow(OutOfRangeError);
  expect(() => identityFunction(0)).toThrow(OutOfRangeError);
  expect(() => identityFunction(128)).toThrow(OutOfRangeError);
  expect(() => tableFunction('short', [1, 2, 3])).toThrow(ShapeError);
  expect(() => tableFunction('long', new Array(512).fill(1))).toThrow(ShapeError);
  expect(() => tableFunction('infinite', [1, Number.POSITIVE_INFINITY])).toThrow(InvalidParamsError);
  expect(() => tableFunction('constant', [1, 1])).toThrow(InvalidParamsError);
  expect(() => smoothFunction('sigmoid', sigmoid, { bound: 0, degree: 7 })).toThrow(OutOfRangeError);
  expect(() => smoothFunction('sigmoid', sigmoid, { bound: 8, degree: 100 })).toThrow(OutOfRangeError);
  expect(() => smoothFunction('log', Math.log, { bound: 8, degree: 7 })).toThrow(InvalidParamsError);
});
