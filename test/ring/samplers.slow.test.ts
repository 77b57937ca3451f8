/** The distributions over ten million samples, and the chi-square values of twenty seeds against the uniform distribution. */
import { expect, test } from 'vitest';
import { seededRandom } from '../../src/base/testing.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { examineSample, kolmogorovP, sampleFaults } from './sampler-statistics.ts';
import { faultySamplers, samplerSubjects } from './sampler-subjects.ts';

const COUNT = 10_000_000;
const SEEDS = 20;

test('ten million samples of each distribution, on twenty seeds', async () => {
  using kernel = await openKernel({ onFallback: () => undefined });
  for (const { draw, distribution } of samplerSubjects(kernel)) {
    const { name } = distribution;
    const random = seededRandom(`slow ${name}`);
    const pValues: number[][] = [];
    for (let seed = 0; seed < SEEDS; seed++) {
      const report = examineSample(draw(random.seed(), COUNT), distribution);
      expect({ name, seed, faults: sampleFaults(report) }).toEqual({ name, seed, faults: [] });
      report.chiSquare.forEach((p, i) => (pValues[i] ??= []).push(p));
    }
    for (const list of pValues) expect(kolmogorovP(list)).toBeGreaterThan(1e-3);
  }
  expect(kernel.liveWords).toBe(0);
});

test('every planted fault is found in ten million samples', async () => {
  using kernel = await openKernel({ onFallback: () => undefined });
  for (const { fault, subject } of faultySamplers(kernel)) {
    const report = examineSample(subject.draw(seededRandom(fault).seed(), COUNT), subject.distribution);
    expect({ fault, isFound: sampleFaults(report).length > 0 }).toEqual({ fault, isFound: true });
  }
});
