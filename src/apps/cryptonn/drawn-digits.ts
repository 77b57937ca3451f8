/** Handwriting-like digits that are drawn by code: for showing the roles where no data set is at hand. Easier than MNIST. */
import { type LabelledImages, SeededGenerator } from '../../nn/index.ts';

const SIDE = 28;
/** Half the width of a stroke, and how softly it ends, in pixels. */
const [PEN, SOFT] = [1.1, 0.9];

type Point = readonly [x: number, y: number];

/** Strokes in the unit square, y downwards. */
const STROKES: readonly (readonly (readonly Point[])[])[] = [
  [
    [
      [0.5, 0.05],
      [0.2, 0.25],
      [0.2, 0.75],
      [0.5, 0.95],
      [0.8, 0.75],
      [0.8, 0.25],
      [0.5, 0.05],
    ],
  ],
  [
    [
      [0.3, 0.25],
      [0.55, 0.05],
      [0.55, 0.95],
    ],
  ],
  [
    [
      [0.2, 0.25],
      [0.5, 0.05],
      [0.8, 0.25],
      [0.7, 0.5],
      [0.2, 0.95],
      [0.85, 0.95],
    ],
  ],
  [
    [
      [0.2, 0.1],
      [0.8, 0.1],
      [0.5, 0.42],
      [0.8, 0.65],
      [0.6, 0.95],
      [0.2, 0.88],
    ],
  ],
  [
    [
      [0.65, 0.95],
      [0.65, 0.05],
      [0.15, 0.65],
      [0.9, 0.65],
    ],
  ],
  [
    [
      [0.8, 0.05],
      [0.25, 0.05],
      [0.22, 0.45],
      [0.65, 0.42],
      [0.8, 0.68],
      [0.6, 0.95],
      [0.2, 0.9],
    ],
  ],
  [
    [
      [0.7, 0.05],
      [0.3, 0.4],
      [0.2, 0.75],
      [0.5, 0.95],
      [0.8, 0.75],
      [0.6, 0.52],
      [0.25, 0.65],
    ],
  ],
  [
    [
      [0.15, 0.05],
      [0.85, 0.05],
      [0.4, 0.95],
    ],
  ],
  [
    [
      [0.5, 0.48],
      [0.25, 0.28],
      [0.5, 0.05],
      [0.75, 0.28],
      [0.5, 0.48],
      [0.2, 0.72],
      [0.5, 0.95],
      [0.8, 0.72],
      [0.5, 0.48],
    ],
  ],
  [
    [
      [0.75, 0.35],
      [0.45, 0.5],
      [0.25, 0.28],
      [0.5, 0.05],
      [0.75, 0.25],
      [0.7, 0.6],
      [0.5, 0.95],
    ],
  ],
];

/** The distance of a point from a segment. */
function distance([px, py]: Point, [ax, ay]: Point, [bx, by]: Point): number {
  const [dx, dy] = [bx - ax, by - ay];
  const along = ((px - ax) * dx + (py - ay) * dy) / (dx * dx + dy * dy || 1);
  const t = Math.max(0, Math.min(1, along));
  return Math.hypot(px - ax - t * dx, py - ay - t * dy);
}

/** `count` digits of 28 x 28 with random size, slant, place, and trembling corners; the same for the same seed. */
export function drawnDigits(seed: number, count: number): LabelledImages {
  const generator = new SeededGenerator(seed);
  const between = (low: number, high: number) => low + (high - low) * generator.uniform();
  const pixels = new Uint8Array(count * SIDE * SIDE);
  const labels = new Uint8Array(count);
  for (let image = 0; image < count; image++) {
    const digit = generator.below(10);
    labels[image] = digit;
    const [width, height, slant] = [between(11, 17), between(16, 21), between(-0.25, 0.25)];
    const [left, top] = [(SIDE - width) / 2 + between(-2, 2), (SIDE - height) / 2 + between(-2, 2)];
    const strokes = (STROKES[digit] ?? []).map((stroke) =>
      stroke.map(
        ([x, y]): Point => [
          left + width * (x + slant * (0.5 - y)) + between(-0.8, 0.8),
          top + height * y + between(-0.8, 0.8),
        ],
      ),
    );
    for (let at = 0; at < SIDE * SIDE; at++) {
      const point: Point = [at % SIDE, Math.floor(at / SIDE)];
      let nearest = Number.POSITIVE_INFINITY;
      for (const stroke of strokes)
        for (let i = 1; i < stroke.length; i++)
          nearest = Math.min(nearest, distance(point, stroke[i - 1] as Point, stroke[i] as Point));
      pixels[image * SIDE * SIDE + at] = 255 * Math.max(0, Math.min(1, (PEN + SOFT - nearest) / SOFT));
    }
  }
  return { count, height: SIDE, width: SIDE, pixels, labels };
}
