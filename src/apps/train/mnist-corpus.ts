/** MNIST on disk: four IDX files in `<data>/mnist` or in `<data>` itself, gzipped as they are published, or unpacked. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { LabelledImages } from '../../nn/index.ts';
import { readIdxImages } from './idx-files.ts';

export type MnistSplit = 'train' | 'test';

/** @throws {DataError} when a file is missing or is not what it should be. */
export function readMnist(data: string, split: MnistSplit): LabelledImages {
  const name = split === 'train' ? 'train' : 't10k';
  return readIdxImages(
    placeOf(data, `${name}-images-idx3-ubyte`),
    placeOf(data, `${name}-labels-idx1-ubyte`),
  );
}

/** The first place where the file is; where it is nowhere, the one that the documentation names. */
function placeOf(data: string, name: string): string {
  const folders = [join(data, 'mnist'), data];
  const places = folders.flatMap((folder) => [join(folder, `${name}.gz`), join(folder, name)]);
  return places.find((place) => existsSync(place)) ?? (places[0] as string);
}
