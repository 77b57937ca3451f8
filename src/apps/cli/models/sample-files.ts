/**
 * Files to the inputs of a model, as its description says: images (PNG, JPEG, Netpbm), sets of images (IDX), tables (CSV), arrays
 * (NPY). Every reader refuses before it allocates on a claim, and names the file.
 */
import { readFileSync, statSync } from 'node:fs';
import { DataError, DecodeError, LimitError, SubrosaError } from '../../../base/errors.ts';
import type { Offer } from '../../../compiler/offer.ts';
import type { InputDescription } from '../../../nn/graph/model-graph.ts';
import { type PixelImage, isPortableMap, readPortableMap } from '../../../nn/images/pixel-image.ts';
import { isJpeg, isPng, readJpeg, readPng } from '../../inputs/picture-files.ts';
import { readIdxFile } from '../../train/idx-files.ts';
import { readCsv } from './csv-table.ts';
import { isNpy, readNpy } from './npy-array.ts';
import { resizedImage } from './resized-image.ts';

/** How the files for an offer are read: as it says, or as plain rows of numbers. */
export function inputOfOffer({ about, inputs, inputBound }: Offer): InputDescription {
  const everything = [-inputBound, inputBound] as const;
  return (
    about?.input ?? {
      name: 'input',
      shape: [inputs],
      kind: 'table',
      mean: [0],
      deviation: [1],
      interval: everything,
      clip: everything,
    }
  );
}

const MAX_FILE_BYTES = 2 ** 30;
const IDX_UNSIGNED_BYTES = 0x08;

export interface Samples {
  /** `[count, features]`, normalised, not clipped. */
  readonly data: Float32Array;
  readonly count: number;
  /** One per sample: the file, with the number of the sample where a file holds several. */
  readonly names: readonly string[];
}

/** @throws {DataError} that names the file and what was expected of it. */
export function readSamples(paths: readonly string[], input: InputDescription, most = Infinity): Samples {
  const features = input.shape.reduce((a, b) => a * b, 1);
  const rows: Float32Array[] = [];
  const names: string[] = [];
  for (const path of paths) {
    const found = readOne(path, input, features);
    found.forEach((row, i) => {
      if (rows.length >= most) return;
      rows.push(row);
      names.push(found.length === 1 ? path : `${path}[${i}]`);
    });
  }
  const data = new Float32Array(rows.length * features);
  rows.forEach((row, i) => data.set(row, i * features));
  return { data, count: rows.length, names };
}

function readOne(path: string, input: InputDescription, features: number): Float32Array[] {
  try {
    const { size } = statSync(path);
    if (size > MAX_FILE_BYTES) throw new LimitError('a file of samples', MAX_FILE_BYTES, size);
    const bytes = readIdxFile(path);
    if (isPng(bytes)) return [imageRow(readPng(bytes), input)];
    if (isJpeg(bytes)) return [imageRow(readJpeg(bytes), input)];
    if (isPortableMap(bytes)) return [imageRow(readPortableMap(bytes), input)];
    if (isNpy(bytes)) return rowsOf(readNpy(bytes), input, features);
    if (bytes[0] === 0 && bytes[1] === 0 && bytes[2] === IDX_UNSIGNED_BYTES) return idxRows(bytes, input);
    return rowsOf(readCsv(readFileSync(path, 'utf8')), input, features);
  } catch (error) {
    const known = error instanceof SubrosaError ? error.message : 'it cannot be read';
    throw new DataError(`${path}: ${known}`);
  }
}

/** Numbers as they are, one row of features after another. */
function rowsOf(values: Float64Array, input: InputDescription, features: number): Float32Array[] {
  if (values.length === 0 || values.length % features !== 0)
    throw new DecodeError(
      'an array of samples',
      `${values.length} values are not rows of ${input.shape.join(' x ')}`,
    );
  return Array.from({ length: values.length / features }, (_, i) =>
    normalised(values.subarray(i * features, (i + 1) * features), input),
  );
}

/** `[count, height, width]` of unsigned bytes. */
function idxRows(bytes: Uint8Array, input: InputDescription): Float32Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const dimensions = bytes[3]!;
  const [count, height, width] = [4, 8, 12].map((at) => (at + 4 <= bytes.length ? view.getUint32(at) : 0));
  if (dimensions !== 3 || count! * height! * width! !== bytes.length - 16)
    throw new DecodeError('an IDX file', 'it is no set of images, or cut short');
  const size = height! * width!;
  return Array.from({ length: count! }, (_, i) => {
    const pixels = bytes.subarray(16 + i * size, 16 + (i + 1) * size);
    return imageRow({ channels: 1, height: height!, width: width!, pixels }, input);
  });
}

function imageRow(image: PixelImage, input: InputDescription): Float32Array {
  const { image: wanted } = input;
  if (wanted === undefined)
    throw new DecodeError(
      'an image',
      `the model takes ${input.shape.join(' x ')} numbers: compile it with --image HxW, or give CSV or NPY`,
    );
  const pixels = resizedImage(image, wanted);
  const scale = wanted.white / 255;
  return normalised(
    pixels.map((pixel) => scale * (wanted.invert ? 255 - pixel : pixel)),
    input,
  );
}

/** (value - mean) / deviation of the element's channel. */
function normalised(values: Float64Array, { mean, deviation, shape, image }: InputDescription): Float32Array {
  const channels = image?.channels ?? shape[0] ?? 1;
  const isLast = image?.order === 'channels-last';
  const inside = values.length / channels;
  return Float32Array.from(values, (value, i) => {
    const channel = isLast ? i % channels : Math.floor(i / inside);
    return (value - (mean[channel] ?? mean[0]!)) / (deviation[channel] ?? deviation[0]!);
  });
}
