/** Factors and shifts behind a normalisation become its gain and bias. */
import type { ModelGraph, ModelNode } from '../model-graph.ts';
import { readerCounts, rebuilt } from './rebuild.ts';

/** The same function: a diagonal map that alone reads a norm is folded into it. */
export function foldNormGains(graph: ModelGraph): ModelGraph {
  const counts = readerCounts(graph);
  const norms = new Map<number, ModelNode & { op: 'norm' }>();
  const nodes = graph.nodes.map((node) => {
    if (node.op === 'norm') norms.set(node.out, node);
    if (node.op !== 'linear' || node.map.kind !== 'diagonal' || counts.get(node.in) !== 1) return node;
    const norm = norms.get(node.in);
    if (norm === undefined) return node;
    const { factors, bias } = node.map;
    const folded = {
      ...norm,
      out: node.out,
      gain: norm.gain.map((gain, i) => gain * factors[i]),
      bias: norm.bias.map((shift, i) => shift * factors[i] + bias[i]),
    };
    norms.set(node.out, folded);
    return folded;
  });
  return rebuilt(graph, { nodes });
}
