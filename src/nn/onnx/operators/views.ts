/** Operators that only rearrange: they cost nothing once merged into the maps next to them. */
import { GatherMap } from '../../graph/linear-map.ts';
import { sizeOf } from '../../tensor/tensor.ts';
import { constant, dataTypeName, isIntegerType } from '../constant-tensor.ts';
import { BATCH, constantValue, mappedConstant, NodeProblem } from '../draft.ts';
import type { Value, WireValue } from '../draft.ts';
import { chosen, expanded, broadcastShape, transposed } from '../../graph/index-maps.ts';
import { batchProblem, optionalIntegers } from './operator.ts';
import type { Operator, OperatorCall } from './operator.ts';

/** Another shape of the same elements, with a batch axis of 1 for data. */
function reshaped(call: OperatorCall, value: Value, shape: readonly number[]): Value {
  if (value.kind === 'constant') return constantValue({ ...value.tensor, shape });
  if (value.kind !== 'wire') return value;
  return call.draft.reshape(value, shape.slice(1));
}

/**
 * Extents of a Reshape: 0 copies, -1 is worked out. For data the first extent must come out as the samples: computed from
 * `Shape`, worked out by -1, copied, or the number of samples that the model was exported with.
 */
function readReshape(call: OperatorCall): Value[] {
  const value = call.input(0);
  const asked = optionalIntegers(call.constant(1, 'the shape'))!;
  const source = value.kind === 'wire' ? [BATCH, ...value.shape] : value.tensor.shape;
  const isZeroKept = call.attributes.int('allowzero', 0) !== 0;
  const shape = asked.map((extent, axis) =>
    extent === 0 && !isZeroKept ? (source[axis] ?? Number.NaN) : extent,
  );
  if (value.kind === 'wire' && shape[0] !== BATCH && shape[0] !== -1 && shape[0] === call.declaredBatch)
    shape[0] = BATCH;
  const total = sizeOf(source);
  const open = shape.indexOf(-1);
  if (open >= 0) {
    const rest = shape.reduce((product, extent, axis) => (axis === open ? product : product * extent), 1);
    shape[open] = total / rest;
  }
  if (!shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0) || sizeOf(shape) !== total) {
    if (value.kind === 'wire' && !shape.includes(BATCH)) throw batchProblem();
    throw new NodeProblem(
      `${value.kind === 'wire' ? sizeOf(value.shape) : total} elements do not fit shape [${asked.join(', ')}]`,
    );
  }
  if (value.kind === 'wire' && shape[0] !== BATCH) throw batchProblem();
  return [reshaped(call, value, shape)];
}

function readFlatten(call: OperatorCall): Value[] {
  const value = call.input(0);
  const shape = value.kind === 'wire' ? [1, ...value.shape] : value.tensor.shape;
  const stated = call.attributes.int('axis', 1);
  const axis = stated === shape.length ? stated : stated === 0 ? 0 : call.axis(stated, shape.length);
  if (value.kind === 'wire' && axis !== 1) throw batchProblem();
  return [reshaped(call, value, [sizeOf(shape.slice(0, axis)), sizeOf(shape.slice(axis))])];
}

function readTranspose(call: OperatorCall): Value[] {
  const value = call.input(0);
  const shape = call.fullShape(value);
  // Without perm the axes are reversed, the samples included.
  const perm = call.attributes.ints('perm') ?? shape.map((_, i) => shape.length - 1 - i);
  if (
    perm.length !== shape.length ||
    new Set(perm.map((axis) => call.axis(axis, shape.length))).size !== shape.length
  )
    throw new NodeProblem(`perm [${perm.join(', ')}] is no order of ${shape.length} axes`);
  if (value.kind === 'wire' && perm[0] !== 0) throw batchProblem();
  return [call.view(value, transposed(shape, perm))];
}

function readSqueeze(call: OperatorCall): Value[] {
  const value = call.input(0);
  const shape = call.fullShape(value);
  const stated = call.intsOf('axes', 1)?.map((axis) => call.axis(axis, shape.length));
  // Without axes a single sample would lose its batch axis, and two would not.
  if (stated === undefined && value.kind === 'wire') throw batchProblem();
  const axes = stated ?? shape.flatMap((extent, axis) => (extent === 1 ? [axis] : []));
  if (value.kind === 'wire' && axes.includes(0)) throw batchProblem();
  if (axes.some((axis) => shape[axis] !== 1)) throw new NodeProblem('it drops an axis that is not 1');
  return [
    reshaped(
      call,
      value,
      shape.filter((_, axis) => !axes.includes(axis)),
    ),
  ];
}

function readUnsqueeze(call: OperatorCall): Value[] {
  const value = call.input(0);
  const shape = call.fullShape(value);
  const stated = call.intsOf('axes', 1) ?? [];
  // They refer to the result.
  const rank = shape.length + stated.length;
  const axes = new Set(stated.map((axis) => call.axis(axis, rank)));
  if (axes.size !== stated.length) throw new NodeProblem('it repeats an axis');
  if (value.kind === 'wire' && axes.has(0)) throw batchProblem();
  let next = 0;
  return [
    reshaped(
      call,
      value,
      Array.from({ length: rank }, (_, axis) => (axes.has(axis) ? 1 : shape[next++])),
    ),
  ];
}

function readConcat(call: OperatorCall): Value[] {
  const values = call.inputs.map((_, i) => call.input(i));
  const shapes = values.map((value) => call.fullShape(value));
  const axis = call.axis(call.attributes.int('axis', 0), shapes[0].length);
  const isSound = shapes.every(
    (shape) => shape.length === shapes[0].length && shape.every((e, i) => i === axis || e === shapes[0][i]),
  );
  if (!isSound) throw new NodeProblem('its inputs differ in other axes than the one they are joined along');
  const extent = shapes.reduce((sum, shape) => sum + shape[axis], 0);
  const shape = shapes[0].map((e, i) => (i === axis ? extent : e));
  const texts = values.flatMap((value) => (value.kind === 'constant' ? [...(value.tensor.texts ?? [])] : []));
  if (texts.length > 0) throw new NodeProblem('it joins texts');
  const isData = values.some(({ kind }) => kind === 'wire');
  if (isData && axis === 0) throw batchProblem();
  call.draft.allow(sizeOf(shape) * values.length);
  let start = 0;
  const parts = values.map((value, i) => {
    const own = shapes[i][axis];
    const first = start;
    start += own;
    const indices = Int32Array.from({ length: extent }, (_, at) =>
      at >= first && at < first + own ? at - first : -1,
    );
    return { value, from: chosen(shapes[i], axis, indices).from };
  });
  const whole = new Float64Array(sizeOf(shape));
  for (const { value, from } of parts)
    if (value.kind === 'constant')
      from.forEach((at, i) => (at >= 0 ? (whole[i] = value.tensor.data[at]) : 0));
  if (!isData) {
    const type = values[0].kind === 'constant' ? values[0].tensor.type : 'float32';
    return [constantValue(constant(type, shape, whole))];
  }
  const inner = shape.slice(1);
  let sum: WireValue | undefined;
  for (const { value, from } of parts) {
    if (value.kind !== 'wire') continue;
    const bias = sum === undefined ? whole : new Float64Array(whole.length);
    const part = call.draft.linear(value, new GatherMap(from, sizeOf(value.shape), bias), inner);
    sum = sum === undefined ? part : call.draft.add(sum, part);
  }
  return [sum!];
}

function readSplit(call: OperatorCall): Value[] {
  const value = call.input(0);
  const shape = call.fullShape(value);
  const axis = call.axis(call.attributes.int('axis', 0), shape.length);
  if (value.kind === 'wire' && axis === 0) throw batchProblem();
  const count = call.attributes.int('num_outputs', call.wanted.length);
  // The last part is smaller when they are uneven (18).
  const each = Math.ceil(shape[axis] / count);
  const sizes =
    call.intsOf('split', 1) ??
    Array.from({ length: count }, (_, i) => Math.min(each, shape[axis] - i * each));
  if (sizes.reduce((sum, size) => sum + size, 0) !== shape[axis] || sizes.some((size) => size < 1))
    throw new NodeProblem(`parts of [${sizes.join(', ')}] do not fit ${shape[axis]}`);
  let start = 0;
  return sizes.map((size) => {
    const indices = Int32Array.from({ length: size }, (_, i) => start + i);
    start += size;
    return call.view(value, chosen(shape, axis, indices));
  });
}

function readSlice(call: OperatorCall): Value[] {
  let value: Value = call.input(0);
  const rank = call.fullShape(value).length;
  const starts = call.intsOf('starts', 1) ?? [];
  const ends = call.intsOf('ends', 2) ?? [];
  const axes = call.intsOf('axes', 3) ?? starts.map((_, i) => i);
  const steps = optionalIntegers(call.optionalConstant(4, 'the steps')) ?? starts.map(() => 1);
  if (![ends, axes, steps].every((list) => list.length === starts.length))
    throw new NodeProblem('starts, ends, axes and steps differ in length');
  axes.forEach((stated, i) => {
    const axis = call.axis(stated, rank);
    const shape = call.fullShape(value);
    const indices = sliced(shape[axis], starts[i], ends[i], steps[i]);
    const isWhole = indices.length === shape[axis] && steps[i] > 0;
    if (value.kind === 'wire' && axis === 0) {
      // The whole batch may be stated as 0 up to a very large number.
      if (starts[i] === 0 && steps[i] === 1 && (ends[i] === BATCH || ends[i] >= 2 ** 31 - 1)) return;
      throw batchProblem();
    }
    if (indices.length === 0) throw new NodeProblem('its result is empty');
    if (!isWhole) value = call.view(value, chosen(shape, axis, indices));
  });
  return [value];
}

/** Ends of 2^63 - 1 and negative steps included. */
function sliced(extent: number, start: number, end: number, step: number): number[] {
  if (!Number.isInteger(step) || step === 0) throw new NodeProblem('a step of 0');
  const clamp = (value: number, low: number, high: number): number =>
    Math.min(Math.max(value < 0 ? value + extent : value, low), high);
  const indices: number[] = [];
  if (step > 0) for (let i = clamp(start, 0, extent); i < clamp(end, 0, extent); i += step) indices.push(i);
  else for (let i = clamp(start, 0, extent - 1); i > clamp(end, -1, extent - 1); i += step) indices.push(i);
  return indices;
}

function readGather(call: OperatorCall): Value[] {
  const value = call.input(0);
  const shape = call.fullShape(value);
  const axis = call.axis(call.attributes.int('axis', 0), shape.length);
  const index = call.constant(1, 'the indices');
  if (value.kind === 'wire' && axis === 0) throw batchProblem();
  const indices = Int32Array.from(index.data, (i) => call.axis(i, shape[axis]));
  const { from } = chosen(shape, axis, indices);
  return [
    call.view(value, { shape: [...shape.slice(0, axis), ...index.shape, ...shape.slice(axis + 1)], from }),
  ];
}

function readExpand(call: OperatorCall): Value[] {
  const value = call.input(0);
  const asked = optionalIntegers(call.constant(1, 'the shape'))!;
  const own = call.fullShape(value);
  const stated =
    value.kind === 'wire' &&
    asked.length === own.length &&
    (asked[0] === BATCH || asked[0] === call.declaredBatch)
      ? [1, ...asked.slice(1)]
      : asked;
  if (stated.includes(BATCH)) throw batchProblem();
  const shape = broadcastShape(own, stated);
  if (shape === undefined)
    throw new NodeProblem(`[${own.join(', ')}] does not expand to [${asked.join(', ')}]`);
  if (value.kind === 'wire' && (shape.length !== own.length || shape[0] !== 1)) throw batchProblem();
  call.draft.allow(sizeOf(shape));
  return [call.view(value, expanded(own, shape))];
}

function readTile(call: OperatorCall): Value[] {
  let value: Value = call.input(0);
  const repeats = optionalIntegers(call.constant(1, 'the repeats'))!;
  if (value.kind === 'wire' && repeats[0] !== 1) throw batchProblem();
  repeats.forEach((count, axis) => {
    const shape = call.fullShape(value);
    if (!(Number.isInteger(count) && count >= 1 && axis < shape.length))
      throw new NodeProblem(`${count} repeats of axis ${axis}`);
    call.draft.allow(sizeOf(shape) * count);
    if (count > 1)
      value = call.view(
        value,
        chosen(
          shape,
          axis,
          Int32Array.from({ length: shape[axis] * count }, (_, i) => i % shape[axis]),
        ),
      );
  });
  return [value];
}

/** [N, C, H, W] with blocks of channels as cells (DepthToSpace), or back. */
function readBlocks(call: OperatorCall, toSpace: boolean): Value[] {
  const x = call.wire(0);
  const [channels, height, width] = x.shape;
  const block = call.attributes.int('blocksize', 0);
  const isDepthFirst = call.attributes.text('mode', 'DCR') === 'DCR';
  if (x.shape.length !== 3 || !(Number.isInteger(block) && block >= 1))
    throw new NodeProblem('it needs an image and a block size');
  const isWhole = toSpace ? channels % block ** 2 === 0 : height % block === 0 && width % block === 0;
  if (!isWhole) throw new NodeProblem(`[${x.shape.join(', ')}] does not divide into blocks of ${block}`);
  if (!toSpace) {
    const split = transposed([channels, height / block, block, width / block, block], [2, 4, 0, 1, 3]);
    return [call.draft.gather(x, split.from, [channels * block ** 2, height / block, width / block])];
  }
  const depth = channels / block ** 2;
  const joined = isDepthFirst
    ? transposed([block, block, depth, height, width], [2, 3, 0, 4, 1])
    : transposed([depth, block, block, height, width], [0, 3, 1, 4, 2]);
  return [call.draft.gather(x, joined.from, [depth, height * block, width * block])];
}

/** Zeros or another constant outside, or a mirrored, repeated or continued edge: all of them affine. */
function readPad(call: OperatorCall): Value[] {
  const value = call.input(0);
  const mode = call.attributes.text('mode', 'constant');
  const shape = call.fullShape(value);
  const pads = call.intsOf('pads', 1) ?? [];
  const axes =
    optionalIntegers(call.optionalConstant(3, 'the axes'))?.map((axis) => call.axis(axis, shape.length)) ??
    shape.map((_, i) => i);
  if (pads.length !== 2 * axes.length) throw new NodeProblem(`${pads.length} pads for ${axes.length} axes`);
  const fill =
    call.opset < 11
      ? call.attributes.float('value', 0)
      : (call.optionalConstant(2, 'the value')?.data[0] ?? 0);
  let result: Value = value;
  let outside: Uint8Array | undefined;
  axes.forEach((axis, i) => {
    const [before, after] = [pads[i], pads[i + axes.length]];
    if (before === 0 && after === 0) return;
    if (value.kind === 'wire' && axis === 0) throw batchProblem();
    const own = call.fullShape(result);
    const extent = own[axis];
    const length = extent + before + after;
    if (!(length >= 1 && Number.isSafeInteger(length))) throw new NodeProblem('its result is empty');
    call.draft.allow((sizeOf(own) / extent) * length);
    const indices = Int32Array.from({ length }, (_, at) => padded(at - before, extent, mode));
    const view = chosen(own, axis, indices);
    const earlier = outside;
    outside = Uint8Array.from(view.from, (at) => (at < 0 || earlier?.[at] === 1 ? 1 : 0));
    result = call.view(result, view);
  });
  if (fill === 0 || outside === undefined) return [result];
  const filling = Float64Array.from(outside, (isOutside) => isOutside * fill);
  if (result.kind === 'wire') return [call.draft.affine(result, 1, filling)];
  const { tensor } = result as Extract<Value, { kind: 'constant' }>;
  return [
    constantValue(
      constant(
        tensor.type,
        tensor.shape,
        filling.map((v, i) => v + tensor.data[i]),
      ),
    ),
  ];
}

function padded(at: number, extent: number, mode: string): number {
  if (at >= 0 && at < extent) return at;
  if (mode === 'constant') return -1;
  if (mode === 'edge') return at < 0 ? 0 : extent - 1;
  if (mode === 'wrap') return ((at % extent) + extent) % extent;
  if (mode !== 'reflect') throw new NodeProblem(`mode is ${mode}`);
  if (extent === 1) throw new NodeProblem('it mirrors a single element');
  const period = 2 * (extent - 1);
  const inside = ((at % period) + period) % period;
  return inside < extent ? inside : period - inside;
}

function readDropout(call: OperatorCall): Value[] {
  const training = call.opset < 12 ? undefined : call.optionalConstant(2, 'training_mode');
  if (training !== undefined && training.data[0] !== 0)
    throw new NodeProblem('it is in training mode', 'export the model in evaluation mode');
  const value = call.input(0);
  if (call.wanted[1] !== true) return [value];
  // The mask keeps everything.
  const shape = call.fullShape(value);
  return [value, constantValue(constant('bool', shape, new Float64Array(sizeOf(shape)).fill(1)))];
}

function readCast(call: OperatorCall): Value[] {
  const value = call.input(0);
  const to = dataTypeName(call.attributes.int('to', 1), 'a cast');
  if (value.kind === 'constant') {
    const { tensor } = value;
    if (to === 'string' || tensor.type === 'string') throw new NodeProblem('a cast of text');
    const cast = (v: number): number =>
      to === 'bool' ? Number(v !== 0) : isIntegerType(to) ? Math.trunc(v) : v;
    return [mappedConstant(tensor, cast, to)];
  }
  if (!isIntegerType(to)) return [value];
  // Comparisons, arg max and the like are whole already; anything else would have to be rounded under encryption.
  if (to !== 'bool') return [call.draft.function(value, 'truncate')];
  const isZero = call.draft.tail(
    [value],
    { op: 'compare', in: 0, relation: 'equal', bound: [0] },
    value.shape,
  );
  return [call.draft.affine(isZero, -1, 1)];
}

const pass = (call: OperatorCall): Value[] => [call.input(0)];

export const VIEW_OPERATORS: readonly Operator[] = [
  { name: 'Identity', becomes: 'view', attributes: [], read: pass },
  {
    name: 'Reshape',
    becomes: 'view',
    attributes: ['allowzero'],
    note: 'the first extent must stay the samples',
    read: readReshape,
  },
  { name: 'Flatten', becomes: 'view', attributes: ['axis'], note: 'axis 1', read: readFlatten },
  {
    name: 'Transpose',
    becomes: 'view',
    attributes: ['perm'],
    note: 'the first axis stays',
    read: readTranspose,
  },
  { name: 'Squeeze', becomes: 'view', attributes: ['axes'], note: 'axes must be given', read: readSqueeze },
  { name: 'Unsqueeze', becomes: 'view', attributes: ['axes'], read: readUnsqueeze },
  { name: 'Concat', becomes: 'view', attributes: ['axis'], read: readConcat },
  { name: 'Split', becomes: 'view', attributes: ['axis', 'split', 'num_outputs'], read: readSplit },
  { name: 'Slice', becomes: 'view', attributes: ['starts', 'ends', 'axes'], read: readSlice },
  { name: 'Gather', becomes: 'view', attributes: ['axis'], note: 'constant indices', read: readGather },
  { name: 'Expand', opsets: [8, 23], becomes: 'view', attributes: [], read: readExpand },
  { name: 'Tile', becomes: 'view', attributes: [], read: readTile },
  {
    name: 'DepthToSpace',
    becomes: 'view',
    attributes: ['blocksize', 'mode'],
    read: (call) => readBlocks(call, true),
  },
  {
    name: 'SpaceToDepth',
    becomes: 'view',
    attributes: ['blocksize'],
    read: (call) => readBlocks(call, false),
  },
  {
    name: 'Pad',
    becomes: 'linear map',
    attributes: ['mode', 'pads', 'value'],
    note: 'constant, reflect, edge and wrap',
    read: readPad,
  },
  {
    name: 'Dropout',
    becomes: 'view',
    attributes: ['ratio', 'seed'],
    note: 'not in training mode',
    read: readDropout,
  },
  {
    name: 'Cast',
    becomes: 'view',
    attributes: ['to', 'saturate'],
    note: 'to integers in the tail only',
    read: readCast,
  },
];
