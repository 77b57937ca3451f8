/** Files of any kind that is read here as the numbers that a model takes, by the description of its input. */
import { DecodeError, ShapeError } from '../../base/errors.ts';
import { filled } from '../../base/filled.ts';
import type { ImageInput, InputDescription } from '../../nn/graph/model-graph.ts';
import { readIdx } from '../../nn/files/idx.ts';
import { normaliseDrawings } from '../../nn/images/drawing-normalisation.ts';
import { fitPicture } from './fit-picture.ts';
import { isPortableMap, readPortableMap } from '../../nn/images/pixel-image.ts';
import type { PixelImage } from '../../nn/images/pixel-image.ts';
import { resample } from '../../speech/audio/resample.ts';
import { readWav } from '../../speech/audio/wav.ts';
import { readCsvNumbers } from './csv-numbers.ts';
import { isNpy, isZip, readNpy, readNpz } from './npy.ts';
import type { NumberArray } from './npy.ts';
import { isJpeg, isPng, readJpeg, readPng } from './picture-files.ts';

/** Samples of one input, normalised as its description says. */
export interface InputSamples {
  readonly count: number;
  /** `[count, ...shape]`, (value - mean) / deviation, clipped. */
  readonly values: Float32Array;
  /** How many values were clipped. */
  readonly clipped: number;
  /** Classes that came with the samples, in an NPZ archive. */
  readonly labels?: Int32Array;
}

/**
 * PNG, JPEG, portable maps and WAV hold one sample; NPY, NPZ, IDX and CSV as many as their first axis says. The kind is recognised by
 * the first bytes; what is nothing else is taken for CSV.
 * @throws {DecodeError} {@link LimitError} for a file that is damaged or too large.
 * @throws {ShapeError} with both shapes when it does not hold such samples.
 */
export function readInputFile(bytes: Uint8Array, description: InputDescription): InputSamples {
  if (isPng(bytes)) return pictureSamples(readPng(bytes), description);
  if (isJpeg(bytes)) return pictureSamples(readJpeg(bytes), description);
  if (isPortableMap(bytes)) return pictureSamples(readPortableMap(bytes), description);
  if (isNpy(bytes)) return arraySamples(readNpy(bytes), description);
  if (isZip(bytes)) return archiveSamples(readNpz(bytes), description);
  if (bytes[0] === 0 && bytes[1] === 0 && bytes.length >= 4) return arraySamples(readIdx(bytes), description);
  if (isWav(bytes)) return audioSamples(bytes, description);
  const { rows, columns, data } = readCsvNumbers(decoded(bytes));
  return arraySamples({ shape: [rows, columns], data }, description);
}

/** What a WAV file of any kind starts with. */
const WAV_KINDS = new Set(['RIFF', 'RF64', 'BW64']);

/** Whether a file is taken for a recording. */
export function isWav(bytes: Uint8Array): boolean {
  return WAV_KINDS.has(String.fromCharCode(...bytes.subarray(0, 4)));
}

function decoded(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new DecodeError(
      'an input file',
      'it is no PNG, JPEG, NPY, NPZ, IDX, WAV or portable map, and no text',
    );
  }
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, extent) => product * extent, 1);

function pictureSamples(picture: PixelImage, description: InputDescription): InputSamples {
  const { image, shape } = description;
  if (image === undefined)
    throw new ShapeError(
      `the input ${description.name}`,
      `numbers of shape ${shape.join(' x ')}`,
      'a picture',
    );
  const fitted = fitPicture(picture, image, description.mean);
  return normalised(drawn(inOrder(fitted, image), description), 1, description);
}

/** Channel-major pixels in the order of the model, from 0 to `white`. */
function inOrder({ channels, height, width, pixels }: PixelImage, image: ImageInput): Float32Array {
  const plane = height * width;
  const scale = image.white / 255;
  if (image.order !== 'channels-last')
    return filled(new Float32Array(pixels.length), (i) => pixels[i]! * scale);
  const at = (i: number): number => (i % channels) * plane + Math.floor(i / channels);
  return filled(new Float32Array(pixels.length), (i) => pixels[at(i)]! * scale);
}

/**
 * `[count, ...shape]`, `[...shape]`, or `[count, elements]`; axes of 1 may be missing. Bytes of pictures run from 0 to 255. A
 * flat input that is a picture takes any axes with as many elements.
 */
function arraySamples(
  { shape, data }: NumberArray | { shape: readonly number[]; data: Uint8Array },
  description: InputDescription,
): InputSamples {
  const size = sizeOf(description.shape);
  const plain = (list: readonly number[]): string => list.filter((extent) => extent !== 1).join(' x ');
  const needed = plain(description.shape);
  const isOne = data.length === size && plain(shape) === needed;
  const isFlatPicture =
    description.image !== undefined && description.shape.length === 1 && sizeOf(shape.slice(1)) === size;
  const isMany = plain(shape.slice(1)) === needed || shape.slice(1).join() === String(size) || isFlatPicture;
  if (!isOne && !(isMany && data.length === shape[0]! * size && data.length > 0)) {
    const remedy =
      data instanceof Uint8Array && description.image === undefined ? ' (or a picture, by --image)' : '';
    throw new ShapeError(
      `the samples of ${description.name}`,
      `n x ${description.shape.join(' x ')}${remedy}`,
      shape.join(' x '),
    );
  }
  const scale =
    data instanceof Uint8Array && description.image !== undefined ? description.image.white / 255 : 1;
  const values = filled(new Float32Array(data.length), (i) => data[i]! * scale);
  return normalised(drawn(values, description), data.length / size, description);
}

const LABEL_NAMES = ['labels', 'y', 'targets'];

function archiveSamples(
  arrays: ReadonlyMap<string, NumberArray>,
  description: InputDescription,
): InputSamples {
  const names = [...arrays.keys()].filter((name) => !LABEL_NAMES.includes(name));
  const chosen =
    [description.name, 'inputs', 'x', 'X', 'images', 'data'].find((name) => arrays.has(name)) ??
    (names.length === 1 ? names[0] : undefined);
  const array = chosen === undefined ? undefined : arrays.get(chosen);
  if (array === undefined)
    throw new DecodeError(
      'an NPZ archive',
      `none of its arrays (${names.join(', ').slice(0, 200)}) is called ${description.name} or inputs`,
    );
  const samples = arraySamples(array, description);
  const found = LABEL_NAMES.map((name) => arrays.get(name)).find((labels) => labels !== undefined);
  if (found === undefined) return samples;
  if (found.data.length !== samples.count)
    throw new ShapeError('the labels of an NPZ archive', samples.count, found.data.length);
  return { ...samples, labels: Int32Array.from(found.data) };
}

/** One channel at the model's rate; longer recordings are cut, shorter ones end in silence. */
function audioSamples(bytes: Uint8Array, description: InputDescription): InputSamples {
  if (description.audio === undefined)
    throw new ShapeError(
      `the input ${description.name}`,
      `numbers of shape ${description.shape.join(' x ')}`,
      'a recording',
    );
  const { samples, rate } = readWav(bytes);
  const heard = rate === description.audio.rate ? samples : resample(samples, rate, description.audio.rate);
  const values = new Float32Array(sizeOf(description.shape));
  values.set(heard.subarray(0, values.length));
  return normalised(values, 1, description);
}

/** Pixels from 0 to `white` as a model for drawings was trained on them; of other models as they are. */
function drawn(pixels: Float32Array, { image }: InputDescription): Float32Array {
  if (image?.normalisation === undefined) return pixels;
  const { white, size } = image;
  const levels = filled(new Float64Array(pixels.length), (i) => Math.round((255 * pixels[i]!) / white));
  return Float32Array.from(normaliseDrawings(levels, size), (level) => (level * white) / 255);
}

/** In place. */
function normalised(values: Float32Array, count: number, description: InputDescription): InputSamples {
  const { shape, mean, deviation, clip, image } = description;
  const isLast = image?.order === 'channels-last';
  const channels = isLast ? shape.at(-1)! : shape[0]!;
  const inside = isLast ? 1 : sizeOf(shape) / channels;
  let clipped = 0;
  for (let i = 0; i < values.length; i++) {
    const channel = Math.floor(i / inside) % channels;
    const of = (list: readonly number[]): number => list[list.length === 1 ? 0 : channel]!;
    const value = (values[i]! - of(mean)) / of(deviation);
    if (!Number.isFinite(value))
      throw new DecodeError(
        'an input file',
        `sample ${Math.floor((i * count) / values.length)} holds ${values[i]}`,
      );
    const bounded = Math.min(Math.max(value, clip[0]), clip[1]);
    if (bounded !== value) clipped++;
    values[i] = bounded;
  }
  return { count, values, clipped };
}
