/** Channels scaled to [-1, 1] before a polynomial, so that no coefficient vanishes beside those of larger channels. */
import { composeLinear } from '../graph/linear-composition.ts';
import { DiagonalMap } from '../graph/linear-map.ts';
import type { ModelGraph, ModelNode, Wire } from '../graph/model-graph.ts';
import { channelSize } from '../graph/model-graph.ts';
import { readerCounts } from '../graph/passes/rebuild.ts';
import { sizeOf } from '../tensor/tensor.ts';

/**
 * The same function: a linear map that a polynomial alone reads is divided, channel by channel, by the largest |value| that the
 * wire was seen to carry; the polynomial's coefficients take the factor. Quantised maps are left alone.
 */
export function normaliseChannels(graph: ModelGraph): ModelGraph {
  const counts = readerCounts(graph);
  const readers = new Map(
    graph.nodes.flatMap((node) => (node.op === 'polynomial' ? [[node.in, node] as const] : [])),
  );
  const scales = new Map<number, Float64Array>();
  for (const node of graph.nodes) {
    const { trained } = graph.wires[node.out];
    const isCandidate =
      node.op === 'linear' &&
      node.quantised === undefined &&
      readers.has(node.out) &&
      counts.get(node.out) === 1;
    if (!isCandidate || trained === undefined) continue;
    scales.set(
      node.out,
      trained.low.map((low, i) => Math.max(Math.abs(low), Math.abs(trained.high[i])) || 1),
    );
  }
  const nodes = graph.nodes.map((node): ModelNode => {
    if (node.op === 'linear' && scales.has(node.out)) {
      const scale = scales.get(node.out)!;
      const { shape } = graph.wires[node.out];
      const inside = channelSize(shape);
      const inverse = Float64Array.from(
        { length: sizeOf(shape) },
        (_, i) => 1 / scale[Math.floor(i / inside)],
      );
      return { ...node, map: composeLinear(new DiagonalMap(inverse), node.map) };
    }
    const scale = node.op === 'polynomial' ? scales.get(node.in) : undefined;
    if (node.op !== 'polynomial' || scale === undefined) return node;
    const coefficients = node.coefficients.map((row, power) =>
      scale.map((s, i) => row[row.length === 1 ? 0 : i] * s ** power),
    );
    return { ...node, coefficients };
  });
  const wires = graph.wires.map((wire): Wire => {
    const scale = scales.get(wire.id);
    const { trained } = wire;
    if (scale === undefined || trained === undefined) return wire;
    const divided = (values: Float64Array, power: number): Float64Array =>
      values.map((v, i) => v / scale[i] ** power);
    const { low, high, mean, variance } = trained;
    return {
      ...wire,
      trained: {
        ...trained,
        low: divided(low, 1),
        high: divided(high, 1),
        mean: divided(mean, 1),
        variance: divided(variance, 2),
      },
    };
  });
  return { ...graph, nodes, wires };
}
