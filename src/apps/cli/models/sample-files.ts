/** Files of samples as the inputs of a model, with the name of the file in every error. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DataError, LimitError, SubrosaError, UsageError } from '../../../base/errors.ts';
import type { Offer } from '../../../compiler/offer.ts';
import type { InputDescription } from '../../../nn/graph/model-graph.ts';
import type { MatrixMultiply } from '../../../nn/tensor/matrix-multiply.ts';
import { readWav, resample } from '../../../speech/index.ts';
import { isWav, readInputFile } from '../../inputs/input-file.ts';
import type { Embedder } from '../../speech/embedder.ts';
import { loadSpeechEmbedding } from '../../speech/embedding-package.ts';
import { MAX_RECORDING_SECONDS } from '../../speech-client/audio-pieces.ts';
import { secondsOf, WORD_RATE, WordWindows } from '../../speech-client/word-windows.ts';
import { readIdxFile, unzippedBytes } from '../../train/idx-files.ts';
import { STANDARD_INPUT } from '../terminal/standard-input.ts';

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

export const SAMPLE_LIMIT = { what: 'a file of samples', bytes: 2 ** 30 };
const EVERYTHING = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const;

/** A recording in the samples: windows of it, one every 80 ms. */
export interface SampledRecording {
  readonly path: string;
  readonly first: number;
  readonly count: number;
}

export interface Samples {
  /** `[count, features]`, normalised, not clipped. */
  readonly data: Float32Array;
  readonly count: number;
  /** One per sample: the file, with the number of the sample where a file holds several. */
  readonly names: readonly string[];
  readonly recordings: readonly SampledRecording[];
}

/**
 * The samples of files and of the files in folders, in order of their names. `-` stands for `piped`, what came by standard input.
 * @throws {DataError} that names the file and what was expected of it.
 */
export function readSamples(
  paths: readonly string[],
  input: InputDescription,
  most = Infinity,
  { piped, hears }: { readonly piped?: Uint8Array | undefined; readonly hears?: Hearing | undefined } = {},
): Samples {
  const features = input.shape.reduce((a, b) => a * b, 1);
  const rows: Float32Array[] = [];
  const names: string[] = [];
  const recordings: SampledRecording[] = [];
  for (const path of paths.flatMap(filesAt)) {
    const { isRecording, found } = readOne(path, input, features, {
      hears,
      piped: path === STANDARD_INPUT ? piped : undefined,
    });
    const kept = found.slice(0, Math.max(0, most - rows.length));
    if (isRecording) recordings.push({ path, first: rows.length, count: kept.length });
    kept.forEach((row, i) => {
      rows.push(row);
      const place = isRecording ? ` at ${secondsOf(i).toFixed(2)} s` : `[${i}]`;
      names.push(found.length === 1 ? path : `${path}${place}`);
    });
  }
  const data = new Float32Array(rows.length * features);
  rows.forEach((row, i) => data.set(row, i * features));
  return { data, count: rows.length, names, recordings };
}

function filesAt(path: string): string[] {
  if (!existsSync(path) || !statSync(path).isDirectory()) return [path];
  const files = readdirSync(path, { withFileTypes: true }).filter(
    (entry) => entry.isFile() && !entry.name.startsWith('.'),
  );
  if (files.length === 0) throw new DataError(`${path}: the folder holds no files`);
  return files.map(({ name }) => join(path, name)).sort();
}

function bytesOf(path: string): Uint8Array {
  const { size } = statSync(path);
  if (size > SAMPLE_LIMIT.bytes) throw new LimitError(SAMPLE_LIMIT.what, SAMPLE_LIMIT.bytes, size);
  return readIdxFile(path);
}

/** What makes windows of recordings, or why there is none. */
export type Hearing = Embedder | UsageError;

/** For inputs that are windows of embeddings; whoever has no recordings does not need the package. */
export async function hearingOf(
  { audio }: InputDescription,
  multiply: MatrixMultiply,
): Promise<Hearing | undefined> {
  if (audio?.embedding === undefined) return undefined;
  try {
    return await loadSpeechEmbedding(multiply);
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
}

/** @throws {UsageError} when the package that hears is not installed. */
function windowsOf(
  bytes: Uint8Array,
  { shape }: InputDescription,
  hears: Hearing | undefined,
): Float32Array[] {
  if (hears instanceof UsageError) throw hears;
  if (hears === undefined) throw new UsageError('recordings are for `compile` and `infer`');
  const { samples, rate } = readWav(bytes, { maxSeconds: MAX_RECORDING_SECONDS });
  const windows = new WordWindows(hears, shape[0]!);
  return [...windows.push(resample(samples, rate, WORD_RATE)), ...windows.finish()];
}

function readOne(
  path: string,
  input: InputDescription,
  features: number,
  { piped, hears }: { readonly piped: Uint8Array | undefined; readonly hears: Hearing | undefined },
): { readonly isRecording: boolean; readonly found: Float32Array[] } {
  try {
    const bytes = piped === undefined ? bytesOf(path) : unzippedBytes(path, piped);
    if (input.audio?.embedding !== undefined && isWav(bytes))
      return { isRecording: true, found: windowsOf(bytes, input, hears) };
    // A flat input may be a picture all the same.
    const shape = input.image === undefined ? input.shape : [input.image.channels, ...input.image.size];
    const { count, values } = readInputFile(bytes, { ...input, shape, clip: EVERYTHING });
    const found = Array.from({ length: count }, (_, i) => values.subarray(i * features, (i + 1) * features));
    return { isRecording: false, found };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const known = error instanceof SubrosaError ? error.message : 'it cannot be read';
    throw new DataError(`${path}: ${known}`);
  }
}
