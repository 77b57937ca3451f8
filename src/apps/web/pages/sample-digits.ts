/** One drawing of each digit, for those who would rather not draw, on a paper of 100 x 100. Curves are given by few points. */
import type { Stroke, StrokePoint } from './mnist-drawing.ts';

/** A closed or open round: an ellipse from one angle to another, in degrees, clockwise from the right. */
function arc(cx: number, cy: number, rx: number, ry: number, from: number, to: number): StrokePoint[] {
  const count = Math.max(2, Math.ceil(Math.abs(to - from) / 15));
  return Array.from({ length: count + 1 }, (_, i) => {
    const angle = ((from + ((to - from) * i) / count) * Math.PI) / 180;
    return [cx + rx * Math.cos(angle), cy + ry * Math.sin(angle)];
  });
}

export const SAMPLE_DIGITS: readonly (readonly Stroke[])[] = [
  [arc(50, 50, 24, 34, -80, 280)],
  [
    [
      [42, 26],
      [54, 15],
      [50, 85],
    ],
  ],
  [[...arc(48, 34, 20, 18, -170, 30), [34, 80], [74, 78]]],
  [[...arc(46, 32, 20, 16, -150, 80), ...arc(46, 65, 23, 19, -80, 150)]],
  [
    [
      [36, 18],
      [26, 54],
      [72, 52],
    ],
    [
      [66, 22],
      [60, 86],
    ],
  ],
  [
    [[36, 18], [32, 46], ...arc(44, 62, 24, 21, -120, 140)],
    [
      [36, 18],
      [70, 16],
    ],
  ],
  [[[62, 14], [44, 34], [33, 58], ...arc(49, 66, 17, 18, 170, -200)]],
  [
    [
      [26, 20],
      [74, 18],
      [46, 86],
    ],
  ],
  [[...arc(50, 32, 17, 17, 60, 420), ...arc(50, 67, 20, 18, -80, 280)]],
  [[...arc(48, 34, 18, 18, 0, -350), [66, 34], [62, 60], [54, 86]]],
];
