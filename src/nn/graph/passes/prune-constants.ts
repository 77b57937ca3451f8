/** Channels of a polynomial that are the same for every input: what they add to the next layer is an offset. */
import { DenseMap } from '../linear-map.ts';
import type { ModelGraph, ModelNode, Wire } from '../model-graph.ts';
import { readerCounts } from './rebuild.ts';

/**
 * The same function without the constant channels between two dense layers. ReLUs that no calibration sample reaches become such, often
 * more than half of a layer.
 */
export function pruneConstants(graph: ModelGraph): ModelGraph {
  const counts = readerCounts(graph);
  const nodes = [...graph.nodes];
  const wires = [...graph.wires];
  const indexOf = new Map(nodes.map((node, i) => [node.out, i] as const));
  graph.nodes.forEach((node, at) => {
    if (node.op !== 'polynomial' || counts.get(node.in) !== 1 || counts.get(node.out) !== 1) return;
    const before = indexOf.get(node.in) ?? -1;
    const after = graph.nodes.findIndex((other) => other.op === 'linear' && other.in === node.out);
    const [inner, outer] = [nodes[before], nodes[after]];
    if (inner?.op !== 'linear' || outer?.op !== 'linear') return;
    const [rows, cols] = [inner.map, outer.map];
    if (rows.kind !== 'dense' || cols.kind !== 'dense') return;
    if (inner.quantised !== undefined || outer.quantised !== undefined) return;
    const size = rows.rows;
    if (wires[node.in]!.shape[0] !== size || wires[node.in]!.shape.length !== 1) return;
    const coefficient = (row: Float64Array, channel: number): number => row[row.length === 1 ? 0 : channel]!;
    const kept = Array.from({ length: size }, (_, channel) => channel).filter((channel) =>
      node.coefficients.slice(1).some((row) => coefficient(row, channel) !== 0),
    );
    if (kept.length === size || kept.length === 0) return;
    const chosen = (list: Float64Array): Float64Array => Float64Array.from(kept, (channel) => list[channel]!);
    nodes[before] = { ...inner, map: chosenRows(rows, kept) };
    nodes[at] = {
      ...node,
      coefficients: node.coefficients.map((row) => (row.length === 1 ? row : chosen(row))),
    };
    nodes[after] = {
      ...outer,
      map: chosenColumns(cols, kept, (channel) => coefficient(node.coefficients[0]!, channel)),
    };
    for (const id of [node.in, node.out]) wires[id] = narrowed(wires[id]!, kept.length, chosen);
  });
  return { ...graph, nodes: nodes as readonly ModelNode[], wires };
}

function narrowed(wire: Wire, size: number, chosen: (list: Float64Array) => Float64Array): Wire {
  const { trained, proven } = wire;
  return {
    ...wire,
    shape: [size],
    ...(proven && { proven: chosen(proven) }),
    ...(trained && {
      trained: {
        samples: trained.samples,
        low: chosen(trained.low),
        high: chosen(trained.high),
        mean: chosen(trained.mean),
        variance: chosen(trained.variance),
      },
    }),
  };
}

function chosenRows({ cols, matrix, bias }: DenseMap, kept: readonly number[]): DenseMap {
  const own = new Float64Array(kept.length * cols);
  kept.forEach((row, i) => own.set(matrix.subarray(row * cols, (row + 1) * cols), i * cols));
  return new DenseMap(
    kept.length,
    cols,
    own,
    Float64Array.from(kept, (row) => bias[row]!),
  );
}

/** What the other columns read is `constant(column)`. */
function chosenColumns(
  { rows, cols, matrix, bias }: DenseMap,
  kept: readonly number[],
  constant: (column: number) => number,
): DenseMap {
  const own = new Float64Array(rows * kept.length);
  const offsets = Float64Array.from(bias);
  const isKept = new Set(kept);
  for (let row = 0; row < rows; row++) {
    kept.forEach((column, i) => {
      own[row * kept.length + i] = matrix[row * cols + column]!;
    });
    for (let column = 0; column < cols; column++)
      if (!isKept.has(column)) offsets[row]! += matrix[row * cols + column]! * constant(column);
  }
  return new DenseMap(rows, kept.length, own, offsets);
}
