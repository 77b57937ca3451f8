import fc from 'fast-check';
import { expect, test } from 'vitest';
import { indexBeyond } from '../../src/base/integer-bound.ts';

const EXTREMES = [-(2 ** 31), 2 ** 31 - 1, -(2 ** 30) - 5, 2 ** 30 + 5, -128, -127, 127, 128, 0];

test('finds the first value beyond the bound, whatever wraps', () => {
  const value = fc.oneof(fc.constantFrom(...EXTREMES), fc.integer({ min: -300, max: 300 }));
  const bound = fc.constantFrom(0, 1, 127, 2 ** 30 - 1, 2 ** 30, 2 ** 30 + 10, 2 ** 31 - 1, 2 ** 31, 2 ** 40);
  fc.assert(
    fc.property(fc.array(value, { maxLength: 40 }), bound, (values, most) => {
      expect(indexBeyond(Int32Array.from(values), most)).toBe(values.findIndex((v) => Math.abs(v) > most));
    }),
  );
});

test('a single value beyond is found at every place', () => {
  for (let length = 1; length < 14; length++) {
    for (let place = 0; place < length; place++) {
      const values = new Int32Array(length).fill(-9);
      expect(indexBeyond(values, 9)).toBe(-1);
      values[place] = -10;
      expect(indexBeyond(values, 9)).toBe(place);
    }
  }
});
