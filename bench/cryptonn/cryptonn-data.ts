/** MNIST as the benches of training on encrypted data use it. */
import { join } from 'node:path';
import { readMnist } from '../../src/apps/train/mnist-corpus.ts';
import { type LabelledImages, unitPixels } from '../../src/nn/index.ts';
import { approverKey, signApproval } from '../../src/protocols/cryptonn/agreement/dataset-approvals.ts';
import {
  approvalText,
  type DatasetSpec,
  parseUnapprovedSpec,
} from '../../src/protocols/cryptonn/agreement/dataset-spec.ts';

export const MNIST_PIXELS = 784;
export const MNIST_CLASSES = 10;

export interface Digits {
  /** `[samples, 784]` in [0, 1]. */
  readonly pixels: Float32Array;
  readonly labels: Int32Array;
}

export interface MnistDigits {
  readonly train: Digits;
  readonly test: Digits;
}

function dataFolder(directory: string | undefined): string {
  const root = join(import.meta.dirname, '..', '..', import.meta.dirname.includes('dist') ? '..' : '.');
  return directory ?? join(root, '..', 'shared', 'data');
}

/** The training images as they are. @throws {DataError} when the data set is missing. */
export function readMnistImages(directory: string | undefined): LabelledImages {
  return readMnist(dataFolder(directory), 'train');
}

export function firstImages(images: LabelledImages, most: number): LabelledImages {
  const count = Math.min(most, images.count);
  const pixels = images.pixels.subarray(0, count * images.height * images.width);
  return { ...images, count, pixels, labels: images.labels.subarray(0, count) };
}

/** A projection of this rank, always the same one. */
export function leakSpec(rank: number): DatasetSpec {
  return parseUnapprovedSpec({
    ...digitsSpec,
    ...{ id: 'leak', mode: 'projected', batch: 64 },
    projection: { rank, seed: '1d'.repeat(32), budgetShare: 1, approvedBy: [] },
  });
}

/** @throws {DataError} when the data set is missing. */
export function readDigits(directory: string | undefined): MnistDigits {
  const data = dataFolder(directory);
  const read = (split: 'train' | 'test'): Digits => {
    const { pixels, labels } = readMnist(data, split);
    return { pixels: unitPixels(pixels), labels: Int32Array.from(labels) };
  };
  return { train: read('train'), test: read('test') };
}

/** Samples `[from, from + count)`. */
export function digitRange({ pixels, labels }: Digits, from: number, count: number): Digits {
  return {
    pixels: pixels.subarray(from * MNIST_PIXELS, (from + count) * MNIST_PIXELS),
    labels: labels.subarray(from, from + count),
  };
}

/** Two decimals, as the original. */
export const digitsSpec = {
  scheme: 'lattice',
  features: MNIST_PIXELS,
  inputScale: 100,
  inputBound: 100,
  classes: MNIST_CLASSES,
} as const satisfies Partial<DatasetSpec>;

/** Keys that anybody may know: a bench approves what it measures. */
const BENCH_SECRETS = [1, 2].map((value) => new Uint8Array(32).fill(value));
const benchName = (i: number) => `bench-${i + 1}`;

export const benchApprovers = BENCH_SECRETS.map((secret, i) => ({
  name: benchName(i),
  key: approverKey(secret),
}));

/** The data set with the approvals of {@link benchApprovers}. */
export function approvedForBench(spec: DatasetSpec): DatasetSpec {
  const unapproved = parseUnapprovedSpec(spec);
  if (unapproved.projection === undefined) return unapproved;
  const text = approvalText(unapproved);
  const approvedBy = BENCH_SECRETS.map((secret, i) => signApproval(text, benchName(i), secret));
  return { ...unapproved, projection: { ...unapproved.projection, approvedBy } };
}
