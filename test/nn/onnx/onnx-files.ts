/** ONNX files from a few words, and what onnxruntime says they compute. */
import * as ort from 'onnxruntime-web';
import { expect } from 'vitest';
import { interpretWithTail } from '../../../src/nn/graph/clear-interpreter.ts';
import type { ModelGraph } from '../../../src/nn/graph/model-graph.ts';
import { importOnnx } from '../../../src/nn/onnx/import-onnx.ts';
import type { ImportOptions } from '../../../src/nn/onnx/import-onnx.ts';
import { ATTRIBUTE_TYPE, DATA_TYPE } from '../../../src/nn/onnx/onnx-schema.ts';
import type {
  DataTypeName,
  OnnxAttribute,
  OnnxFunction,
  OnnxGraph,
  OnnxModel,
  OnnxNode,
  OnnxTensor,
  OnnxValueInfo,
} from '../../../src/nn/onnx/onnx-schema.ts';
import { numberList, writeOnnxModel } from '../../../src/nn/onnx/wire-format.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { sizeOf } from '../../../src/nn/tensor/tensor.ts';

/** A float is marked by {@link float}; whole numbers are ints. */
export type AttributeValue =
  | number
  | string
  | readonly number[]
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly texts: readonly string[] }
  | { readonly tensor: OnnxTensor }
  | { readonly graph: OnnxGraph };

export const float = (value: number): { readonly float: number } => ({ float: value });

export function attribute(name: string, value: AttributeValue): OnnxAttribute {
  if (typeof value === 'number') return { name, type: ATTRIBUTE_TYPE.int, i: value };
  if (typeof value === 'string')
    return { name, type: ATTRIBUTE_TYPE.string, s: new TextEncoder().encode(value) };
  if ('float' in value) return { name, type: ATTRIBUTE_TYPE.float, f: value.float };
  if ('floats' in value)
    return { name, type: ATTRIBUTE_TYPE.floats, floats: numberList('float', value.floats) };
  if ('texts' in value)
    return {
      name,
      type: ATTRIBUTE_TYPE.strings,
      strings: value.texts.map((text) => new TextEncoder().encode(text)),
    };
  if ('tensor' in value) return { name, type: ATTRIBUTE_TYPE.tensor, t: value.tensor };
  if ('graph' in value) return { name, type: ATTRIBUTE_TYPE.graph, g: value.graph };
  return { name, type: ATTRIBUTE_TYPE.ints, ints: numberList('int', value) };
}

export function node(
  opType: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
  domain?: string,
): OnnxNode {
  return {
    name: `${opType}_${outputs[0] ?? ''}`,
    opType,
    inputs,
    outputs,
    attributes: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
    ...(domain === undefined ? {} : { domain }),
  };
}

export function tensor(
  name: string,
  shape: readonly number[],
  values: Iterable<number>,
  type: DataTypeName = 'float32',
): OnnxTensor {
  const list = [...values];
  const common = { name, dims: numberList('int', shape), dataType: DATA_TYPE[type] };
  if (type === 'int64') return { ...common, int64Data: numberList('int', list) };
  if (type === 'float64') return { ...common, doubleData: numberList('double', list) };
  if (type === 'float32') return { ...common, floatData: numberList('float', list) };
  return { ...common, int32Data: numberList('int', list) };
}

export function texts(name: string, values: readonly string[]): OnnxTensor {
  const stringData = values.map((value) => new TextEncoder().encode(value));
  return { name, dims: numberList('int', [values.length]), dataType: DATA_TYPE.string, stringData };
}

/** A shape of numbers and names. */
export function valueInfo(
  name: string,
  shape: readonly (number | string)[] | undefined,
  type: DataTypeName = 'float32',
): OnnxValueInfo {
  const dims = shape?.map((extent) =>
    typeof extent === 'number' ? { value: extent } : { parameter: extent },
  );
  return {
    name,
    type: { tensorType: { elemType: DATA_TYPE[type], ...(dims === undefined ? {} : { shape: { dims } }) } },
  };
}

export interface FileParts {
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly (string | OnnxValueInfo)[];
  readonly nodes: readonly OnnxNode[];
  readonly initializers?: readonly OnnxTensor[];
  readonly valueInfo?: readonly OnnxValueInfo[];
  readonly opset?: number;
  readonly domains?: Readonly<Record<string, number>>;
  readonly functions?: readonly OnnxFunction[];
  readonly irVersion?: number;
}

export function onnxModel({
  inputs,
  outputs,
  nodes,
  initializers = [],
  opset = 17,
  ...rest
}: FileParts): OnnxModel {
  return {
    irVersion: rest.irVersion ?? 8,
    producerName: 'test',
    opsetImport: [
      { domain: '', version: opset },
      ...Object.entries(rest.domains ?? {}).map(([domain, version]) => ({ domain, version })),
    ],
    ...(rest.functions === undefined ? {} : { functions: rest.functions }),
    graph: {
      name: 'graph',
      nodes,
      initializers,
      inputs,
      outputs: outputs.map((output) => (typeof output === 'string' ? { name: output } : output)),
      ...(rest.valueInfo === undefined ? {} : { valueInfo: rest.valueInfo }),
    },
  };
}

export function onnxFile(parts: FileParts): Uint8Array {
  return writeOnnxModel(onnxModel(parts));
}

ort.env.wasm.numThreads = 1;
ort.env.logLevel = 'error';

export interface OracleResult {
  readonly shape: readonly number[];
  readonly data: readonly (number | string)[];
}

/** What onnxruntime computes for one sample of every input. */
export async function runOracle(
  bytes: Uint8Array,
  feeds: Readonly<Record<string, ort.Tensor>>,
): Promise<Map<string, OracleResult>> {
  const session = await ort.InferenceSession.create(bytes);
  try {
    const results = await session.run(feeds);
    return new Map(
      Object.entries(results).map(([name, value]) => [
        name,
        {
          shape: value.dims,
          data: Array.from(value.data as ArrayLike<number | string>, (v) =>
            typeof v === 'string' ? v : Number(v),
          ),
        },
      ]),
    );
  } finally {
    await session.release();
  }
}

/** Values around 0 from a seed. */
export function sampleValues(length: number, seed: number, scale = 1.5): Float32Array {
  const generator = new SeededGenerator(seed);
  return Float32Array.from({ length }, () => scale * generator.normal());
}

export interface CompareOptions extends ImportOptions {
  readonly seed?: number;
  /** Values of the inputs instead of random ones. */
  readonly values?: readonly Float32Array[];
  /** Of the range of the output; 2^-18 by default. */
  readonly tolerance?: number;
}

/** Reads the file, and compares every output for one sample with onnxruntime's: shapes, and values relative to the largest of them. */
export async function expectLikeOracle(bytes: Uint8Array, options: CompareOptions = {}): Promise<ModelGraph> {
  const graph = importOnnx(bytes, options);
  const inputs = graph.inputs.map(
    ({ shape }, i) => options.values?.[i] ?? sampleValues(sizeOf(shape), (options.seed ?? 1) + i),
  );
  const feeds = Object.fromEntries(
    graph.inputs.map(({ name, shape }, i) => [
      name,
      new ort.Tensor('float32', inputs[i], [...(options.shapes?.[name] ?? [1, ...shape])]),
    ]),
  );
  const needed = await runOracle(bytes, feeds);
  // Where large numbers cancel, single precision leaves the rounding of the large ones.
  let largest = 0;
  const observe = (_: number, values: Float64Array): void =>
    values.forEach((v) => (largest = Math.max(largest, Math.abs(v))));
  const got = interpretWithTail(graph, inputs, { observe });
  expect([...got.keys()].sort()).toEqual([...needed.keys()].sort());
  for (const [name, { shape, data }] of got) {
    const oracle = needed.get(name)!;
    expect([1, ...shape], `shape of ${name}`).toEqual(oracle.shape);
    const { texts } = graph.tail.outputs.find((output) => output.name === name)!;
    if (texts !== undefined) {
      expect(Array.from(data, (i) => texts[i])).toEqual(oracle.data);
      continue;
    }
    const numbers = oracle.data as readonly number[];
    const range = Math.max(1e-30, ...numbers.map((value) => (Number.isFinite(value) ? Math.abs(value) : 0)));
    numbers.forEach((value, i) => {
      const isEqual =
        Object.is(value, data[i]) ||
        Math.abs(value - data[i]) <= (options.tolerance ?? 2 ** -18) * range + 2 ** -22 * largest;
      if (!isEqual) expect.fail(`${name}[${i}] is ${data[i]}, onnxruntime says ${value}`);
    });
  }
  return graph;
}
