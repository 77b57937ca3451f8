import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteReader, ByteWriter, ReadBudget } from '../../src/base/bytes.ts';
import { DecodeError } from '../../src/base/errors.ts';

test('what is written is read back', () => {
  fc.assert(
    fc.property(
      fc.nat(255),
      fc.nat(65535),
      fc.nat(2 ** 32 - 1),
      fc.maxSafeNat(),
      fc.double({ noNaN: true }),
      fc.uint8Array({ maxLength: 9 }),
      (a, b, c, d, e, tail) => {
        const writer = new ByteWriter(1 + 2 + 4 + 8 + 8 + tail.length);
        writer.u8(a);
        writer.u16(b);
        writer.u32(c);
        writer.u64(d);
        writer.f64(e);
        writer.bytes(tail);
        const reader = new ByteReader('a test', writer.finish());
        expect([reader.u8(), reader.u16(), reader.u32(), reader.u64(), reader.f64()]).toEqual([
          a,
          b,
          c,
          d,
          e,
        ]);
        expect(reader.bytes(tail.length)).toEqual(tail);
        reader.end();
      },
    ),
  );
});

test('a reader stops at its end and refuses leftovers, huge lengths and unsafe integers', () => {
  const reader = () => new ByteReader('a test', new Uint8Array(9).fill(255));
  expect(() => reader().bytes(10)).toThrow(DecodeError);
  expect(() => reader().bytes(-1)).toThrow(DecodeError);
  expect(() => reader().bytes(Number.NaN)).toThrow(DecodeError);
  expect(() => reader().u64()).toThrow(DecodeError);
  expect(() => reader().end()).toThrow('trailing');
});

test('a reader of a view does not see the bytes around it', () => {
  const reader = new ByteReader('a test', new Uint8Array([1, 2, 3, 4]).subarray(1, 3));
  expect(reader.u16()).toBe(0x0302);
  expect(() => reader.u8()).toThrow(DecodeError);
});

test('a writer that is over- or underfilled is a mistake in the package', () => {
  expect(() => new ByteWriter(1).u16(0)).toThrow('longer');
  expect(() => new ByteWriter(1).finish()).toThrow('shorter');
});

test('a budget is shared and never goes below zero', () => {
  const budget = new ReadBudget(10);
  budget.charge('a test', 6);
  expect(() => budget.charge('a test', 5)).toThrow(DecodeError);
  budget.charge('a test', 4);
  expect(() => budget.charge('a test', 1)).toThrow(DecodeError);
  expect(() => budget.charge('a test', -1)).toThrow(DecodeError);
});
