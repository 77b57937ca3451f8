/** What the passes share: a graph from changed nodes, without what nobody reads. */
import { checkModelGraph, wiresOf } from '../model-graph.ts';
import type { ModelGraph, ModelNode, Wire, WireId } from '../model-graph.ts';
import type { TailGraph } from '../tail-graph.ts';

export interface GraphParts {
  readonly nodes: readonly ModelNode[];
  readonly wires: readonly Wire[];
  readonly output: WireId;
  readonly tail: TailGraph;
}

/** The graph with other parts: nodes on which the output does not depend are dropped, wires numbered in order of writing. */
export function rebuilt(graph: ModelGraph, parts: Partial<GraphParts>): ModelGraph {
  const { nodes, wires, output, tail } = { ...graph, ...parts };
  const needed = new Set([output]);
  const kept: ModelNode[] = [];
  for (const node of [...nodes].reverse()) {
    if (!needed.has(node.out)) continue;
    kept.push(node);
    for (const id of wiresOf(node)) needed.add(id);
  }
  kept.reverse();
  const order = [...graph.inputs.map((_, i) => i), ...kept.map(({ out }) => out)];
  const newId = new Map(order.map((id, i) => [id, i]));
  const result = {
    ...graph,
    tail,
    wires: order.map((id, i) => ({ ...wires[id], id: i })),
    nodes: kept.map((node) => withWires(node, (id) => newId.get(id)!)),
    output: newId.get(output)!,
  };
  checkModelGraph(result);
  return result;
}

/** The node with its wires renamed. */
function withWires(node: ModelNode, rename: (id: WireId) => WireId): ModelNode {
  return node.op === 'add' || node.op === 'multiply'
    ? { ...node, a: rename(node.a), b: rename(node.b), out: rename(node.out) }
    : { ...node, in: rename(node.in), out: rename(node.out) };
}

/** How many nodes read each wire; the output counts once more. */
export function readerCounts(graph: ModelGraph): Map<WireId, number> {
  const counts = new Map<WireId, number>([[graph.output, 1]]);
  for (const node of graph.nodes) for (const id of wiresOf(node)) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}
