/** Normalisation by the statistics of the sample itself. */
import { sizeOf } from '../../tensor/tensor.ts';
import type { ConstantTensor } from '../constant-tensor.ts';
import { NodeProblem } from '../draft.ts';
import type { Value } from '../draft.ts';
import { broadcastShape, expanded } from '../../graph/index-maps.ts';
import { batchProblem } from './operator.ts';
import type { Operator, OperatorCall } from './operator.ts';

/** A gain or shift for every element of a sample. */
function perElement(
  tensor: ConstantTensor | undefined,
  shape: readonly number[],
  otherwise: number,
): Float64Array {
  if (tensor === undefined) return new Float64Array(sizeOf(shape)).fill(otherwise);
  if (broadcastShape(tensor.shape, shape)?.join() !== shape.join())
    throw new NodeProblem(`[${tensor.shape.join(', ')}] does not broadcast to [${shape.join(', ')}]`);
  return Float64Array.from(expanded(tensor.shape, shape).from, (at) => tensor.data[at]);
}

function readLayerNorm(call: OperatorCall): Value[] {
  if (call.wanted.slice(1).includes(true)) throw new NodeProblem('its statistics are used');
  const x = call.wire(0);
  const axis = call.axis(call.attributes.int('axis', -1), x.shape.length + 1) - 1;
  if (axis < 0) throw batchProblem();
  const axes = x.shape.map((_, i) => i).slice(axis);
  const gain = perElement(call.optionalConstant(1, 'the scale'), x.shape, 1);
  const bias = perElement(call.optionalConstant(2, 'the shift'), x.shape, 0);
  return [call.draft.norm(x, axes, call.attributes.float('epsilon', 1e-5), gain, bias)];
}

function perChannel(tensor: ConstantTensor, shape: readonly number[]): Float64Array {
  if (tensor.data.length !== shape[0])
    throw new NodeProblem(`${tensor.data.length} gains for ${shape[0]} channels`);
  const inside = sizeOf(shape.slice(1));
  return Float64Array.from({ length: sizeOf(shape) }, (_, i) => tensor.data[Math.floor(i / inside)]);
}

function readInstanceNorm(call: OperatorCall): Value[] {
  const x = call.wire(0);
  if (x.shape.length < 2) throw new NodeProblem('its input has no spatial axes');
  const axes = x.shape.map((_, i) => i).slice(1);
  const gain = perChannel(call.constant(1, 'the scale'), x.shape);
  const bias = perChannel(call.constant(2, 'the shift'), x.shape);
  return [call.draft.norm(x, axes, call.attributes.float('epsilon', 1e-5), gain, bias)];
}

function readGroupNorm(call: OperatorCall): Value[] {
  const x = call.wire(0);
  const groups = call.attributes.int('num_groups', 1);
  const [scale, shift] = [call.constant(1, 'the scale'), call.constant(2, 'the shift')];
  if (!(groups >= 1 && x.shape[0] % groups === 0))
    throw new NodeProblem(`${x.shape[0]} channels in ${groups} groups`);
  const size = sizeOf(x.shape);
  const grouped = call.draft.reshape(x, [groups, size / groups]);
  // Gains are per group in 18, per channel from 21.
  const inside = size / scale.data.length;
  if (scale.data.length !== (call.opset < 21 ? groups : x.shape[0]))
    throw new NodeProblem(`${scale.data.length} gains`);
  const spread = (tensor: ConstantTensor): Float64Array =>
    Float64Array.from({ length: size }, (_, i) => tensor.data[Math.floor(i / inside)]);
  const normal = call.draft.norm(
    grouped,
    [1],
    call.attributes.float('epsilon', 1e-5),
    spread(scale),
    spread(shift),
  );
  return [call.draft.reshape(normal, x.shape)];
}

/** The recognised pattern without gain and shift: epsilon may be a number of any rank. */
function readNormCore(call: OperatorCall): Value[] {
  const x = call.wire(0);
  const axes = call.attributes.ints('axes')!.map((axis) => call.axis(axis, x.shape.length + 1) - 1);
  if (axes.includes(-1)) throw batchProblem();
  const size = sizeOf(x.shape);
  return [
    call.draft.norm(
      x,
      axes,
      call.attributes.float('epsilon', 0),
      new Float64Array(size).fill(1),
      new Float64Array(size),
    ),
  ];
}

/** Domain of the nodes that pattern recognition puts in place of several. */
export const RECOGNISED_DOMAIN = 'subrosa.recognised';

export const NORM_OPERATORS: readonly Operator[] = [
  {
    name: 'LayerNormalization',
    opsets: [17, 23],
    becomes: 'norm',
    attributes: ['axis', 'epsilon', 'stash_type'],
    note: 'also recognised when written with ReduceMean, Sub, Pow, Sqrt and Div',
    read: readLayerNorm,
  },
  { name: 'InstanceNormalization', becomes: 'norm', attributes: ['epsilon'], read: readInstanceNorm },
  {
    name: 'GroupNormalization',
    opsets: [18, 23],
    becomes: 'norm',
    attributes: ['epsilon', 'num_groups', 'stash_type'],
    note: 'gains per group before 21',
    read: readGroupNorm,
  },
  {
    name: 'Norm',
    domain: RECOGNISED_DOMAIN,
    opsets: [1, 1],
    becomes: 'norm',
    attributes: ['axes', 'epsilon'],
    read: readNormCore,
  },
];
