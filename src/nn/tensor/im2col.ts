/** Convolution as a matrix product: unfolding windows into columns and adding columns back. */
import { ShapeError } from '../../base/errors.ts';
import type { SampleShape } from './tensor.ts';

/** Window arithmetic of a convolution or a pool over `[channels, height, width]`. */
export interface WindowGeometry {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly size: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  /** Distance of neighbouring places of a window; 1 is dense. */
  readonly dilation: readonly [number, number];
  readonly outHeight: number;
  readonly outWidth: number;
}

/** @throws {ShapeError} when the input is not `[channels, height, width]` or no window fits. */
export function windowGeometry(
  what: string,
  shape: SampleShape,
  size: readonly [number, number],
  stride: readonly [number, number],
  padding: readonly [number, number],
  dilation: readonly [number, number] = [1, 1],
): WindowGeometry {
  if (shape.length !== 3)
    throw new ShapeError(`the input of ${what}`, '[channels, height, width]', shape.length);
  const [channels, height, width] = shape;
  const counts = [...size, ...stride, ...dilation];
  const [spanY, spanX] = size.map((places, axis) => (places - 1) * dilation[axis] + 1);
  const sound =
    counts.every((v) => Number.isInteger(v) && v >= 1) && padding.every((v) => Number.isInteger(v) && v >= 0);
  const outHeight = Math.floor((height + 2 * padding[0] - spanY) / stride[0]) + 1;
  const outWidth = Math.floor((width + 2 * padding[1] - spanX) / stride[1]) + 1;
  if (!sound || !(outHeight >= 1 && outWidth >= 1) || padding[0] >= spanY || padding[1] >= spanX) {
    const text = `size ${size.join('x')}, stride ${stride.join('x')}, padding ${padding.join('x')}, dilation ${dilation.join('x')}`;
    throw new ShapeError(`the windows of ${what}`, `inside ${height}x${width}`, text);
  }
  return { channels, height, width, size, stride, padding, dilation, outHeight, outWidth };
}

/** First output column whose place `offset` of the window lies inside the image, and the one after the last. */
function insideColumns(g: WindowGeometry, offset: number): [first: number, end: number] {
  const first = Math.max(0, Math.ceil((g.padding[1] - offset) / g.stride[1]));
  const end = Math.min(g.outWidth, Math.floor((g.width - 1 + g.padding[1] - offset) / g.stride[1]) + 1);
  return [Math.min(first, g.outWidth), Math.max(0, end)];
}

/**
 * Unfolds channels `[from, from + channels)` of `samples` images starting at `x[start]` into
 * `columns[(channel, ky, kx)][(sample, oy, ox)]`; outside the image is 0. `step` is the distance between images.
 */
export function unfold(
  columns: Float32Array,
  x: Float32Array,
  g: WindowGeometry,
  start: number,
  step: number,
  from: number,
  channels: number,
  samples: number,
): void {
  const positions = g.outHeight * g.outWidth;
  let row = 0;
  for (let channel = from; channel < from + channels; channel++) {
    for (let ky = 0; ky < g.size[0]; ky++) {
      for (let kx = 0; kx < g.size[1]; kx++, row++) {
        const offset = kx * g.dilation[1];
        const [first, end] = insideColumns(g, offset);
        let to = row * samples * positions;
        for (let sample = 0; sample < samples; sample++) {
          const image = start + sample * step + channel * g.height * g.width;
          for (let oy = 0; oy < g.outHeight; oy++, to += g.outWidth) {
            const y = oy * g.stride[0] + ky * g.dilation[0] - g.padding[0];
            if (y < 0 || y >= g.height) {
              columns.fill(0, to, to + g.outWidth);
              continue;
            }
            for (let ox = 0; ox < first; ox++) columns[to + ox] = 0;
            let at = image + y * g.width + first * g.stride[1] + offset - g.padding[1];
            for (let ox = first; ox < end; ox++, at += g.stride[1]) columns[to + ox] = x[at];
            for (let ox = end; ox < g.outWidth; ox++) columns[to + ox] = 0;
          }
        }
      }
    }
  }
}

/** The transpose of {@link unfold}: adds columns back into the images, which the caller has cleared. */
export function foldBack(
  dx: Float32Array,
  columns: Float32Array,
  g: WindowGeometry,
  start: number,
  step: number,
  from: number,
  channels: number,
  samples: number,
): void {
  const positions = g.outHeight * g.outWidth;
  let row = 0;
  for (let channel = from; channel < from + channels; channel++) {
    for (let ky = 0; ky < g.size[0]; ky++) {
      for (let kx = 0; kx < g.size[1]; kx++, row++) {
        const offset = kx * g.dilation[1];
        const [first, end] = insideColumns(g, offset);
        let to = row * samples * positions;
        for (let sample = 0; sample < samples; sample++) {
          const image = start + sample * step + channel * g.height * g.width;
          for (let oy = 0; oy < g.outHeight; oy++, to += g.outWidth) {
            const y = oy * g.stride[0] + ky * g.dilation[0] - g.padding[0];
            if (y < 0 || y >= g.height) continue;
            let at = image + y * g.width + first * g.stride[1] + offset - g.padding[1];
            for (let ox = first; ox < end; ox++, at += g.stride[1]) dx[at] += columns[to + ox];
          }
        }
      }
    }
  }
}
