/** The wide Gaussian sampler against its distribution at a million samples, and faulty samplers that the same checks refuse. */
import { afterAll, describe, expect, test } from 'vitest';
import { openKernel } from '../../src/kernel/open.ts';
import {
  integerChiSquare,
  intervalChiSquare,
  kolmogorovDistance,
  lagCorrelation,
  moments,
  normalBelow,
} from './cases/gaussian-statistics.ts';

const kernel = await openKernel();
afterAll(() => kernel[Symbol.dispose]());

const COUNT = kernel.name === 'reference' ? 20_000 : 1_000_000;
/** p in [1e-6, 1 - 1e-6]; streams are fixed, so that a test passes always or never. */
const LIMIT = 4.9;
const KOLMOGOROV_LIMIT = 2.7;

function drawn(multiplier: number, nonce: number): Float64Array {
  const values = new Float64Array(COUNT);
  kernel.wideGaussian(values, multiplier, new Uint8Array(32).fill(9), nonce);
  return values;
}

test('the normal distribution of these tests', () => {
  expect(normalBelow(0)).toBe(0.5);
  expect(normalBelow(1)).toBeCloseTo(0.8413447460685429, 14);
  expect(normalBelow(-3)).toBeCloseTo(0.0013498980316300946, 14);
});

describe.each([1, 2, 3, 39, 266])('multiplier %i', (multiplier) => {
  test('every integer has its probability', () => {
    expect(Math.abs(integerChiSquare(drawn(multiplier, 1), multiplier))).toBeLessThan(LIMIT);
  });

  test.runIf(COUNT === 1_000_000)('a zero too heavy by a hundredth of the ones is noticed', () => {
    const values = drawn(multiplier, 1);
    let ones = 0;
    const faulty = values.map((v) => (Math.abs(v) === 1 && ones++ % (multiplier > 3 ? 4 : 50) === 0 ? 0 : v));
    expect(integerChiSquare(faulty, multiplier)).toBeGreaterThan(LIMIT);
  });
});

// A power of two, one of the authors' parameters, a 42-bit one, and the largest.
describe.each([2 ** 20, 304214978, 2 ** 42 - 12345, 2 ** 46 - 1])('multiplier %i', (multiplier) => {
  const values = drawn(multiplier, 2);

  test('shape, moments, tails and independence', () => {
    expect(Math.abs(intervalChiSquare(values, multiplier))).toBeLessThan(LIMIT);
    expect(kolmogorovDistance(values.subarray(0, 200_000), multiplier)).toBeLessThan(KOLMOGOROV_LIMIT);
    for (const [name, value] of Object.entries(moments(values, multiplier)))
      expect(Math.abs(value), name).toBeLessThan(LIMIT);
    expect(lagCorrelation(values, multiplier)).toBeLessThan(LIMIT);
    expect(values.every((v) => Number.isSafeInteger(v) && Math.abs(v) < 12 * multiplier)).toBe(true);
  });
});

/** What sampler code has got wrong elsewhere, or could. */
const faults: readonly [string, (v: number, i: number, values: Float64Array) => number][] = [
  ['a width two percent too small', (v) => Math.trunc(v * 0.98)],
  ['a multiplier cut to 28 bits', (v) => Math.trunc((v / 304214978) * (304214978 % 2 ** 28))],
  ['only positive values', (v) => Math.abs(v)],
  ['signs that prefer plus', (v, i) => (i % 64 === 0 ? Math.abs(v) : v)],
  ['a tail that ends at three sigma', (v) => (Math.abs(v) > 3 * 258382000 ? Math.trunc(v / 2) : v)],
  [
    'a uniform distribution of the same variance',
    (_, i) => Math.round((((i * 0.618034) % 1) * 2 - 1) * 258382000 * Math.sqrt(3)),
  ],
];

test.runIf(COUNT === 1_000_000).each(faults)('noticed: %s', (_, fault) => {
  const values = drawn(304214978, 3).map(fault);
  const worst = Math.max(
    Math.abs(intervalChiSquare(values, 304214978)),
    ...Object.values(moments(values, 304214978)).map(Math.abs),
  );
  expect(worst).toBeGreaterThan(LIMIT);
});

test('noticed: a stream that repeats', () => {
  const values = drawn(1000, 4);
  expect(
    lagCorrelation(
      values.map((v, i) => (i % 50 === 0 ? values[Math.max(0, i - 3)]! : v)),
      1000,
    ),
  ).toBeGreaterThan(COUNT === 1_000_000 ? LIMIT : 2);
});
