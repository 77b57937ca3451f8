/** Operators of `ai.onnx.ml` that scikit-learn exporters write for scaled linear models and small networks. */
import { DenseMap } from '../../graph/linear-map.ts';
import { sizeOf } from '../../tensor/tensor.ts';
import { NodeProblem } from '../draft.ts';
import type { Value, WireValue } from '../draft.ts';
import type { Operator, OperatorCall } from './operator.ts';

const ML = 'ai.onnx.ml';
const ML_OPSETS = [1, 5] as const;

function features(call: OperatorCall): WireValue {
  const x = call.wire(0);
  if (x.shape.length !== 1) throw new NodeProblem(`its input has ${x.shape.length + 1} axes, 2 are needed`);
  return x;
}

function scores(call: OperatorCall, rows: number): WireValue {
  const x = features(call);
  const weights = call.attributes.floats('coefficients') ?? [];
  if (weights.length !== rows * x.shape[0])
    throw new NodeProblem(`${weights.length} coefficients for ${rows} x ${x.shape[0]}`);
  const offsets = call.attributes.floats('intercepts') ?? new Array<number>(rows).fill(0);
  if (offsets.length !== rows) throw new NodeProblem(`${offsets.length} intercepts for ${rows} results`);
  const map = new DenseMap(rows, x.shape[0], Float32Array.from(weights), Float64Array.from(offsets));
  return call.draft.linear(x, map, [rows]);
}

function transformed(call: OperatorCall, z: WireValue): WireValue {
  const transform = call.attributes.text('post_transform', 'NONE');
  if (transform === 'NONE') return z;
  if (transform === 'LOGISTIC') return call.draft.function(z, 'sigmoid');
  if (transform !== 'SOFTMAX') throw new NodeProblem(`post_transform is ${transform}`);
  return call.draft.tail([z], { op: 'softmax', in: 0, before: 1, extent: z.shape[0], after: 1 }, z.shape);
}

/** Labels and scores: one row of coefficients per class. */
function readLinearClassifier(call: OperatorCall): Value[] {
  const texts = call.attributes.texts('classlabels_strings');
  const labels = call.attributes.ints('classlabels_ints');
  const classes = texts?.length || labels?.length || 0;
  if (classes < 2) throw new NodeProblem(`${classes} classes`);
  if (call.attributes.int('multi_class', 0) !== 0 && classes !== 2)
    throw new NodeProblem('one classifier per pair of classes');
  const z = scores(call, classes);
  const node = { op: 'arg-max', in: 0, last: false, before: 1, extent: classes, after: 1 } as const;
  let label = call.draft.tail([z], node, []);
  if (texts !== undefined && texts.length > 0) call.draft.texts.set(label.id, texts);
  else if (labels!.some((value, i) => value !== i))
    label = call.draft.tail([label], { op: 'lookup', in: 0, table: labels! }, []);
  return [label, transformed(call, z)];
}

function readLinearRegressor(call: OperatorCall): Value[] {
  return [transformed(call, scores(call, call.attributes.int('targets', 1)))];
}

/** (x - offset) * scale. */
function readScaler(call: OperatorCall): Value[] {
  const x = features(call);
  const all = (values: readonly number[] | undefined, otherwise: number): number[] => {
    const list = values ?? [otherwise];
    if (list.length !== 1 && list.length !== x.shape[0])
      throw new NodeProblem(`${list.length} numbers for ${x.shape[0]} features`);
    return Array.from({ length: x.shape[0] }, (_, i) => list[list.length === 1 ? 0 : i]);
  };
  const factors = all(call.attributes.floats('scale'), 1);
  const offsets = all(call.attributes.floats('offset'), 0);
  return [
    call.draft.affine(
      x,
      factors,
      offsets.map((offset, i) => -offset * factors[i]),
    ),
  ];
}

function readNormalizer(call: OperatorCall): Value[] {
  const x = features(call);
  const op = ({ MAX: 'norm-max', L1: 'norm-l1', L2: 'norm-l2' } as const)[
    call.attributes.text('norm', 'MAX') as 'L1'
  ];
  if (op === undefined) throw new NodeProblem(`norm is ${call.attributes.text('norm', 'MAX')}`);
  return [call.draft.tail([x], { op, in: 0, before: 1, extent: x.shape[0], after: 1 }, x.shape)];
}

/** The scores stay an array; the names of the classes go with it. */
function readZipMap(call: OperatorCall): Value[] {
  return [call.input(0)];
}

/** Elements of a constant row, or of data, by index. */
function readArrayFeatureExtractor(call: OperatorCall): Value[] {
  const [x, y] = [call.input(0), call.input(1)];
  if (x.kind === 'constant' && y.kind === 'wire') {
    const { tensor } = x;
    if (sizeOf(tensor.shape) !== tensor.shape.at(-1)) throw new NodeProblem('its data has several rows');
    if (tensor.texts !== undefined) {
      // The index stands for the text.
      const named = call.draft.affine(y, 1, 0);
      call.draft.texts.set(named.id, tensor.texts);
      return [named];
    }
    const table = call.draft.tail([y], { op: 'lookup', in: 0, table: [...tensor.data] }, y.shape);
    return [table];
  }
  const index = call.constant(1, 'the indices');
  if (x.kind === 'constant') throw new NodeProblem('both its inputs are constants');
  if (x.shape.length !== 1) throw new NodeProblem(`its input has ${x.shape.length + 1} axes, 2 are needed`);
  const from = Int32Array.from(index.data, (i) => call.axis(i, x.shape[0]));
  return [call.draft.gather(x, from, [from.length])];
}

/** Several tables of features side by side. */
function readFeatureVectorizer(call: OperatorCall): Value[] {
  const parts = call.inputs.map((_, i) => call.wire(i));
  if (parts.length === 1) return [parts[0]];
  throw new NodeProblem('it joins several inputs', 'give the model one input with all features');
}

export const SKLEARN_OPERATORS: readonly Operator[] = [
  {
    name: 'LinearClassifier',
    domain: ML,
    opsets: ML_OPSETS,
    becomes: 'linear map',
    attributes: [
      'classlabels_ints',
      'classlabels_strings',
      'coefficients',
      'intercepts',
      'multi_class',
      'post_transform',
    ],
    note: 'the label and the transform are the tail',
    read: readLinearClassifier,
  },
  {
    name: 'LinearRegressor',
    domain: ML,
    opsets: ML_OPSETS,
    becomes: 'linear map',
    attributes: ['coefficients', 'intercepts', 'targets', 'post_transform'],
    read: readLinearRegressor,
  },
  {
    name: 'Scaler',
    domain: ML,
    opsets: ML_OPSETS,
    becomes: 'linear map',
    attributes: ['offset', 'scale'],
    read: readScaler,
  },
  {
    name: 'Normalizer',
    domain: ML,
    opsets: ML_OPSETS,
    becomes: 'tail',
    attributes: ['norm'],
    read: readNormalizer,
  },
  {
    name: 'ZipMap',
    domain: ML,
    opsets: ML_OPSETS,
    becomes: 'view',
    attributes: ['classlabels_int64s', 'classlabels_strings'],
    note: 'the scores stay an array',
    read: readZipMap,
  },
  {
    name: 'ArrayFeatureExtractor',
    domain: ML,
    opsets: ML_OPSETS,
    becomes: 'tail',
    attributes: [],
    note: 'the label of an arg max, or chosen features',
    read: readArrayFeatureExtractor,
  },
  {
    name: 'FeatureVectorizer',
    domain: ML,
    opsets: ML_OPSETS,
    becomes: 'view',
    attributes: ['inputdimensions'],
    note: 'of one input',
    read: readFeatureVectorizer,
  },
];
