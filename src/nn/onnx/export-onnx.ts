/** Model graphs as ONNX files of operator set 17, tail included. */
import type { ModelGraph, ModelNode } from '../graph/model-graph.ts';
import { sizeOf } from '../tensor/tensor.ts';
import { exportFunction } from './export-functions.ts';
import { exportLinear } from './export-linear.ts';
import { exportTail } from './export-tail.ts';
import { OnnxWriter } from './onnx-writer.ts';

/** Before a file is written for other runtimes: what places outside count as in a maximum. */
const LOWEST = -3.4e38;

/**
 * The file of a model, which {@link importOnnx} reads back as the same function and other runtimes run. Weights are written in single
 * precision; the samples are the open first axis. Dense and convolution maps become Gemm and Conv, others the nearest
 * operators there are.
 * @throws {UnsupportedOpError} for a map without a matrix form of reasonable size.
 */
export function exportOnnx(graph: ModelGraph): Uint8Array {
  const writer = new OnnxWriter();
  graph.inputs.forEach(({ name, shape }, i) => writer.input(name, shape, `w${i}`));
  for (const node of graph.nodes) {
    const shapes = {
      in: graph.wires['in' in node ? node.in : node.a].shape,
      out: graph.wires[node.out].shape,
    };
    exportNode(writer, node, shapes);
  }
  exportTail(writer, graph.tail, `w${graph.output}`, sizeOf(graph.wires[graph.output].shape));
  return writer.finish(graph.source.producer);
}

interface NodeShapes {
  readonly in: readonly number[];
  readonly out: readonly number[];
}

function exportNode(writer: OnnxWriter, node: ModelNode, { in: from, out: to }: NodeShapes): void {
  const out = `w${node.out}`;
  switch (node.op) {
    case 'linear':
      exportLinear(writer, node.map, { name: `w${node.in}`, shape: from }, { name: out, shape: to });
      break;
    case 'function':
      exportFunction(
        writer,
        node.fn,
        node.parameters,
        `w${node.in}`,
        out,
        node.perChannel && perChannelShape(writer, node.perChannel, to),
      );
      break;
    case 'polynomial': {
      // Horner's rule.
      const rows = node.coefficients.map((row) =>
        row.length === 1 ? writer.scalar(row[0]) : perChannelShape(writer, row, to),
      );
      if (rows.length === 1) {
        const zero = writer.node('Mul', [`w${node.in}`, writer.scalar(0)]);
        writer.node('Add', [zero, rows[0]], out);
        break;
      }
      let sum = writer.node('Mul', [`w${node.in}`, rows.at(-1)!]);
      for (let k = rows.length - 2; k >= 1; k--)
        sum = writer.node('Mul', [writer.node('Add', [sum, rows[k]]), `w${node.in}`]);
      writer.node('Add', [sum, rows[0]], out);
      break;
    }
    case 'add':
    case 'multiply': {
      const [a, b] = [node.a, node.b].map((id) => writer.reshape(`w${id}`, to));
      writer.node(node.op === 'add' ? 'Add' : 'Mul', [a, b], out);
      break;
    }
    case 'maximum':
      exportMaximum(writer, node, from, to);
      break;
    default:
      exportNorm(writer, node, to);
  }
}

/** One number for every channel of `[channels, ...]`. */
function perChannelShape(writer: OnnxWriter, values: Float64Array, shape: readonly number[]): string {
  return writer.floats([shape[0], ...shape.slice(1).map(() => 1)], values);
}

function exportMaximum(
  writer: OnnxWriter,
  node: ModelNode & { op: 'maximum' },
  from: readonly number[],
  to: readonly number[],
): void {
  const { taps, inputs, pool } = node.windows;
  const out = `w${node.out}`;
  if (pool !== undefined && from.length === pool.kernel.length + 1 && from[0] === to[0]) {
    writer.node('MaxPool', [`w${node.in}`], out, {
      kernel_shape: [...pool.kernel],
      strides: [...pool.stride],
    });
    return;
  }
  const flat = writer.padded(
    writer.reshape(`w${node.in}`, [sizeOf(from)]),
    inputs.includes(-1) ? LOWEST : undefined,
  );
  const index = writer.integers(
    [inputs.length / taps, taps],
    inputs.map((at) => (at < 0 ? sizeOf(from) : at)),
  );
  const windows = writer.node('Gather', [flat, index], undefined, { axis: 1 });
  const largest = writer.node('ReduceMax', [windows], undefined, { axes: [2], keepdims: 0 });
  writer.reshape(largest, to, out);
}

function exportNorm(writer: OnnxWriter, node: ModelNode & { op: 'norm' }, shape: readonly number[]): void {
  const axes = node.axes.map((axis) => axis + 1);
  const x = `w${node.in}`;
  const gain = writer.floats(shape, node.gain);
  const bias = writer.floats(shape, node.bias);
  const centred = writer.node('Sub', [x, writer.node('ReduceMean', [x], undefined, { axes, keepdims: 1 })]);
  const squares = writer.node('Mul', [centred, centred]);
  const variance = writer.node('ReduceMean', [squares], undefined, { axes, keepdims: 1 });
  const root = writer.node('Sqrt', [writer.node('Add', [variance, writer.scalar(node.epsilon)])]);
  const scaled = writer.node('Mul', [writer.node('Div', [centred, root]), gain]);
  writer.node('Add', [scaled, bias], `w${node.out}`);
}
