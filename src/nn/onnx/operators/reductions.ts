/** Sums, means and maxima over axes; and what ends a classifier: softmax, arg max, the largest few. */
import { WindowMap } from '../../graph/linear-map.ts';
import type { TailNode } from '../../graph/tail-graph.ts';
import { sizeOf } from '../../tensor/tensor.ts';
import { constant } from '../constant-tensor.ts';
import type { ConstantTensor } from '../constant-tensor.ts';
import { constantValue, NodeProblem } from '../draft.ts';
import type { Value, WireValue } from '../draft.ts';
import { forEachPlace, stridesOf } from '../../graph/index-maps.ts';
import { batchProblem } from './operator.ts';
import type { Operator, OperatorCall } from './operator.ts';

interface Reduction {
  /** With an extent of 1 on the reduced axes when they are kept. */
  readonly shape: readonly number[];
  readonly taps: number;
  /** outputs x taps source elements. */
  readonly inputs: Int32Array;
}

/** undefined when nothing is reduced. */
function readReduction(call: OperatorCall, axesInput: number): Reduction | undefined {
  const value = call.input(0);
  const shape = call.fullShape(value);
  const stated =
    call.attributes.ints('axes') ?? (call.opset >= axesInput ? call.intsOf('axes', 1) : undefined);
  const isEmpty = stated === undefined || stated.length === 0;
  if (isEmpty && call.attributes.int('noop_with_empty_axes', 0) !== 0) return undefined;
  const axes = new Set(
    isEmpty ? shape.map((_, i) => i) : stated.map((axis) => call.axis(axis, shape.length)),
  );
  if (value.kind === 'wire' && axes.has(0)) throw batchProblem();
  const isKept = call.attributes.int('keepdims', 1) !== 0;
  const strides = stridesOf(shape);
  const kept = shape.map((extent, axis) => (axes.has(axis) ? 1 : extent));
  const gone = shape.map((extent, axis) => (axes.has(axis) ? extent : 1));
  const taps = sizeOf(gone);
  call.draft.allow(sizeOf(shape));
  const offsets = new Int32Array(taps);
  const flat = (place: readonly number[]): number =>
    place.reduce((sum, at, axis) => sum + at * strides[axis], 0);
  forEachPlace(gone, (place, tap) => (offsets[tap] = flat(place)));
  const inputs = new Int32Array(sizeOf(shape));
  forEachPlace(kept, (place, row) => {
    const start = flat(place);
    for (let tap = 0; tap < taps; tap++) inputs[row * taps + tap] = start + offsets[tap];
  });
  return { shape: isKept ? kept : kept.filter((_, axis) => !axes.has(axis)), taps, inputs };
}

function foldReduction(
  tensor: ConstantTensor,
  { shape, taps, inputs }: Reduction,
  combine: (values: Float64Array) => number,
): Value {
  const data = Float64Array.from({ length: inputs.length / taps }, (_, row) =>
    combine(Float64Array.from(inputs.subarray(row * taps, (row + 1) * taps), (at) => tensor.data[at])),
  );
  return constantValue(constant(tensor.type, shape, data));
}

const sum = (values: Float64Array): number => values.reduce((a, b) => a + b, 0);

/** The sum or mean of real values over a reduction. */
function addUp(
  call: OperatorCall,
  x: WireValue,
  { shape, taps, inputs }: Reduction,
  weight: number,
): WireValue {
  const positions = inputs.length / taps;
  const map = new WindowMap({
    cols: sizeOf(x.shape),
    groups: 1,
    channels: 1,
    taps,
    positions,
    matrix: new Float64Array(taps).fill(weight),
    inputs,
    bias: new Float64Array(positions),
  });
  return call.draft.linear(x, map, shape.slice(1));
}

function readSum(call: OperatorCall, axesInput: number, kind: 'sum' | 'mean' | 'squares'): Value[] {
  const value = call.input(0);
  const reduction = readReduction(call, axesInput);
  const squared = kind === 'squares' && value.kind === 'wire' ? call.draft.multiply(value, value) : value;
  if (reduction === undefined) return [squared];
  if (value.kind === 'constant') {
    const combine = {
      sum,
      mean: (v: Float64Array) => sum(v) / v.length,
      squares: (v: Float64Array) => sum(v.map((x) => x * x)),
    };
    return [foldReduction(value.tensor, reduction, combine[kind])];
  }
  return [addUp(call, squared as WireValue, reduction, kind === 'mean' ? 1 / reduction.taps : 1)];
}

function readExtremum(call: OperatorCall, isLargest: boolean): Value[] {
  const value = call.input(0);
  const reduction = readReduction(call, 18);
  if (reduction === undefined) return [value];
  if (value.kind === 'constant')
    return [
      foldReduction(value.tensor, reduction, (values) =>
        isLargest ? Math.max(...values) : Math.min(...values),
      ),
    ];
  const { shape, taps, inputs } = reduction;
  if (isLargest) return [call.draft.maximum(value, { taps, inputs }, shape.slice(1))];
  const negative = call.draft.affine(value, -1, 0);
  return [call.draft.affine(call.draft.maximum(negative, { taps, inputs }, shape.slice(1)), -1, 0)];
}

function readProduct(call: OperatorCall): Value[] {
  const reduction = readReduction(call, 18);
  if (reduction === undefined) return [call.input(0)];
  const product = (values: Float64Array): number => values.reduce((a, b) => a * b, 1);
  return [foldReduction(call.constant(0, 'data'), reduction, product)];
}

/** The axis of a shape without the batch, as groups for the tail. */
function along(shape: readonly number[], axis: number): { before: number; extent: number; after: number } {
  return { before: sizeOf(shape.slice(0, axis)), extent: shape[axis], after: sizeOf(shape.slice(axis + 1)) };
}

/** Before 13 everything from the axis on is one group. */
function readSoftmax(call: OperatorCall, op: 'softmax' | 'log-softmax' | 'hardmax'): Value[] {
  const x = call.wire(0);
  const rank = x.shape.length + 1;
  const axis = call.axis(call.attributes.int('axis', call.opset < 13 ? 1 : -1), rank) - 1;
  if (axis < 0) throw batchProblem();
  const groups =
    call.opset < 13
      ? { before: sizeOf(x.shape.slice(0, axis)), extent: sizeOf(x.shape.slice(axis)), after: 1 }
      : along(x.shape, axis);
  return [call.draft.tail([x], { op, in: 0, ...groups }, x.shape)];
}

function readArgument(call: OperatorCall, op: 'arg-max' | 'arg-min'): Value[] {
  const x = call.wire(0);
  const axis = call.axis(call.attributes.int('axis', 0), x.shape.length + 1) - 1;
  if (axis < 0) throw batchProblem();
  const isKept = call.attributes.int('keepdims', 1) !== 0;
  const last = call.attributes.int('select_last_index', 0) !== 0;
  const shape = isKept ? x.shape.map((e, i) => (i === axis ? 1 : e)) : x.shape.filter((_, i) => i !== axis);
  return [call.draft.tail([x], { op, in: 0, last, ...along(x.shape, axis) }, shape)];
}

function readTopK(call: OperatorCall): Value[] {
  const x = call.wire(0);
  const axis = call.axis(call.attributes.int('axis', -1), x.shape.length + 1) - 1;
  if (axis < 0) throw batchProblem();
  const count = call.opset < 10 ? call.attributes.int('k', 1) : call.constant(1, 'k').data[0];
  if (!(Number.isInteger(count) && count >= 1 && count <= x.shape[axis]))
    throw new NodeProblem(`the largest ${count} of ${x.shape[axis]}`);
  const largest = call.attributes.int('largest', 1) !== 0;
  const shape = x.shape.map((extent, i) => (i === axis ? count : extent));
  const node = (op: 'top-values' | 'top-indices'): TailNode => ({
    op,
    in: 0,
    count,
    largest,
    ...along(x.shape, axis),
  });
  return [call.draft.tail([x], node('top-values'), shape), call.draft.tail([x], node('top-indices'), shape)];
}

const REDUCTION_ATTRIBUTES = ['axes', 'keepdims', 'noop_with_empty_axes'];

export const REDUCTION_OPERATORS: readonly Operator[] = [
  {
    name: 'ReduceSum',
    becomes: 'linear map',
    attributes: REDUCTION_ATTRIBUTES,
    note: 'axes as input from 13',
    read: (call) => readSum(call, 13, 'sum'),
  },
  {
    name: 'ReduceMean',
    becomes: 'linear map',
    attributes: REDUCTION_ATTRIBUTES,
    note: 'axes as input from 18',
    read: (call) => readSum(call, 18, 'mean'),
  },
  {
    name: 'ReduceSumSquare',
    becomes: 'product',
    attributes: REDUCTION_ATTRIBUTES,
    read: (call) => readSum(call, 18, 'squares'),
  },
  {
    name: 'ReduceMax',
    becomes: 'maximum',
    attributes: REDUCTION_ATTRIBUTES,
    read: (call) => readExtremum(call, true),
  },
  {
    name: 'ReduceMin',
    becomes: 'maximum',
    attributes: REDUCTION_ATTRIBUTES,
    read: (call) => readExtremum(call, false),
  },
  {
    name: 'ReduceProd',
    becomes: 'constant',
    attributes: REDUCTION_ATTRIBUTES,
    note: 'of shapes',
    read: readProduct,
  },
  {
    name: 'Softmax',
    becomes: 'tail',
    attributes: ['axis'],
    note: 'before 13 over everything from the axis on',
    read: (call) => readSoftmax(call, 'softmax'),
  },
  {
    name: 'LogSoftmax',
    becomes: 'tail',
    attributes: ['axis'],
    read: (call) => readSoftmax(call, 'log-softmax'),
  },
  { name: 'Hardmax', becomes: 'tail', attributes: ['axis'], read: (call) => readSoftmax(call, 'hardmax') },
  {
    name: 'ArgMax',
    becomes: 'tail',
    attributes: ['axis', 'keepdims', 'select_last_index'],
    read: (call) => readArgument(call, 'arg-max'),
  },
  {
    name: 'ArgMin',
    becomes: 'tail',
    attributes: ['axis', 'keepdims', 'select_last_index'],
    read: (call) => readArgument(call, 'arg-min'),
  },
  { name: 'TopK', becomes: 'tail', attributes: ['axis', 'k', 'largest', 'sorted'], read: readTopK },
];
