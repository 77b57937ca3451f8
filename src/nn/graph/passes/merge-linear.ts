/** Merges linear maps that follow one another: batch norms into convolutions, pools into dense layers, scales into anything. */
import { composeLinear } from '../linear-composition.ts';
import type { LinearMap } from '../linear-map.ts';
import type { ModelGraph, ModelNode, QuantisedWeights } from '../model-graph.ts';
import { readerCounts, rebuilt } from './rebuild.ts';

/** A merged map may have this many times the entries of its parts. */
const MAX_GROWTH = 1.5;

type LinearNode = ModelNode & { op: 'linear' };

/**
 * The same function: two linear nodes become one where nothing else reads the value between them and the product has at most 1.5
 * times the entries of both. The integers of quantised weights survive a scaling of their rows; other merges leave them alone.
 */
export function mergeLinear(graph: ModelGraph): ModelGraph {
  const counts = readerCounts(graph);
  const merged = new Map<number, LinearNode>();
  const nodes = graph.nodes.map((node) => {
    if (node.op !== 'linear') return node;
    const before = merged.get(node.in);
    let result: LinearNode = node;
    if (before !== undefined && counts.get(node.in) === 1) result = mergedNode(node, before) ?? node;
    merged.set(node.out, result);
    return result;
  });
  return rebuilt(graph, { nodes });
}

function mergedNode(outer: LinearNode, inner: LinearNode): LinearNode | undefined {
  if (outer.quantised !== undefined || !isWorthwhile(outer.map, inner.map)) return undefined;
  const map = composeLinear(outer.map, inner.map);
  const { quantised: _, ...plain } = outer;
  if (inner.quantised === undefined) return { ...plain, in: inner.in, map };
  const quantised = scaledRows(outer.map, map, inner.map, inner.quantised);
  return quantised === undefined ? undefined : { ...plain, in: inner.in, map, quantised };
}

function isWorthwhile(outer: LinearMap, inner: LinearMap): boolean {
  if (outer.kind === 'diagonal' || inner.kind === 'diagonal') return true;
  if (outer.kind === 'gather') return outer.rows <= MAX_GROWTH * inner.rows;
  const most = MAX_GROWTH * (outer.entries + inner.entries);
  if (outer.kind === 'dense') return outer.rows * inner.cols <= most;
  const perRow = new Int32Array(inner.rows);
  inner.forEachEntry((row) => {
    perRow[row]++;
  });
  let products = 0;
  outer.forEachEntry((_, col) => {
    products += perRow[col];
  });
  return products <= most;
}

/** The integers after every row was multiplied by a number, undefined when something else happened. */
function scaledRows(
  outer: LinearMap,
  product: LinearMap,
  inner: LinearMap,
  { integers, rowStep }: QuantisedWeights,
): QuantisedWeights | undefined {
  if (outer.kind !== 'diagonal') return undefined;
  if (product.kind === 'dense' && inner.kind === 'dense') return signed(integers, rowStep, outer.factors);
  if (product.kind !== 'window' || inner.kind !== 'window') return undefined;
  const { positions, places, channels } = inner;
  const factors = Float64Array.from({ length: channels }, (_, channel) => {
    const flat = channel * positions;
    return outer.factors[places === undefined ? flat : places[flat]];
  });
  return signed(integers, rowStep, factors);
}

/** Steps stay positive. */
function signed(
  integers: Int32Array,
  rowStep: Float64Array,
  factors: Float64Array,
): QuantisedWeights | undefined {
  if (factors.includes(0)) return undefined;
  const taps = integers.length / rowStep.length;
  return {
    integers: integers.map((value, i) => (factors[Math.floor(i / taps)] < 0 ? -value : value)),
    rowStep: rowStep.map((step, row) => step * Math.abs(factors[row])),
  };
}
