/** Parameters: what is refused, and the failure probabilities that the search over parameter sets gave. */
import { expect, test } from 'vitest';
import { InsecureParamsError, InvalidParamsError } from '../../../src/base/errors.ts';
import { TfheParams, lookupFailureBits, type TfheMessages } from '../../../src/schemes/tfhe/index.ts';
import { log2Erfc, lookupVariance } from '../../../src/schemes/tfhe/noise.ts';
import { isInsecureParamsId } from '../../../src/schemes/rlwe/params.ts';
import { TOY_FOUR } from './toy.ts';

/** Messages, norm of the sum that goes in, log2 of the probability: design figures of an independent search. */
const SEARCHED: readonly (readonly [TfheMessages, number, number])[] = [
  [8, 5, -129.5],
  [16, 16, -130.4],
];

test.each(SEARCHED)('%s messages, sums of norm %s: 2^%s', (messages, norm, bits) => {
  const params = TfheParams.forMessages(messages);
  expect(lookupFailureBits(params, norm ** 2 * lookupVariance(params))).toBeCloseTo(bits, 1);
});

test.each([2, 4, 8, 16] as const)(
  'a lookup of what a lookup gave, among %s messages, fails with at most 2^-128',
  (messages) => {
    const params = TfheParams.forMessages(messages);
    expect(lookupFailureBits(params, lookupVariance(params))).toBeLessThan(-128);
    expect(params.isInsecure).toBe(false);
  },
);

test('the logarithm of erfc at known values', () => {
  // erfc(3) = 2.209e-5, erfc(6) = 2.152e-17, erfc(10) = 2.088e-45; the bound is above each by less than 1 / 2x^2.
  for (const [x, value] of [
    [3, 2.209e-5],
    [6, 2.152e-17],
    [10, 2.088e-45],
  ] as const) {
    const excess = log2Erfc(x) - Math.log2(value);
    expect(excess).toBeGreaterThan(0);
    expect(excess).toBeLessThan(Math.LOG2E / (2 * x * x) + 1e-3);
  }
});

test('what is too little noise, too short a key or too large a modulus is refused', () => {
  const secure = {
    messages: 16,
    logN: 11,
    logQ: 50,
    lweDimension: 902,
    lweNoiseBits: 13,
    digitShift: 27,
  } as const;
  const spec = { ...secure, keySwitchBits: 3, keySwitchLevels: 6 };
  expect(TfheParams.create(spec).id).toBe(TfheParams.forMessages(16).id);
  expect(() => TfheParams.create({ ...spec, lweNoiseBits: 12 })).toThrow(InvalidParamsError);
  expect(() => TfheParams.create({ ...spec, lweDimension: 880 })).toThrow(InvalidParamsError);
  expect(() => TfheParams.create({ ...spec, logN: 10 })).toThrow(InsecureParamsError);
  for (const broken of [
    { messages: 5 },
    { logQ: 51 },
    { digitShift: 0 },
    { keySwitchLevels: 11 },
    { lweDimension: 1.5 },
  ])
    expect(() => TfheParams.create({ ...spec, ...broken } as never)).toThrow(InvalidParamsError);
});

test('insecure sets are marked for ever', () => {
  const toy = TfheParams.create(TOY_FOUR);
  expect(toy.isInsecure).toBe(true);
  expect(isInsecureParamsId(toy.id)).toBe(true);
  expect(isInsecureParamsId(TfheParams.forMessages(4).id)).toBe(false);
});
