import { describe, expect, test } from 'vitest';
import { AudioError } from '../../src/base/errors.ts';
import { resample, resampledLength } from '../../src/speech/audio/resample.ts';

function sine(hertz: number, rate: number, seconds: number): Float32Array {
  return Float32Array.from({ length: Math.round(rate * seconds) }, (_, i) =>
    Math.sin((2 * Math.PI * hertz * i) / rate),
  );
}

/** The largest difference to the same sine sampled at the new rate, away from the ends. */
function passbandError(hertz: number, from: number, to: number): number {
  const converted = resample(sine(hertz, from, 0.5), from, to);
  const ideal = sine(hertz, to, 0.5);
  let worst = 0;
  for (let i = Math.floor(converted.length / 4); i < (3 * converted.length) / 4; i++) {
    worst = Math.max(worst, Math.abs(converted[i] - ideal[i]));
  }
  return worst;
}

describe('a sine below 85 % of the lower Nyquist rate is kept', () => {
  for (const [from, to, hertz] of [
    [48_000, 16_000, 1000],
    [48_000, 16_000, 6700],
    [44_100, 16_000, 3000],
    [8000, 16_000, 3300],
    [16_000, 8000, 3300],
    [22_050, 8000, 440],
    [8000, 44_100, 1500],
    [11_025, 16_000, 4500],
    [44_101, 16_000, 2000],
  ]) {
    test(`${hertz} Hz from ${from} to ${to} Hz`, () =>
      expect(passbandError(hertz, from, to)).toBeLessThan(1e-4));
  }
});

describe('a sine above the lower Nyquist rate is removed', () => {
  for (const [from, to, hertz] of [
    [48_000, 16_000, 8400],
    [48_000, 16_000, 15_500],
    [16_000, 8000, 4300],
    [44_100, 16_000, 12_000],
  ]) {
    test(`${hertz} Hz from ${from} to ${to} Hz`, () => {
      const converted = resample(sine(hertz, from, 0.5), from, to);
      const inner = converted.subarray(converted.length / 4, (3 * converted.length) / 4);
      expect(Math.max(...inner.map(Math.abs))).toBeLessThan(1e-4);
    });
  }
});

test('constants stay constant and equal rates change nothing', () => {
  const ones = new Float32Array(2000).fill(1);
  const converted = resample(ones, 22_050, 16_000);
  for (const value of converted.subarray(100, -100)) expect(value).toBeCloseTo(1, 5);
  expect(resample(ones, 8000, 8000)).toBe(ones);
});

test('the length counts the output instants within the clip', () => {
  for (const [from, to] of [
    [48_000, 16_000],
    [44_100, 16_000],
    [8000, 16_000],
    [16_000, 11_025],
  ]) {
    for (const length of [0, 1, 2, 3, 441, 4768]) {
      let instants = 0;
      while (instants * from < length * to) instants++;
      expect(resampledLength(length, from, to)).toBe(instants);
      expect(resample(new Float32Array(length), from, to)).toHaveLength(instants);
    }
  }
});

test('rates that are no rates are refused', () => {
  for (const rate of [0, -1, 999, 16_000.5, Number.NaN, 1e9]) {
    expect(() => resample(new Float32Array(10), rate, 16_000)).toThrow(AudioError);
  }
});
