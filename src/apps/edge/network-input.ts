/** The inputs of an integer network from files: portable maps, images of IDX arrays, raw elements. */
import { readFileSync, statSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { DataError, DecodeError, LimitError } from '../../base/errors.ts';
import { fitImage, imageAt, imageOf, isPortableMap, readIdx, readPortableMap } from '../../nn/index.ts';
import type { IntegerNetwork, PixelImage } from '../../nn/index.ts';

const MOST_FILE_BYTES = 2 ** 28;

/**
 * `FILE` is a portable grey or colour map (P5, P6), or raw elements, one byte each, of one or more inputs; `FILE#n` is image n of an
 * IDX array. Arrays may be compressed with gzip. Images are cropped and resized to the network's input; a pixel value from 0 to 255
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
  return isPortableMap(bytes) ? imageInput(readPortableMap(bytes), network) : rawInput(bytes, network);
}

function contents(path: string): Uint8Array {
  const facts = statSync(path, { throwIfNoEntry: false });
  if (facts?.isFile() !== true) throw new DataError(`there is no file ${path}`);
  if (facts.size > MOST_FILE_BYTES)
    throw new LimitError('the bytes of an input file', MOST_FILE_BYTES, facts.size);
  const bytes = readFileSync(path);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: MOST_FILE_BYTES });
  } catch {
    throw new DecodeError('an input file', `it is not gzip of at most ${MOST_FILE_BYTES} bytes`);
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
