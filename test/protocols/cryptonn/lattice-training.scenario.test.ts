import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCryptonnWorld } from '../../../bench/cryptonn-world.ts';
import { InvalidParamsError } from '../../../src/base/errors.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { SeededGenerator } from '../../../src/nn/generator.ts';
import type { LayerSpec } from '../../../src/nn/layer.ts';
import { type DatasetSpec, parseDatasetSpec } from '../../../src/protocols/cryptonn/dataset-spec.ts';
import { pooledConvolution } from '../../../src/protocols/cryptonn/first-layer.ts';
import {
  FixedPointTrainer,
  type FixedPointOptions,
} from '../../../src/protocols/cryptonn/fixed-point-trainer.ts';
import { fittingPacking } from '../../../src/protocols/cryptonn/lattice-schemes.ts';
import { projectedInputs, standardisationOf } from '../../../src/protocols/cryptonn/projected-inputs.ts';

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
      // The comparison can fail: one input that differs by a hundredth moves the weights.
      inputs[0] = inputs[0]! > 0.5 ? inputs[0]! - 0.01 : inputs[0]! + 0.01;
      await resumed.step(hidden.batch);
      await clear.step(world.clear(inputs, labels));
      expect(resumed.toBytes()).not.toEqual(clear.toBytes());
    },
  );
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

test('the packing takes the least words', () => {
  const sizes = { inputBound: 100, weightBound: 127 };
  expect(fittingPacking({ ...sizes, length: 784 }, 64)).toBe(64);
  // 784 of 1,024 places are used; 25 ciphertexts of 32 vectors would have twice as many words, for their masks.
  expect(fittingPacking({ ...sizes, length: 64 }, 784)).toBe(1024);
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
