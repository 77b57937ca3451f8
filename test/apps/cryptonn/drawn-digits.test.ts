import { expect, test } from 'vitest';
import { pictureLines, pictureSvg } from '../../../src/apps/cryptonn/picture.ts';
import { drawnDigits } from '../../../src/apps/cryptonn/drawn-digits.ts';

test('drawn digits: all classes, the same for the same seed, ink in the middle and none at the edge', () => {
  const digits = drawnDigits(1, 200);
  expect(new Set(digits.labels).size).toBe(10);
  expect(drawnDigits(1, 200).pixels).toEqual(digits.pixels);
  expect(drawnDigits(2, 200).pixels).not.toEqual(digits.pixels);
  for (let image = 0; image < digits.count; image++) {
    const pixels = digits.pixels.subarray(image * 784, (image + 1) * 784);
    expect(pixels.filter((value) => value > 128).length).toBeGreaterThan(15);
    expect(pixels.subarray(0, 28).every((value) => value === 0)).toBe(true);
  }
});

test('pictures: two columns for a pixel, and a cell of the drawing for each', () => {
  const picture = { pixels: [0, 50, 100, 0], width: 2, white: 100 };
  expect(pictureLines(picture)).toEqual(['  ▒▒', '██  ']);
  const svg = pictureSvg([{ caption: 'a < b', pictures: [picture, picture] }]);
  expect(svg.match(/<rect /g)).toHaveLength(8);
  expect(svg).toContain('a &lt; b');
});
