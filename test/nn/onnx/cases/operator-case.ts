/** How a small graph for one operator is described. */
import type { ImportOptions } from '../../../../src/nn/onnx/import-onnx.ts';
import type { DataTypeName, OnnxNode, OnnxTensor } from '../../../../src/nn/onnx/onnx-schema.ts';
import { node, onnxFile, sampleValues, tensor, valueInfo } from '../onnx-files.ts';
import type { AttributeValue } from '../onnx-files.ts';

export interface OperatorCase {
  readonly title: string;
  readonly operators: readonly string[];
  readonly opsets: readonly number[];
  /** Whether the file is written differently for different operator sets. */
  readonly differs: boolean;
  readonly options?: ImportOptions;
  readonly file: (opset: number) => Uint8Array;
}

export interface RefusedCase {
  readonly title: string;
  readonly operators: readonly string[];
  readonly opset?: number;
  readonly options?: ImportOptions;
  readonly reason: RegExp;
  readonly file: (opset: number) => Uint8Array;
}

export type Constant = readonly [shape: readonly number[], values?: Iterable<number>, type?: DataTypeName];

export interface Single {
  readonly op: string;
  /** Of the data, the samples first. */
  readonly shape: readonly (number | string)[];
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  /** Further inputs; '' for an absent one, a shape for random weights. */
  readonly constants?: readonly (Constant | '' | 'x')[];
  /** Where the data stands among the inputs. */
  readonly dataAt?: number;
  readonly outputs?: readonly string[];
  readonly before?: readonly OnnxNode[];
  readonly after?: readonly OnnxNode[];
}

function randomConstant(name: string, [shape, values, type]: Constant): OnnxTensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(
    name,
    shape,
    values ?? sampleValues(size, size + name.charCodeAt(name.length - 1), 0.7),
    type,
  );
}

/** One operator between an input "x" and an output "y". */
export function singleFile(opset: number, single: Single): Uint8Array {
  const { op, shape, attributes = {}, constants = [], outputs = ['y'] } = single;
  const data = single.before === undefined ? 'x' : 'b';
  const names = constants.map((c, i) => (c === '' ? '' : c === 'x' ? data : `c${i}`));
  const at = single.dataAt ?? 0;
  const inputs = [...names.slice(0, at), data, ...names.slice(at)];
  const initializers = constants.flatMap((c, i) =>
    c === '' || c === 'x' ? [] : [randomConstant(`c${i}`, c)],
  );
  return onnxFile({
    opset,
    inputs: [valueInfo('x', shape)],
    outputs: single.after === undefined ? outputs.filter((name) => name !== '') : ['z'],
    initializers,
    nodes: [...(single.before ?? []), node(op, inputs, outputs, attributes), ...(single.after ?? [])],
  });
}

const ALL = [7, 9, 10, 11, 13, 15, 17, 18, 20, 21, 22, 23];
export const from = (first: number, last = 23): number[] =>
  ALL.filter((opset) => opset >= first && opset <= last);

export function single(
  title: string,
  opsets: readonly number[],
  make: Single | ((opset: number) => Single),
): OperatorCase {
  const of = (opset: number): Single => (typeof make === 'function' ? make(opset) : make);
  return {
    title,
    operators: [of(opsets[0]).op],
    opsets,
    differs: typeof make === 'function',
    file: (opset) => singleFile(opset, of(opset)),
  };
}

/** axes as an attribute below `since`, as an input from there on. */
export function axesBy(
  opset: number,
  since: number,
  axes: readonly number[],
  attributes: Record<string, AttributeValue> = {},
): Pick<Single, 'attributes' | 'constants'> {
  return opset < since
    ? { attributes: { ...attributes, axes } }
    : { attributes, constants: [[[axes.length], axes, 'int64']] };
}

export const ints = (values: readonly number[]): Constant => [[values.length], values, 'int64'];
export const IMAGE = ['N', 3, 7, 6] as const;

/** x, then the operator on constants, added to x: shows what folds. */
export function folded(
  title: string,
  opsets: readonly number[],
  operators: readonly string[],
  nodes: readonly OnnxNode[],
  options: { shape?: readonly (number | string)[]; constants?: readonly OnnxTensor[] } = {},
): OperatorCase {
  return {
    title,
    operators,
    opsets,
    differs: false,
    file: (opset) =>
      onnxFile({
        opset,
        inputs: [valueInfo('x', options.shape ?? ['N', 4, 6])],
        outputs: ['y'],
        nodes,
        initializers: options.constants ?? [],
      }),
  };
}

export const i64 = (name: string, values: readonly number[]): OnnxTensor =>
  tensor(name, [values.length], values, 'int64');

const positive = (size: number): number[] => Array.from({ length: size }, (_, i) => 0.3 + i / size);

/** Of a batch normalisation. */
export const statistics = (size: number): Constant[] => [
  [[size]],
  [[size]],
  [[size]],
  [[size], positive(size)],
];
