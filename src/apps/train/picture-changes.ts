/** What other pens, cameras and scanners do to a grey picture. */
import type { SeededGenerator } from '../../nn/index.ts';

/** One grey picture, `[height, width]` of 0 to 255, to another of the same size. */
export type PictureChange = (
  pixels: Uint8Array,
  height: number,
  width: number,
  generator: SeededGenerator,
) => Uint8Array;

const clamped = (value: number): number => Math.min(255, Math.max(0, Math.round(value)));

/** Pixel by pixel. A loop: TypedArray.from with a function takes ten times as long. */
function mapped(pixels: Uint8Array, value: (at: number) => number): Uint8Array {
  const out = new Uint8Array(pixels.length);
  for (let at = 0; at < out.length; at++) out[at] = value(at);
  return out;
}

/** Grey levels `ground + gain * pixel`. */
export const levels =
  (ground: number, gain: number): PictureChange =>
  (pixels) =>
    mapped(pixels, (at) => clamped(ground + gain * pixels[at]));

/** Gaussian noise of the given deviation, of 255, cut off at black and white. */
export const noisy =
  (deviation: number): PictureChange =>
  (pixels, _height, _width, generator) =>
    mapped(pixels, (at) => clamped(pixels[at] + deviation * generator.normal()));

/** A share of the pixels black or white. */
export const speckled =
  (share: number): PictureChange =>
  (pixels, _height, _width, generator) =>
    mapped(pixels, (at) => (generator.uniform() < share ? 255 * generator.below(2) : pixels[at]));

/** Strokes one pixel wider (`Math.max`) or narrower (`Math.min`): the largest or smallest of 2 x 2. */
export const stroke =
  (pick: (a: number, b: number, c: number, d: number) => number): PictureChange =>
  (pixels, _height, width) =>
    mapped(pixels, (at) => {
      const right = at % width === width - 1 ? 0 : 1;
      const below = at + width >= pixels.length ? 0 : width;
      return pick(pixels[at], pixels[at + right], pixels[at + below], pixels[at + right + below]);
    });

/** The mean of each pixel's 3 x 3 neighbours; black outside. */
export const blurred: PictureChange = (pixels, height, width) =>
  mapped(pixels, (at) => {
    const [row, column] = [Math.floor(at / width), at % width];
    let sum = 0;
    for (let y = Math.max(0, row - 1); y <= Math.min(height - 1, row + 1); y++)
      for (let x = Math.max(0, column - 1); x <= Math.min(width - 1, column + 1); x++)
        sum += pixels[y * width + x];
    return Math.round(sum / 9);
  });

export interface Placement {
  /** Pixels that the picture moves, each up to so many either way. */
  readonly shift: number;
  /** Degrees that it turns, up to so many either way. */
  readonly turn: number;
  /** Size, from and to. */
  readonly size: readonly [number, number];
}

/** Moved, turned and resized by random amounts, bilinear; black comes in. */
export const placed =
  ({ shift, turn, size: [smallest, largest] }: Placement): PictureChange =>
  (pixels, height, width, generator) => {
    const draw = (most: number): number => most * (2 * generator.uniform() - 1);
    const angle = (draw(turn) * Math.PI) / 180;
    const scale = smallest + (largest - smallest) * generator.uniform();
    const [down, right] = [Math.round(draw(shift)), Math.round(draw(shift))];
    const [cos, sin] = [Math.cos(angle) / scale, Math.sin(angle) / scale];
    const [middleY, middleX] = [(height - 1) / 2, (width - 1) / 2];
    const out = new Uint8Array(pixels.length);
    for (let row = 0, at = 0; row < height; row++) {
      const y = row - middleY - down;
      for (let column = 0; column < width; column++, at++) {
        const x = column - middleX - right;
        const [fromY, fromX] = [middleY + cos * y - sin * x, middleX + sin * y + cos * x];
        out[at] = Math.round(bilinear(pixels, height, width, fromY, fromX));
      }
    }
    return out;
  };

/** The picture between its pixels; black outside. */
function bilinear(pixels: Uint8Array, height: number, width: number, y: number, x: number): number {
  const [top, left] = [Math.floor(y), Math.floor(x)];
  if (top < -1 || top >= height || left < -1 || left >= width) return 0;
  const [down, right] = [y - top, x - left];
  const at = top * width + left;
  const [hasTop, hasBottom] = [top >= 0, top + 1 < height];
  const [hasLeft, hasRight] = [left >= 0, left + 1 < width];
  const above =
    (hasTop && hasLeft ? pixels[at] : 0) * (1 - right) + (hasTop && hasRight ? pixels[at + 1] : 0) * right;
  const below =
    (hasBottom && hasLeft ? pixels[at + width] : 0) * (1 - right) +
    (hasBottom && hasRight ? pixels[at + width + 1] : 0) * right;
  return above * (1 - down) + below * down;
}
