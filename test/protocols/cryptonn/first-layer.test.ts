import { expect, test } from 'vitest';
import { ShapeError } from '../../../src/base/errors.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { plainMatrixMultiply } from '../../../src/nn/tensor/matrix-multiply.ts';
import { Sequential } from '../../../src/nn/layers/sequential.ts';
import { ClearBatch } from '../../../src/protocols/cryptonn/trainer/batch-products.ts';
import { pooledConvolution, pooledWindows } from '../../../src/protocols/cryptonn/trainer/first-layer.ts';
import { windowVectors } from '../../../src/protocols/cryptonn/agreement/window-vectors.ts';

const [SAMPLES, CHANNELS, SIDE, FILTERS] = [3, 2, 8, 4];

/** A convolution and a mean pool of the trainer's network, and the same as one strided convolution of windows. */
function both(size: number, padding: number, pool: number) {
  const layer = { inputShape: [CHANNELS, SIDE, SIDE], filters: FILTERS, size, padding, pool } as const;
  const network = new Sequential(
    [CHANNELS, SIDE, SIDE],
    [
      { kind: 'conv2d', filters: FILTERS, size: [size, size], padding: [padding, padding], bias: false },
      { kind: 'mean-pool', size: [pool, pool] },
    ],
    { multiply: plainMatrixMultiply, seed: 1 },
  );
  const generator = new SeededGenerator(3);
  const weights = network.parameters[0]!;
  for (let i = 0; i < weights.value.length; i++) weights.value[i] = generator.below(21) - 10;
  const images = Int32Array.from({ length: SAMPLES * CHANNELS * SIDE ** 2 }, () => generator.below(101));
  const first = pooledConvolution(layer);
  const vectors = windowVectors(images, pooledWindows(layer));
  const labels = new Int32Array(SAMPLES);
  const windows = new ClearBatch(vectors, labels, plainMatrixMultiply, { length: first.keyLength });
  return { network, weights, images, first, windows };
}

test.each([
  [3, 1, 2],
  [5, 2, 2],
  [3, 0, 3],
  [3, 1, 1],
])(
  'filters of %i with padding %i and means over %i are one strided convolution, forward and back',
  async (size, padding, pool) => {
    const { network, weights, images, first, windows } = both(size, padding, pool);
    const output = network.forward(Float32Array.from(images), SAMPLES, true);
    const products = await windows.forward(first.keyVectors(Int32Array.from(weights.value)));
    const { positions, keyScale, keyLength, weightsPerUnit } = first;
    expect(first.outputShape).toEqual(network.layers.at(-1)!.outputShape);
    // A direct convolution has (SIDE + 2 padding - size + 1)^2 windows.
    expect(positions).toBe(Math.floor((SIDE + 2 * padding - size + 1) / pool) ** 2);
    const incoming = new Float32Array(output.length);
    const combined = new Int32Array(output.length);
    const generator = new SeededGenerator(4);
    for (let unit = 0; unit < FILTERS; unit++) {
      for (let at = 0; at < SAMPLES * positions; at++) {
        const [sample, position] = [Math.floor(at / positions), at % positions];
        const to = (sample * FILTERS + unit) * positions + position;
        expect(products[unit * SAMPLES * positions + at]! / keyScale).toBeCloseTo(output[to]!, 1);
        combined[unit * SAMPLES * positions + at] = generator.below(11) - 5;
        incoming[to] = combined[unit * SAMPLES * positions + at]!;
      }
    }
    network.backward(incoming, SAMPLES);
    const keyGradients = await windows.gradient(combined);
    for (let unit = 0; unit < FILTERS; unit++) {
      const gradient = first.weightGradient(keyGradients.subarray(unit * keyLength, (unit + 1) * keyLength));
      for (let j = 0; j < weightsPerUnit; j++)
        expect(gradient[j]! / keyScale).toBeCloseTo(weights.gradient[unit * weightsPerUnit + j]!, 1);
    }
  },
);

test('the parts of a batch add up to the whole', async () => {
  const { images, first, windows } = both(3, 1, 2);
  const layer = {
    inputShape: [CHANNELS, SIDE, SIDE],
    filters: FILTERS,
    size: 3,
    padding: 1,
    pool: 2,
  } as const;
  const parts = new ClearBatch(
    windowVectors(images, pooledWindows(layer)),
    new Int32Array(SAMPLES),
    plainMatrixMultiply,
    { length: first.keyLength, partVectors: first.positions },
  );
  const weights = Int32Array.from({ length: 2 * SAMPLES * first.positions }, (_, i) => (i % 17) - 8);
  expect(await parts.gradient(weights)).toEqual(await windows.gradient(weights));
  expect(() => windowVectors(images.subarray(1), pooledWindows(layer))).toThrow(ShapeError);
});
