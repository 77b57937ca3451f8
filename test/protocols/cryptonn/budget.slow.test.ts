/**
 * The attacks of faithful mode against projected mode at the budget that the authority enforces by default, through the whole
 * protocol. Each has its control: the same code wins where the budget does not apply.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCryptonnWorld } from '../../../bench/cryptonn/cryptonn-world.ts';
import { drawnDigits } from '../../../src/apps/cryptonn/drawn-digits.ts';
import { KeyRefusedError } from '../../../src/base/errors.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { unitPixels } from '../../../src/nn/index.ts';
import { fixedPoint } from '../../../src/protocols/cryptonn/owner/data-owner.ts';
import {
  DEFAULT_BUDGET_SHARE,
  type DatasetSpec,
} from '../../../src/protocols/cryptonn/agreement/dataset-spec.ts';
import { recoverBounded } from '../../../src/protocols/cryptonn/leakage/lattice-attack.ts';
import { rankBudget, uniqueSolutionRank } from '../../../src/protocols/cryptonn/agreement/leak-budget.ts';
import { solveForInputs } from '../../../src/protocols/cryptonn/leakage/linear-attack.ts';
import { projectionMatrix } from '../../../src/protocols/cryptonn/agreement/projection.ts';
import { RankEchelon } from '../../../src/protocols/cryptonn/agreement/rank-echelon.ts';

let kernel: Kernel;
beforeAll(async () => {
  kernel = await openKernel();
});
afterAll(() => kernel[Symbol.dispose]());

const [PIXELS, BATCH, BOUND] = [784, 64, 100];
const SEED = '22'.repeat(32);
const base = {
  scheme: 'lattice',
  inputScale: BOUND,
  inputBound: BOUND,
  classes: 10,
} as const satisfies Partial<DatasetSpec>;

function projectedSpec(features: number, rank: number, batch: number): DatasetSpec {
  return {
    ...{ ...base, id: `projected-${features}-${rank}`, mode: 'projected', features, batch },
    projection: { rank, seed: SEED, budgetShare: DEFAULT_BUDGET_SHARE, approvedBy: [] },
  };
}

function faithfulSpec(features: number, batch: number): DatasetSpec {
  const acknowledged = 'I understand what leaks';
  return {
    ...{ ...base, id: `faithful-${features}`, mode: 'faithful', features, batch },
    faithful: { acknowledged, weightBound: 127, gradientBound: 127 },
  };
}

/** What a trainer that wants more would ask for, beside the projection. */
function wanted(features: number, seed: number): Int32Array[] {
  const generator = new SeededGenerator(seed);
  const random = () => Int32Array.from({ length: features }, () => generator.below(3) - 1);
  const unit = new Int32Array(features);
  unit[features >> 1] = 1;
  const radix = new Int32Array(features);
  radix.set([1, 101]);
  return [...Array.from({ length: 20 }, random), unit, radix, new Int32Array(features).fill(1)];
}

async function refusals(world: Awaited<ReturnType<typeof openCryptonnWorld>>, features: number) {
  const { authority, spec } = world;
  for (const weights of wanted(features, 5)) {
    const asked = authority.issue({ requester: 'trainer', dataset: spec.id, axis: 'projection', weights });
    await expect(asked).rejects.toThrow(KeyRefusedError);
  }
  return authority.issuedRanks(spec.id);
}

describe('the rank attack on digits of 28 x 28', () => {
  const { pixels, labels } = drawnDigits(1, BATCH);
  const inputs = unitPixels(pixels);
  const truth = fixedPoint(inputs, BOUND, BOUND);

  test('fails at the documented budget: 104 of 784 equations, no pixel on its own, and no more keys', async () => {
    const rank = rankBudget(PIXELS, BOUND, 1, DEFAULT_BUDGET_SHARE);
    expect(rank).toBe(104);
    const spec = projectedSpec(PIXELS, rank, BATCH);
    using world = await openCryptonnWorld(spec, kernel, () => 0);
    using encrypted = world.encrypted(inputs, labels);
    const P = projectionMatrix(SEED, rank, PIXELS);
    const products = await encrypted.batch.forward(P);
    expect(solveForInputs(P, products, PIXELS)).toEqual({ rank, solution: null });
    expect(await refusals(world, PIXELS)).toEqual({ projection: rank });
    // Nor is any pixel determined by itself: no unit vector lies in the span of what was issued.
    const span = new RankEchelon(PIXELS);
    for (let row = 0; row < rank; row++) span.add(P.subarray(row * PIXELS, (row + 1) * PIXELS));
    const known = Array.from({ length: PIXELS }, (_, j) =>
      span.contains(Int32Array.from({ length: PIXELS }, (__, i) => (i === j ? 1 : 0))),
    );
    expect(known.filter(Boolean)).toEqual([]);
  });

  test('control: the same solver gives the batch from one backward pass in faithful mode', async () => {
    using world = await openCryptonnWorld(faithfulSpec(PIXELS, BATCH), kernel, () => 0);
    using encrypted = world.encrypted(inputs, labels);
    const generator = new SeededGenerator(3);
    const keys = Int32Array.from({ length: 80 * BATCH }, () => generator.below(255) - 127);
    const { rank, solution } = solveForInputs(keys, await encrypted.batch.gradient(keys), BATCH);
    expect(rank).toBe(BATCH);
    expect(solution).toEqual(truth);
  });
});

describe('the lattice attack, where reduction is at its strongest: 25 unknowns', () => {
  const [UNKNOWNS, SAMPLES] = [25, 8];
  const generator = new SeededGenerator(11);
  const inputs = Float32Array.from({ length: SAMPLES * UNKNOWNS }, () => generator.below(BOUND + 1) / BOUND);
  const truth = fixedPoint(inputs, BOUND, BOUND);
  const labels = new Int32Array(SAMPLES);
  const sample = (s: number) => truth.subarray(s * UNKNOWNS, (s + 1) * UNKNOWNS);
  /** Samples that reduction finds from products `[rows, samples]`. */
  const found = (keys: Int32Array, products: ArrayLike<number>) => {
    const rows = keys.length / UNKNOWNS;
    return Array.from({ length: SAMPLES }, (_, s) => {
      const own = Array.from({ length: rows }, (__, row) => products[row * SAMPLES + s] as number);
      return recoverBounded(keys, own, UNKNOWNS, BOUND)?.every((value, i) => value === sample(s)[i]) === true;
    }).filter(Boolean).length;
  };

  test('fails at the documented budget, for every sample', async () => {
    const rank = rankBudget(UNKNOWNS, BOUND, 1, DEFAULT_BUDGET_SHARE);
    expect(rank).toBeGreaterThan(2);
    using world = await openCryptonnWorld(projectedSpec(UNKNOWNS, rank, SAMPLES), kernel, () => 0);
    using encrypted = world.encrypted(inputs, labels);
    const P = projectionMatrix(SEED, rank, UNKNOWNS);
    expect(found(P, await encrypted.batch.forward(P))).toBe(0);
    expect(await refusals(world, UNKNOWNS)).toEqual({ projection: rank });
  });

  test('fails at twice the budget still; control: over the unique-solution rank it gives most samples', async () => {
    const unique = uniqueSolutionRank(UNKNOWNS, BOUND, 1);
    const over = Math.ceil(unique) + 4;
    expect(over).toBeLessThan(UNKNOWNS);
    using world = await openCryptonnWorld(faithfulSpec(UNKNOWNS, SAMPLES), kernel, () => 0);
    using encrypted = world.encrypted(inputs, labels);
    const foundWith = async (rank: number) => {
      const keys = projectionMatrix(SEED, rank, UNKNOWNS);
      return found(keys, await encrypted.batch.forward(keys));
    };
    expect(await foundWith(2 * rankBudget(UNKNOWNS, BOUND, 1, DEFAULT_BUDGET_SHARE))).toBe(0);
    expect(await foundWith(over)).toBeGreaterThan(SAMPLES / 2);
  });
});
