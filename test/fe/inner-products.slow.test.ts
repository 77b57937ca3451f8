/** A hundred thousand random pairs of vectors at large lengths, exact in every scheme. */
import { expect, test } from 'vitest';
import { seededRandom } from '../../src/base/testing.ts';
import { DdhInnerProduct } from '../../src/fe/ddh/scheme.ts';
import type { InnerProductScheme } from '../../src/fe/inner-product-scheme.ts';
import { LatticeInnerProduct } from '../../src/fe/lattice/scheme.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { seededGenerator } from '../kernel/bench.ts';

const kernel = await openKernel();
const PAIRS = 100_000;

function wrongResults(scheme: InnerProductScheme, keyCount: number, blocks: number): number {
  const { length, packing, inputBound, weightBound } = scheme;
  const random = seededRandom(`slow ${scheme.name} ${length}`);
  const { publicKey, secretKey } = scheme.setup(random);
  const next = seededGenerator(length);
  const drawn = (count: number, bound: number) =>
    Int32Array.from({ length: count }, () => (next() % (2 * bound + 1)) - bound);
  let wrong = 0;
  for (let block = 0; block < blocks; block++) {
    const weights = drawn(keyCount * length, weightBound);
    const columns = drawn(length * packing, inputBound);
    using keys = scheme.deriveKeys(secretKey, weights);
    using ciphertext = scheme.encrypt(publicKey, columns, random);
    scheme.decrypt(ciphertext, keys, weights).forEach((result, at) => {
      const [key, j] = [Math.floor(at / packing), at % packing];
      let sum = 0;
      for (let i = 0; i < length; i++) sum += weights[key * length + i]! * columns[i * packing + j]!;
      if (result !== sum) wrong++;
    });
  }
  publicKey[Symbol.dispose]();
  secretKey[Symbol.dispose]();
  return wrong;
}

test.each([
  { length: 785, inputBound: 256, weightBound: 256, packing: 64 },
  { length: 1024, inputBound: 2 ** 12, weightBound: 2 ** 12, packing: 256 },
  { length: 2048, inputBound: 16, weightBound: 127, packing: 4096 },
])('lattice, length $length, bounds $inputBound and $weightBound', (spec) => {
  using scheme = new LatticeInnerProduct(kernel, spec);
  const keyCount = 64;
  expect(wrongResults(scheme, keyCount, Math.ceil(PAIRS / (keyCount * spec.packing)))).toBe(0);
});

test.skipIf(kernel.edwards === undefined)('ddh, length 256', () => {
  using scheme = new DdhInnerProduct({ length: 256, inputBound: 255, weightBound: 127 }, 'adaptive', kernel);
  expect(wrongResults(scheme, 10_000, PAIRS / 10_000)).toBe(0);
});
