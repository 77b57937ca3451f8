/**
 * Quadratics whose vertex is near the values, so that they can be computed as one square. What hardly bends on the values of its channel
 * is a small difference of large squares; bent a little more, it costs one product and no constant of its own.
 */
import type { ChannelStatistics, ModelGraph, ModelNode } from '../graph/model-graph.ts';

/** A vertex may be so many half widths of the interval of its channel away from its middle. */
const FARTHEST = 2;
/** Of coefficients that were written with eight digits. */
const ROUNDING = 1e-5;

/**
 * Polynomials of degree 2 with the vertex of every channel at most two half widths from the middle of what the channel was
 * seen to carry; slope in the middle and mean are kept. What bends enough, what is constant, and wires without statistics stay as they are.
 */
export function nearbySquares(graph: ModelGraph): ModelGraph {
  const nodes = graph.nodes.map((node): ModelNode => {
    const trained = graph.wires[node.op === 'polynomial' ? node.in : node.out]!.trained;
    if (node.op !== 'polynomial' || node.coefficients.length !== 3 || trained === undefined) return node;
    const channels = trained.low.length;
    const rows = [0, 1, 2].map(() => new Float64Array(channels));
    for (let channel = 0; channel < channels; channel++) {
      const at = (power: number): number => {
        const row = node.coefficients[power]!;
        return row[row.length === 1 ? 0 : channel]!;
      };
      bent([at(0), at(1), at(2)], trained, channel).forEach((value, power) => {
        rows[power]![channel] = value;
      });
    }
    return { ...node, coefficients: rows };
  });
  return { ...graph, nodes };
}

/** The same function; polynomials whose vertices are all as near as {@link nearbySquares} makes them are to be computed as one square. */
export function completedSquares(graph: ModelGraph): ModelGraph {
  const nodes = graph.nodes.map((node): ModelNode => {
    if (node.op !== 'polynomial' || node.coefficients.length !== 3) return node;
    const { trained } = graph.wires[node.in]!;
    return trained !== undefined && isNear(node.coefficients, trained)
      ? { ...node, form: 'completed' }
      : node;
  });
  return { ...graph, nodes };
}

function isNear([, b, a]: readonly Float64Array[], { low, high }: ChannelStatistics): boolean {
  return low.every((least, channel) => {
    const at = (row: Float64Array): number => row[row.length === 1 ? 0 : channel]!;
    const [middle, half] = [(least + high[channel]!) / 2, (high[channel]! - least) / 2];
    const slope = at(b!) + 2 * at(a!) * middle;
    return Math.abs(slope) <= 2 * FARTHEST * Math.abs(at(a!)) * half * (1 + ROUNDING);
  });
}

/** c + b z + a z^2 as one in u = (z - middle) / half, bent there. */
function bent(
  [c, b, a]: readonly [number, number, number],
  { low, high, mean, variance }: ChannelStatistics,
  channel: number,
): readonly [number, number, number] {
  const middle = (low[channel]! + high[channel]!) / 2;
  const half = (high[channel]! - low[channel]!) / 2;
  const slope = (b + 2 * a * middle) * half;
  const bend = a * half ** 2;
  if (!(half > 0) || slope === 0 || Math.abs(slope) <= 2 * FARTHEST * Math.abs(bend)) return [c, b, a];
  const more = (Math.sign(bend) || 1) * (Math.abs(slope) / (2 * FARTHEST)) - bend;
  // Mean of u^2.
  const moment = (((mean[channel]! - middle) / half) ** 2 + variance[channel]! / half ** 2) * more;
  const extra = more / half ** 2;
  return [c + extra * middle ** 2 - moment, b - 2 * extra * middle, a + extra];
}
