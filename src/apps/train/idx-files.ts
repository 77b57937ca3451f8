/** Images and labels in IDX files, plain or gzipped: which of the two is told by the content, not by the name. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { DataError, DecodeError, ShapeError } from '../../base/errors.ts';
import { type LabelledImages, readLabelledImages } from '../../nn/index.ts';

/** The largest public set of this form, EMNIST by class, has 547 million bytes. */
const MAX_UNPACKED_BYTES = 2 ** 30;

/** The bytes of one IDX file. @throws {DataError} naming the file and what is wrong with it. */
export function readIdxFile(path: string): Uint8Array {
  if (!existsSync(path)) throw new DataError(`${path} is missing; docs/data.md says where data comes from`);
  const { size } = statSync(path);
  if (size > MAX_UNPACKED_BYTES) throw tooLarge(path, `has ${size} bytes`);
  return unzippedBytes(path, readFileSync(path));
}

/** The bytes of a file, taken out of gzip where they are in it; `path` is for messages. @throws {DataError} */
export function unzippedBytes(path: string, bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0) throw new DataError(`${path} is empty`);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_UNPACKED_BYTES });
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(path, 'unpacks to more');
    throw new DataError(`${path} is a gzip file that is ${code === 'Z_BUF_ERROR' ? 'cut short' : 'damaged'}`);
  }
}

function tooLarge(path: string, how: string): DataError {
  return new DataError(`${path} ${how}: at most ${MAX_UNPACKED_BYTES} bytes are read at once; split it`);
}

/** @throws {DataError} naming the files. */
export function readIdxImages(imagePath: string, labelPath: string): LabelledImages {
  const [images, labels] = [readIdxFile(imagePath), readIdxFile(labelPath)];
  try {
    return readLabelledImages(images, labels);
  } catch (error) {
    if (!(error instanceof DecodeError) && !(error instanceof ShapeError)) throw error;
    throw new DataError(`${imagePath} and ${labelPath}: ${error.message}`);
  }
}
