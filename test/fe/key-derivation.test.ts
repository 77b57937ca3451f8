/** Keys derived from changes equal keys derived anew, bit for bit, whatever was asked before. */
import { afterAll, expect, test } from 'vitest';
import { seededRandom } from '../../src/base/testing.ts';
import { LatticeInnerProduct } from '../../src/fe/lattice/scheme.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { seededGenerator } from '../kernel/cases.ts';

const kernel = await openKernel();
afterAll(() => {
  expect(kernel.liveWords).toBe(0);
});

// Differences of the largest weights are beyond what the kernel multiplies.
test.each([127, 32767])(
  'requests alike, equal, at the bounds %i, of another count, all different',
  (bound) => {
    using scheme = new LatticeInnerProduct(kernel, {
      length: 300,
      inputBound: 9,
      weightBound: bound,
      packing: 64,
    });
    const { publicKey, secretKey } = scheme.setup(seededRandom('derivation'));
    const bytes = secretKey.toBytes();
    const next = seededGenerator(11);
    const fresh = (rows: number) =>
      Int32Array.from({ length: 300 * rows }, () => (next() % (2 * bound + 1)) - bound);
    const changed = (weights: Int32Array, count: number) => {
      const out = weights.slice();
      for (let i = 0; i < count; i++) out[next() % out.length] = (next() % (2 * bound + 1)) - bound;
      return out;
    };
    let weights = fresh(20);
    const requests = [weights];
    for (const count of [3, 1, 8, 0, 2, 700, 2, 5]) {
      weights = changed(weights, count);
      requests.push(weights);
    }
    // From one bound to the other in a single entry, twice.
    for (const value of [-bound, bound]) {
      weights = weights.slice();
      weights[20 * 300 - 1] = value;
      requests.push(weights);
    }
    requests.push(fresh(7), changed(weights, 1), changed(weights, 1), changed(weights, 1));
    for (const request of requests) {
      using anew = scheme.secretKeyFromBytes(bytes);
      using expected = scheme.deriveKeys(anew, request);
      using keys = scheme.deriveKeys(secretKey, request);
      expect(Buffer.from(keys.toBytes()).equals(Buffer.from(expected.toBytes()))).toBe(true);
    }
    // What a caller does with its keys does not reach the next ones.
    const first = scheme.deriveKeys(secretKey, weights);
    first[Symbol.dispose]();
    using anew = scheme.secretKeyFromBytes(bytes);
    using expected = scheme.deriveKeys(anew, weights);
    using again = scheme.deriveKeys(secretKey, weights);
    expect(Buffer.from(again.toBytes()).equals(Buffer.from(expected.toBytes()))).toBe(true);
    publicKey[Symbol.dispose]();
    secretKey[Symbol.dispose]();
  },
);
