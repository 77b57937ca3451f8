import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCryptonnWorld } from '../../../bench/cryptonn/cryptonn-world.ts';
import { DecodeError, InvalidParamsError } from '../../../src/base/errors.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import type { LayerSpec } from '../../../src/nn/layers/layer.ts';
import { axisSizes } from '../../../src/protocols/cryptonn/agreement/axis-sizes.ts';
import {
  type BatchContent,
  readBatch,
  writeBatch,
} from '../../../src/protocols/cryptonn/agreement/batch-bytes.ts';
import {
  type DatasetSpec,
  parseDatasetSpec,
} from '../../../src/protocols/cryptonn/agreement/dataset-spec.ts';
import { pooledConvolution } from '../../../src/protocols/cryptonn/trainer/first-layer.ts';
import {
  FixedPointTrainer,
  type FixedPointOptions,
} from '../../../src/protocols/cryptonn/trainer/fixed-point-trainer.ts';
import { fittingPacking } from '../../../src/protocols/cryptonn/agreement/lattice-schemes.ts';
import type { SchemeFor } from '../../../src/protocols/cryptonn/agreement/dataset-schemes.ts';
import {
  projectedInputs,
  standardisationOf,
} from '../../../src/protocols/cryptonn/trainer/projected-inputs.ts';
import { InsecureScheme } from './insecure-scheme.ts';

let kernel: Kernel;
beforeAll(async () => {
  kernel = await openKernel();
});
afterAll(() => {
  expect(kernel.liveWords).toBe(0);
  kernel[Symbol.dispose]();
});

const CLASSES = 4;

const dense: DatasetSpec = {
  id: 'dense',
  scheme: 'lattice',
  mode: 'faithful',
  features: 20,
  inputScale: 100,
  inputBound: 100,
  classes: CLASSES,
  batch: 16,
  faithful: { acknowledged: 'I understand what leaks', weightBound: 127, gradientBound: 127 },
};

const SIDE = 8;
/** Filters of 3 x 3 with padding 1, means over 2 x 2: windows of 4 x 4, of which there are 16. Two samples per part. */
const images: DatasetSpec = {
  ...{ ...dense, id: 'images', features: SIDE ** 2, batch: 6 },
  faithful: { acknowledged: 'I understand what leaks', weightBound: 508, gradientBound: 127 },
  convolution: {
    ...{ channels: 1, height: SIDE, width: SIDE, size: 4, stride: 2, padding: 1 },
    gradientSamples: 2,
  },
};

const hiddenLabels: DatasetSpec = {
  ...{ ...dense, id: 'hidden-labels' },
  faithful: { ...dense.faithful!, labels: 'encrypted' },
};

/** For what does not depend on the scheme; several ciphertexts, the last one not full. */
const openScheme: SchemeFor = (spec, axis) => new InsecureScheme(axisSizes(spec, axis), 5);

function optionsFor(spec: DatasetSpec): FixedPointOptions {
  const { features, batch } = spec;
  const upper: LayerSpec[] = [{ kind: 'relu' }, { kind: 'dense', outputs: CLASSES }];
  const isDense = spec.convolution === undefined;
  const layer = { inputShape: [1, SIDE, SIDE], filters: 3, size: 3, padding: 1, pool: 2 } as const;
  return {
    ...{ features, inputScale: 100, inputBound: 100, batch, units: isDense ? 6 : 3, upper },
    ...{ weightBound: 127, weightScale: 100, gradientBound: 127, learningRate: 0.1, momentum: 0.9, seed: 2 },
    ...{ multiply: kernel, ...(isDense ? {} : { first: pooledConvolution(layer), partVectors: 32 }) },
  };
}

describe('under the lattice scheme at 128 bits', () => {
  test.each([dense, images])(
    'training equals clear fixed-point training weight for weight: $id',
    async (spec) => {
      using world = await openCryptonnWorld(spec, kernel, () => 0);
      const generator = new SeededGenerator(1);
      const inputs = Float32Array.from({ length: spec.batch * spec.features }, () => generator.uniform());
      const labels = Int32Array.from({ length: spec.batch }, () => generator.below(CLASSES));
      using hidden = world.encrypted(inputs, labels);
      const open = world.clear(inputs, labels);
      const options = optionsFor(spec);
      const [encrypted, clear] = [new FixedPointTrainer(options), new FixedPointTrainer(options)];
      for (let step = 0; step < 4; step++) {
        const report = await encrypted.step(hidden.batch);
        expect(report).toEqual(await clear.step(open));
        expect(encrypted.toBytes()).toEqual(clear.toBytes());
        expect(world.issued.keys).toBe((step + 1) * report.keys);
      }
      const resumed = FixedPointTrainer.fromBytes(encrypted.toBytes(), options);
      await resumed.step(hidden.batch);
      await clear.step(open);
      expect(resumed.toBytes()).toEqual(clear.toBytes());
      // The comparison can fail: another first sample moves the weights. (A pixel alone may be lost in the rounding.)
      for (let i = 0; i < spec.features; i++) inputs[i] = 1 - inputs[i]!;
      await resumed.step(hidden.batch);
      await clear.step(world.clear(inputs, labels));
      expect(resumed.toBytes()).not.toEqual(clear.toBytes());
    },
  );
});

test('encrypted labels give the same steps, and the loss to two decimals per sample', async () => {
  using world = await openCryptonnWorld(hiddenLabels, kernel, () => 0, openScheme);
  const generator = new SeededGenerator(1);
  const inputs = Float32Array.from({ length: dense.batch * dense.features }, () => generator.uniform());
  const labels = Int32Array.from({ length: dense.batch }, () => generator.below(CLASSES));
  using hidden = world.encrypted(inputs, labels);
  expect(hidden.batch.labels).toHaveLength(0);
  const open = world.clear(inputs, labels);
  const options = optionsFor(hiddenLabels);
  const [encrypted, clear] = [new FixedPointTrainer(options), new FixedPointTrainer(options)];
  for (let step = 0; step < 3; step++) {
    const [a, b] = [await encrypted.step(hidden.batch), await clear.step(open)];
    expect(Math.abs(a.loss - b.loss)).toBeLessThan(0.005);
    // A key per sample for the loss, and in the first step one per class.
    expect(a.keys).toBe(b.keys + dense.batch + (step === 0 ? CLASSES : 0));
    expect(encrypted.toBytes()).toEqual(clear.toBytes());
  }
  // What it discloses: the classes under their secret names, as documented.
  expect(await hidden.batch.encryptedLabels!.open()).toEqual(world.permutation.rename(labels));
  expect(world.authority.issuedRanks('hidden-labels').labels).toBe(CLASSES);
  const wrong = world.permutation.rename(labels).map((label) => (label + 1) % CLASSES);
  const opened = await hidden.batch.encryptedLabels!.open();
  expect(opened).not.toEqual(wrong);
});

test.each([dense, images, hiddenLabels])('a batch survives its file: $id', async (spec) => {
  using world = await openCryptonnWorld(spec, kernel, () => 0, openScheme);
  const inputs = new Float32Array(spec.batch * spec.features).fill(0.5);
  const labels = Int32Array.from({ length: spec.batch }, (_, i) => i % CLASSES);
  const owned = world.owner.encrypt(inputs, labels);
  const bytes = writeBatch(owned);
  const read = readBatch(bytes, spec, (axis) => world.schemeFor(spec, axis));
  expect(writeBatch(read)).toEqual(bytes);
  expect(read.labels).toEqual(owned.labels);
  const all = (batch: BatchContent) => [
    ...batch.samples,
    ...batch.features,
    ...(batch.encryptedLabels ?? []),
  ];
  for (const ciphertext of [...all(owned), ...all(read)]) ciphertext[Symbol.dispose]();
  const other = spec === hiddenLabels ? dense : hiddenLabels;
  expect(() => readBatch(bytes, other, (axis) => world.schemeFor(spec, axis))).toThrow(DecodeError);
});

test('a data set of windows states sizes that fit, and is faithful', () => {
  expect(parseDatasetSpec(images)).toEqual(images);
  const convolution = images.convolution!;
  expect(() => parseDatasetSpec({ ...images, features: 63 })).toThrow(InvalidParamsError);
  expect(() => parseDatasetSpec({ ...images, batch: 5 })).toThrow(/does not divide/);
  expect(() => parseDatasetSpec({ ...images, convolution: { ...convolution, padding: 4 } })).toThrow(
    /do not fit/,
  );
});

test('the packing takes the least work', () => {
  const sizes = { inputBound: 100, weightBound: 127 };
  expect(fittingPacking({ ...sizes, length: 784 }, 64)).toBe(64);
  // 784 of 1,024 places are used; 25 ciphertexts of 32 vectors would have twice as many words, for their masks.
  expect(fittingPacking({ ...sizes, length: 64 }, 784)).toBe(1024);
  // Three ciphertexts of 16 vectors would have fewer words, but four times the products to encrypt.
  expect(fittingPacking({ ...sizes, length: 784 }, 36)).toBe(64);
});

test('projected inputs have mean 0 and deviation 1 per row, and other sets keep the training set’s units', () => {
  const products = Float32Array.of(1, 3, 5, 7, 4, 4, 4, 4);
  const standard = standardisationOf(products, 2);
  expect([...standard.means]).toEqual([4, 4]);
  const inputs = projectedInputs(products, standard);
  expect(inputs[0]).toBeCloseTo(-3 / Math.sqrt(5));
  expect([inputs[1], inputs[7]]).toEqual([0, 0]);
  expect(projectedInputs(Float32Array.of(9, 4), standard)[0]).toBeCloseTo(Math.sqrt(5));
});
