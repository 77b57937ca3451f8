/** Images of 8-bit pixels: the portable bit, grey and colour maps of Netpbm (P1 to P6), and what fits them to a network's input. */
import * as arg from '../../base/arguments.ts';
import { DecodeError, LimitError } from '../../base/errors.ts';
import type { ImageShape } from '../../kernel/integer-linear-map.ts';

/** Values of one image; 16,000,000 grey pixels. */
const MAX_VALUES = 2 ** 24;

/** `[channels, height, width]` of values from 0 to 255; one channel is grey, three are red, green, blue. */
export interface PixelImage extends ImageShape {
  readonly pixels: Uint8Array;
}

const refuse = (reason: string): DecodeError => new DecodeError('a portable map', reason);

export function isPortableMap(bytes: Uint8Array): boolean {
  arg.checkArguments('isPortableMap', [bytes], { bytes: arg.bytes });
  const kind = bytes[1] ?? 0;
  return bytes[0] === 0x50 && kind >= 0x31 && kind <= 0x36 && (isSpace(bytes[2]) || bytes[2] === 0x23);
}

/**
 * Maps with up to 65,535 levels, as text (P1 to P3) or binary (P4 to P6), scaled to 0 .. 255. A set bit of a bitmap is black.
 * [Netpbm, pbm(5), pgm(5) and ppm(5)]
 * @throws {DecodeError} unless the bytes are exactly one such map. @throws {LimitError} when it is too large.
 */
export function readPortableMap(bytes: Uint8Array): PixelImage {
  arg.checkArguments('readPortableMap', [bytes], { bytes: arg.bytes });
  if (!isPortableMap(bytes)) throw refuse('it does not start with P1 to P6');
  const kind = bytes[1]! - 0x30;
  const isText = kind <= 3;
  const isBitmap = kind % 3 === 1;
  const channels = kind % 3 === 0 ? 3 : 1;
  const header = new HeaderReader(bytes, 2);
  const [width, height] = [header.number(), header.number()];
  const most = isBitmap ? 1 : header.number();
  if (width < 1 || height < 1) throw refuse('it has no pixels');
  if (channels * width * height > MAX_VALUES)
    throw new LimitError('the values of an image', MAX_VALUES, channels * width * height);
  if (most < 1 || most > 65_535) throw refuse(`${most} levels, 1 to 65,535 are understood`);
  const plane = width * height;
  const next = isText
    ? textValues(header, isBitmap)
    : binaryValues(bytes.subarray(header.end()), { width, height, isBitmap, most, channels });
  const pixels = new Uint8Array(channels * plane);
  for (let i = 0; i < plane; i++) {
    for (let channel = 0; channel < channels; channel++) {
      const value = next();
      if (value > most) throw refuse('a pixel above its largest value');
      const level = Math.round((value * 255) / most);
      pixels[channel * plane + i] = isBitmap ? 255 - level : level;
    }
  }
  if (isText) header.mustEnd();
  return { channels, height, width, pixels };
}

/** Bits of a bitmap may stand without white space between them. */
function textValues(header: HeaderReader, isBitmap: boolean): () => number {
  return isBitmap ? () => header.bit() : () => header.number();
}

interface BinaryLayout {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly most: number;
  readonly isBitmap: boolean;
}

/** Rows of bits begin on whole bytes; more than 255 levels take two bytes, the high one first. */
function binaryValues(
  data: Uint8Array,
  { width, height, channels, most, isBitmap }: BinaryLayout,
): () => number {
  const size = most > 255 ? 2 : 1;
  const rowBytes = isBitmap ? Math.ceil(width / 8) : channels * width * size;
  if (data.length !== rowBytes * height)
    throw refuse(`${data.length} bytes of pixels, its size says ${rowBytes * height}`);
  let at = 0;
  if (isBitmap) {
    return () => {
      const [row, column] = [Math.floor(at / width), at++ % width];
      return (data[row * rowBytes + (column >> 3)]! >> (7 - (column & 7))) & 1;
    };
  }
  if (size === 1) return () => data[at++]!;
  return () => {
    at += 2;
    return 256 * data[at - 2]! + data[at - 1]!;
  };
}

/** Decimal numbers between white space and comments. */
class HeaderReader {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  number(): number {
    if (!this.#skipSpace()) throw refuse('the header lacks white space');
    const start = this.#at;
    let value = 0;
    for (; isDigit(this.#bytes[this.#at]); this.#at++) {
      value = 10 * value + (this.#bytes[this.#at] - 0x30);
      if (value > MAX_VALUES) throw new LimitError('an extent of an image', MAX_VALUES, 'more');
    }
    if (this.#at === start) throw refuse('the header lacks a number');
    return value;
  }

  /** One digit of a bitmap. */
  bit(): number {
    this.#skipSpace();
    const byte = this.#bytes[this.#at++];
    if (byte !== 0x30 && byte !== 0x31) throw refuse('a pixel that is neither 0 nor 1, or too few of them');
    return byte - 0x30;
  }

  /** Behind the last number of a text. */
  mustEnd(): void {
    this.#skipSpace();
    if (this.#at < this.#bytes.length) throw refuse('more pixels than its size says');
  }

  /** Where the pixels start: after one character of white space. */
  end(): number {
    if (!isSpace(this.#bytes[this.#at])) throw refuse('the header does not end');
    return this.#at + 1;
  }

  #skipSpace(): boolean {
    const start = this.#at;
    for (;;) {
      if (isSpace(this.#bytes[this.#at])) this.#at++;
      else if (this.#bytes[this.#at] === 0x23) this.#skipComment();
      else return this.#at > start;
    }
  }

  #skipComment(): void {
    while (this.#at < this.#bytes.length && this.#bytes[this.#at] !== 0x0a) this.#at++;
  }
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || (byte !== undefined && byte >= 0x09 && byte <= 0x0d);
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

/**
 * The image at another size: the largest centred part of the target's proportions, each target pixel the mean of the area that it
 * covers. Grey becomes three equal channels; colour becomes grey by the weights of ITU-R BT.601. An image that fits is unchanged.
 * @throws {DecodeError} for other numbers of channels. @throws {LimitError} for a target above 2^24 values.
 */
export function fitImage(image: PixelImage, to: ImageShape): PixelImage {
  arg.checkArguments('fitImage', [image, to], {
    image: arg.like('a PixelImage', 'pixels', 'channels'),
    to: arg.options,
  });
  if (to.channels * to.height * to.width > MAX_VALUES)
    throw new LimitError('the values of an image', MAX_VALUES, to.channels * to.height * to.width);
  const { height, width, pixels } = withChannels(image, to.channels);
  if (height === to.height && width === to.width) return { ...to, pixels };
  const scale = Math.min(height / to.height, width / to.width);
  const vertical = coverage(height, to.height, scale);
  const horizontal = coverage(width, to.width, scale);
  const out = new Uint8Array(to.channels * to.height * to.width);
  for (let channel = 0, at = 0; channel < to.channels; channel++) {
    const plane = pixels.subarray(channel * height * width, (channel + 1) * height * width);
    for (const rows of vertical)
      for (const columns of horizontal) out[at++] = Math.round(areaMean(plane, width, rows, columns));
  }
  return { ...to, pixels: out };
}

/** Grey as three equal channels; colour as grey by the weights of ITU-R BT.601. @throws {DecodeError} for other numbers. */
export function withChannels(image: PixelImage, channels: number): PixelImage {
  arg.checkArguments('withChannels', [image, channels], {
    image: arg.like('a PixelImage', 'pixels', 'channels'),
    channels: arg.number,
  });
  if (image.channels === channels) return image;
  const { height, width, pixels } = image;
  const plane = height * width;
  if (image.channels === 1 && channels === 3)
    return {
      channels,
      height,
      width,
      pixels: Uint8Array.from({ length: 3 * plane }, (_, i) => pixels[i % plane]),
    };
  if (image.channels === 3 && channels === 1) {
    const grey = Uint8Array.from({ length: plane }, (_, i) =>
      Math.round(0.299 * pixels[i] + 0.587 * pixels[plane + i] + 0.114 * pixels[2 * plane + i]),
    );
    return { channels, height, width, pixels: grey };
  }
  throw new DecodeError('an image', `${image.channels} channels, the network takes ${channels}`);
}

/** The whole image at another size, each target pixel the mean of the area that it covers. @throws {LimitError} */
export function stretchImage(image: PixelImage, toHeight: number, toWidth: number): PixelImage {
  arg.checkArguments('stretchImage', [image, toHeight, toWidth], {
    image: arg.like('a PixelImage', 'pixels', 'channels'),
    toHeight: arg.number,
    toWidth: arg.number,
  });
  const { channels, height, width, pixels } = image;
  if (channels * toHeight * toWidth > MAX_VALUES)
    throw new LimitError('the values of an image', MAX_VALUES, channels * toHeight * toWidth);
  if (height === toHeight && width === toWidth) return image;
  const vertical = coverage(height, toHeight, height / toHeight);
  const horizontal = coverage(width, toWidth, width / toWidth);
  const out = new Uint8Array(channels * toHeight * toWidth);
  for (let channel = 0, at = 0; channel < channels; channel++) {
    const plane = pixels.subarray(channel * height * width, (channel + 1) * height * width);
    for (const rows of vertical)
      for (const columns of horizontal) out[at++] = Math.round(areaMean(plane, width, rows, columns));
  }
  return { channels, height: toHeight, width: toWidth, pixels: out };
}

interface Covered {
  readonly first: number;
  /** Shares of the source pixels from `first` on; their sum is 1. */
  readonly shares: readonly number[];
}

/** Along one axis, the source pixels under each of `places` target pixels of width `scale`, centred. */
function coverage(extent: number, places: number, scale: number): Covered[] {
  const margin = (extent - places * scale) / 2;
  return Array.from({ length: places }, (_, place) => {
    const [start, end] = [margin + place * scale, margin + (place + 1) * scale];
    const first = Math.min(extent - 1, Math.max(0, Math.floor(start + 1e-9)));
    const last = Math.min(extent - 1, Math.max(first, Math.ceil(end - 1e-9) - 1));
    const shares = Array.from({ length: last - first + 1 }, (_, i) =>
      Math.max(0, Math.min(end, first + i + 1) - Math.max(start, first + i)),
    );
    const sum = shares.reduce((a, b) => a + b, 0);
    return { first, shares: shares.map((share) => share / sum) };
  });
}

function areaMean(plane: Uint8Array, width: number, rows: Covered, columns: Covered): number {
  let sum = 0;
  rows.shares.forEach((down, y) => {
    const start = (rows.first + y) * width + columns.first;
    columns.shares.forEach((right, x) => {
      sum += down * right * plane[start + x];
    });
  });
  return sum;
}

/** One image of an array `[count, height, width]` or `[count, channels, height, width]`. @throws {DecodeError} */
export function imageAt(shape: readonly number[], data: Uint8Array, index: number): PixelImage {
  arg.checkArguments('imageAt', [shape, data, index], {
    shape: arg.numbers,
    data: arg.bytes,
    index: arg.number,
  });
  if (shape.length !== 3 && shape.length !== 4)
    throw new DecodeError('an array of images', `${shape.length} extents, 3 or 4 are needed`);
  if (!(Number.isInteger(index) && index >= 0 && index < shape[0]))
    throw new DecodeError('an array of images', `it has ${shape[0]} images, none of number ${index}`);
  const [channels, height, width] = shape.length === 3 ? [1, shape[1], shape[2]] : shape.slice(1);
  const size = channels * height * width;
  if (size === 0 || size > MAX_VALUES) throw new LimitError('the values of an image', MAX_VALUES, size);
  return { channels, height, width, pixels: data.subarray(index * size, (index + 1) * size) };
}
