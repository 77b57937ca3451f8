/** The batch steps of a polynomial network, each with the level, parts and scale that it runs at: what the machine executes. */
import type { PolynomialNetwork } from '../nn/polynomial/polynomial-network.ts';
import type { CkksParams } from '../schemes/ckks/params.ts';
import type { Step } from './program.ts';
import { layerLevel, type ScalePlan } from './scales.ts';

/**
 * A linear step for each layer, followed by its square where it has one. Every square but the last is relinearised and
 * rescaled at once; the last one leaves three parts, on which the output layer, `pack` and `finish` work.
 */
export function listSteps(network: PolynomialNetwork, params: CkksParams, plan: ScalePlan): Step[] {
  const squares = network.layers.length - 1;
  const level = layerLevel(squares, squares);
  const parts = squares > 0 ? 3 : 2;
  const outputs = { level, parts, scale: plan.scales[squares]! } as const;
  return [
    { op: 'expand', level: params.maxLevel, parts: 2, scale: plan.inputScale },
    ...network.layers.flatMap((_, layer): Step[] => {
      if (layer === squares) return [{ op: 'linear', layer, ...outputs }];
      const scale = plan.scales[layer]!;
      const at = { layer, level: layerLevel(layer, squares), parts: 2 } as const;
      const relinearize = layer < squares - 1;
      const squared = relinearize ? scale ** 2 / params.q[at.level]!.q : scale ** 2;
      return [
        { op: 'linear', ...at, scale },
        { op: 'square', ...at, relinearize, scale: squared },
      ];
    }),
    { op: 'pack', ...outputs },
    { op: 'finish', level, parts, scale: plan.outputScale },
  ];
}
