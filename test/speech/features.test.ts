import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AudioError, OutOfRangeError, ShapeError } from '../../src/base/errors.ts';
import { ContextWindow, networkInput } from '../../src/speech/features/context-window.ts';
import type { FeatureMatrix } from '../../src/speech/features/features.ts';
import { frameCount, logMelFeatures, MEL_FILTERS } from '../../src/speech/features/features.ts';
import { hertzToMel, melFilterBank, melToHertz } from '../../src/speech/features/mel.ts';
import { NormalizationStatistics, normalizeInto } from '../../src/speech/features/normalization.ts';

/** The same features straight from the definitions: a naive DFT and every filter over every bin. */
function directLogMels(samples: Float32Array, rate: number, high: number): number[][] {
  const [length, shift] = [rate / 40, rate / 100];
  const frames: number[][] = [];
  for (let begin = 0; begin + length <= samples.length; begin += shift) {
    const frame = Array.from(samples.subarray(begin, begin + length));
    const mean = frame.reduce((sum, x) => sum + x, 0) / length;
    const windowed = frame.map((x, i) => {
      const emphasised = x - mean - 0.97 * (frame[Math.max(0, i - 1)] - mean);
      return emphasised * (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / (length - 1))) ** 0.85;
    });
    const energies = Array.from({ length: 40 }, () => 0);
    const step = (1127 * Math.log(1 + high / 700) - 1127 * Math.log(1 + 20 / 700)) / 41;
    for (let bin = 0; bin <= 256; bin++) {
      let [re, im] = [0, 0];
      windowed.forEach((x, i) => {
        re += x * Math.cos((2 * Math.PI * bin * i) / 512);
        im -= x * Math.sin((2 * Math.PI * bin * i) / 512);
      });
      const mel = 1127 * Math.log(1 + (bin * rate) / 512 / 700) - 1127 * Math.log(1 + 20 / 700);
      for (let m = 0; m < 40; m++) {
        energies[m] += Math.max(0, Math.min(mel / step - m, m + 2 - mel / step)) * (re * re + im * im);
      }
    }
    frames.push(energies.map(Math.log));
  }
  const means = frames[0].map((_, m) => frames.reduce((sum, frame) => sum + frame[m], 0) / frames.length);
  return frames.map((frame) => frame.map((value, m) => value - means[m]));
}

function noise(length: number, seed = 1): Float32Array {
  let state = seed;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  });
}

describe('log-mels', () => {
  for (const [rate, high] of [
    [8000, 4000],
    [16_000, 7600],
  ]) {
    test(`at ${rate} Hz agree with the definitions`, () => {
      const samples = noise(rate / 10);
      const features = logMelFeatures(samples, rate);
      const direct = directLogMels(samples, rate, high);
      expect(features.frames).toBe(direct.length);
      direct.flat().forEach((value, i) => expect(features.data[i]).toBeCloseTo(value, 3));
    });
  }

  test('do not change with the gain', () => {
    const samples = noise(4000);
    const loud = logMelFeatures(samples, 8000);
    const quiet = logMelFeatures(
      samples.map((x) => x * 0.01),
      8000,
    );
    loud.data.forEach((value, i) => expect(quiet.data[i]).toBeCloseTo(value, 4));
  });

  test('have mean zero in every filter', () => {
    const { data, frames } = logMelFeatures(noise(8000), 8000);
    for (let m = 0; m < MEL_FILTERS; m++) {
      let sum = 0;
      for (let t = 0; t < frames; t++) sum += data[t * MEL_FILTERS + m];
      expect(sum / frames).toBeCloseTo(0, 5);
    }
  });

  test('of digital silence are finite and zero', () => {
    const { data, frames } = logMelFeatures(new Float32Array(8000), 8000);
    expect(frames).toBe(98);
    for (const value of data) expect(Math.abs(value)).toBeLessThan(1e-5);
  });

  test('span no more than the dynamic range', () => {
    const samples = noise(8000);
    samples.fill(0, 4000);
    const { data } = logMelFeatures(samples, 8000, { dynamicRangeDb: 30 });
    let [low, high] = [0, 0];
    for (let t = 0; t < data.length; t += MEL_FILTERS)
      [low, high] = [Math.min(low, data[t]), Math.max(high, data[t])];
    expect(high - low).toBeLessThanOrEqual(Math.log(1000) + 1e-5);
  });

  test('are deterministic, and dither is what its generator makes of it', () => {
    const samples = noise(2000);
    expect(logMelFeatures(samples, 8000)).toEqual(logMelFeatures(samples, 8000));
    const zero = logMelFeatures(samples, 8000, { dither: { amplitude: 1, random: () => 0.5 } });
    expect(zero).toEqual(logMelFeatures(samples, 8000));
  });

  test('need one whole frame of finite samples', () => {
    expect(() => logMelFeatures(new Float32Array(199), 8000)).toThrow(/25 ms long; at least one frame/);
    expect(() => logMelFeatures(new Float32Array(0), 8000)).toThrow(AudioError);
    expect(logMelFeatures(new Float32Array(200), 8000).frames).toBe(1);
    expect(() => logMelFeatures(new Float32Array(400).fill(Number.NaN), 8000)).toThrow(AudioError);
    expect(() => logMelFeatures(new Float32Array(400), 0)).toThrow(AudioError);
    expect(frameCount(200 + 80 * 9 + 79, 8000)).toBe(10);
  });

  test('work at any rate', () => {
    for (const rate of [1000, 11_025, 22_050, 44_100, 192_000]) {
      expect(() => logMelFeatures(noise(rate), rate)).not.toThrow();
    }
  });
});

test('the mel scale and its inverse agree; 1,000 Hz is 1,000 mel', () => {
  expect(hertzToMel(1000)).toBeCloseTo(1000, 0);
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 24_000, noNaN: true }),
      (f) => Math.abs(melToHertz(hertzToMel(f)) - f) < 1e-8 * (1 + f),
    ),
  );
});

test('filters peak at their centres, and a band outside the spectrum is refused', () => {
  const filters = melFilterBank(40, 512, 16_000, 20, 7600);
  expect(filters).toHaveLength(40);
  for (const { weights } of filters)
    for (const weight of weights) expect(weight > 0 && weight <= 1).toBe(true);
  expect(() => melFilterBank(40, 512, 8000, 20, 4001)).toThrow(OutOfRangeError);
  expect(() => melFilterBank(400, 512, 8000, 20, 4000)).toThrow(OutOfRangeError);
});

describe('network input', () => {
  const features: FeatureMatrix = { data: Float32Array.from({ length: 15 }, (_, i) => i), frames: 5, dim: 3 };

  test('without compression is the frames themselves, edges repeated', () => {
    const input = networkInput(features, { left: 2, right: 1, coefficients: 4 });
    expect([...input.subarray(0, 12)]).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2, 3, 4, 5]);
    expect([...input.subarray(48)]).toEqual([6, 7, 8, 9, 10, 11, 12, 13, 14, 12, 13, 14]);
  });

  test('with compression is the tapered DCT of every trajectory', () => {
    const shape = { left: 2, right: 2, coefficients: 3 };
    const input = networkInput(features, shape);
    for (let t = 0; t < 5; t++) {
      for (let k = 0; k < 3; k++) {
        for (let m = 0; m < 3; m++) {
          let sum = 0;
          for (let c = 0; c < 5; c++) {
            const source = Math.min(4, Math.max(0, t - 2 + c));
            const taper = 0.54 - 0.46 * Math.cos((2 * Math.PI * c) / 4);
            const cosine = Math.cos((Math.PI * k * (c + 0.5)) / 5) * Math.sqrt((k === 0 ? 1 : 2) / 5);
            sum += taper * cosine * features.data[source * 3 + m];
          }
          expect(input[t * 9 + k * 3 + m]).toBeCloseTo(sum, 4);
        }
      }
    }
  });

  test('shapes that make no sense are refused', () => {
    for (const shape of [
      { left: -1, right: 0, coefficients: 1 },
      { left: 1, right: 1, coefficients: 4 },
      { left: 1, right: 1, coefficients: 0 },
      { left: 1.5, right: 1, coefficients: 1 },
    ]) {
      expect(() => new ContextWindow(shape, 40)).toThrow(OutOfRangeError);
    }
    const window = new ContextWindow({ left: 1, right: 1, coefficients: 3 }, 40);
    expect(() => window.frameInto(new Float32Array(120), 0, features, 0)).toThrow(ShapeError);
  });
});

test('normalisation gives mean 0 and deviation 1, and leaves constant dimensions small', () => {
  const rows = noise(3000).map((x, i) => (i % 3 === 2 ? 7 : (i % 3) * 5 + 3 * x));
  const statistics = new NormalizationStatistics(3);
  statistics.add(rows.slice(0, 1500));
  statistics.add(rows.slice(1500));
  const normalization = statistics.finish();
  normalizeInto(rows, normalization);
  const check = new NormalizationStatistics(3);
  check.add(rows);
  const after = check.finish();
  for (const d of [0, 1]) {
    expect(after.mean[d]).toBeCloseTo(0, 5);
    expect(after.inverseDeviation[d]).toBeCloseTo(1, 4);
  }
  expect(rows[2]).toBe(0);
  expect(() => new NormalizationStatistics(3).finish()).toThrow(ShapeError);
  expect(() => normalizeInto(new Float32Array(4), normalization)).toThrow(ShapeError);
});
