/** From strokes to a picture as MNIST has them: 28 x 28, the sign 20 pixels large, its centre of mass in the middle. */
import { normaliseDrawing } from '../../../nn/images/drawing-normalisation.ts';

export type StrokePoint = readonly [x: number, y: number];
/** A line that was drawn without lifting the pen. */
export type Stroke = readonly StrokePoint[];

export const SIDE = 28;
/** The longer side of the sign, the pen included [LeCun et al., the MNIST database]. */
const SIGN = 20;
/** Half the width of a line, and how softly it ends, in pixels: the mean of MNIST's pens. */
const [PEN, SOFT] = [1.05, 0.95];

/** Grey levels of the drawing, 0 to 255, or null when there is nothing on the paper. Strokes may be of any size and anywhere. */
export function mnistDrawing(strokes: readonly Stroke[]): Uint8Array | null {
  const points = strokes.flat();
  if (points.length === 0) return null;
  const [left, right] = ends(points.map(([x]) => x));
  const [top, bottom] = ends(points.map(([, y]) => y));
  // A dot stays a dot.
  const scale = Math.min((SIGN - 2 * PEN) / Math.max(1e-6, right - left, bottom - top), SIGN);
  const place = ([x, y]: StrokePoint): StrokePoint => [
    SIDE / 2 + scale * (x - (left + right) / 2),
    SIDE / 2 + scale * (y - (top + bottom) / 2),
  ];
  const placed = strokes.map((stroke) => stroke.map(place));
  const pixels = new Uint8Array(SIDE * SIDE);
  for (let at = 0; at < pixels.length; at++) {
    const centre: StrokePoint = [(at % SIDE) + 0.5, Math.floor(at / SIDE) + 0.5];
    const ink = (PEN + SOFT - distanceToStrokes(centre, placed)) / SOFT;
    pixels[at] = Math.round(255 * Math.max(0, Math.min(1, ink)));
  }
  const { pixels: normalised, empty } = normaliseDrawing({ channels: 1, height: SIDE, width: SIDE, pixels });
  return empty ? null : normalised;
}

function ends(values: readonly number[]): [number, number] {
  return [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
}

function distanceToStrokes(point: StrokePoint, strokes: readonly Stroke[]): number {
  let nearest = Number.POSITIVE_INFINITY;
  for (const stroke of strokes) {
    for (let i = 0; i < stroke.length; i++) {
      const from = stroke[Math.max(0, i - 1)] as StrokePoint;
      nearest = Math.min(nearest, distanceToSegment(point, from, stroke[i] as StrokePoint));
    }
  }
  return nearest;
}

function distanceToSegment([px, py]: StrokePoint, [ax, ay]: StrokePoint, [bx, by]: StrokePoint): number {
  const [dx, dy] = [bx - ax, by - ay];
  const along = ((px - ax) * dx + (py - ay) * dy) / (dx * dx + dy * dy || 1);
  const t = Math.max(0, Math.min(1, along));
  return Math.hypot(px - ax - t * dx, py - ay - t * dy);
}
