import { shake256 } from '@noble/hashes/sha3.js';
import { describe, expect, test } from 'vitest';
import type { Seed } from '../../../src/base/brand.ts';
import { writeBatch } from '../../../src/protocols/cryptonn/agreement/batch-bytes.ts';
import {
  DecodeError,
  InvalidParamsError,
  KeyRefusedError,
  OutOfRangeError,
  ShapeError,
  TransportError,
} from '../../../src/base/errors.ts';
import { type RandomSource, systemRandom } from '../../../src/base/random.ts';
import type { FunctionKeys } from '../../../src/fe/inner-product-scheme.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { plainMatrixMultiply } from '../../../src/nn/tensor/matrix-multiply.ts';
import { Authority } from '../../../src/protocols/cryptonn/authority/authority.ts';
import { ClearBatch, EncryptedBatch } from '../../../src/protocols/cryptonn/trainer/batch-products.ts';
import type { KeySource } from '../../../src/protocols/cryptonn/trainer/axis-ciphertexts.ts';
import {
  checkOwnerScales,
  DataOwner,
  countBeyond,
  fixedPoint,
} from '../../../src/protocols/cryptonn/owner/data-owner.ts';
import type { OwnedBatch } from '../../../src/protocols/cryptonn/agreement/batch-bytes.ts';
import type { AxisName, DatasetSpec } from '../../../src/protocols/cryptonn/agreement/dataset-spec.ts';
import {
  FixedPointTrainer,
  type FixedPointOptions,
} from '../../../src/protocols/cryptonn/trainer/fixed-point-trainer.ts';
import { LabelPermutation } from '../../../src/protocols/cryptonn/owner/label-permutation.ts';
import { solveForInputs } from '../../../src/protocols/cryptonn/leakage/linear-attack.ts';
import { MasterKeyring } from '../../../src/protocols/cryptonn/authority/master-keyring.ts';
import type { SchemeFor } from '../../../src/protocols/cryptonn/agreement/dataset-schemes.ts';
import { projectionMatrix } from '../../../src/protocols/cryptonn/agreement/projection.ts';
import { InsecureScheme } from './insecure-scheme.ts';
import { MemoryStorage } from './memory-storage.ts';

/** A binary PGM of integers in [0, white], the picture that an attack shows. */
function greyPicture(pixels: ArrayLike<number>, width: number, white: number): Uint8Array {
  const header = new TextEncoder().encode(`P5\n${width} ${pixels.length / width}\n255\n`);
  const out = new Uint8Array(header.length + pixels.length);
  out.set(header);
  for (let i = 0; i < pixels.length; i++) {
    const share = Math.max(0, Math.min(1, (pixels[i] as number) / white));
    out[header.length + i] = Math.round(255 * share);
  }
  return out;
}

const [FEATURES, BATCH, CLASSES, UNITS] = [36, 8, 3, 10];

const faithful: DatasetSpec = {
  id: 'shapes',
  scheme: 'lattice',
  mode: 'faithful',
  features: FEATURES,
  inputScale: 100,
  inputBound: 100,
  classes: CLASSES,
  batch: BATCH,
  faithful: { acknowledged: 'I understand what leaks', weightBound: 127, gradientBound: 127 },
};

const PROJECTION_SEED = '22'.repeat(32);
const RANK = 4;
const projected: DatasetSpec = {
  ...faithful,
  id: 'projected',
  mode: 'projected',
  faithful: undefined,
  projection: { rank: RANK, seed: PROJECTION_SEED, budgetShare: 0.25, approvedBy: [] },
};

const options: FixedPointOptions = {
  features: FEATURES,
  inputScale: 100,
  inputBound: 100,
  batch: BATCH,
  units: UNITS,
  upper: [{ kind: 'relu' }, { kind: 'dense', outputs: CLASSES }],
  weightBound: 127,
  weightScale: 100,
  gradientBound: 127,
  learningRate: 0.1,
  momentum: 0.9,
  seed: 4,
  multiply: plainMatrixMultiply,
};

function testRandom(first: number): RandomSource {
  let count = first * 1000;
  return { seed: () => shake256(Uint8Array.of(++count & 255, count >> 8), { dkLen: 32 }) as Seed };
}

const schemeFor: SchemeFor = (spec: DatasetSpec, axis: AxisName) => {
  const length = axis === 'gradient' ? spec.batch : spec.features;
  // Packing that does not divide the number of vectors: several ciphertexts, the last one not full.
  return new InsecureScheme({ length, inputBound: spec.inputBound, weightBound: 127 }, 5);
};

/** Three kinds of bright bars in a 6 x 6 picture, with noise. */
function pictures(seed: number, samples: number): { inputs: Float32Array; labels: Int32Array } {
  const generator = new SeededGenerator(seed);
  const labels = Int32Array.from({ length: samples }, () => generator.below(CLASSES));
  const inputs = new Float32Array(samples * FEATURES);
  for (let s = 0; s < samples; s++) {
    for (let i = 0; i < FEATURES; i++) {
      const isBar = Math.floor(i / 12) === labels[s];
      inputs[s * FEATURES + i] = 0.3 * generator.uniform() + (isBar ? 0.5 : 0);
    }
  }
  return { inputs, labels };
}

const permutation = new LabelPermutation(shake256(Uint8Array.of(7), { dkLen: 32 }) as Seed, CLASSES);

async function world(spec: DatasetSpec, random = testRandom(1)) {
  const authority = await Authority.open(new MemoryStorage(), new MasterKeyring(schemeFor), random);
  await authority.createDataset('owner', spec);
  const names: AxisName[] = spec.mode === 'faithful' ? ['forward', 'gradient'] : ['projection'];
  const axes = Object.fromEntries(
    names.map((axis) => {
      const scheme = schemeFor(spec, axis);
      return [
        axis,
        { scheme, publicKey: scheme.publicKeyFromBytes(authority.masterPublicKey(spec.id, axis)) },
      ];
    }),
  );
  const owner = (name: string) =>
    new DataOwner(name, spec, axes, permutation, systemRandom, undefined, { understandsWhatLeaks: true });
  const keys: KeySource = async (axis, weights) =>
    (await authority.issue({ requester: 'trainer', dataset: spec.id, axis, weights })).keys as FunctionKeys;
  return { authority, owner, keys };
}

function received(spec: DatasetSpec, batch: OwnedBatch, keys: KeySource): EncryptedBatch {
  const axis = spec.mode === 'faithful' ? 'forward' : 'projection';
  const samples = { scheme: schemeFor(spec, axis), ciphertexts: batch.samples };
  const gradient = { scheme: schemeFor(spec, 'gradient'), ciphertexts: batch.features };
  return new EncryptedBatch(batch.labels, axis, samples, axis === 'forward' ? gradient : undefined, keys);
}

async function faithfulBatches(count: number) {
  const { authority, owner, keys } = await world(faithful);
  const owners = [owner('ann'), owner('bob')];
  const data = Array.from({ length: count }, (_, b) => pictures(b + 1, BATCH));
  const encrypted = data.map(({ inputs, labels }, b) =>
    received(faithful, owners[b % 2]!.encrypt(inputs, labels), keys),
  );
  const clear = data.map(
    ({ inputs, labels }) =>
      new ClearBatch(fixedPoint(inputs, 100, 100), permutation.rename(labels), plainMatrixMultiply),
  );
  return { authority, keys, data, encrypted, clear };
}

describe('faithful training', () => {
  test('equals clear fixed-point training weight for weight, over two owners, and learns', async () => {
    const { authority, encrypted, clear } = await faithfulBatches(4);
    const [hidden, open] = [new FixedPointTrainer(options), new FixedPointTrainer(options)];
    const losses: number[] = [];
    for (let step = 0; step < 16; step++) {
      const [a, b] = [await hidden.step(encrypted[step % 4]!), await open.step(clear[step % 4]!)];
      expect(a).toEqual(b);
      expect(hidden.toBytes()).toEqual(open.toBytes());
      losses.push(a.loss);
    }
    expect(losses.at(-1)).toBeLessThan(0.5 * losses[0]!);
    expect(await hidden.accuracy(encrypted)).toBe(1);
    // What it cost: the gradient axis is open after one step, since there are more units than samples.
    expect(authority.issuedRanks('shapes').gradient).toBe(BATCH);
    // The comparison can fail: one different input moves the weights.
    const { inputs, labels } = pictures(1, BATCH);
    inputs[0]! += 0.05;
    await open.step(
      new ClearBatch(fixedPoint(inputs, 100, 100), permutation.rename(labels), plainMatrixMultiply),
    );
    await hidden.step(encrypted[0]!);
    expect(hidden.toBytes()).not.toEqual(open.toBytes());
  });

  test('continues from a checkpoint with identical results after the authority went away', async () => {
    const { encrypted, clear } = await faithfulBatches(2);
    const whole = new FixedPointTrainer(options);
    for (let step = 0; step < 6; step++) await whole.step(clear[step % 2]!);
    let trainer = new FixedPointTrainer(options);
    for (let step = 0; step < 3; step++) await trainer.step(encrypted[step % 2]!);
    const checkpoint = trainer.toBytes();
    const gone: KeySource = async () => {
      throw new TransportError('the authority is unreachable', true);
    };
    const { owner } = await world(faithful);
    const { inputs, labels } = pictures(9, BATCH);
    const lost = received(faithful, owner('ann').encrypt(inputs, labels), gone);
    await expect(trainer.step(lost)).rejects.toThrow(TransportError);
    expect(trainer.toBytes()).toEqual(checkpoint);
    trainer = FixedPointTrainer.fromBytes(checkpoint, options);
    for (let step = 3; step < 6; step++) await trainer.step(encrypted[step % 2]!);
    expect(trainer.toBytes()).toEqual(whole.toBytes());
    expect(() => FixedPointTrainer.fromBytes(checkpoint.subarray(1), options)).toThrow(DecodeError);
  });

  test('refuses sizes whose products would not be exact', () => {
    expect(() => new FixedPointTrainer({ ...options, weightBound: 10_000 })).toThrow(InvalidParamsError);
  });
});

describe('owners', () => {
  test('cut values to the bound, which an authority chose, and refuse what is no number or has another shape', async () => {
    const { owner } = await world(faithful);
    const { inputs, labels } = pictures(1, BATCH);
    inputs[77] = 1.2345;
    const beyond = writeBatch(owner('ann').encrypt(inputs, labels));
    expect(countBeyond(inputs, faithful.inputScale, faithful.inputBound)).toBe(1);
    expect(fixedPoint(inputs, faithful.inputScale, faithful.inputBound)[77]).toBe(faithful.inputBound);
    inputs[77] = -Infinity;
    expect(fixedPoint(inputs, faithful.inputScale, faithful.inputBound)[77]).toBe(-faithful.inputBound);
    inputs[77] = 0;
    expect(writeBatch(owner('ann').encrypt(inputs, labels))).toHaveLength(beyond.length);
    inputs[77] = Number.NaN;
    expect(() => owner('ann').encrypt(inputs, labels)).toThrow(OutOfRangeError);
    inputs[77] = 0;
    expect(() => owner('ann').encrypt(inputs, labels.subarray(1))).toThrow(ShapeError);
    expect(() => owner('ann').encrypt(inputs.subarray(1), labels)).toThrow(ShapeError);
    labels[2] = CLASSES;
    expect(() => owner('ann').encrypt(inputs, labels)).toThrow(/label 2 /);
  });

  test('ciphertexts of another master key are noticed', async () => {
    const { keys } = await world(faithful);
    const { owner } = await world(faithful, testRandom(2));
    const { inputs, labels } = pictures(1, BATCH);
    const batch = received(faithful, owner('eve').encrypt(inputs, labels), keys);
    await expect(new FixedPointTrainer(options).step(batch)).rejects.toThrow(OutOfRangeError);
  });

  test('who scale differently are told apart, by what they declare and by what they do', () => {
    const products = (factor: number) => Float32Array.from({ length: 64 }, (_, i) => factor * ((i % 7) - 3));
    const ann = { owner: 'ann', inputScale: 100, products: products(10) };
    const bob = { owner: 'bob', inputScale: 100, products: products(11) };
    checkOwnerScales([ann, bob]);
    expect(() => checkOwnerScales([ann, { ...bob, inputScale: 255 }])).toThrow(/"ann" and "bob"/);
    expect(() => checkOwnerScales([ann, { ...bob, products: products(25.5) }])).toThrow(InvalidParamsError);
  });

  test('rename classes with a secret permutation that only they undo', () => {
    const names = permutation.rename([0, 1, 2]);
    expect([...names].sort()).toEqual([0, 1, 2]);
    expect([...permutation.restore(names)]).toEqual([0, 1, 2]);
    const others = Array.from({ length: 40 }, (_, i) =>
      new LabelPermutation(shake256(Uint8Array.of(i), { dkLen: 32 }) as Seed, CLASSES)
        .rename([0, 1, 2])
        .join(''),
    );
    expect(new Set(others).size).toBe(6);
  });
});

describe('the rank attack', () => {
  test('one backward pass gives a faithful trainer every pixel of the batch', async () => {
    const { data, encrypted, clear } = await faithfulBatches(1);
    const seen: { weights: Int32Array; products: Float64Array }[] = [];
    const curious = new FixedPointTrainer(options);
    const batch = encrypted[0]!;
    await curious.step({
      samples: BATCH,
      labels: batch.labels,
      forward: (weights) => batch.forward(weights),
      gradient: async (weights) => {
        const products = await batch.gradient(weights);
        seen.push({ weights, products });
        return products;
      },
    });
    const { rank, solution } = solveForInputs(seen[0]!.weights, seen[0]!.products, BATCH);
    expect(rank).toBe(BATCH);
    expect(solution).toEqual(fixedPoint(data[0]!.inputs, 100, 100));
    expect(clear[0]!.samples).toBe(BATCH);
    const picture = greyPicture(solution!.subarray(0, FEATURES), 6, 100);
    expect(new TextDecoder().decode(picture.subarray(0, 11))).toBe('P5\n6 6\n255\n');
    expect(picture).toHaveLength(11 + FEATURES);
  });

  test('forward keys over a few updates open every batch of the data set', async () => {
    const { data, encrypted, authority } = await faithfulBatches(2);
    const generator = new SeededGenerator(8);
    const keys: number[] = [];
    const products: number[] = [];
    for (let update = 0; update < 4; update++) {
      const weights = Int32Array.from({ length: UNITS * FEATURES }, () => generator.below(255) - 127);
      keys.push(...weights);
      products.push(...(await encrypted[1]!.forward(weights)));
      expect(authority.issuedRanks('shapes').forward).toBe(Math.min(FEATURES, (update + 1) * UNITS));
    }
    const { solution } = solveForInputs(keys, products, FEATURES);
    const truth = fixedPoint(data[1]!.inputs, 100, 100);
    for (let i = 0; i < BATCH * FEATURES; i++) {
      expect(solution![(i % FEATURES) * BATCH + Math.floor(i / FEATURES)]).toBe(truth[i]);
    }
  });

  test('fails against a projected data set: the system stays singular and what would complete it is refused', async () => {
    const { owner, keys, authority } = await world(projected);
    const { inputs, labels } = pictures(1, BATCH);
    const batch = received(projected, owner('ann').encrypt(inputs, labels), keys);
    const P = projectionMatrix(PROJECTION_SEED, RANK, FEATURES);
    const products = await batch.forward(P);
    const clear = new ClearBatch(fixedPoint(inputs, 100, 100), labels, plainMatrixMultiply);
    expect(products).toEqual(await clear.forward(P));
    const { rank, solution } = solveForInputs(P, products, FEATURES);
    expect([rank, solution]).toEqual([RANK, null]);
    const generator = new SeededGenerator(2);
    for (let i = 0; i < 20; i++) {
      const weights = Int32Array.from({ length: FEATURES }, () => generator.below(3) - 1);
      await expect(batch.forward(weights)).rejects.toThrow(KeyRefusedError);
    }
    await expect(batch.gradient(new Int32Array(BATCH).fill(1))).rejects.toThrow(ShapeError);
    await expect(keys('gradient', new Int32Array(BATCH).fill(1))).rejects.toThrow(KeyRefusedError);
    expect(authority.issuedRanks('projected')).toEqual({ projection: RANK });
  });
});
