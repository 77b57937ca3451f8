/** Noise in issued results: it is there, of the right size, fresh, and no key comes without it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openCryptonnWorld } from '../../../bench/cryptonn/cryptonn-world.ts';
import { InvalidParamsError, KeyRefusedError } from '../../../src/base/errors.ts';
import { systemRandom } from '../../../src/base/random.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { axisSizes } from '../../../src/protocols/cryptonn/agreement/axis-sizes.ts';
import { DataOwner } from '../../../src/protocols/cryptonn/owner/data-owner.ts';
import {
  type DatasetSpec,
  datasetDigest,
  parseDatasetSpec,
} from '../../../src/protocols/cryptonn/agreement/dataset-spec.ts';
import { LabelPermutation } from '../../../src/protocols/cryptonn/owner/label-permutation.ts';
import { solveForInputs } from '../../../src/protocols/cryptonn/leakage/linear-attack.ts';
import {
  gaussianNoise,
  noiseBound,
  noisySamples,
  projectionKeys,
  projectionPrivacy,
} from '../../../src/protocols/cryptonn/agreement/projection-noise.ts';
import { projectionMatrix } from '../../../src/protocols/cryptonn/agreement/projection.ts';

let kernel: Kernel;
beforeAll(async () => {
  kernel = await openKernel();
});
afterAll(() => {
  expect(kernel.liveWords).toBe(0);
  kernel[Symbol.dispose]();
});

const [FEATURES, RANK, BATCH, SIGMA] = [36, 4, 512, 25];
const SEED = '22'.repeat(32);
const quiet: DatasetSpec = {
  ...{ id: 'quiet', scheme: 'lattice', mode: 'projected', features: FEATURES, inputScale: 100 },
  ...{ inputBound: 100, classes: 2, batch: BATCH },
  projection: { rank: RANK, seed: SEED, budgetShare: 0.25, approvedBy: [] },
};
const noisy: DatasetSpec = {
  ...{ ...quiet, id: 'noisy' },
  projection: { ...quiet.projection!, noise: { sigma: SIGMA, delta: 1e-6 } },
};
const P = projectionMatrix(SEED, RANK, FEATURES);

function inputs(seed: number): Float32Array {
  const generator = new SeededGenerator(seed);
  return Float32Array.from({ length: BATCH * FEATURES }, () => generator.below(101) / 100);
}
const LABELS = new Int32Array(BATCH);

/** Products minus P x. */
async function errorsOf(world: Awaited<ReturnType<typeof openCryptonnWorld>>, values: Float32Array) {
  using encrypted = world.encrypted(values, LABELS);
  const keys = projectionKeys(world.spec);
  const [first, again] = [await encrypted.batch.forward(keys), await encrypted.batch.forward(keys)];
  const exact = await world.clear(values, LABELS).forward(P);
  expect(again).toEqual(first);
  return first.map((value, i) => value - exact[i]!);
}

test('products are P x plus fresh noise of the named deviation, the same when asked again', async () => {
  using world = await openCryptonnWorld(noisy, kernel, () => 0);
  const values = inputs(1);
  const [first, second] = [await errorsOf(world, values), await errorsOf(world, values)];
  for (const errors of [first, second]) {
    const mean = errors.reduce((sum, e) => sum + e, 0) / errors.length;
    const variance = errors.reduce((sum, e) => sum + e * e, 0) / errors.length;
    // 2048 values: the mean within 8 deviations of its own, the variance likewise (sqrt(2 / 2048) of it); the noise is fresh in every run.
    expect(Math.abs(mean)).toBeLessThan((8 * SIGMA) / Math.sqrt(errors.length));
    expect(Math.abs(variance / SIGMA ** 2 - 1)).toBeLessThan(8 * Math.sqrt(2 / errors.length) + 0.05);
  }
  // The same samples under the same keys have other noise when they are encrypted again: nothing in common.
  const together = first.reduce((sum, e, i) => sum + e * second[i]!, 0) / first.length;
  expect(Math.abs(together)).toBeLessThan((8 * SIGMA ** 2) / Math.sqrt(first.length));
  // Rows do not share noise either.
  const rows = Array.from({ length: RANK }, (_, k) => first.subarray(k * BATCH, (k + 1) * BATCH));
  const across = rows[0]!.reduce((sum, e, i) => sum + e * rows[1]![i]!, 0) / BATCH;
  expect(Math.abs(across)).toBeLessThan((10 * SIGMA ** 2) / Math.sqrt(BATCH));
});

test('without noise in the specification the same comparison finds none', async () => {
  using world = await openCryptonnWorld(quiet, kernel, () => 0);
  expect((await errorsOf(world, inputs(1))).every((e) => e === 0)).toBe(true);
});

test('no key comes without its noise', async () => {
  using world = await openCryptonnWorld(noisy, kernel, () => 0);
  const { authority } = world;
  const ask = (weights: Int32Array) =>
    authority.issue({ requester: 'trainer', dataset: 'noisy', axis: 'projection', weights });
  const rows = projectionKeys(noisy);
  const length = FEATURES + RANK;
  const row = (k: number) => rows.slice(k * length, (k + 1) * length);
  const bare = row(0);
  bare.fill(0, FEATURES);
  const swapped = row(0);
  swapped.copyWithin(FEATURES + 1, FEATURES, FEATURES + 1);
  swapped[FEATURES] = 0;
  const noiseAlone = new Int32Array(length);
  noiseAlone[FEATURES] = 1;
  const doubled = row(0).map((value, i) => (i < FEATURES ? 2 * value : value));
  for (const forbidden of [bare, swapped, noiseAlone, doubled, P.slice(0, FEATURES)])
    await expect(ask(forbidden)).rejects.toThrow(KeyRefusedError);
  // What is in the span is issued, and its noise adds up like its rows: no combination of rows is without.
  const sum = row(0).map((value, i) => value + row(1)[i]!);
  using _both = (await ask(sum)).keys;
  using _all = (await ask(rows)).keys;
  expect(authority.issuedRanks('noisy')).toEqual({ projection: RANK });
  // Elimination over everything that may be issued: samples and noise are as many unknowns more as there are equations.
  expect(solveForInputs(rows, new Float64Array(RANK), length)).toEqual({ rank: RANK, solution: null });
});

test('the rule is part of the keys: other noise, other master keys', () => {
  const digests = [
    quiet,
    noisy,
    withNoise({ sigma: SIGMA + 1, delta: 1e-6 }),
    withNoise({ sigma: SIGMA, delta: 1e-5 }),
  ];
  expect(new Set(digests.map(datasetDigest)).size).toBe(4);
  expect(axisSizes(noisy, 'projection')).toMatchObject({
    length: FEATURES + RANK,
    inputBound: noiseBound(SIGMA),
  });
  expect(() => parseDatasetSpec(withNoise({ sigma: 1, delta: 1e-6 }))).toThrow(/sigma/);
  const permutation = new LabelPermutation(systemRandom.seed(), 2);
  expect(() => new DataOwner('ann', noisy, {}, permutation, systemRandom)).toThrow(InvalidParamsError);
});

function withNoise(noise: NonNullable<NonNullable<DatasetSpec['projection']>['noise']>): DatasetSpec {
  return { ...noisy, projection: { ...noisy.projection!, noise } };
}

test('long samples are scaled down to the norm that the sensitivity counts on, short ones are left alone', () => {
  const spec = withNoise({ sigma: SIGMA, delta: 1e-6, largestNorm: 150 });
  const [long, short] = [new Int32Array(FEATURES).fill(90), new Int32Array(FEATURES).fill(-3)];
  const out = noisySamples(spec, Int32Array.of(...long, ...short), kernel, systemRandom);
  const first = out.subarray(0, FEATURES);
  expect(Math.hypot(...first)).toBeLessThanOrEqual(150);
  expect(Math.hypot(...first)).toBeGreaterThan(140);
  expect(out.subarray(FEATURES + RANK, 2 * FEATURES + RANK)).toEqual(short);
  const [clipped, whole] = [projectionPrivacy(spec)!, projectionPrivacy(noisy)!];
  expect(clipped.sample.sensitivity).toBeLessThan(whole.sample.sensitivity);
  // Scaling makes a change of one value one of all.
  expect(clipped.value.sensitivity).toBeGreaterThan(whole.value.sensitivity);
});

test('the reported sensitivities bound what changes can do, and a change of one value reaches its own', () => {
  const { sample, value, sigma } = projectionPrivacy(noisy)!;
  expect(sigma).toBe(SIGMA);
  const generator = new SeededGenerator(7);
  const moved = (change: ArrayLike<number>) =>
    Math.hypot(
      ...Array.from({ length: RANK }, (_, k) =>
        Array.from(change).reduce((sum, c, j) => sum + c * P[k * FEATURES + j]!, 0),
      ),
    );
  for (let round = 0; round < 200; round++) {
    const change = Array.from({ length: FEATURES }, () => 200 * (generator.below(2) - 0.5) * 2);
    expect(moved(change)).toBeLessThanOrEqual(sample.sensitivity);
  }
  const single = Array.from({ length: FEATURES }, (_, j) =>
    moved(Array.from({ length: FEATURES }, (__, i) => (i === j ? 200 : 0))),
  );
  expect(Math.max(...single)).toBeCloseTo(value.sensitivity, 9);
  expect(value.epsilon).toBeLessThan(sample.epsilon);
  expect(value.epsilon).toBeGreaterThan(value.continuousEpsilon);
});

test('one changed value of a sample that is scaled down moves P x by no more than is reported', () => {
  const spec = withNoise({ sigma: SIGMA, delta: 1e-6, largestNorm: 300 });
  const { value } = projectionPrivacy(spec)!;
  const generator = new SeededGenerator(9);
  const scaled = (sample: Int32Array) =>
    noisySamples(spec, sample, kernel, systemRandom).subarray(0, FEATURES);
  const product = (sample: Int32Array, k: number) =>
    sample.reduce((sum, x, j) => sum + x * P[k * FEATURES + j]!, 0);
  let most = 0;
  for (let round = 0; round < 300; round++) {
    const sample = Int32Array.from({ length: FEATURES }, () => generator.below(201) - 100);
    const other = sample.slice();
    const changed = generator.below(FEATURES);
    [sample[changed], other[changed]] = [100, -100];
    const [a, b] = [scaled(sample), scaled(other)];
    most = Math.max(
      most,
      Math.hypot(...Array.from({ length: RANK }, (_, k) => product(a, k) - product(b, k))),
    );
  }
  expect(most).toBeLessThanOrEqual(value.sensitivity);
  expect(most).toBeGreaterThan(value.sensitivity / 10);
});

test('noise stays within its bound', () => {
  const values = gaussianNoise(4, 100_000, kernel, systemRandom);
  expect(values.every((value) => Math.abs(value) <= noiseBound(4))).toBe(true);
  expect(new Set(values).size).toBeGreaterThan(20);
});
