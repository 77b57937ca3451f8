/** Weights as few-bit integers times one step per row, as layouts with integer weights need them. */
import { filled } from '../../base/filled.ts';
import { OutOfRangeError } from '../../base/errors.ts';
import { DenseMap, windowFields, WindowMap } from '../graph/linear-map.ts';
import type { ModelGraph } from '../graph/model-graph.ts';

/**
 * The graph with the matrices of its dense and window maps rounded to integers of `bits` bits (sign included), symmetric, the
 * largest of each row at the end of the range. Weights that a quantised model brought are kept. Other maps are unchanged.
 * @throws {OutOfRangeError} for fewer than 2 or more than 16 bits.
 */
export function quantiseGraph(graph: ModelGraph, bits: number): ModelGraph {
  if (!(Number.isInteger(bits) && bits >= 2 && bits <= 16))
    throw new OutOfRangeError('the bits of a weight', 'an integer of 2 to 16', bits);
  const largest = 2 ** (bits - 1) - 1;
  const nodes = graph.nodes.map((node) => {
    if (node.op !== 'linear' || node.quantised !== undefined) return node;
    const { map } = node;
    if (map.kind !== 'dense' && map.kind !== 'window') return node;
    const rows = map.kind === 'dense' ? map.rows : map.channels;
    const cols = map.matrix.length / rows;
    const rowStep = new Float64Array(rows);
    map.matrix.forEach((weight, i) => {
      const row = Math.floor(i / cols);
      rowStep[row] = Math.max(rowStep[row], Math.abs(weight) / largest);
    });
    rowStep.forEach((step, row) => {
      if (step === 0) rowStep[row] = 1;
    });
    const integers = filled(new Int32Array(map.matrix.length), (i) =>
      Math.round(map.matrix[i] / rowStep[Math.floor(i / cols)]),
    );
    const matrix = filled(
      new Float64Array(integers.length),
      (i) => integers[i] * rowStep[Math.floor(i / cols)],
    );
    const rounded =
      map.kind === 'dense'
        ? new DenseMap(map.rows, map.cols, matrix, map.bias)
        : new WindowMap({ ...windowFields(map), matrix });
    return { ...node, map: rounded, quantised: { integers, rowStep } };
  });
  return { ...graph, nodes };
}
