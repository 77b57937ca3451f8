import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readMnist } from '../../src/apps/train/mnist-corpus.ts';
import { DataError, DecodeError, ShapeError } from '../../src/base/errors.ts';
import { readIdx, readLabelledImages, unitPixels } from '../../src/nn/index.ts';

const images = Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 7, 8, 9, 255);
const labels = Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 2, 4, 5);
const DATA = join(import.meta.dirname, '..', '..', '..', 'shared', 'data');

describe('IDX', () => {
  test('images and labels', () => {
    const read = readLabelledImages(images, labels);
    expect([read.count, read.height, read.width, ...read.labels, ...read.pixels]).toEqual([
      2, 1, 2, 4, 5, 7, 8, 9, 255,
    ]);
    expect([...unitPixels(Uint8Array.of(0, 51, 255))]).toEqual([0, Math.fround(0.2), 1]);
  });

  test.each([
    ['a magic word', Uint8Array.of(1, 0, 8, 1, 0, 0, 0, 0)],
    ['a type', Uint8Array.of(0, 0, 13, 1, 0, 0, 0, 0)],
    ['extents', Uint8Array.of(0, 0, 8, 9)],
    ['a header cut short', images.subarray(0, 9)],
    ['values cut short', images.subarray(0, 19)],
    ['bytes left over', Uint8Array.of(...images, 0)],
    ['an absurd extent', Uint8Array.of(0, 0, 8, 2, 255, 255, 255, 255, 255, 255, 255, 255)],
  ])('refuses %s', (_what, bytes) => {
    expect(() => readIdx(bytes)).toThrow(DecodeError);
  });

  test('refuses labels of other images', () => {
    expect(() => readLabelledImages(images, Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 1, 4))).toThrow(ShapeError);
    expect(() => readLabelledImages(labels, labels)).toThrow(ShapeError);
  });
});

describe('MNIST', () => {
  test('a missing folder is said', () => {
    expect(() => readMnist(join(DATA, 'nowhere'), 'test')).toThrow(DataError);
  });

  test.skipIf(!existsSync(join(DATA, 'mnist')))('the test part (needs ../shared/data/mnist)', () => {
    const read = readMnist(DATA, 'test');
    expect([read.count, read.height, read.width]).toEqual([10000, 28, 28]);
    // The first ten labels are well known.
    expect([...read.labels.subarray(0, 10)]).toEqual([7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
  });
});
