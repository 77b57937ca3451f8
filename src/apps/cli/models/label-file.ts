/** Class numbers of samples: an IDX file of labels, or one number per line. */
import { DataError, SubrosaError } from '../../../base/errors.ts';
import { readIdx } from '../../../nn/files/idx.ts';
import { readIdxFile } from '../../train/idx-files.ts';
import { readCsvNumbers } from '../../inputs/csv-numbers.ts';

/** @throws {DataError} that names the file. */
export function readLabelFile(path: string): Uint8Array {
  const bytes = readIdxFile(path);
  try {
    if (bytes[0] === 0 && bytes[1] === 0) return idxLabels(bytes);
    const values = readCsvNumbers(new TextDecoder().decode(bytes)).data;
    if (!values.every((value) => Number.isInteger(value) && value >= 0 && value < 256))
      throw new DataError('a label is no whole number from 0 to 255');
    return Uint8Array.from(values);
  } catch (error) {
    throw new DataError(`${path}: ${error instanceof SubrosaError ? error.message : 'it cannot be read'}`);
  }
}

/** @throws {DecodeError} {@link DataError} for numbers of more than one axis: those are pictures. */
function idxLabels(bytes: Uint8Array): Uint8Array {
  const { shape, data } = readIdx(bytes);
  if (shape.length !== 1)
    throw new DataError(`labels have one axis, this file has ${shape.length}: it is one of pictures`);
  return data;
}
