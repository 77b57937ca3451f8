/**
 * The face-embedding network of `@vladmandic/face-api` through our layers and in integers, against the package itself on the CPU
 * backend of TensorFlow.js. The images are drawn.
 */
import { readFileSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { quantisedFaceNetwork, readFaceNetwork } from '../../../src/apps/edge/face-network.ts';
import { syntheticFaces } from '../../../src/apps/edge/synthetic-faces.ts';
import { DataError } from '../../../src/base/errors.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import {
  IntegerRunner,
  SeededGenerator,
  evaluateIntegerNetwork,
  multiplyAdds,
  quantiseInput,
  realOutput,
} from '../../../src/nn/index.ts';
import type { ApplyLinear } from '../../../src/nn/index.ts';
import { cosine } from '../../nn/cosine.ts';
import * as tf from '../../nn/tensorflow.ts';

const require = createRequire(import.meta.url);
const directory = join(dirname(require.resolve('@vladmandic/face-api/package.json')), 'model');
const SIZE = 150;
const PIXELS = SIZE * SIZE;
const EMBEDDING = 128;

interface FacePackage {
  readonly nets: {
    readonly faceRecognitionNet: {
      loadFromWeightMap(weights: object): void;
      computeFaceDescriptor(image: object): Promise<Float32Array>;
    };
  };
}

/** The package's build for Node, on the TensorFlow.js of this test; its WebAssembly backend is not needed. */
function loadPackage(): FacePackage {
  const loader = Module as unknown as { _load(name: string, ...rest: unknown[]): unknown };
  const original = loader._load;
  loader._load = (name, ...rest) => {
    if (name === '@tensorflow/tfjs') return tf;
    return name === '@tensorflow/tfjs-backend-wasm' ? {} : original.call(Module, name, ...rest);
  };
  try {
    return require('@vladmandic/face-api/dist/face-api.node-wasm.js') as FacePackage;
  } finally {
    loader._load = original;
  }
}

async function packageEmbedding(image: Float32Array): Promise<Float32Array> {
  const { nets } = loadPackage();
  await tf.setBackend('cpu');
  const read = (name: string): Buffer => readFileSync(join(directory, `face_recognition_model${name}`));
  const [{ weights }] = JSON.parse(read('-weights_manifest.json').toString()) as [
    { weights: tf.io.WeightsManifestEntry[] },
  ];
  const bytes = Uint8Array.from(read('.bin')).buffer;
  nets.faceRecognitionNet.loadFromWeightMap(tf.io.decodeWeights(bytes, weights));
  const interleaved = Float32Array.from(image, (_, i) => image[(i % 3) * PIXELS + Math.floor(i / 3)]);
  return nets.faceRecognitionNet.computeFaceDescriptor(tf.tensor3d(interleaved, [SIZE, SIZE, 3]));
}

describe('the face network', () => {
  test('gives the embeddings of the package, in integers nearly, outsourced the same integers', async () => {
    using kernel = await openKernel();
    const graph = readFaceNetwork(directory);
    const images = syntheticFaces(2, SIZE, 9000);
    const float = graph.infer(images, kernel).slice();
    const [first, second] = [float.subarray(0, EMBEDDING), float.subarray(EMBEDDING)];
    const theirs = await packageEmbedding(images.subarray(0, 3 * PIXELS));
    expect(cosine(first, theirs)).toBeGreaterThan(0.999999);
    // Another image is seen to be another.
    expect(cosine(second, theirs)).toBeLessThan(0.98);

    const network = quantisedFaceNetwork(graph, kernel);
    expect(network.linears).toHaveLength(30);
    expect(network.linears.reduce((sum, { map }) => sum + multiplyAdds(map), 0)).toBeGreaterThan(2e8);
    using runner = new IntegerRunner(network, kernel);
    const input = quantiseInput(network, images.subarray(0, 3 * PIXELS));
    expect(input.every((value, i) => value === images[i])).toBe(true);
    const clear = runner.run(input);
    expect(cosine(realOutput(network, clear), theirs)).toBeGreaterThan(0.999);

    const generator = new SeededGenerator(1);
    const shared: ApplyLinear = (index, map, x, batch) => {
      const a = x.map(() => generator.word() | 0);
      const b = runner.apply(
        index,
        map,
        x.map((value, i) => (value - a[i]) | 0),
        batch,
      );
      return runner.apply(index, map, a, batch).map((value, i) => (value + b[i]) | 0);
    };
    expect(evaluateIntegerNetwork(network, input, shared)).toEqual(clear);
  }, 300_000);

  test('is missing where its files are', () => {
    expect(() => readFaceNetwork(join(directory, '..'))).toThrow(DataError);
  });
});

test('drawn faces follow from their seed, in whole pixel values', () => {
  const [a, b] = [syntheticFaces(2, 20, 5), syntheticFaces(1, 20, 6)];
  expect(a.every((value) => Number.isInteger(value) && value >= 0 && value <= 255)).toBe(true);
  expect(a.subarray(1200)).toEqual(b);
  expect(a.subarray(0, 1200)).not.toEqual(b);
});
