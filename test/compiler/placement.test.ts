import { describe, expect, it } from 'vitest';
import { InvalidParamsError } from '../../src/base/errors.ts';
import { compile } from '../../src/compiler/compile.ts';
import { lowerGraph } from '../../src/compiler/lower-graph.ts';
import { type Placement, placementsByCost, productChains } from '../../src/compiler/placement.ts';
import type { Program } from '../../src/compiler/program.ts';
import { layerModel } from '../../src/nn/graph/layer-model.ts';
import type { LayerSpec } from '../../src/nn/layers/layer.ts';
import { Sequential } from '../../src/nn/layers/sequential.ts';
import { plainMatrixMultiply } from '../../src/nn/tensor/matrix-multiply.ts';
import { meterProgram } from '../../src/runtime/meter-machine.ts';
import { measured } from './sample-graphs.ts';

const dense = (outputs: number): LayerSpec => ({ kind: 'dense', outputs });
const SQUARE: LayerSpec = { kind: 'square' };
const graphOf = (inputs: number, specs: readonly LayerSpec[]) =>
  measured(layerModel(new Sequential([inputs], specs, { multiply: plainMatrixMultiply, seed: 6 })));

/** Milliseconds of the metered program, with a whole batch. */
const metered = (program: Program): number =>
  meterProgram(program, program.buckets.at(-1)!).reduce((sum, { referenceMs }) => sum + referenceMs, 0);

function everyPlacement(
  choices: readonly (readonly { relinearize: number; rescale: number }[])[],
): Placement[] {
  return choices.reduce<Placement[]>(
    (all, own) => all.flatMap((one) => own.map((choice) => [...one, choice])),
    [[]],
  );
}

describe('placement', () => {
  it.each([
    ['fewer outputs than inputs: wait', [dense(60), SQUARE, dense(6), SQUARE, dense(3)]],
    ['more outputs than inputs: at once', [dense(6), SQUARE, dense(60), SQUARE, dense(40)]],
    ['three products', [dense(12), SQUARE, dense(5), SQUARE, dense(9), SQUARE, dense(2)]],
  ] as const)('is within one per cent of the cheapest of all that there are: %s', (_, specs) => {
    const graph = graphOf(8, specs);
    const options = { name: 'net', inputBound: 1, logN: [14], precision: 2 ** -6 };
    const circuit = lowerGraph(graph, { inputBound: 1, weightBits: 8 });
    const choices = productChains(circuit).map(({ linear, reachesOutput }) => {
      const last = linear.length + (reachesOutput ? 1 : 0);
      return Array.from({ length: (last + 1) ** 2 }, (__, i) => ({
        relinearize: Math.floor(i / (last + 1)),
        rescale: i % (last + 1),
      })).filter(({ relinearize, rescale }) => relinearize <= rescale);
    });
    const all = everyPlacement(choices);
    expect(all.length).toBeGreaterThan(10);
    const costs = all.flatMap((placement) => {
      try {
        return [metered(compile(graph, { ...options, placement }))];
      } catch (error) {
        if (error instanceof InvalidParamsError) return [];
        throw error;
      }
    });
    expect(costs.length).toBeGreaterThan(5);
    // Packing three parts instead of two is not counted by the choice: less than one per cent.
    expect(metered(compile(graph, options))).toBeLessThan(1.01 * Math.min(...costs));
    // The choice matters: the worst is worse.
    expect(Math.max(...costs)).toBeGreaterThan(1.05 * Math.min(...costs));
  });

  it('comes in ascending order, each once, all of them', () => {
    const circuit = lowerGraph(graphOf(8, [dense(12), SQUARE, dense(5), SQUARE, dense(2)]), {
      inputBound: 1,
      weightBits: 8,
    });
    const given = [...placementsByCost(circuit, 13, 'scale', 1000)].map((each) => JSON.stringify(each));
    expect(new Set(given).size).toBe(given.length);
    expect(given.length).toBe(3 * 6);
    expect([...placementsByCost(circuit, 13, 'scale', 5)].map((each) => JSON.stringify(each))).toEqual(
      given.slice(0, 5),
    );
  });
});
