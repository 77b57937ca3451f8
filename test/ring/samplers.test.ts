/** The distributions of the samplers, each check shown a faulty sampler; ten million samples run in the slow tier. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Drbg } from '../../src/base/random.ts';
import { seededRandom } from '../../src/base/testing.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { primesBelow } from '../../src/ring/primes.ts';
import { modulusOf, Ring } from '../../src/ring/ring.ts';
import { errorInto, floodInto, ternaryInto } from '../../src/ring/samplers.ts';
import {
  chiSquareP,
  correlationOf,
  examineSample,
  kolmogorovP,
  sampleFaults,
  upperGamma,
} from './sampler-statistics.ts';
import { faultySamplers, FLOOD_BITS, samplerSubjects, unseededSampler } from './sampler-subjects.ts';

const COUNT = 200_000;
let kernel: Kernel;

beforeAll(async () => {
  kernel = await openKernel({ onFallback: () => undefined });
});

afterAll(() => {
  expect(kernel.liveWords).toBe(0);
  kernel[Symbol.dispose]();
});

const key = (name: string): Uint8Array => seededRandom(name).seed();

describe('the statistics', () => {
  test('know tabulated values', () => {
    // Upper 5 % points of chi-square for 1, 10 and 100 degrees of freedom [NIST e-Handbook 1.3.6.7.4].
    for (const [degrees, point] of [
      [1, 3.841],
      [10, 18.307],
      [100, 124.342],
    ] as const) {
      expect(upperGamma(degrees / 2, point / 2)).toBeCloseTo(0.05, 4);
    }
    expect(upperGamma(0.5, 0)).toBe(1);
    expect(chiSquareP([50, 50], [0.5, 0.5], 100)).toBe(1);
    expect(chiSquareP([100, 0], [0.5, 0.5], 100)).toBeLessThan(1e-20);
    // Kolmogorov's limit: P(sqrt(n) D > 1.358) = 0.05.
    expect(kolmogorovP(Array.from({ length: 100 }, (_, i) => (i + 0.5) / 100))).toBeGreaterThan(0.99);
    expect(kolmogorovP(Array.from({ length: 100 }, (_, i) => i / 200))).toBeLessThan(1e-9);
  });

  test('find every planted fault', () => {
    for (const { fault, subject } of faultySamplers(kernel)) {
      const faults = sampleFaults(examineSample(subject.draw(key('fault'), COUNT), subject.distribution));
      expect({ fault, isFound: faults.length > 0 }).toEqual({ fault, isFound: true });
    }
  });
});

describe('the samplers', () => {
  test('have their distributions', () => {
    for (const subject of samplerSubjects(kernel)) {
      const { name } = subject.distribution;
      const report = examineSample(subject.draw(key(name), COUNT), subject.distribution);
      expect({ name, faults: sampleFaults(report) }).toEqual({ name, faults: [] });
    }
  });

  test('give every key and every label a stream of its own', () => {
    const limit = 5 / Math.sqrt(COUNT);
    const between = (draw: (key: Uint8Array, count: number) => ArrayLike<number>, variance: number): number =>
      Math.abs(correlationOf(draw(key('one'), COUNT), draw(key('two'), COUNT), 0, variance));
    for (const { draw, distribution } of samplerSubjects(kernel)) {
      expect(between(draw, distribution.variance)).toBeLessThan(limit);
    }
    const unseeded = unseededSampler(kernel);
    expect(between(unseeded.draw, unseeded.distribution.variance)).toBeGreaterThan(0.9);
    using drbg = new Drbg(seededRandom('labels').seed());
    const [error, ternary] = samplerSubjects(kernel);
    const streams = (['a', 's', 'e', 'u', 'flood'] as const).flatMap((label) =>
      [0, 1].map(() => error!.draw(drbg.nextKey(label), COUNT / 10)),
    );
    const secret = ternary!.draw(drbg.nextKey('s'), COUNT / 10);
    const wide = 5 / Math.sqrt(COUNT / 10);
    streams.forEach((a, i) => {
      expect(Math.abs(correlationOf(a, secret, 0, Math.sqrt(7)))).toBeLessThan(wide);
      for (const b of streams.slice(i + 1)) expect(Math.abs(correlationOf(a, b, 0, 10.5))).toBeLessThan(wide);
    });
  });

  test('put the same integer into every limb', () => {
    const n = 64;
    using ring = new Ring(kernel, n, [...primesBelow(49, n, 2), ...primesBelow(43, n, 2)].map(modulusOf));
    const mods = [0, 1, 2, 3];
    const polynomials = 100;
    using words = kernel.allocate(polynomials * mods.length * n);
    using limb = kernel.allocate(polynomials * n);
    const integersOf = (index: number): Float64Array => {
      for (let i = 0; i < polynomials; i++) {
        const from = words.u64().subarray((i * mods.length + index) * n, (i * mods.length + index + 1) * n);
        limb.u64().set(from, i * n);
      }
      const out = new Float64Array(polynomials * n);
      kernel.toDoubles(ring.tables, out, limb, [index]);
      return out;
    };
    const draws = [
      () => errorInto(ring, words, key('e'), mods),
      () => ternaryInto(ring, words, key('s'), mods),
      () => floodInto(ring, words, FLOOD_BITS, key('f'), mods),
    ];
    for (const draw of draws) {
      draw();
      kernel.nttInverse(ring.tables, words, mods);
      const first = integersOf(0);
      expect(new Set(first).size).toBeGreaterThan(2);
      for (const index of [1, 2, 3]) expect(integersOf(index)).toEqual(first);
    }
  });
});
