/** MNIST on disk: four gzip files in `<data>/mnist`. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { DataError } from '../../base/errors.ts';
import { readLabelledImages } from '../../nn/index.ts';
import type { LabelledImages } from '../../nn/index.ts';

/** The larger file holds 60,000 images of 784 bytes and a header. */
const MOST_UNPACKED_BYTES = 2 ** 26;

export type MnistSplit = 'train' | 'test';

/** @throws {DataError} when a file is missing or is not what it should be. */
export function readMnist(data: string, split: MnistSplit): LabelledImages {
  const name = split === 'train' ? 'train' : 't10k';
  const images = unpacked(join(data, 'mnist', `${name}-images-idx3-ubyte.gz`));
  const labels = unpacked(join(data, 'mnist', `${name}-labels-idx1-ubyte.gz`));
  return readLabelledImages(images, labels);
}

function unpacked(path: string): Uint8Array {
  if (!existsSync(path)) throw new DataError(`${path} is missing; docs/data.md says where it comes from`);
  try {
    return gunzipSync(readFileSync(path), { maxOutputLength: MOST_UNPACKED_BYTES });
  } catch {
    throw new DataError(`${path} is not a gzip file of at most ${MOST_UNPACKED_BYTES} bytes`);
  }
}
