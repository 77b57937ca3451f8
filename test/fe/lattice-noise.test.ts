/** Noise of lattice decryptions against the formulas that choose the modulus, measured where the decoder has not yet rounded. */
import { afterAll, describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/base/testing.ts';
import type { LatticeCiphertext } from '../../src/fe/lattice/ciphertext.ts';
import { LatticeDecryption } from '../../src/fe/lattice/decryption.ts';
import { PRODUCT_ERROR, ROUNDING_SHARE } from '../../src/fe/lattice/precision.ts';
import type { LatticeFunctionKeys } from '../../src/fe/lattice/objects.ts';
import { LatticeInnerProduct } from '../../src/fe/lattice/scheme.ts';
import { PANEL_COLUMNS } from '../../src/kernel/tables/integer-panels.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { seededGenerator } from '../kernel/bench.ts';

const kernel = await openKernel();
afterAll(() => {
  expect(kernel.liveWords).toBe(0);
});

/** sum y_i c_i - <c_0, key> of encryptions of zeros, centred modulo q: the noise, [keys, packing]. */
function noiseOf(
  ciphertext: LatticeCiphertext,
  keys: LatticeFunctionKeys,
  weights: Int32Array,
): Float64Array {
  const { context } = ciphertext;
  const { packing, precision, logQ } = context.params;
  const parts = precision.partsFor(1, PRODUCT_ERROR);
  const { digits, masks } = new LatticeDecryption(context).terms(ciphertext, keys, weights, parts);
  const fractions = new Float64Array(masks.length);
  const scale = 2 ** 41;
  kernel.roundFractions(
    fractions,
    new Float64Array(keys.count),
    digits,
    masks,
    packing,
    precision.digitBits,
    scale,
  );
  return fractions.map((fraction) => (fraction / scale) * 2 ** logQ);
}

const SIZES = [
  { length: 25, inputBound: 256, weightBound: 256, packing: 4096, dimension: 4096 },
  { length: 64, inputBound: 100, weightBound: 1000, packing: 1024, dimension: 4096 },
  { length: 100, inputBound: 255, weightBound: 127, packing: 64, dimension: 4096 },
  { length: 10, inputBound: 2 ** 12, weightBound: 2 ** 12, packing: 256, dimension: 8192 },
];
const KEYS = 16;

describe.each(SIZES)('length $length, packing $packing, dimension $dimension', (spec) => {
  const scheme = new LatticeInnerProduct(kernel, spec);
  const { params } = scheme;
  const { length, packing, weightBound } = scheme;
  const next = seededGenerator(length);
  const weights = Int32Array.from(
    { length: KEYS * length },
    () => (next() % (2 * weightBound + 1)) - weightBound,
  );
  weights.fill(weightBound, 0, length);
  const squaredNorms = Array.from({ length: KEYS }, (_, key) =>
    weights.subarray(key * length, (key + 1) * length).reduce((sum, w) => sum + w * w, 0),
  );

  test('the variance is what the formula says; no noise exceeds its bound, no key its own', () => {
    // Per weight vector and over all: squares divided by the variance of the formula.
    const ratios = new Float64Array(KEYS);
    let [largest, largestKey, keySquares] = [0, 0, 0];
    const blocks = Math.max(4, Math.ceil(16384 / packing));
    const masters = 2;
    for (let master = 0; master < masters; master++) {
      const random = seededRandom(`noise ${length} ${master}`);
      const { publicKey, secretKey } = scheme.setup(random);
      using keys = scheme.deriveKeys(secretKey, weights);
      keys.coefficients.forEach((value, at) => {
        largestKey = Math.max(largestKey, Math.abs(value));
        keySquares += value ** 2 / squaredNorms[Math.floor(at / params.dimension)]!;
      });
      for (let block = 0; block < blocks; block++) {
        using ciphertext = scheme.encrypt(publicKey, new Int32Array(length * packing), random);
        noiseOf(ciphertext, keys, weights).forEach((noise, at) => {
          const key = Math.floor(at / packing);
          ratios[key]! += noise ** 2 / params.noiseVariance(squaredNorms[key]) / (masters * blocks * packing);
          largest = Math.max(largest, Math.abs(noise) / params.noiseBound(squaredNorms[key]));
        });
      }
      publicKey[Symbol.dispose]();
      secretKey[Symbol.dispose]();
    }
    const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / KEYS;
    expect(mean).toBeGreaterThan(0.9);
    expect(mean).toBeLessThan(1.05);
    // Below one half, since the bound stands at 13.88 deviations; above a quarter, or it would bound something else.
    expect(largest).toBeLessThan(0.5);
    expect(largest).toBeGreaterThan(0.2);
    const sigma1 = params.multipliers[0] / Math.sqrt(2 * Math.LN2);
    const keyRatio = keySquares / (masters * KEYS * params.dimension * sigma1 ** 2);
    expect(keyRatio).toBeGreaterThan(0.9);
    expect(keyRatio).toBeLessThan(1.05);
    expect(largestKey).toBeLessThan(params.keyBound);
  });

  test('a formula that forgets half of its first term, or the errors, would be noticed', () => {
    const [s1, s2, s3] = params.multipliers.map((multiplier) => multiplier / Math.sqrt(2 * Math.LN2));
    const without = params.dimension * s1! ** 2 * s2! ** 2 + s3! ** 2;
    expect(params.noiseVariance(1) / without).toBeGreaterThan(1.5);
    expect(params.noiseVariance(1)).toBeCloseTo(2 * without - s3! ** 2, -Math.log10(without));
  });

  test('the modulus has room for the bound on both sides of every result', () => {
    const half = 2 ** params.logQ / (2 * params.results);
    expect(params.noiseBound() + params.results / 2).toBeLessThan(half);
  });

  test('rounding adds at most its share of the variance, with no more bits than that takes', () => {
    const { bodyBits, headWords, lowDigits } = params.precision;
    const share = (bits: number, factor: number) =>
      (factor * 2 ** (2 * (params.logQ - bits))) / 12 / params.noiseVariance(1);
    expect(share(bodyBits, 1)).toBeLessThanOrEqual(ROUNDING_SHARE);
    // Each digit takes whole bits, of which at most all but one may be too many.
    expect(share(bodyBits - Math.max(1, lowDigits), 1)).toBeGreaterThan(ROUNDING_SHARE);
    const keyVariance = (params.dimension * params.multipliers[0] ** 2) / (2 * Math.LN2);
    expect(share(32 * headWords, keyVariance)).toBeLessThanOrEqual(ROUNDING_SHARE);
  });

  test('without the last bits of a body the noise is wider than its bound allows for', () => {
    const { planes, lowDigits } = params.precision;
    const random = seededRandom(`short ${length}`);
    const { publicKey, secretKey } = scheme.setup(random);
    using keys = scheme.deriveKeys(secretKey, weights);
    using ciphertext = scheme.encrypt(publicKey, new Int32Array(length * packing), random);
    const { body } = ciphertext;
    for (let plane = 2; plane < 2 + lowDigits; plane++) {
      for (let column = plane * packing; column < (plane + 1) * packing; column++) {
        const inPanel = column % PANEL_COLUMNS;
        for (let i = 0; i < length; i++) body[(column - inPanel) * length + i * PANEL_COLUMNS + inPanel] = 0;
      }
    }
    expect(body.length).toBe(length * planes * packing);
    let ratio = 0;
    noiseOf(ciphertext, keys, weights).forEach((noise, at) => {
      ratio += noise ** 2 / params.noiseVariance(squaredNorms[Math.floor(at / packing)]) / (KEYS * packing);
    });
    expect(ratio).toBeGreaterThan(1 + 2 * ROUNDING_SHARE);
    publicKey[Symbol.dispose]();
    secretKey[Symbol.dispose]();
  });
});
