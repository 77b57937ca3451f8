/**
 * The IDX format of MNIST (LeCun, Cortes, Burges): two zero bytes, a type, the number of extents, big-endian extents, then
 * row-major values. Unsigned bytes only, which is all that MNIST uses.
 */
import { filled } from '../../base/filled.ts';
import * as arg from '../../base/arguments.ts';
import { DecodeError, ShapeError } from '../../base/errors.ts';

const UNSIGNED_BYTE = 0x08;
const MAX_EXTENTS = 4;

export interface IdxArray {
  readonly shape: readonly number[];
  /** A view of the bytes that were read. */
  readonly data: Uint8Array;
}

/** Allocates nothing but the shape. @throws {DecodeError} unless the bytes are exactly one array. */
export function readIdx(bytes: Uint8Array): IdxArray {
  arg.checkArguments('readIdx', [bytes], { bytes: arg.bytes });
  const refuse = (reason: string) => new DecodeError('an IDX array', reason);
  if (bytes.length < 4 || bytes[0] !== 0 || bytes[1] !== 0) throw refuse('it does not start with two zeros');
  if (bytes[2] !== UNSIGNED_BYTE) throw refuse('its values are not unsigned bytes');
  const extents = bytes[3];
  if (extents < 1 || extents > MAX_EXTENTS)
    throw refuse(`it has ${extents} extents, 1 to ${MAX_EXTENTS} are allowed`);
  const start = 4 + 4 * extents;
  if (bytes.length < start) throw refuse('truncated');
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const shape = Array.from({ length: extents }, (_, i) => view.getUint32(4 + 4 * i));
  const size = shape.reduce((product, extent) => product * extent, 1);
  if (bytes.length - start !== size) throw refuse(`${bytes.length - start} values, its extents say ${size}`);
  return { shape, data: bytes.subarray(start) };
}

/** Grey images with their labels. */
export interface LabelledImages {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  /** `[count, height, width]`, 0 to 255. */
  readonly pixels: Uint8Array;
  readonly labels: Uint8Array;
}

/** @throws {DecodeError} on bytes that are not IDX. @throws {ShapeError} when images and labels do not belong together. */
export function readLabelledImages(imageFile: Uint8Array, labelFile: Uint8Array): LabelledImages {
  arg.checkArguments('readLabelledImages', [imageFile, labelFile], {
    imageFile: arg.bytes,
    labelFile: arg.bytes,
  });
  const [images, labels] = [readIdx(imageFile), readIdx(labelFile)];
  if (images.shape.length !== 3)
    throw new ShapeError('the images', '[count, height, width]', images.shape.join('x'));
  const [count, height, width] = images.shape;
  if (labels.shape.length !== 1 || labels.shape[0] !== count)
    throw new ShapeError('the labels', `[${count}]`, labels.shape.join('x'));
  return { count, height, width, pixels: images.data, labels: labels.data };
}

/** Pixels as real numbers in [0, 1]. */
export function unitPixels(pixels: Uint8Array): Float32Array {
  arg.checkArguments('unitPixels', [pixels], { pixels: arg.bytes });
  return filled(new Float32Array(pixels.length), (i) => pixels[i] / 255);
}
