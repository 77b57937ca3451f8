import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { searchBudget } from '../../src/apps/cli/models/budget-search.ts';
import { parseBudget } from '../../src/apps/cli/models/budget-spec.ts';
import { InvalidParamsError, UsageError } from '../../src/base/errors.ts';
import {
  BUDGET_TERMS,
  type Budget,
  type BudgetCandidate,
  brokenTerms,
  cheapestWithin,
  paretoSet,
  shortfalls,
  shownRows,
} from '../../src/compiler/costs/budget.ts';
import { compile } from '../../src/compiler/compile.ts';
import { reportOf } from '../../src/compiler/report.ts';
import { meterProgram } from '../../src/runtime/meter-machine.ts';
import { GraphBuilder, tensorInput } from '../../src/nn/graph/graph-builder.ts';
import type { ModelGraph } from '../../src/nn/graph/model-graph.ts';
import { layerModel } from '../../src/nn/graph/layer-model.ts';
import { Sequential } from '../../src/nn/layers/sequential.ts';
import { plainMatrixMultiply } from '../../src/nn/tensor/matrix-multiply.ts';
import { measured } from './sample-graphs.ts';

const small = fc.integer({ min: 0, max: 3 });
const candidate = fc
  .record({
    samples: small,
    costs: fc.record({ latency: small, up: small, down: small, keys: small, memory: small, drop: small }),
  })
  .map((each): BudgetCandidate => each);
const someBudget = fc
  .record({ latency: small, up: small, drop: small }, { requiredKeys: [] })
  .map((each): Budget => each);

describe('the Pareto set', () => {
  it('keeps exactly what nothing else beats, and one of equals', () => {
    fc.assert(
      fc.property(fc.array(candidate, { maxLength: 12 }), (all) => {
        const kept = paretoSet(all);
        const noWorse = (a: BudgetCandidate, b: BudgetCandidate): boolean =>
          a.samples >= b.samples && BUDGET_TERMS.every((term) => a.costs[term] <= b.costs[term]);
        for (const one of all) {
          // Everybody is covered by somebody who is kept.
          expect(kept.some((other) => noWorse(other, one))).toBe(true);
        }
        for (const [i, one] of kept.entries())
          for (const [j, other] of kept.entries()) if (i !== j) expect(noWorse(one, other)).toBe(false);
      }),
    );
  });

  it('contains the cheapest that keeps a budget, and names what stands in the way of one that nothing keeps', () => {
    fc.assert(
      fc.property(fc.array(candidate, { minLength: 1, maxLength: 10 }), someBudget, (all, budget) => {
        const fitting = all.filter((one) => brokenTerms(one, budget).length === 0);
        const chosen = cheapestWithin(paretoSet(all), budget);
        expect(chosen?.costs.latency).toBe(
          fitting.length === 0 ? undefined : Math.min(...fitting.map(({ costs }) => costs.latency)),
        );
        const missing = shortfalls(all, budget);
        expect(missing.length > 0).toBe(fitting.length === 0);
        for (const { term, limit, reached, by, instead } of missing) {
          expect(limit).toBe(budget[term]);
          expect(reached).toBeGreaterThan(limit);
          expect(by.costs[term]).toBe(reached);
          if (instead !== undefined) expect(instead.costs[term]).toBeLessThanOrEqual(limit);
        }
        const shown = shownRows(paretoSet(all), budget, 4);
        expect(shown.length).toBeLessThanOrEqual(4);
        if (chosen !== undefined)
          expect(shown.some((one) => brokenTerms(one, budget).length === 0)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});

it('says what is broken where each term can be kept, but not all at once', () => {
  const free = { latency: 0, up: 0, down: 0, keys: 0, memory: 0, drop: 0 };
  const large = { samples: 0, costs: { ...free, latency: 1, drop: 1 } };
  const slow = { samples: 0, costs: { ...free, latency: 1, up: 1 } };
  const rough = { samples: 0, costs: { ...free, up: 1, drop: 1 } };
  const missing = shortfalls([large, slow, rough], { latency: 0, up: 0, drop: 0 });
  expect(missing.map(({ term, by, alsoOver, instead }) => ({ term, by, alsoOver, instead }))).toEqual([
    { term: 'latency', by: large, alsoOver: ['drop'], instead: rough },
    { term: 'drop', by: large, alsoOver: ['latency'], instead: slow },
  ]);
});

describe('the search', () => {
  const perceptron = (): ModelGraph => {
    const specs = [
      { kind: 'dense', outputs: 9 },
      { kind: 'square' },
      { kind: 'dense', outputs: 5 },
      { kind: 'square' },
      { kind: 'dense', outputs: 3 },
    ] as const;
    return measured(layerModel(new Sequential([8], specs, { multiply: plainMatrixMultiply, seed: 3 })));
  };
  const quartic = (): ModelGraph => {
    const builder = new GraphBuilder();
    const x = builder.input(tensorInput('x', [6]));
    return measured(builder.build(builder.polynomial(x, [0.1, 0.5, 0.2, 0.05, 0.02], { name: 'p' })));
  };

  it.each([
    ['two squares', perceptron],
    ['a quartic', quartic],
  ])('finds what trying everything finds: %s', (_, make) => {
    const graph = make();
    const bits = [8, 6, 4];
    const grid = { degrees: [2], layouts: [{ layout: 'batch', weightBits: bits }], logN: [13, 14] } as const;
    // What is lost grows as bits shrink; measured elsewhere, made up here.
    const dropOf = (bits: number): number => (8 - bits) / 100;
    const program = (weightBits: number, logN: number) =>
      compile(graph, { name: 'budget', weightBits, logN: [logN], precision: 2 ** -8 });
    const result = searchBudget({
      ...grid,
      budget: {},
      make: ({ weightBits, logN }) => ({
        program: program(weightBits, logN),
        made: 0,
        drop: dropOf(weightBits),
      }),
    });
    const everything = bits.flatMap((each) =>
      grid.logN.flatMap((logN) => {
        const made = program(each, logN);
        const report = reportOf(made);
        return report.buckets.map(
          (bucket): BudgetCandidate => ({
            samples: bucket.block,
            costs: {
              latency: meterProgram(made, bucket).reduce((sum, step) => sum + step.referenceMs, 0),
              up: bucket.bytesUp,
              down: bucket.bytesDown,
              keys: report.keyBytes,
              memory: report.peakBytes,
              drop: dropOf(each),
            },
          }),
        );
      }),
    );
    const plain = ({ samples, costs }: BudgetCandidate): string => JSON.stringify([samples, costs]);
    const all = paretoSet(everything);
    const shown = result.rows.map(plain);
    expect(new Set(shown)).toEqual(new Set(shownRows(all, {}, 12).map(plain)));
    expect(plain(result.chosen!)).toBe(plain(cheapestWithin(all, {})!));
    // A budget that prunes still finds the same winner.
    const tight = { up: result.chosen!.costs.up, drop: 0.03 };
    const pruned = searchBudget({
      ...grid,
      budget: tight,
      make: ({ weightBits, logN }) => ({
        program: program(weightBits, logN),
        made: 0,
        drop: dropOf(weightBits),
      }),
    });
    expect(plain(pruned.chosen!)).toBe(plain(cheapestWithin(all, tight)!));
  });

  it('goes on after a ring that holds nothing, and says why when none does', () => {
    const graph = perceptron();
    const tried: number[] = [];
    const make = ({ logN }: { logN: number }) => {
      tried.push(logN);
      if (logN < 14) throw new InvalidParamsError('too small', {});
      return { program: compile(graph, { name: 'budget', logN: [logN] }), made: 0, drop: 0 };
    };
    const layouts = [{ layout: 'batch', weightBits: [8] }] as const;
    const subject = { degrees: [2], layouts, budget: {}, make };
    expect(searchBudget({ ...subject, logN: [12, 13, 14] }).chosen?.choice.logN).toBe(14);
    expect(tried).toEqual([12, 13, 14]);
    expect(() => searchBudget({ ...subject, logN: [12, 13] })).toThrow('too small');
  });
});

describe('the words of a budget', () => {
  it('are read with their units', () => {
    expect(parseBudget('latency=1.5s, up=200KB,keys=20MB,drop=0.5%,memory=1GiB,down=3B')).toEqual({
      latency: 1500,
      up: 200e3,
      keys: 20e6,
      drop: 0.005,
      memory: 2 ** 30,
      down: 3,
    });
  });

  it.each([
    '',
    'speed=1s',
    'latency',
    'latency=fast',
    'latency=3MB',
    'up=3',
    'keys=-1MB',
    'up=1MB,up=2MB',
    'drop=2ms',
  ])('are refused: "%s"', (text) => {
    expect(() => parseBudget(text)).toThrow(UsageError);
  });
});
