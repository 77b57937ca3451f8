/** What the checks notice follows their formulas, and honest edges are never accused. The bench prints the same, with times. */
import { beforeAll, describe, expect, test } from 'vitest';
import {
  type CheckedLayer,
  checkedLayer,
  type CheckKind,
  falseAlarms,
  measureDetection,
  WRONG_FRACTIONS,
} from '../../../bench/edge/edge-detection.ts';
import { applyIntegerLinear } from '../../../src/kernel/integer-linear-map.ts';

const RUNS = 2000;
const HONEST = 100_000;
const SAMPLED: CheckKind = { kind: 'sampling', samples: 20 };
const PROJECTED: CheckKind = { kind: 'projection' };

let layer: CheckedLayer;
beforeAll(async () => {
  layer = await checkedLayer(8, 400);
});

describe.each(WRONG_FRACTIONS)('%s of the outputs wrong', (fraction) => {
  test('samples notice as often as the formula says', () => {
    // Two runs, as counts of rare misses have long tails: right code is off by 7 sigma in both less often than once in 2^50 times.
    const sigmas = () => measureDetection(layer, SAMPLED, fraction, RUNS).sigmas;
    expect(Math.min(sigmas(), sigmas())).toBeLessThanOrEqual(7);
  });

  test('projections notice it always', () => {
    const { caught, expected } = measureDetection(layer, PROJECTED, fraction, RUNS);
    expect(expected).toBeGreaterThan(1 - 1e-15);
    expect(caught).toBe(RUNS);
  });
});

test('no false alarm in 10^5 honest layers, by either check', async () => {
  const small = await checkedLayer(6, 70);
  expect(falseAlarms(small, SAMPLED, HONEST)).toBe(0);
  expect(falseAlarms(small, PROJECTED, HONEST)).toBe(0);
});

test('a check of fewer samples than it says, or of one place only, is off by more than 7 sigma (control)', () => {
  const { map, outputs } = layer.planned;
  const lazy = measureDetection(layer, { kind: 'sampling', samples: 10 }, 0.05, RUNS);
  const promised = measureDetection(layer, SAMPLED, 0.05, RUNS);
  const sigma = Math.sqrt((promised.expected * (1 - promised.expected)) / RUNS);
  expect(Math.abs(lazy.measured - promised.expected) / sigma).toBeGreaterThan(7);
  // One projection modulo 2^31 - 1 finds what a sum modulo 2^16 would not: an error of 2^16 in one element.
  const x = layer.draw();
  const y = applyIntegerLinear(map, x, 1);
  y[outputs - 1]! += y[outputs - 1]! > 0 ? -(2 ** 16) : 2 ** 16;
  expect(layer.projections.map((check) => check.accepts(0, layer.planned, x, y))).toEqual([false, false]);
});
