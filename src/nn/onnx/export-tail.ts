/** The client's part of a model as ONNX nodes. */
import type { TailGraph, TailNode } from '../graph/tail-graph.ts';
import { checkTail } from '../graph/tail-graph.ts';
import { exportFunction } from './export-functions.ts';
import type { OnnxWriter } from './onnx-writer.ts';

/** Adds the tail behind the value `served` of `size` elements, and the outputs of the model. */
export function exportTail(writer: OnnxWriter, tail: TailGraph, served: string, size: number): void {
  const sizes = checkTail(tail, size);
  const values = [writer.reshape(served, [size])];
  tail.nodes.forEach((node, i) =>
    values.push(exportTailNode(writer, node, values, sizes[node.in], sizes[i + 1])),
  );
  for (const { name, shape, value } of tail.outputs) writer.output(name, shape, values[value]);
}

/** Every value is `[samples, elements]` in single precision. */
function exportTailNode(
  writer: OnnxWriter,
  node: TailNode,
  values: readonly string[],
  size: number,
  result: number,
): string {
  const x = values[node.in];
  const listed = (list: readonly number[]): string =>
    writer.floats(list.length === 1 ? [] : [list.length], list);
  switch (node.op) {
    case 'function': {
      const out = writer.node('Identity', [x]);
      const applied = `${out}f`;
      exportFunction(
        writer,
        node.fn,
        node.parameters,
        out,
        applied,
        node.perElement && listed(node.perElement),
      );
      return applied;
    }
    case 'add':
      return writer.node('Add', [x, values[node.other]]);
    case 'multiply':
      return writer.node('Mul', [x, values[node.other]]);
    case 'affine':
      return writer.node('Add', [writer.node('Mul', [x, listed(node.factor)]), listed(node.offset)]);
    case 'compare': {
      const opType = {
        greater: 'Greater',
        'greater-equal': 'GreaterOrEqual',
        less: 'Less',
        'less-equal': 'LessOrEqual',
        equal: 'Equal',
      };
      return writer.node('Cast', [writer.node(opType[node.relation], [x, listed(node.bound)])], undefined, {
        to: 1,
      });
    }
    case 'select': {
      const padded = writer.padded(x, node.from.includes(-1) ? 0 : undefined);
      const index = writer.integers(
        [node.from.length],
        node.from.map((at) => (at < 0 ? size : at)),
      );
      return writer.node('Gather', [padded, index], undefined, { axis: 1 });
    }
    case 'lookup': {
      // table[x] as the sum of the steps between neighbours that x has passed.
      let sum = writer.node('Mul', [x, writer.scalar(0)]);
      sum = writer.node('Add', [sum, writer.scalar(node.table[0])]);
      for (let i = 1; i < node.table.length; i++) {
        const passed = writer.node(
          'Cast',
          [writer.node('GreaterOrEqual', [x, writer.scalar(i)])],
          undefined,
          { to: 1 },
        );
        sum = writer.node('Add', [
          sum,
          writer.node('Mul', [passed, writer.scalar(node.table[i] - node.table[i - 1])]),
        ]);
      }
      return sum;
    }
    default:
      return exportAlongAxis(writer, node, x, result);
  }
}

type AxisNode = Extract<TailNode, { extent: number }>;

function exportAlongAxis(writer: OnnxWriter, node: AxisNode, x: string, result: number): string {
  const groups = writer.reshape(x, [node.before, node.extent, node.after]);
  const flat = (value: string): string => writer.reshape(value, [result]);
  switch (node.op) {
    case 'softmax':
    case 'log-softmax':
    case 'hardmax': {
      const opType = { softmax: 'Softmax', 'log-softmax': 'LogSoftmax', hardmax: 'Hardmax' }[node.op];
      return flat(writer.node(opType, [groups], undefined, { axis: 2 }));
    }
    case 'norm-l1':
    case 'norm-l2':
    case 'norm-max': {
      const sizes = writer.node('Abs', [groups]);
      const reduced = { axes: [2], keepdims: 1 };
      let divisor: string;
      if (node.op === 'norm-l2') {
        const squares = writer.node('ReduceSum', [
          writer.node('Mul', [groups, groups]),
          writer.integers([1], [2]),
        ]);
        divisor = writer.node('Sqrt', [squares]);
      } else if (node.op === 'norm-l1')
        divisor = writer.node('ReduceSum', [sizes, writer.integers([1], [2])]);
      else divisor = writer.node('ReduceMax', [sizes], undefined, reduced);
      // A group of zeros is divided by one.
      const isZero = writer.node('Cast', [writer.node('Equal', [divisor, writer.scalar(0)])], undefined, {
        to: 1,
      });
      return flat(writer.node('Div', [groups, writer.node('Add', [divisor, isZero])]));
    }
    case 'arg-max':
    case 'arg-min': {
      const opType = node.op === 'arg-max' ? 'ArgMax' : 'ArgMin';
      const index = writer.node(opType, [groups], undefined, {
        axis: 2,
        keepdims: 0,
        select_last_index: node.last ? 1 : 0,
      });
      return flat(writer.node('Cast', [index], undefined, { to: 1 }));
    }
    default: {
      const isValues = node.op === 'top-values';
      const [best, index] = writer.topK(groups, node.count, node.largest);
      return flat(isValues ? best : writer.node('Cast', [index], undefined, { to: 1 }));
    }
  }
}
