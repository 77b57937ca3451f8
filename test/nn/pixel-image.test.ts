/** Portable maps by hand, damaged ones, and images fitted to other sizes. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DecodeError, LimitError } from '../../src/base/errors.ts';
import { fitImage, imageAt, readPortableMap } from '../../src/nn/index.ts';

const map = (header: string, ...pixels: number[]): Uint8Array =>
  Uint8Array.from([...new TextEncoder().encode(header), ...pixels]);
const grey = (height: number, width: number, pixels: number[]) => ({
  channels: 1,
  height,
  width,
  pixels: Uint8Array.from(pixels),
});

describe('portable maps', () => {
  test('are read with comments, other largest values, colours apart', () => {
    expect(readPortableMap(map('P5\n# two pixels\n2 1 255\n', 7, 35))).toEqual(grey(1, 2, [7, 35]));
    expect(readPortableMap(map('P5 1\t2\r\n15 ', 15, 5))).toEqual(grey(2, 1, [255, 85]));
    const colours = readPortableMap(map('P6\n2 1\n255\n', 1, 2, 3, 4, 5, 6));
    expect(colours).toEqual({ channels: 3, height: 1, width: 2, pixels: Uint8Array.of(1, 4, 2, 5, 3, 6) });
  });

  test('are refused when they are not what they should be, before anything is allocated', () => {
    for (const wrong of [
      map('P2 1 1 255\n', 1),
      map('P5 1 1 255'),
      map('P5 1 1 255\n'),
      map('P5 1 1 255\n', 1, 2),
      map('P5 0 1 255\n'),
      map('P5 1 1 256\n', 1),
      map('P5 1 1 10\n', 11),
      map('P5 1 x 255\n', 1),
      map('P51 1 255\n', 1),
      map('P5 #'),
      new Uint8Array(0),
    ])
      expect(() => readPortableMap(wrong)).toThrow(DecodeError);
    expect(() => readPortableMap(map('P6 4096 4096 255\n'))).toThrow(LimitError);
    expect(() => readPortableMap(map('P5 99999999999999999999 1 255\n'))).toThrow(LimitError);
  });

  test('that are damaged give typed errors or images', () => {
    const sound = map('P6 2 2 255\n', 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
    const property = fc.property(
      fc.nat(sound.length - 1),
      fc.nat(255),
      fc.nat(sound.length),
      (at, value, end) => {
        const damaged = sound.map((byte, i) => (i === at ? value : byte)).subarray(0, end);
        try {
          readPortableMap(damaged);
        } catch (error) {
          expect([DecodeError, LimitError].some((kind) => error instanceof kind)).toBe(true);
        }
      },
    );
    fc.assert(property, { numRuns: 500 });
  });
});

describe('fitting', () => {
  const checks = grey(2, 4, [0, 100, 200, 40, 20, 80, 100, 60]);

  test('halves by means, crops the longer side, doubles by repetition', () => {
    expect(fitImage(checks, { channels: 1, height: 1, width: 2 }).pixels).toEqual(Uint8Array.of(50, 100));
    expect(fitImage(checks, { channels: 1, height: 2, width: 2 }).pixels).toEqual(
      Uint8Array.of(100, 200, 80, 100),
    );
    const doubled = fitImage(grey(1, 2, [10, 90]), { channels: 1, height: 2, width: 4 });
    expect(doubled.pixels).toEqual(Uint8Array.of(10, 10, 90, 90, 10, 10, 90, 90));
    expect(fitImage(checks, checks).pixels).toEqual(checks.pixels);
  });

  test('keeps a constant image constant at any size', () => {
    const extent = fc.integer({ min: 1, max: 23 });
    fc.assert(
      fc.property(extent, extent, extent, extent, fc.nat(255), (height, width, toHeight, toWidth, value) => {
        const image = grey(height, width, Array(height * width).fill(value));
        const { pixels } = fitImage(image, { channels: 3, height: toHeight, width: toWidth });
        expect(pixels).toEqual(new Uint8Array(3 * toHeight * toWidth).fill(value));
      }),
    );
  });

  test('turns colour to grey and refuses other channels', () => {
    const image = { channels: 3, height: 1, width: 1, pixels: Uint8Array.of(200, 100, 50) };
    expect([...fitImage(image, { channels: 1, height: 1, width: 1 }).pixels]).toEqual([124]);
    expect(() => fitImage(image, { channels: 2, height: 1, width: 1 })).toThrow(DecodeError);
    expect(() => fitImage(image, { channels: 3, height: 2 ** 13, width: 2 ** 13 })).toThrow(LimitError);
  });
});

test('an image of an array', () => {
  const data = Uint8Array.from({ length: 12 }, (_, i) => i);
  expect(imageAt([3, 2, 2], data, 2)).toEqual(grey(2, 2, [8, 9, 10, 11]));
  expect(imageAt([2, 3, 1, 2], data, 1).channels).toBe(3);
  expect(() => imageAt([3, 2, 2], data, 3)).toThrow(DecodeError);
  expect(() => imageAt([12], data, 0)).toThrow(DecodeError);
});
