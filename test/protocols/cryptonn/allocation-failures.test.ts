/** Owner, authority and trainer of training on encrypted data with each of their allocations failing in turn. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seedFromBytes } from '../../../src/base/random.ts';
import { seededRandom } from '../../../src/base/testing.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { loadNativeKernel } from '../../../src/kernel/native/native.ts';
import { loadWasmKernel } from '../../../src/kernel/wasm/wasm-node.ts';
import { Authority } from '../../../src/protocols/cryptonn/authority/authority.ts';
import {
  type BatchContent,
  readBatch,
  writeBatch,
} from '../../../src/protocols/cryptonn/agreement/batch-bytes.ts';
import { EncryptedBatch } from '../../../src/protocols/cryptonn/trainer/batch-products.ts';
import type { KeySource } from '../../../src/protocols/cryptonn/trainer/axis-ciphertexts.ts';
import { DataOwner, type OwnerAxis } from '../../../src/protocols/cryptonn/owner/data-owner.ts';
import type { AxisName, DatasetSpec } from '../../../src/protocols/cryptonn/agreement/dataset-spec.ts';
import { EncryptedLabels } from '../../../src/protocols/cryptonn/trainer/encrypted-labels.ts';
import {
  type FixedPointOptions,
  FixedPointTrainer,
} from '../../../src/protocols/cryptonn/trainer/fixed-point-trainer.ts';
import { LabelPermutation } from '../../../src/protocols/cryptonn/owner/label-permutation.ts';
import { LatticeSchemes } from '../../../src/protocols/cryptonn/agreement/lattice-schemes.ts';
import { MasterKeyring } from '../../../src/protocols/cryptonn/authority/master-keyring.ts';
import { AllocationFaults } from '../../kernel/cases/allocation-faults.ts';
import { openUserKernels } from '../../kernel/cases/differential.ts';
import { MemoryStorage } from './memory-storage.ts';

// As many features as samples: with few vectors modules have high rank, and matrices a thousand entries to expand.
const [FEATURES, BATCH, CLASSES] = [64, 64, 2];
const SPEC: DatasetSpec = {
  ...{ id: 'few', scheme: 'lattice', mode: 'faithful', features: FEATURES, batch: BATCH, classes: CLASSES },
  ...{ inputScale: 10, inputBound: 10 },
  faithful: {
    acknowledged: 'I understand what leaks',
    ...{ weightBound: 7, gradientBound: 7, labels: 'encrypted' },
  },
};
const INPUTS = Float32Array.from({ length: BATCH * FEATURES }, (_, i) => (i % 5) / 5);
const LABELS = Array.from({ length: BATCH }, (_, i) => (i % 3) % CLASSES);
const AXES = ['forward', 'gradient', 'labels'] as const;
const UNITS = Int32Array.of(1, 0, 0, 1);

const free = ({ samples, features, encryptedLabels = [] }: BatchContent) => {
  for (const ciphertext of [...samples, ...features, ...encryptedLabels]) ciphertext[Symbol.dispose]();
};

async function openAuthority(schemes: LatticeSchemes) {
  const keyring = new MasterKeyring(schemes.schemeFor);
  const authority = await Authority.open(new MemoryStorage(), keyring, seededRandom('authority'));
  await authority.createDataset('owner', SPEC);
  return {
    authority,
    ask: (axis: AxisName, weights: Int32Array) =>
      authority.issue({ requester: 'trainer', dataset: SPEC.id, axis, weights }),
    [Symbol.dispose]() {
      authority[Symbol.dispose]();
      keyring[Symbol.dispose]();
    },
  };
}

describe.each(openUserKernels())('the $name kernel ($reason)', ({ name, kernel, reason }) => {
  if (kernel === undefined) return test.skip(`is not here: ${reason}`);
  // The authority of the other tests computes on a kernel that does not fail.
  const sound: Kernel = name === 'wasm' ? loadWasmKernel() : loadNativeKernel();
  const soundSchemes = new LatticeSchemes(sound);
  let faults: AllocationFaults;
  let schemes: LatticeSchemes;
  let served: Awaited<ReturnType<typeof openAuthority>>;
  let publicKeys: Record<AxisName, Uint8Array>;

  beforeAll(async () => {
    faults = new AllocationFaults(kernel);
    schemes = new LatticeSchemes(faults.kernel);
    served = await openAuthority(soundSchemes);
    const entries = AXES.map((axis) => [axis, served.authority.masterPublicKey(SPEC.id, axis)]);
    publicKeys = Object.fromEntries(entries) as typeof publicKeys;
  });
  afterAll(() => {
    for (const part of [schemes, served, soundSchemes]) part[Symbol.dispose]();
    expect(faults.held).toEqual({ words: 0, handles: 0 });
    expect(sound.liveWords).toBe(0);
    sound[Symbol.dispose]();
    kernel[Symbol.dispose]();
  });

  /** With a kernel that fails, keys made before. */
  function openOwner() {
    const axes: Partial<Record<AxisName, OwnerAxis>> = {};
    for (const axis of AXES) {
      const scheme = schemes.schemeFor(SPEC, axis);
      axes[axis] = { scheme, publicKey: scheme.publicKeyFromBytes(publicKeys[axis]) };
    }
    const random = seededRandom('owner');
    const permutation = new LabelPermutation(seedFromBytes(random.seed()), CLASSES);
    return {
      owner: new DataOwner('owner', SPEC, axes, permutation, random, undefined, {
        understandsWhatLeaks: true,
      }),
      [Symbol.dispose]() {
        for (const { publicKey } of Object.values(axes)) publicKey[Symbol.dispose]();
      },
    };
  }

  test('an owner encrypts a batch and a trainer reads it', async () => {
    using opened = openOwner();
    // The matrices of public keys are expanded at first need and kept.
    const owned = opened.owner.encrypt(INPUTS, LABELS);
    const bytes = writeBatch(owned);
    free(owned);
    const encrypting = await faults.failEach(() => free(opened.owner.encrypt(INPUTS, LABELS)), 'sparse');
    expect(encrypting).toBeGreaterThan(8);
    const schemeFor = (axis: AxisName) => schemes.schemeFor(SPEC, axis);
    // Ciphertexts are not kept in memory of the kernel.
    expect(await faults.failEach(() => free(readBatch(bytes, SPEC, schemeFor)), 'sparse')).toBe(0);
  });

  test('an authority opens a data set, publishes keys and derives', async () => {
    const failures = await faults.failEach(async () => {
      using own = new LatticeSchemes(faults.kernel);
      using opened = await openAuthority(own);
      expect(opened.authority.masterPublicKey(SPEC.id, 'labels').length).toBeGreaterThan(100);
      using keys = (await opened.ask('labels', UNITS)).keys;
      expect(keys.count).toBe(CLASSES);
    }, 'sparse');
    expect(failures).toBeGreaterThan(5);
  });

  test('a trainer makes a step, or stays as it was', async () => {
    using opened = openOwner();
    const owned = opened.owner.encrypt(INPUTS, LABELS);
    const keys: KeySource = async (axis, weights) => {
      using made = (await served.ask(axis, weights)).keys;
      return schemes.schemeFor(SPEC, axis).functionKeysFromBytes(made.toBytes());
    };
    const axisOf = (axis: AxisName, ciphertexts: typeof owned.samples) => ({
      scheme: schemes.schemeFor(SPEC, axis),
      ciphertexts,
    });
    const options: FixedPointOptions = {
      ...{ features: FEATURES, inputScale: 10, inputBound: 10, batch: BATCH, units: 2, weightBound: 7 },
      ...{ weightScale: 10, gradientBound: 7, learningRate: 0.1, momentum: 0.9, seed: 2, multiply: sound },
      upper: [{ kind: 'relu' }, { kind: 'dense', outputs: CLASSES }],
    };
    const before = new FixedPointTrainer(options).toBytes();
    let after: Uint8Array | undefined;
    const step = async () => {
      const labels = new EncryptedLabels(axisOf('labels', owned.encryptedLabels), keys);
      const batch = new EncryptedBatch(
        owned.labels,
        'forward',
        axisOf('forward', owned.samples),
        axisOf('gradient', owned.features),
        keys,
        labels,
      );
      const trainer = FixedPointTrainer.fromBytes(before, options);
      try {
        await trainer.step(batch);
      } catch (error) {
        expect(Buffer.compare(trainer.toBytes(), before)).toBe(0);
        throw error;
      }
      after ??= trainer.toBytes();
      expect(Buffer.compare(trainer.toBytes(), after)).toBe(0);
    };
    await step();
    expect(Buffer.compare(after!, before)).not.toBe(0);
    expect(await faults.failEach(step, 'sparse')).toBeGreaterThan(3);
    free(owned);
  });
});
