/**
 * Pictures of one drawn sign as a network was trained on them: light on dark, full contrast, little noise, in the middle. A
 * polynomial network has no clamp anywhere, so a picture outside of what it was trained on gives numbers without meaning; this
 * runs on the client, before anything is masked or encrypted. Sums, products and roots of doubles only: every machine gets
 * the same pixels.
 */
import * as arg from '../../base/arguments.ts';
import { DataError, OutOfRangeError, ShapeError } from '../../base/errors.ts';
import type { PixelImage } from './pixel-image.ts';

/** The brightest pixels whose mean becomes 255, as a share of the picture; a thin stroke covers more. */
const STROKE_SHARE = 0.03;
/** A picture whose strokes stand out less than this (of 255) is taken for empty. */
const LEAST_CONTRAST = 8;
/** Of the picture's weight, what is fainter than this (of 255) does not count for where its middle is. */
const WEIGHED_FROM = 96;
/** For Gaussian noise: the median of |x| over the deviation, times the root of the squared weights of the Laplacian below. */
const MEDIAN_OF_LAPLACIAN = 0.6745 * 6;
/** After the filter, what is below so many deviations of the noise before it is taken for ground. */
const NOISE_FLOOR = 1 / 3;
/** Differences of grey levels while a picture is worked on; less the floor. */
const LARGEST_VALUE = 2 ** 10;

/**
 * What a network's inputs are, where its file says so: grey drawings of this size, row by row, each through {@link normaliseDrawings}
 * first; then pixels from 0 to 1.
 */
export interface DrawingInput {
  readonly kind: 'drawing';
  readonly size: readonly [height: number, width: number];
}

/** What was done to a picture, and whether there was anything in it. */
export interface NormalisedDrawing {
  /** `[height, width]`, 0 to 255; all zero when the picture is empty. */
  readonly pixels: Uint8Array;
  /** The strokes were darker than their ground. */
  readonly inverted: boolean;
  /** Strokes stand out by less than 8 levels of 255: there is nothing to recognise. */
  readonly empty: boolean;
}

/**
 * Strokes become light on a dark ground (the ground is what most pixels are), the ground 0, the brightest 3 % 255 in the mean;
 * noise is estimated (median Laplacian, after Immerkaer 1996) and, where there is any, lowered by a local Wiener filter of
 * 3 x 3 (Lee 1980); the centre of mass moves to the middle by whole pixels. A clean MNIST picture stays nearly as it is.
 * @throws {ShapeError} for a picture that is not grey or smaller than 3 x 3.
 */
export function normaliseDrawing(picture: PixelImage): NormalisedDrawing {
  arg.checkArguments('normaliseDrawing', [picture], {
    picture: arg.like('a PixelImage', 'pixels', 'channels'),
  });
  const { channels, height, width, pixels } = picture;
  if (channels !== 1 || height < 3 || width < 3)
    throw new ShapeError('a drawing', '[1, >= 3, >= 3]', `${channels} x ${height} x ${width}`);
  const levels = cumulative(pixels, 0, 255);
  const [dark, ground, bright] = [STROKE_SHARE, 0.5, 1 - STROKE_SHARE].map((share) =>
    quantile(levels, share),
  );
  const inverted = ground - dark > bright - ground;
  const values = new Int16Array(pixels.length);
  for (let i = 0; i < values.length; i++) values[i] = inverted ? ground - pixels[i] : pixels[i] - ground;
  const noise = noiseDeviation(values, height, width);
  if (noise > 0) denoise(values, height, width, noise);
  const stroke = meanOfLargest(values, Math.ceil(STROKE_SHARE * values.length));
  const empty = !(stroke >= LEAST_CONTRAST);
  if (empty) return { pixels: new Uint8Array(values.length), inverted, empty };
  const gain = 255 / stroke;
  const stretched = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++)
    stretched[i] = Math.min(255, Math.max(0, Math.round(values[i] * gain)));
  return { pixels: centred(stretched, height, width), inverted, empty };
}

/**
 * Grey pictures of `size`, one after another, each through {@link normaliseDrawing}; pixels are whole numbers from 0 to 255. What an owner of
 * inputs does, before they are masked or encrypted, when a network's file asks for it.
 * @throws {OutOfRangeError} for a value that is no pixel. @throws {DataError} for a picture with nothing in it. @throws {ShapeError}
 */
export function normaliseDrawings(
  pixels: ArrayLike<number>,
  size: readonly [height: number, width: number],
): Uint8Array {
  arg.checkArguments('normaliseDrawings', [pixels, size], { pixels: arg.numbers, size: arg.list });
  const [height, width] = size;
  const each = height * width;
  if (pixels.length % each !== 0) throw new ShapeError('drawings', `n x ${height} x ${width}`, pixels.length);
  const out = new Uint8Array(pixels.length);
  for (let at = 0; at < out.length; at += each) {
    for (let i = at; i < at + each; i++) {
      if (!(pixels[i] >= 0 && pixels[i] <= 255)) throw new OutOfRangeError('a pixel', '0 to 255', pixels[i]);
      out[i] = pixels[i];
    }
    const picture = { channels: 1, height, width, pixels: out.subarray(at, at + each) };
    const { pixels: normalised, empty } = normaliseDrawing(picture);
    if (empty)
      throw new DataError(
        `input ${at / each + 1} is one even surface: there is no drawing in it to recognise`,
      );
    out.set(normalised, at);
  }
  return out;
}

/** How many values are at most `low + i`, for every i up to `high`. Counting is ten times as fast as sorting. */
function cumulative(values: ArrayLike<number>, low: number, high: number): Uint32Array {
  const counts = new Uint32Array(high - low + 1);
  for (let i = 0; i < values.length; i++) counts[values[i] - low]++;
  for (let i = 1; i < counts.length; i++) counts[i] += counts[i - 1];
  return counts;
}

/** The least place of `counts` (a cumulative count) that more than this share of the values reach. */
function quantile(counts: Uint32Array, share: number): number {
  const rank = share * counts[counts.length - 1];
  let place = 0;
  while (counts[place] <= rank && place + 1 < counts.length) place++;
  return place;
}

/** The standard deviation of noise that no drawing explains: 0 for pictures that are constant in most places. */
function noiseDeviation(values: Int16Array, height: number, width: number): number {
  const responses = new Uint16Array((height - 2) * (width - 2));
  for (let y = 1, i = 0; y + 1 < height; y++) {
    for (let at = y * width + 1; at < (y + 1) * width - 1; at++, i++) {
      const corners =
        values[at - width - 1] + values[at - width + 1] + values[at + width - 1] + values[at + width + 1];
      const sides = values[at - width] + values[at - 1] + values[at + 1] + values[at + width];
      responses[i] = Math.abs(corners - 2 * sides + 4 * values[at]);
    }
  }
  return quantile(cumulative(responses, 0, 8 * 255), 0.5) / MEDIAN_OF_LAPLACIAN;
}

/** In place: each value towards the mean of its 3 x 3 neighbours, fully where they vary by no more than the noise. */
function denoise(values: Int16Array, height: number, width: number, noise: number): void {
  const from = values.slice();
  const variance = noise * noise;
  for (let y = 0; y < height; y++) {
    const top = Math.max(0, y - 1);
    const bottom = Math.min(height - 1, y + 1);
    for (let x = 0; x < width; x++) {
      const left = Math.max(0, x - 1);
      const right = Math.min(width - 1, x + 1);
      let sum = 0;
      let squares = 0;
      for (let v = top; v <= bottom; v++) {
        for (let at = v * width + left, last = v * width + right; at <= last; at++) {
          const value = from[at];
          sum += value;
          squares += value * value;
        }
      }
      const count = (bottom - top + 1) * (right - left + 1);
      const mean = sum / count;
      const spread = squares / count - mean * mean;
      const kept = spread > variance ? (spread - variance) / spread : 0;
      values[y * width + x] = Math.round(mean + kept * (from[y * width + x] - mean));
    }
  }
  const ground =
    quantile(cumulative(values, -LARGEST_VALUE, LARGEST_VALUE), 0.5) -
    LARGEST_VALUE +
    Math.round(NOISE_FLOOR * noise);
  for (let i = 0; i < values.length; i++) values[i] -= ground;
}

function meanOfLargest(values: Int16Array, count: number): number {
  const counts = cumulative(values, -LARGEST_VALUE, LARGEST_VALUE);
  let [sum, left] = [0, count];
  for (let place = counts.length - 1; left > 0; place--) {
    const here = Math.min(left, counts[place] - (counts[place - 1] ?? 0));
    sum += here * (place - LARGEST_VALUE);
    left -= here;
  }
  return sum / count;
}

function centred(pixels: Uint8Array, height: number, width: number): Uint8Array {
  let [mass, down, right] = [0, 0, 0];
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      if (pixels[at] < WEIGHED_FROM) continue;
      mass += pixels[at];
      down += y * pixels[at];
      right += x * pixels[at];
    }
  }
  const dy = Math.round(height / 2 - down / mass);
  const dx = Math.round(width / 2 - right / mass);
  if (dy === 0 && dx === 0) return pixels;
  const out = new Uint8Array(pixels.length);
  for (let y = Math.max(0, -dy); y < Math.min(height, height - dy); y++) {
    for (let x = Math.max(0, -dx); x < Math.min(width, width - dx); x++) {
      out[(y + dy) * width + x + dx] = pixels[y * width + x];
    }
  }
  return out;
}
