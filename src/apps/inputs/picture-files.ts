/**
 * PNG and JPEG by their libraries. Both formats claim a size in a few bytes and both libraries allocate by it, so the claim is read and
 * bounded here first, and compressed data are held against it: nothing is allocated on a claim alone.
 */
import { inflateSync } from 'node:zlib';
import { decode as decodePng } from 'fast-png';
import { decode as decodeJpeg } from 'jpeg-js';
import { DecodeError, LimitError } from '../../base/errors.ts';
import type { PixelImage } from '../../nn/index.ts';

const MAX_PIXELS = 2 ** 24;
const JPEG_MEMORY_MB = 1024;
/** A block of 8 x 8 pixels takes at least one bit of its scan, so that no true image has more pixels for a byte. */
const JPEG_PIXELS_PER_BYTE = 512;
const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Chunks that say what a pixel is; all others (texts, colour profiles, times) are left out unread. */
const PNG_CHUNKS = new Set(['IHDR', 'PLTE', 'tRNS', 'IDAT', 'IEND']);

export function isPng(bytes: Uint8Array): boolean {
  return PNG_SIGNATURE.every((byte, i) => bytes[i] === byte);
}

export function isJpeg(bytes: Uint8Array): boolean {
  return bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff;
}

/** Of every kind; transparent parts are white, 16 bits are rounded to 8. @throws {DecodeError} {@link LimitError} */
export function readPng(bytes: Uint8Array): PixelImage {
  const png = (reason: string) => new DecodeError('a PNG image', reason);
  const { width, height, essential } = essentialChunks(bytes, png);
  let decoded: ReturnType<typeof decodePng>;
  try {
    decoded = decodePng(essential, { checkCrc: true });
  } catch (error) {
    throw png(`it is damaged (${(error as Error).message.slice(0, 80)})`);
  }
  const { data, depth, channels, palette, transparency } = decoded;
  const values =
    depth < 8 && palette === undefined ? unpackBits(data as Uint8Array, width, height, depth) : data;
  const indices =
    palette !== undefined && depth < 8 ? unpackBits(data as Uint8Array, width, height, depth) : values;
  const most = 2 ** depth - 1;
  return overWhite({ width, height, isGrey: palette === undefined && channels <= 2 }, (i) => {
    if (palette !== undefined) {
      const entry = palette[indices[i]!];
      if (entry === undefined) throw png('a pixel outside the palette');
      return [entry[0]!, entry[1]!, entry[2]!, (entry[3] ?? 255) / 255];
    }
    const at = i * channels;
    const at8 = (k: number) => (values[at + k]! * 255) / most;
    const grey = channels <= 2;
    const colour = grey ? [0, 0, 0] : [0, 1, 2];
    const isClear =
      transparency !== undefined && colour.every((k) => values[at + k] === transparency[grey ? 0 : k]);
    const alpha = channels % 2 === 0 ? at8(channels - 1) / 255 : isClear ? 0 : 1;
    return [at8(colour[0]!), at8(colour[1]!), at8(colour[2]!), alpha];
  });
}

/** Checks the size and the length of the compressed data, and keeps what is needed. */
function essentialChunks(bytes: Uint8Array, png: (reason: string) => DecodeError) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const kept = [bytes.subarray(0, 8)];
  const data: Uint8Array[] = [];
  let at = 8;
  let name = '';
  let [width, height, rowBits] = [0, 0, 0];
  while (name !== 'IEND') {
    if (at + 12 > bytes.length) throw png('it is cut short');
    const length = view.getUint32(at);
    if (length > bytes.length - at - 12) throw png('it is cut short');
    name = Buffer.from(bytes.subarray(at + 4, at + 8)).toString('latin1');
    if (name === 'IHDR' || kept.length === 1) {
      if (name !== 'IHDR' || kept.length > 1 || length !== 13) throw png('it does not begin with its header');
      [width, height] = [view.getUint32(at + 8), view.getUint32(at + 12)];
      if (width < 1 || height < 1) throw png('it has no pixels');
      if (width * height > MAX_PIXELS)
        throw new LimitError('the pixels of an image', MAX_PIXELS, width * height);
      rowBits = width * bytes[at + 16]! * ([1, 1, 3, 1, 2, 1, 4][bytes[at + 17]!] ?? 4);
    }
    const end = at + 12 + length;
    if (PNG_CHUNKS.has(name)) kept.push(bytes.subarray(at, end));
    if (name === 'IDAT') data.push(bytes.subarray(at + 8, end - 4));
    at = end;
  }
  // A filter byte a row, and seven smaller images of an interlaced one have at most twice the rows.
  const most = height * (Math.ceil(rowBits / 8) + 1) + 2 * height + 8 * Math.max(width, height) + 64;
  try {
    inflateSync(Buffer.concat(data), { maxOutputLength: most });
  } catch {
    throw png('its pixels are damaged, or more than its size says');
  }
  return { width, height, essential: new Uint8Array(Buffer.concat(kept)) };
}

/** Values of less than 8 bits, packed in rows of whole bytes, one a byte. Already one a byte: as they are. */
function unpackBits(data: Uint8Array, width: number, height: number, depth: number): Uint8Array {
  const rowBytes = Math.ceil((width * depth) / 8);
  if (data.length !== rowBytes * height || depth === 8) return data;
  const out = new Uint8Array(width * height);
  for (let i = 0; i < out.length; i++) {
    const bit = (i % width) * depth;
    const byte = data[Math.floor(i / width) * rowBytes + (bit >> 3)]!;
    out[i] = (byte >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
  }
  return out;
}

/** Baseline and progressive; colours as the library converts them. @throws {DecodeError} {@link LimitError} */
export function readJpeg(bytes: Uint8Array): PixelImage {
  const jpeg = (reason: string) => new DecodeError('a JPEG image', reason);
  const size = jpegSize(bytes);
  if (size === null) throw jpeg('it has no frame header');
  const { width, height } = size;
  if (width < 1 || height < 1) throw jpeg('it has no pixels');
  if (width * height > MAX_PIXELS) throw new LimitError('the pixels of an image', MAX_PIXELS, width * height);
  if (width * height > JPEG_PIXELS_PER_BYTE * bytes.length) throw jpeg('it is too short for its size');
  try {
    const limits = { maxResolutionInMP: MAX_PIXELS / 1e6, maxMemoryUsageInMB: JPEG_MEMORY_MB };
    const { data } = decodeJpeg(bytes, {
      useTArray: true,
      formatAsRGBA: false,
      tolerantDecoding: false,
      ...limits,
    });
    const isGrey = size.components === 1;
    return overWhite({ width, height, isGrey }, (i) => [data[3 * i]!, data[3 * i + 1]!, data[3 * i + 2]!, 1]);
  } catch (error) {
    throw jpeg(
      `it is damaged or of a kind that is not understood (${(error as Error).message.slice(0, 80)})`,
    );
  }
}

/** Of the first frame header; null without one. */
function jpegSize(bytes: Uint8Array): { width: number; height: number; components: number } | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 2;
  while (at + 9 < bytes.length) {
    if (bytes[at] !== 0xff) return null;
    const marker = bytes[at + 1]!;
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame)
      return { height: view.getUint16(at + 5), width: view.getUint16(at + 7), components: bytes[at + 9]! };
    if (marker === 0xff) at++;
    else at += 2 + view.getUint16(at + 2);
  }
  return null;
}

/** Planes of the image that lies on white; `pixel` gives red, green and blue from 0 to 255 and how much covers, from 0 to 1. */
function overWhite(
  { width, height, isGrey }: { width: number; height: number; isGrey: boolean },
  pixel: (index: number) => readonly [number, number, number, number],
): PixelImage {
  const channels = isGrey ? 1 : 3;
  const plane = width * height;
  const pixels = new Uint8Array(channels * plane);
  for (let i = 0; i < plane; i++) {
    const values = pixel(i);
    const alpha = values[3];
    for (let k = 0; k < channels; k++)
      pixels[k * plane + i] = Math.round(values[k as 0 | 1 | 2] * alpha + 255 * (1 - alpha));
  }
  return { channels, height, width, pixels };
}
