import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemRandom } from '../../../src/base/random.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { SeededGenerator } from '../../../src/nn/generator.ts';
import { Authority } from '../../../src/protocols/cryptonn/authority.ts';
import {
  ClearBatch,
  EncryptedBatch,
  type KeySource,
} from '../../../src/protocols/cryptonn/batch-products.ts';
import { DataOwner, fixedPoint } from '../../../src/protocols/cryptonn/data-owner.ts';
import type { DatasetSpec } from '../../../src/protocols/cryptonn/dataset-spec.ts';
import { FixedPointTrainer } from '../../../src/protocols/cryptonn/fixed-point-trainer.ts';
import { LabelPermutation } from '../../../src/protocols/cryptonn/label-permutation.ts';
import { LatticeSchemes } from '../../../src/protocols/cryptonn/lattice-schemes.ts';
import { MasterKeyring } from '../../../src/protocols/cryptonn/master-keyring.ts';
import { projectedInputs, standardisationOf } from '../../../src/protocols/cryptonn/projected-inputs.ts';
import { MemoryStorage } from './memory-storage.ts';

let kernel: Kernel;
beforeAll(async () => {
  kernel = await openKernel();
});
afterAll(() => {
  expect(kernel.liveWords).toBe(0);
  kernel[Symbol.dispose]();
});

const [FEATURES, BATCH, CLASSES] = [20, 16, 4];

const spec: DatasetSpec = {
  id: 'lattice',
  scheme: 'lattice',
  mode: 'faithful',
  features: FEATURES,
  inputScale: 100,
  inputBound: 100,
  classes: CLASSES,
  batch: BATCH,
  faithful: { acknowledged: 'I understand what leaks', weightBound: 127, gradientBound: 127 },
};

test('under the lattice scheme at 128 bits, training equals clear fixed-point training weight for weight', async () => {
  using schemes = new LatticeSchemes(kernel);
  using keyring = new MasterKeyring(schemes.schemeFor);
  using authority = await Authority.open(new MemoryStorage(), keyring, systemRandom);
  await authority.createDataset('owner', spec);
  const keys: KeySource = async (axis, weights) =>
    (await authority.issue({ requester: 'trainer', dataset: spec.id, axis, weights })).keys;
  const axis = (name: 'forward' | 'gradient') => {
    const scheme = schemes.schemeFor(spec, name);
    return { scheme, publicKey: scheme.publicKeyFromBytes(authority.masterPublicKey(spec.id, name)) };
  };
  const axes = { forward: axis('forward'), gradient: axis('gradient') };
  using _forward = axes.forward.publicKey;
  using _gradient = axes.gradient.publicKey;
  const permutation = new LabelPermutation(systemRandom.seed(), CLASSES);
  const generator = new SeededGenerator(1);
  const inputs = Float32Array.from({ length: BATCH * FEATURES }, () => generator.uniform());
  const labels = Int32Array.from({ length: BATCH }, () => generator.below(CLASSES));
  const owned = new DataOwner('ann', spec, axes, permutation, systemRandom).encrypt(inputs, labels);
  const hidden = new EncryptedBatch(
    owned.labels,
    'forward',
    { scheme: axes.forward.scheme, ciphertexts: owned.samples },
    { scheme: axes.gradient.scheme, ciphertexts: owned.features },
    keys,
  );
  const open = new ClearBatch(fixedPoint(inputs, 100, 100), permutation.rename(labels), kernel);
  const options = {
    ...{ features: FEATURES, inputScale: 100, inputBound: 100, batch: BATCH, units: 6 },
    upper: [{ kind: 'relu' }, { kind: 'dense', outputs: CLASSES }] as const,
    ...{ weightBound: 127, weightScale: 100, gradientBound: 127, learningRate: 0.1, momentum: 0.9, seed: 2 },
    multiply: kernel,
  };
  const [encrypted, clear] = [new FixedPointTrainer(options), new FixedPointTrainer(options)];
  for (let step = 0; step < 4; step++) {
    expect(await encrypted.step(hidden)).toEqual(await clear.step(open));
    expect(encrypted.toBytes()).toEqual(clear.toBytes());
  }
  for (const ciphertext of [...owned.samples, ...owned.features]) ciphertext[Symbol.dispose]();
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
