/** The passes that every imported graph goes through, in order. */
import type { ModelGraph } from '../model-graph.ts';
import { foldNormGains } from './fold-norms.ts';
import { mergeLinear } from './merge-linear.ts';
import { moveViews } from './move-views.ts';

/** The same function with fewer nodes: views merged into the maps next to them, runs of linear maps merged. */
export function simplifyGraph(graph: ModelGraph): ModelGraph {
  return foldNormGains(mergeLinear(moveViews(graph)));
}
