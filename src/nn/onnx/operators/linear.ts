/** Operators that are linear maps with weights: convolutions, matrix products, batch normalisation. */
import { filled } from '../../../base/filled.ts';
import { DenseMap, WindowMap } from '../../graph/linear-map.ts';
import type { QuantisedWeights } from '../../graph/model-graph.ts';
import { channelPlaces, windowMap } from '../../graph/window-places.ts';
import { sizeOf } from '../../tensor/tensor.ts';
import type { ConstantTensor } from '../constant-tensor.ts';
import { NodeProblem } from '../draft.ts';
import type { Value, WireValue } from '../draft.ts';
import { broadcastShape, expanded } from '../../graph/index-maps.ts';
import { batchProblem } from './operator.ts';
import type { Operator, OperatorCall } from './operator.ts';
import { windowsOfCall, transposedWindows, WINDOW_ATTRIBUTES } from './windows.ts';

const BOTH_ENCRYPTED = 'both factors depend on the input';
const BOTH_REMEDY =
  'products of two encrypted matrices (attention) are not supported; cut the model before it';

/** `axis` of the constant becomes the rows of the matrix. */
function quantisedRows(
  weights: ConstantTensor,
  rows: number,
  rowOf: (i: number) => number,
  axis: number,
): QuantisedWeights | undefined {
  const own = weights.quantised;
  if (own === undefined || (own.steps.length > 1 && own.axis !== axis)) return undefined;
  const rowStep = Float64Array.from(
    { length: rows },
    (_, row) => own.steps[own.steps.length === 1 ? 0 : row],
  );
  return { integers: filled(new Int32Array(own.integers.length), (i) => own.integers[rowOf(i)]), rowStep };
}

/** A convolution of real values; shared with the quantised operators. */
export function convolve(
  call: OperatorCall,
  x: WireValue,
  weights: ConstantTensor,
  bias: ArrayLike<number> | undefined,
): WireValue {
  const [inChannels, ...input] = x.shape;
  const [outChannels, perGroup, ...kernel] = weights.shape;
  const groups = call.attributes.int('group', 1);
  if (input.length === 0 || kernel.length !== input.length)
    throw new NodeProblem(`its input has ${x.shape.length + 1} axes, its weights ${weights.shape.length}`);
  if (!(groups >= 1 && perGroup * groups === inChannels && outChannels % groups === 0))
    throw new NodeProblem(`${inChannels} channels do not fit weights for ${groups} groups of ${perGroup}`);
  if (bias !== undefined && bias.length !== outChannels)
    throw new NodeProblem(`${bias.length} biases for ${outChannels} channels`);
  const windows = windowsOfCall(call, input, kernel);
  const positions = sizeOf(windows.output);
  call.draft.allow(groups * positions * perGroup * sizeOf(kernel));
  const map = windowMap(windows, {
    inChannels,
    outChannels,
    groups,
    matrix: weights.data,
    bias: perPosition(bias, outChannels, positions),
  });
  const quantised = quantisedRows(weights, outChannels, (i) => i, 0);
  return call.draft.linear(x, map, [outChannels, ...windows.output], quantised);
}

function perPosition(bias: ArrayLike<number> | undefined, channels: number, positions: number): Float64Array {
  return Float64Array.from(
    { length: channels * positions },
    (_, i) => bias?.[Math.floor(i / positions)] ?? 0,
  );
}

function readConv(call: OperatorCall): Value[] {
  if (call.input(1).kind === 'wire') throw new NodeProblem(BOTH_ENCRYPTED, BOTH_REMEDY);
  const bias = call.optionalConstant(2, 'the bias');
  return [convolve(call, call.wire(0), call.constant(1, 'the weights'), bias?.data)];
}

function readConvTranspose(call: OperatorCall): Value[] {
  const x = call.wire(0);
  const weights = call.constant(1, 'the weights');
  const bias = call.optionalConstant(2, 'the bias')?.data;
  const [inChannels, ...input] = x.shape;
  const [own, perGroup, ...kernel] = weights.shape;
  const groups = call.attributes.int('group', 1);
  if (own !== inChannels || kernel.length !== input.length || !(groups >= 1 && inChannels % groups === 0))
    throw new NodeProblem(
      `weights [${weights.shape.join(', ')}] do not fit ${inChannels} channels in ${groups} groups`,
    );
  const { output, places } = transposedWindows(call, input, kernel);
  const positions = sizeOf(output);
  const inPerGroup = inChannels / groups;
  const taps = inPerGroup * sizeOf(kernel);
  call.draft.allow(groups * positions * taps);
  const channels = groups * perGroup;
  const matrix = new Float64Array(channels * taps);
  const size = sizeOf(kernel);
  for (let channel = 0; channel < channels; channel++)
    for (let tap = 0; tap < taps; tap++) {
      const source = Math.floor(channel / perGroup) * inPerGroup + Math.floor(tap / size);
      matrix[channel * taps + tap] =
        weights.data[(source * perGroup + (channel % perGroup)) * size + (tap % size)];
    }
  const inputs = channelPlaces(places, positions, groups, inPerGroup, sizeOf(input));
  const cols = sizeOf(x.shape);
  const map = new WindowMap({
    cols,
    groups,
    channels,
    taps,
    positions,
    matrix,
    inputs,
    bias: perPosition(bias, channels, positions),
  });
  return [call.draft.linear(x, map, [channels, ...output])];
}

function readGemm(call: OperatorCall): Value[] {
  if (call.input(0).kind === 'constant')
    throw new NodeProblem('its data is the right factor, which mixes the samples', 'export x W^T, not W x');
  if (call.input(1).kind === 'wire') throw new NodeProblem(BOTH_ENCRYPTED, BOTH_REMEDY);
  const x = call.wire(0);
  const weights = call.constant(1, 'the weights');
  if (call.attributes.int('transA', 0) !== 0) throw batchProblem();
  const isTransposed = call.attributes.int('transB', 0) !== 0;
  const alpha = call.attributes.float('alpha', 1);
  const beta = call.attributes.float('beta', 1);
  if (x.shape.length !== 1 || weights.shape.length !== 2)
    throw new NodeProblem(
      `its factors have ${x.shape.length + 1} and ${weights.shape.length} axes, 2 and 2 are needed`,
    );
  const [rows, cols] = isTransposed ? weights.shape : [weights.shape[1], weights.shape[0]];
  if (cols !== x.shape[0]) throw new NodeProblem(`${x.shape[0]} values meet weights for ${cols}`);
  const rowOf = (i: number): number => (isTransposed ? i : (i % cols) * rows + Math.floor(i / cols));
  const matrix = weights.data.map((_, i) => alpha * weights.data[rowOf(i)]);
  const map = new DenseMap(rows, cols, matrix, gemmBias(call, rows, beta));
  const quantised = alpha === 1 ? quantisedRows(weights, rows, rowOf, isTransposed ? 0 : 1) : undefined;
  return [call.draft.linear(x, map, [rows], quantised)];
}

/** [N], [1, N], [1, 1], [1] or a single number; [M, N] would be one row per sample. */
function gemmBias(call: OperatorCall, rows: number, beta: number): Float64Array {
  const addend = call.optionalConstant(2, 'C');
  if (addend === undefined) {
    if (call.opset < 11) throw new NodeProblem('it lacks C, which is required before operator set 11');
    return new Float64Array(rows);
  }
  const shape = broadcastShape(addend.shape, [1, rows]);
  if (shape === undefined || shape.length !== 2 || shape[1] !== rows)
    throw new NodeProblem(`C is [${addend.shape.join(', ')}]`);
  if (shape[0] !== 1) throw batchProblem();
  return Float64Array.from(expanded(addend.shape, [1, rows]).from, (i) => beta * addend.data[i]);
}

/** A product of real values; `data` is the left factor unless `dataOnRight`. Shared with the quantised operators. */
export function multiplyMatrix(
  call: OperatorCall,
  x: WireValue,
  weights: ConstantTensor,
  dataOnRight: boolean,
): WireValue {
  return dataOnRight ? leftProduct(call, x, weights) : rightProduct(call, x, weights);
}

/** x W for x [N, .., K] and W [K], [K, M] or [.., K, M]. */
function rightProduct(call: OperatorCall, x: WireValue, weights: ConstantTensor): WireValue {
  const isVector = weights.shape.length === 1;
  const [inner, columns] = isVector ? [weights.shape[0], 1] : weights.shape.slice(-2);
  const full = [1, ...x.shape];
  if (full.length < 2) throw batchProblem();
  if (full.at(-1) !== inner) throw new NodeProblem(`${full.at(-1)} values meet weights for ${inner}`);
  const outer = weights.shape.slice(0, -2);
  const rowsShape = full.length === 2 ? [] : [full.at(-2)!];
  const blocks = full.length === 2 ? full.slice(0, 1) : full.slice(0, -2);
  const result = broadcastShape(blocks, outer);
  if (result === undefined) throw new NodeProblem('its factors do not broadcast');
  if (outer.length > 0 && (full.length === 2 || result.length !== blocks.length || result[0] !== 1))
    throw batchProblem();
  if (result.join() !== blocks.join()) throw new NodeProblem('its data would be repeated by the product');
  const rowOf = (i: number): number => (i % inner) * columns + Math.floor(i / inner);
  const shape = [...result, ...rowsShape, ...(isVector ? [] : [columns])].slice(1);
  if (sizeOf(outer) === 1) {
    const matrix = weights.data.map((_, i) => weights.data[rowOf(i)]);
    const quantised = quantisedRows(weights, columns, rowOf, weights.shape.length - 1);
    const positions = sizeOf(x.shape) / inner;
    if (positions === 1) return call.draft.linear(x, new DenseMap(columns, inner, matrix), shape, quantised);
    call.draft.allow(positions * inner);
    const inputs = filled(new Int32Array(positions * inner), (i) => i);
    const places = Int32Array.from(
      { length: positions * columns },
      (_, i) => (i % positions) * columns + Math.floor(i / positions),
    );
    const bias = new Float64Array(positions * columns);
    const cols = sizeOf(x.shape);
    const map = new WindowMap({
      cols,
      groups: 1,
      channels: columns,
      taps: inner,
      positions,
      matrix,
      inputs,
      places,
      bias,
    });
    return call.draft.linear(x, map, shape, quantised);
  }
  return blockProducts(call, x, { weights, blocks: result, positions: rowsShape[0], inner, columns }, shape);
}

interface BlockProducts {
  readonly weights: ConstantTensor;
  readonly blocks: readonly number[];
  readonly positions: number;
  readonly inner: number;
  readonly columns: number;
}

/** Every block of rows has weights of its own. */
function blockProducts(
  call: OperatorCall,
  x: WireValue,
  product: BlockProducts,
  shape: readonly number[],
): WireValue {
  const { weights, blocks, positions, inner, columns } = product;
  const groups = sizeOf(blocks);
  call.draft.allow(groups * (positions + columns) * inner);
  const blockOf = expanded(weights.shape.slice(0, -2), blocks).from;
  const matrix = filled(new Float64Array(groups * columns * inner), (i) => {
    const [block, column, k] = [
      Math.floor(i / (columns * inner)),
      Math.floor(i / inner) % columns,
      i % inner,
    ];
    return weights.data[(blockOf[block] * inner + k) * columns + column];
  });
  const inputs = filled(new Int32Array(groups * positions * inner), (i) => i);
  const places = filled(new Int32Array(groups * columns * positions), (i) => {
    const [block, column, row] = [
      Math.floor(i / (columns * positions)),
      Math.floor(i / positions) % columns,
      i % positions,
    ];
    return (block * positions + row) * columns + column;
  });
  const bias = new Float64Array(places.length);
  const cols = sizeOf(x.shape);
  const map = new WindowMap({
    cols,
    groups,
    channels: groups * columns,
    taps: inner,
    positions,
    matrix,
    inputs,
    places,
    bias,
  });
  return call.draft.linear(x, map, shape);
}

/** W x for x [N, .., K, M] and W [R, K]: mixes the second last axis. */
function leftProduct(call: OperatorCall, x: WireValue, weights: ConstantTensor): WireValue {
  if (x.shape.length < 2) throw batchProblem();
  if (sizeOf(weights.shape.slice(0, -2)) !== 1 || weights.shape.length > x.shape.length + 1)
    throw new NodeProblem('a left factor with a batch of matrices is not supported');
  const [inner, columns] = x.shape.slice(-2);
  const isVector = weights.shape.length === 1;
  const [rows, own] = isVector ? [1, weights.shape[0]] : weights.shape.slice(-2);
  if (own !== inner) throw new NodeProblem(`${inner} values meet weights for ${own}`);
  const blocks = sizeOf(x.shape.slice(0, -2));
  const positions = blocks * columns;
  call.draft.allow(positions * inner);
  const inputs = filled(new Int32Array(positions * inner), (i) => {
    const [block, column, k] = [
      Math.floor(i / (columns * inner)),
      Math.floor(i / inner) % columns,
      i % inner,
    ];
    return (block * inner + k) * columns + column;
  });
  const places = filled(new Int32Array(rows * positions), (i) => {
    const [row, block, column] = [
      Math.floor(i / positions),
      Math.floor((i % positions) / columns),
      i % columns,
    ];
    return (block * rows + row) * columns + column;
  });
  const bias = new Float64Array(places.length);
  const fields = {
    groups: 1,
    channels: rows,
    taps: inner,
    positions,
    matrix: weights.data,
    inputs,
    places,
    bias,
  };
  const shape = [...x.shape.slice(0, -2), ...(isVector ? [] : [rows]), columns];
  return call.draft.linear(x, new WindowMap({ cols: sizeOf(x.shape), ...fields }), shape);
}

function readMatMul(call: OperatorCall): Value[] {
  const [left, right] = [call.input(0), call.input(1)];
  if (left.kind === 'wire' && right.kind === 'wire') throw new NodeProblem(BOTH_ENCRYPTED, BOTH_REMEDY);
  const dataOnRight = right.kind === 'wire';
  return [
    multiplyMatrix(
      call,
      call.wire(dataOnRight ? 1 : 0),
      call.constant(dataOnRight ? 0 : 1, 'a factor'),
      dataOnRight,
    ),
  ];
}

function readBatchNormalization(call: OperatorCall): Value[] {
  const x = call.wire(0);
  if (
    call.attributes.int('training_mode', 0) !== 0 ||
    (call.opset < 14 && call.wanted.slice(1).includes(true))
  )
    throw new NodeProblem('it is in training mode', 'export the model in evaluation mode');
  const [scale, shift, mean, variance] = [1, 2, 3, 4].map((i) => call.constant(i, 'a statistic'));
  const epsilon = call.attributes.float('epsilon', 1e-5);
  const size = sizeOf(x.shape);
  const perElement = call.opset < 9 && call.attributes.int('spatial', 1) === 0;
  const count = perElement ? size : x.shape[0];
  for (const statistic of [scale, shift, mean, variance])
    if (statistic.data.length !== count)
      throw new NodeProblem(`${statistic.data.length} statistics for ${count} channels`);
  const inside = size / count;
  const factors = filled(new Float64Array(size), (i) => {
    const channel = Math.floor(i / inside);
    return scale.data[channel] / Math.sqrt(variance.data[channel] + epsilon);
  });
  const offsets = factors.map(
    (factor, i) => shift.data[Math.floor(i / inside)] - factor * mean.data[Math.floor(i / inside)],
  );
  return [call.draft.affine(x, factors, offsets)];
}

export const LINEAR_OPERATORS: readonly Operator[] = [
  {
    name: 'Conv',
    becomes: 'linear map',
    attributes: [...WINDOW_ATTRIBUTES, 'group'],
    note: 'one, two or three spatial axes; weights must be constant',
    read: readConv,
  },
  {
    name: 'ConvTranspose',
    becomes: 'linear map',
    attributes: [...WINDOW_ATTRIBUTES, 'group', 'output_padding', 'output_shape'],
    note: 'the odd cell of SAME padding lies as in operator set 11, also in older files',
    read: readConvTranspose,
  },
  {
    name: 'Gemm',
    becomes: 'linear map',
    attributes: ['alpha', 'beta', 'transA', 'transB'],
    note: 'data on the left, not transposed; C optional from 11',
    read: readGemm,
  },
  {
    name: 'MatMul',
    becomes: 'linear map',
    attributes: [],
    note: 'one factor constant; on the left it mixes the second last axis',
    read: readMatMul,
  },
  {
    name: 'BatchNormalization',
    becomes: 'linear map',
    attributes: ['epsilon', 'momentum', 'spatial', 'training_mode'],
    note: 'not in training mode; spatial=0 before 9 is per element',
    read: readBatchNormalization,
  },
];
