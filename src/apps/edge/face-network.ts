/** The face-embedding network from the weight files of `@vladmandic/face-api`, as integers for the two-edge mode. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DataError } from '../../base/errors.ts';
import {
  FACE_INPUT,
  faceEmbedding,
  quantiseToIntegers,
  readWeightManifest,
  readWeightShards,
} from '../../nn/index.ts';
import type { IntegerNetwork, LayerGraph, MatrixMultiply } from '../../nn/index.ts';
import { syntheticFaces } from './synthetic-faces.ts';

const MANIFEST = 'face_recognition_model-weights_manifest.json';
const CALIBRATION_FACES = 12;
const CALIBRATION_SEED = 150;

/**
 * `directory` is the package's `model/` folder, or one with the same two files.
 * @throws {DataError} when a file is missing. @throws {DecodeError} {@link LimitError} when it is not what it should be.
 */
export function readFaceNetwork(directory: string): LayerGraph {
  const groups = readWeightManifest(readFileSync(presentFile(directory, MANIFEST)));
  const tensors = groups.flatMap((group) => {
    const files = group.paths.map((path) => presentFile(directory, path));
    const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
    if (bytes !== group.bytes)
      throw new DataError(`the shards in ${directory} hold ${bytes} bytes, the manifest says ${group.bytes}`);
    return [
      ...readWeightShards(
        group,
        files.map((file) => readFileSync(file)),
      ),
    ];
  });
  return faceEmbedding(new Map(tensors));
}

function presentFile(directory: string, name: string): string {
  const path = join(directory, name);
  if (!existsSync(path))
    throw new DataError(`${path} is missing; it comes with @vladmandic/face-api, folder model`);
  return path;
}

/** In 8 bits, calibrated on drawn faces. */
export function quantisedFaceNetwork(graph: LayerGraph, multiply: MatrixMultiply): IntegerNetwork {
  const size = graph.inputShape[1]!;
  const calibration = syntheticFaces(CALIBRATION_FACES, size, CALIBRATION_SEED);
  return quantiseToIntegers(graph, calibration, FACE_INPUT, multiply);
}
