import * as arg from '../../base/arguments.ts';
import { ShapeError } from '../../base/errors.ts';

/** A clear row-major array. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** The shape of one sample, without the batch: `[features]` or `[channels, height, width]`. */
export type SampleShape = readonly number[];

export function sizeOf(shape: readonly number[]): number {
  arg.checkArguments('sizeOf', [shape], { shape: arg.numbers });
  let size = 1;
  for (const extent of shape) size *= extent;
  return size;
}

/** @throws {ShapeError} unless every extent is a positive integer and the product stays below 2^31. */
export function checkShape(what: string, shape: readonly number[]): void {
  arg.checkArguments('checkShape', [what, shape], { what: arg.text, shape: arg.numbers });
  const sound = shape.length > 0 && shape.every((extent) => Number.isInteger(extent) && extent > 0);
  if (!sound || sizeOf(shape) >= 2 ** 31)
    throw new ShapeError(what, 'positive extents', `[${shape.join(', ')}]`);
}

/**
 * A view of exactly `length` floats, on the memory of `buffer` when that is large enough. Contents are unspecified.
 * So a layer allocates only when a batch is larger than every one before.
 */
export function resized(buffer: Float32Array, length: number): Float32Array {
  arg.checkArguments('resized', [buffer, length], {
    buffer: arg.typed('a Float32Array', Float32Array),
    length: arg.number,
  });
  if (buffer.length === length) return buffer;
  if (buffer.buffer.byteLength >= length * 4) return new Float32Array(buffer.buffer, 0, length);
  return new Float32Array(length);
}
