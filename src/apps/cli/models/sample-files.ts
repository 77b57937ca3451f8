/** Files of samples as the inputs of a model, with the name of the file in every error. */
import { statSync } from 'node:fs';
import { DataError, LimitError, SubrosaError } from '../../../base/errors.ts';
import type { Offer } from '../../../compiler/offer.ts';
import type { InputDescription } from '../../../nn/graph/model-graph.ts';
import { readInputFile } from '../../inputs/input-file.ts';
import { readIdxFile } from '../../train/idx-files.ts';

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
const EVERYTHING = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const;

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
    // A flat input may be a picture all the same.
    const shape = input.image === undefined ? input.shape : [input.image.channels, ...input.image.size];
    const { count, values } = readInputFile(readIdxFile(path), { ...input, shape, clip: EVERYTHING });
    return Array.from({ length: count }, (_, i) => values.subarray(i * features, (i + 1) * features));
  } catch (error) {
    const known = error instanceof SubrosaError ? error.message : 'it cannot be read';
    throw new DataError(`${path}: ${known}`);
  }
}
