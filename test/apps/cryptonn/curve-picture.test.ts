import { expect, test } from 'vitest';
import { curveSvg } from '../../../src/apps/cryptonn/curve-picture.ts';

/** Coordinates of all lines, loss before accuracy, curve by curve. */
const linesOf = (svg: string) =>
  [...svg.matchAll(/<polyline [^>]*points="([^"]*)"/g)].map((match) =>
    match[1]!
      .split(' ')
      .filter(Boolean)
      .map((place) => place.split(',').map(Number) as [number, number]),
  );

const falling = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    samples: 64 * (i + 1),
    loss: 2 / (i + 1),
    accuracy: i / count,
  }));

test('a curve falls in one panel and rises in the other, left to right, inside the picture', () => {
  const svg = curveSvg([{ name: 'a < b', points: falling(10) }]);
  const [loss, accuracy] = linesOf(svg);
  expect(loss).toHaveLength(10);
  for (let i = 1; i < 10; i++) {
    expect(loss![i]![0]).toBeGreaterThan(loss![i - 1]![0]);
    // SVG counts downwards.
    expect(loss![i]![1]).toBeGreaterThan(loss![i - 1]![1]);
    expect(accuracy![i]![1]).toBeLessThan(accuracy![i - 1]![1]);
  }
  const [, width, height] = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(svg)!.map(Number);
  for (const [x, y] of [...loss!, ...accuracy!]) {
    expect(x > 0 && x < width! && y > 0 && y < height!).toBe(true);
  }
  expect(svg).toContain('a &lt; b');
});

test('long curves are thinned and keep their end; points without a number are left out; no points, no lines', () => {
  const long = falling(5000);
  const [thin] = linesOf(curveSvg([{ name: 'long', points: long }]));
  expect(thin!.length).toBeLessThan(300);
  const [end] = linesOf(curveSvg([{ name: 'end', points: [long[0]!, long.at(-1)!] }]));
  expect(thin!.at(-1)).toEqual(end!.at(-1));
  const opening = { samples: 0, loss: Number.NaN, accuracy: Number.NaN };
  expect(linesOf(curveSvg([{ name: 'x', points: [opening, ...falling(2)] }]))[0]).toHaveLength(2);
  expect(linesOf(curveSvg([{ name: 'none', points: [] }]))).toEqual([[], []]);
});
