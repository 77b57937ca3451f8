/** Files of samples as the inputs of a model, with the name of the file in every error. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DataError, LimitError, SubrosaError } from '../../../base/errors.ts';
import type { Offer } from '../../../compiler/offer.ts';
import type { InputDescription } from '../../../nn/graph/model-graph.ts';
import { readInputFile } from '../../inputs/input-file.ts';
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

export interface Samples {
  /** `[count, features]`, normalised, not clipped. */
  readonly data: Float32Array;
  readonly count: number;
  /** One per sample: the file, with the number of the sample where a file holds several. */
  readonly names: readonly string[];
}

/**
 * The samples of files and of the files in folders, in order of their names. `-` stands for `piped`, what came by standard input.
 * @throws {DataError} that names the file and what was expected of it.
 */
export function readSamples(
  paths: readonly string[],
  input: InputDescription,
  most = Infinity,
  piped?: Uint8Array,
): Samples {
  const features = input.shape.reduce((a, b) => a * b, 1);
  const rows: Float32Array[] = [];
  const names: string[] = [];
  for (const path of paths.flatMap(filesAt)) {
    const found = readOne(path, input, features, path === STANDARD_INPUT ? piped : undefined);
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

function readOne(
  path: string,
  input: InputDescription,
  features: number,
  piped: Uint8Array | undefined,
): Float32Array[] {
  try {
    const bytes = piped === undefined ? bytesOf(path) : unzippedBytes(path, piped);
    // A flat input may be a picture all the same.
    const shape = input.image === undefined ? input.shape : [input.image.channels, ...input.image.size];
    const { count, values } = readInputFile(bytes, { ...input, shape, clip: EVERYTHING });
    return Array.from({ length: count }, (_, i) => values.subarray(i * features, (i + 1) * features));
  } catch (error) {
    const known = error instanceof SubrosaError ? error.message : 'it cannot be read';
    throw new DataError(`${path}: ${known}`);
  }
}
