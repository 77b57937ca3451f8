/**
 * Quantised models. Weights keep their integers; a value that is quantised on the way is the real number it stands for, rounded
 * and clipped by an element function, together with the step and zero point of its integers.
 */
import { filled } from '../../../base/filled.ts';
import { sizeOf } from '../../tensor/tensor.ts';
import { roundHalfToEven } from '../../graph/element-functions.ts';
import { constant } from '../constant-tensor.ts';
import type { ConstantTensor } from '../constant-tensor.ts';
import { constantValue, NodeProblem } from '../draft.ts';
import type { Quantisation, Value, WireValue } from '../draft.ts';
import type { DataTypeName } from '../onnx-schema.ts';
import { convolve, multiplyMatrix } from './linear.ts';
import type { Operator, OperatorCall } from './operator.ts';

const RANGES: Readonly<Partial<Record<DataTypeName, readonly [low: number, high: number]>>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65_535],
  int16: [-32_768, 32_767],
  int32: [-(2 ** 31), 2 ** 31 - 1],
};

function rangeOf(type: DataTypeName): readonly [number, number] {
  const range = RANGES[type];
  if (range === undefined) throw new NodeProblem(`integers of type ${type} are not supported`);
  return range;
}

/** Step and zero point of a value, which must be one number each. */
function activationStep(
  call: OperatorCall,
  at: number,
  otherwise: DataTypeName,
): Quantisation & { readonly type: DataTypeName } {
  const scale = call.constant(at, 'the step');
  const zero = call.optionalConstant(at + 1, 'the zero point');
  if (scale.data.length !== 1)
    throw new NodeProblem('a value with several steps; only weights may have one per channel');
  if (!(scale.data[0] > 0)) throw new NodeProblem(`a step of ${scale.data[0]}`);
  return { scale: scale.data[0], zero: zero?.data[0] ?? 0, type: zero?.type ?? otherwise };
}

/** The real numbers of a wire, rounded to what integers of the type can express. */
function rounded(
  call: OperatorCall,
  x: WireValue,
  { scale, zero, type }: Quantisation & { readonly type: DataTypeName },
): WireValue {
  const [low, high] = rangeOf(type);
  const result = call.draft.function(x, 'fake-quantise', [
    scale,
    (low - zero) * scale,
    (high - zero) * scale,
  ]);
  return { ...result, quantised: { scale, zero } };
}

/** The real numbers that the integers of a wire stand for under a step and zero point. */
function dequantised(call: OperatorCall, x: WireValue, { scale, zero }: Quantisation): WireValue {
  const { quantised, ...real } = x;
  if (quantised === undefined) return call.draft.affine(x, scale, -zero * scale);
  if (quantised.scale === scale && quantised.zero === zero) return real;
  return call.draft.affine(real, scale / quantised.scale, (quantised.zero - zero) * scale);
}

function readQuantize(call: OperatorCall): Value[] {
  const value = call.input(0);
  if (call.attributes.int('block_size', 0) !== 0) throw new NodeProblem('steps per block');
  if (value.kind === 'wire') {
    const type = ([undefined, undefined, 'uint8', 'int8', 'uint16', 'int16', 'int32'] as const)[
      call.attributes.int('output_dtype', 0)
    ];
    return [rounded(call, value, activationStep(call, 1, type ?? 'uint8'))];
  }
  const { tensor } = value;
  const steps = weightSteps(call, tensor, 1);
  const [low, high] = rangeOf(steps.type);
  const data = Array.from(tensor.data, (v, i) =>
    Math.min(Math.max(roundHalfToEven(v / steps.scaleAt(i)) + steps.zeroAt(i), low), high),
  );
  return [constantValue(constant(steps.type, tensor.shape, data))];
}

interface WeightSteps {
  readonly type: DataTypeName;
  readonly axis: number;
  readonly scales: Float64Array;
  readonly scaleAt: (i: number) => number;
  readonly zeroAt: (i: number) => number;
}

/** One step for all elements, or one per index along `axis`. */
function weightSteps(call: OperatorCall, tensor: ConstantTensor, at: number): WeightSteps {
  const scale = call.constant(at, 'the step');
  const zero = call.optionalConstant(at + 1, 'the zero point');
  const isOne = scale.data.length === 1;
  const axis = isOne ? 0 : call.axis(call.attributes.int('axis', 1), tensor.shape.length);
  if (!isOne && (scale.shape.length !== 1 || scale.data.length !== tensor.shape[axis]))
    throw new NodeProblem(`${scale.data.length} steps for an axis of ${tensor.shape[axis]}`);
  if (zero !== undefined && zero.data.length !== scale.data.length)
    throw new NodeProblem('as many zero points as steps are needed');
  const after = sizeOf(tensor.shape.slice(axis + 1));
  const index = (i: number): number => (isOne ? 0 : Math.floor(i / after) % tensor.shape[axis]);
  return {
    type: zero?.type ?? 'uint8',
    axis,
    scales: Float64Array.from(scale.data),
    scaleAt: (i) => scale.data[index(i)],
    zeroAt: (i) => zero?.data[index(i)] ?? 0,
  };
}

/** Constant integers as weights that remember them. */
function dequantisedWeights(
  tensor: ConstantTensor,
  { scales, axis, scaleAt, zeroAt }: WeightSteps,
): ConstantTensor {
  const integers = filled(new Int32Array(tensor.data.length), (i) => tensor.data[i] - zeroAt(i));
  const data = filled(new Float32Array(integers.length), (i) => integers[i] * scaleAt(i));
  return { type: 'float32', shape: tensor.shape, data, quantised: { integers, steps: scales, axis } };
}

function readDequantize(call: OperatorCall): Value[] {
  const value = call.input(0);
  if (call.attributes.int('block_size', 0) !== 0) throw new NodeProblem('steps per block');
  if (value.kind === 'constant')
    return [constantValue(dequantisedWeights(value.tensor, weightSteps(call, value.tensor, 1)))];
  return [dequantised(call, value, activationStep(call, 1, 'uint8'))];
}

/** Weights of an operator that has data, step and zero point side by side; steps may be per row of the result. */
function operatorWeights(call: OperatorCall, at: number, axis: number): ConstantTensor {
  const tensor = call.constant(at, 'the weights');
  const scale = call.constant(at + 1, 'the step');
  const zero = call.optionalConstant(at + 2, 'the zero point');
  const isOne = scale.data.length === 1;
  const after = sizeOf(tensor.shape.slice(axis + 1));
  const index = (i: number, list: ConstantTensor): number =>
    list.data.length === 1 ? 0 : Math.floor(i / after) % tensor.shape[axis];
  if (!isOne && scale.data.length !== tensor.shape[axis])
    throw new NodeProblem(`${scale.data.length} steps for ${tensor.shape[axis]} rows`);
  return dequantisedWeights(tensor, {
    type: tensor.type,
    axis,
    scales: Float64Array.from(scale.data),
    scaleAt: (i) => scale.data[index(i, scale)],
    zeroAt: (i) => (zero === undefined ? 0 : zero.data[index(i, zero)]),
  });
}

function readQLinearConv(call: OperatorCall): Value[] {
  const input = activationStep(call, 1, 'uint8');
  const x = dequantised(call, call.wire(0), input);
  const weights = operatorWeights(call, 3, 0);
  const bias = call.optionalConstant(8, 'the bias');
  const steps = weights.quantised!.steps;
  const real =
    bias === undefined
      ? undefined
      : Float64Array.from(bias.data, (b, i) => b * input.scale * steps[steps.length === 1 ? 0 : i]);
  return [rounded(call, convolve(call, x, weights, real), activationStep(call, 6, 'uint8'))];
}

function readQLinearMatMul(call: OperatorCall): Value[] {
  const x = dequantised(call, call.wire(0), activationStep(call, 1, 'uint8'));
  const tensor = call.constant(3, 'the weights');
  const weights = operatorWeights(call, 3, tensor.shape.length - 1);
  return [rounded(call, multiplyMatrix(call, x, weights, false), activationStep(call, 6, 'uint8'))];
}

/** Integers minus their zero points, as real numbers with a step of 1. */
function integerOperands(call: OperatorCall): { readonly x: WireValue; readonly weights: ConstantTensor } {
  const [xZero, wZero] = [call.optionalConstant(2, 'a zero point'), call.optionalConstant(3, 'a zero point')];
  if ((xZero?.data.length ?? 1) !== 1 || (wZero?.data.length ?? 1) !== 1)
    throw new NodeProblem('several zero points');
  const weights = call.constant(1, 'the weights');
  const zero = wZero?.data[0] ?? 0;
  const integers = filled(new Int32Array(weights.data.length), (i) => weights.data[i] - zero);
  const x = dequantised(call, call.wire(0), { scale: 1, zero: xZero?.data[0] ?? 0 });
  const quantised = { integers, steps: Float64Array.of(1), axis: 0 };
  return {
    x,
    weights: { type: 'float64', shape: weights.shape, data: Float64Array.from(integers), quantised },
  };
}

function readConvInteger(call: OperatorCall): Value[] {
  const { x, weights } = integerOperands(call);
  return [convolve(call, x, weights, undefined)];
}

function readMatMulInteger(call: OperatorCall): Value[] {
  const { x, weights } = integerOperands(call);
  return [multiplyMatrix(call, x, weights, false)];
}

const WINDOW = ['kernel_shape', 'strides', 'pads', 'dilations', 'auto_pad', 'group'];

export const QUANTISED_OPERATORS: readonly Operator[] = [
  {
    name: 'QuantizeLinear',
    opsets: [10, 23],
    becomes: 'function',
    attributes: ['axis', 'saturate', 'block_size', 'output_dtype', 'precision'],
    note: 'of data: rounding and clipping; halves to even; no steps per block',
    read: readQuantize,
  },
  {
    name: 'DequantizeLinear',
    opsets: [10, 23],
    becomes: 'linear map',
    attributes: ['axis', 'block_size', 'output_dtype'],
    note: 'weights keep their integers; no steps per block',
    read: readDequantize,
  },
  { name: 'QLinearConv', opsets: [10, 23], becomes: 'linear map', attributes: WINDOW, read: readQLinearConv },
  { name: 'QLinearMatMul', opsets: [10, 23], becomes: 'linear map', attributes: [], read: readQLinearMatMul },
  { name: 'ConvInteger', opsets: [10, 23], becomes: 'linear map', attributes: WINDOW, read: readConvInteger },
  { name: 'MatMulInteger', opsets: [10, 23], becomes: 'linear map', attributes: [], read: readMatMulInteger },
];

/** Operators that leave the integers of a quantised value what they are; every other one is given the integers themselves. */
export const KEEPS_QUANTISATION: ReadonlySet<string> = new Set([
  'DequantizeLinear',
  'QLinearConv',
  'QLinearMatMul',
  'ConvInteger',
  'MatMulInteger',
  ...[
    'Identity',
    'Reshape',
    'Flatten',
    'Transpose',
    'Squeeze',
    'Unsqueeze',
    'Slice',
    'Gather',
    'MaxPool',
    'GlobalMaxPool',
    'Dropout',
  ],
]);
