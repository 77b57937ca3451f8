/** Operators that make constants: shapes, ranges, fills. */
import { sizeOf } from '../../tensor/tensor.ts';
import { constant } from '../constant-tensor.ts';
import { BATCH, constantValue, NodeProblem } from '../draft.ts';
import type { Value } from '../draft.ts';
import type { Operator, OperatorCall } from './operator.ts';

const int64 = (shape: readonly number[], data: Iterable<number>): Value =>
  constantValue(constant('int64', shape, data));

/** The samples of data appear as a number of their own, which is recognised where it comes back as an extent. */
function extentsOf(value: Value): readonly number[] {
  if (value.kind === 'wire') return [BATCH, ...value.shape];
  return value.kind === 'constant' ? value.tensor.shape : [];
}

function readShape(call: OperatorCall): Value[] {
  const extents = extentsOf(call.input(0));
  const clamp = (at: number): number =>
    Math.min(Math.max(at < 0 ? at + extents.length : at, 0), extents.length);
  const part = extents.slice(
    clamp(call.attributes.int('start', 0)),
    clamp(call.attributes.int('end', extents.length)),
  );
  return [int64([part.length], part)];
}

function readConstant(call: OperatorCall): Value[] {
  const { attributes } = call;
  const tensor = attributes.tensor('value');
  if (tensor !== undefined) return [constantValue(tensor)];
  if (attributes.has('value_float'))
    return [constantValue(constant('float32', [], [attributes.float('value_float', 0)]))];
  if (attributes.has('value_int')) return [int64([], [attributes.int('value_int', 0)])];
  const floats = attributes.floats('value_floats');
  if (floats !== undefined) return [constantValue(constant('float32', [floats.length], floats))];
  const ints = attributes.ints('value_ints');
  if (ints !== undefined) return [int64([ints.length], ints)];
  throw new NodeProblem('it has no value that is supported');
}

function readConstantOfShape(call: OperatorCall): Value[] {
  const shape = [...call.constant(0, 'the shape').data];
  if (shape[0] === BATCH) shape[0] = 1;
  if (!shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0))
    throw new NodeProblem(`a shape of [${shape.join(', ')}]`);
  const fill = call.attributes.tensor('value');
  call.draft.allow(sizeOf(shape));
  return [
    constantValue(
      constant(fill?.type ?? 'float32', shape, new Float64Array(sizeOf(shape)).fill(fill?.data[0] ?? 0)),
    ),
  ];
}

function readRange(call: OperatorCall): Value[] {
  const [start, limit, delta] = [0, 1, 2].map((i) => call.constant(i, 'a bound'));
  const length = Math.max(0, Math.ceil((limit.data[0] - start.data[0]) / delta.data[0]));
  if (!Number.isSafeInteger(length)) throw new NodeProblem('it has no end');
  call.draft.allow(length);
  return [
    constantValue(
      constant(
        start.type,
        [length],
        Float64Array.from({ length }, (_, i) => start.data[0] + i * delta.data[0]),
      ),
    ),
  ];
}

export const SHAPE_OPERATORS: readonly Operator[] = [
  {
    name: 'Constant',
    becomes: 'constant',
    attributes: ['value', 'value_float', 'value_floats', 'value_int', 'value_ints'],
    read: readConstant,
  },
  {
    name: 'ConstantOfShape',
    opsets: [9, 23],
    becomes: 'constant',
    attributes: ['value'],
    read: readConstantOfShape,
  },
  { name: 'Shape', becomes: 'constant', attributes: ['start', 'end'], read: readShape },
  {
    name: 'Size',
    becomes: 'constant',
    attributes: [],
    read: (call) => [int64([], [sizeOf(extentsOf(call.input(0)))])],
  },
  { name: 'Range', opsets: [11, 23], becomes: 'constant', attributes: [], read: readRange },
];
