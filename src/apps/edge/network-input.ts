/** The inputs of an integer network from files: PNG, JPEG, portable maps, images of IDX arrays, raw elements. */
import { readFileSync, statSync } from 'node:fs';
import { extname } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { DataError, DecodeError, LimitError } from '../../base/errors.ts';
import { fitImage, imageAt, imageOf, isPortableMap, readIdx, readPortableMap } from '../../nn/index.ts';
import type { IntegerNetwork, PixelImage } from '../../nn/index.ts';
import { isJpeg, isPng, readJpeg, readPng } from '../inputs/picture-files.ts';

const MAX_FILE_BYTES = 2 ** 28;
const RAW_ENDINGS = new Set(['', '.bin', '.raw']);

/**
 * `FILE` is a PNG, a JPEG or a portable map (P1 to P6), or, named `.bin` or `.raw` or without an ending, raw elements, one byte
 * each, of one or more inputs; `FILE#n` is image n of an IDX array. Everything else is refused: a file that merely has the right length is not taken for pixels. Arrays may be compressed with gzip. Images are cropped and resized to the network's input; a pixel value from 0 to 255
 * is the integer itself, less 128 for a network with signed inputs.
 * @throws {DataError} when there is no such file. @throws {DecodeError} when it is nothing of the kind. @throws {LimitError} above 256 MiB.
 */
export function readNetworkInput(source: string, network: IntegerNetwork): Int32Array {
  const [, path, number] = /^(.*?)(?:#(\d+))?$/s.exec(source) ?? ['', source];
  const bytes = contents(path);
  if (number !== undefined) {
    const { shape, data } = readIdx(bytes);
    return imageInput(imageAt(shape, data, Number(number)), network);
  }
  if (isPng(bytes)) return imageInput(readPng(bytes), network);
  if (isJpeg(bytes)) return imageInput(readJpeg(bytes), network);
  if (isPortableMap(bytes)) return imageInput(readPortableMap(bytes), network);
  refuseUnknown(path, bytes);
  return rawInput(bytes, network);
}

/** Beginnings of formats that are not read here. */
const OTHER_FORMATS: readonly (readonly [string, RegExp])[] = [
  ['a GIF image', /^GIF8[79]a/],
  ['a BMP image', /^BM[^]{4}\u2400\u2400\u2400\u2400/],
  ['a WebP image', /^RIFF[^]{4}WEBP/],
  ['a RIFF file', /^RIFF/],
  ['a TIFF image', /^(?:II\*\u2400|MM\u2400\*)/],
  ['an AVIF or HEIC image', /^[^]{4}ftyp/],
  ['a PDF document', /^%PDF/],
  ['a ZIP archive', /^PK[\u2403\u2405]/],
  ['a NumPy array', /^\u0093NUMPY/],
  ['an IDX array: say which image with FILE#n', /^\u2400\u2400[\u2408-\u240e][\u2401-\u2404]\u2400/],
  ['a portable map of a newer kind', /^P[7Ff][ \u240a]/],
  ['an SVG or HTML text', /^[\s\u2409\u240a\u240d]*<(?:\?xml|svg|!doctype|html)/i],
];

function refuseUnknown(path: string, bytes: Uint8Array): void {
  // Control characters as their pictures (U+2400 and on), so that patterns can name them.
  const start = Array.from(bytes.subarray(0, 64), (byte) =>
    String.fromCharCode(byte < 32 ? 0x2400 + byte : byte),
  ).join('');
  const known = OTHER_FORMATS.find(([, pattern]) => pattern.test(start));
  const wanted =
    'PNG, JPEG, P1 to P6, FILE#n of an IDX array and raw elements in a .bin or .raw file are understood';
  if (known !== undefined) throw new DecodeError('the input', `${path} is ${known[0]}; ${wanted}`);
  if (!RAW_ENDINGS.has(extname(path.replace(/\.gz$/, '')).toLowerCase()))
    throw new DecodeError('the input', `${path} is of no kind that is known; ${wanted}`);
}

function contents(path: string): Uint8Array {
  const facts = statSync(path, { throwIfNoEntry: false });
  if (facts?.isFile() !== true) throw new DataError(`there is no file ${path}`);
  if (facts.size > MAX_FILE_BYTES)
    throw new LimitError('the bytes of an input file', MAX_FILE_BYTES, facts.size);
  const bytes = readFileSync(path);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_FILE_BYTES });
  } catch {
    throw new DecodeError('an input file', `it is not gzip of at most ${MAX_FILE_BYTES} bytes`);
  }
}

function imageInput(image: PixelImage, { input }: IntegerNetwork): Int32Array {
  const { pixels } = fitImage(image, imageOf(input.shape, 'the network'));
  const zero = input.low < 0 ? 128 : 0;
  return Int32Array.from(pixels, (pixel) => pixel - zero);
}

/** int8, or bytes from 0 for a network whose inputs have no sign. */
function rawInput(bytes: Uint8Array, { input, inputs }: IntegerNetwork): Int32Array {
  if (bytes.length === 0 || bytes.length % inputs !== 0)
    throw new DecodeError('the input', `${bytes.length} bytes are no multiple of ${inputs} elements`);
  return Int32Array.from(bytes, (byte) => (input.low < 0 ? (byte << 24) >> 24 : byte));
}
