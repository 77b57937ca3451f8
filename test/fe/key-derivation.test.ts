/** Keys derived from changes equal keys derived anew, bit for bit, whatever was asked before. */
import { afterAll, expect, test } from 'vitest';
import { seededRandom } from '../../src/base/testing.ts';
import type { LatticeFunctionKeys } from '../../src/fe/lattice/objects.ts';
import { LatticeInnerProduct } from '../../src/fe/lattice/scheme.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { seededGenerator } from '../kernel/bench.ts';

const kernel = await openKernel();
afterAll(() => {
  expect(kernel.liveWords).toBe(0);
});

// Differences of the largest weights take 17 bits, and so do secrets of the widest inputs.
test.each([
  [127, 9],
  [32767, 9],
  [127, 400],
])(
  'requests alike, equal, at the bounds %i, of another count, all different; inputs up to %i',
  (bound, inputBound) => {
    using scheme = new LatticeInnerProduct(kernel, {
      length: 300,
      inputBound,
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

test('keys belong to their holder: later ones and the end of the master key leave them, disposal wipes them', () => {
  using scheme = new LatticeInnerProduct(kernel, { length: 64, inputBound: 9, weightBound: 9, packing: 64 });
  const { publicKey, secretKey } = scheme.setup(seededRandom('lent'));
  const next = seededGenerator(12);
  const requests = Array.from({ length: 3 }, () => Int32Array.from({ length: 128 }, () => (next() % 19) - 9));
  requests.push(Int32Array.from(requests[2]!, (value, i) => (i === 5 ? -value : value)));
  const held = requests.map((weights) => scheme.deriveKeys(secretKey, weights) as LatticeFunctionKeys);
  const seen = held.map((keys) => keys.coefficients.slice());
  const [first, ...others] = held;
  first![Symbol.dispose]();
  expect(first!.coefficients.every((value) => value === 0)).toBe(true);
  // Keys that were given back are taken for the next; the others stay.
  const [second, third, fourth] = others;
  fourth![Symbol.dispose]();
  const fifth = scheme.deriveKeys(secretKey, requests[0]!) as LatticeFunctionKeys;
  expect(fifth.coefficients).toEqual(seen[0]);
  publicKey[Symbol.dispose]();
  secretKey[Symbol.dispose]();
  expect([second, third, fifth].map((keys) => keys!.coefficients)).toEqual([seen[1], seen[2], seen[0]]);
  for (const keys of [second, third, fifth]) {
    keys![Symbol.dispose]();
    expect(keys!.coefficients.every((value) => value === 0)).toBe(true);
  }
});
