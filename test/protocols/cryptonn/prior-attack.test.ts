/** What P x tells a trainer that knows such data: the attack wins at every rank that trains well, and what limits it. */
import { beforeAll, describe, expect, test } from 'vitest';
import { drawnDigits } from '../../../src/apps/cryptonn/drawn-digits.ts';
import { integersOf } from '../../../src/apps/cryptonn/measured-leak.ts';
import { InvalidParamsError, ShapeError } from '../../../src/base/errors.ts';
import { systemRandom } from '../../../src/base/random.ts';
import { seededRandom } from '../../../src/base/testing.ts';
import { type Kernel } from '../../../src/kernel/kernel.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import {
  type DatasetSpec,
  parseDatasetSpec,
} from '../../../src/protocols/cryptonn/agreement/dataset-spec.ts';
import { LabelPermutation } from '../../../src/protocols/cryptonn/owner/label-permutation.ts';
import {
  type LabelledIntegers,
  measureLeak,
  PriorAttack,
  projectedSamples,
} from '../../../src/protocols/cryptonn/leakage/prior-attack.ts';

function specOf(rank: number, sigma?: number): DatasetSpec {
  const noise = sigma === undefined ? {} : { noise: { sigma, delta: 1e-6 } };
  return parseDatasetSpec({
    ...{ id: 'digits', scheme: 'lattice', mode: 'projected', features: 784, classes: 10, batch: 64 },
    ...{ inputScale: 100, inputBound: 100 },
    projection: { rank, seed: '5b'.repeat(32), budgetShare: 0.25, approvedBy: [], ...noise },
  });
}

let kernel: Kernel;
let digits: LabelledIntegers;
beforeAll(async () => {
  kernel = await openKernel();
  digits = integersOf(specOf(1), drawnDigits(5, 2000));
}, 120_000);

const leakOf = (rank: number, sigma?: number, samples = digits) =>
  measureLeak(specOf(rank, sigma), samples, kernel, kernel, seededRandom('leak'));

describe('the attack by priors', () => {
  test('wins at the default rank: all names, and most of every image', () => {
    const { namesRecovered, varianceExplained, sample } = leakOf(32);
    expect(namesRecovered).toBe(10);
    expect(varianceExplained).toBeGreaterThan(0.5);
    expect([sample.original.length, sample.estimate.length]).toEqual([784, 784]);
  });

  test('knows nearly everything at the largest rank of the default budget, and less at a small one', () => {
    const [small, large] = [leakOf(8), leakOf(104)];
    expect(large.varianceExplained).toBeGreaterThan(0.8);
    expect(small.varianceExplained).toBeLessThan(0.4);
  });

  test('learns less through noise, and nothing where noise drowns the data', () => {
    const [clear, noisy, drowned] = [leakOf(64), leakOf(64, 600), leakOf(64, 8192)];
    expect(noisy.varianceExplained).toBeLessThan(clear.varianceExplained - 0.2);
    expect(drowned.varianceExplained).toBeLessThan(0.1);
  });

  test('is the knowledge: with labels and pixels that say nothing it loses', () => {
    let state = 1;
    const next = () => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) >>> 8;
    const random = {
      inputs: Int32Array.from({ length: 1000 * 784 }, () => next() % 101),
      labels: Int32Array.from({ length: 1000 }, () => next() % 10),
    };
    const { namesRecovered, varianceExplained } = leakOf(32, undefined, random);
    expect(namesRecovered).toBeLessThan(6);
    expect(varianceExplained).toBeLessThan(0.15);
  });

  test('works on what a trainer holds, across two sources of such data', () => {
    const spec = specOf(32);
    const attack = new PriorAttack(spec, digits, kernel);
    const victim = integersOf(spec, drawnDigits(77, 1000));
    const permutation = new LabelPermutation(systemRandom.seed(), 10);
    const products = projectedSamples(spec, victim.inputs, kernel);
    const names = attack.names(products, permutation.rename(victim.labels));
    expect([...names]).toEqual([...permutation.restore(Int32Array.from({ length: 10 }, (_, i) => i))]);
    // A name without samples is not guessed.
    const few = attack.names(
      products.filter((_, i) => i % 1000 === 0),
      [3],
    );
    expect([...few].filter((name) => name !== -1)).toHaveLength(1);
  });

  test('is not tried with too few look-alikes, or with others', () => {
    const few = {
      inputs: digits.inputs.subarray(0, 64 * 784),
      labels: Array.from(digits.labels).slice(0, 64),
    };
    expect(() => new PriorAttack(specOf(32), few, kernel)).toThrow(InvalidParamsError);
    const other = { inputs: digits.inputs.subarray(1), labels: digits.labels };
    expect(() => new PriorAttack(specOf(32), other, kernel)).toThrow(ShapeError);
  });
});
