/** Collects the nodes and constants of an ONNX file. */
import { ATTRIBUTE_TYPE, DATA_TYPE } from './onnx-schema.ts';
import type { OnnxAttribute, OnnxNode, OnnxTensor, OnnxValueInfo } from './onnx-schema.ts';
import { numberList, writeOnnxModel } from './wire-format.ts';

const OPSET = 17;
const IR_VERSION = 8;

/** A whole number is an int, a list ints; other numbers are marked. */
export type WrittenAttribute = number | string | readonly number[] | { readonly float: number };

export class OnnxWriter {
  readonly #nodes: OnnxNode[] = [];
  readonly #constants: OnnxTensor[] = [];
  readonly #inputs: OnnxValueInfo[] = [];
  readonly #outputs: OnnxValueInfo[] = [];
  #next = 0;

  /** Names of the model's inputs and outputs stand as they are; everything else is numbered. */
  input(name: string, shape: readonly number[], value: string): void {
    this.#inputs.push(valueInfo(name, shape));
    this.node('Identity', [name], value);
  }

  output(name: string, shape: readonly number[], value: string): void {
    this.#outputs.push(valueInfo(name, shape));
    this.reshape(value, shape, name);
  }

  /** The name of what the node writes. */
  node(
    opType: string,
    inputs: readonly string[],
    output = `v${this.#next++}`,
    attributes: Readonly<Record<string, WrittenAttribute>> = {},
  ): string {
    this.#nodes.push({
      name: `${opType}_${this.#nodes.length}`,
      opType,
      inputs,
      outputs: [output],
      attributes: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
    });
    return output;
  }

  /** The largest or smallest `count` along axis 2, and their indices. */
  topK(value: string, count: number, largest: boolean): readonly [values: string, indices: string] {
    const outputs = [`v${this.#next++}`, `v${this.#next++}`] as const;
    this.#nodes.push({
      name: `TopK_${this.#nodes.length}`,
      opType: 'TopK',
      inputs: [value, this.integers([1], [count])],
      outputs,
      attributes: [attribute('axis', 2), attribute('largest', largest ? 1 : 0)],
    });
    return outputs;
  }

  /** Single precision. */
  floats(shape: readonly number[], values: ArrayLike<number>): string {
    const data = Float32Array.from(values);
    return this.#constant(shape, DATA_TYPE.float32, new Uint8Array(data.buffer));
  }

  scalar(value: number): string {
    return this.floats([], [value]);
  }

  integers(shape: readonly number[], values: ArrayLike<number>): string {
    const data = BigInt64Array.from(Array.from(values, BigInt));
    return this.#constant(shape, DATA_TYPE.int64, new Uint8Array(data.buffer));
  }

  /** The samples stay; their elements in another shape. */
  reshape(value: string, shape: readonly number[], output?: string): string {
    return this.node('Reshape', [value, this.integers([shape.length + 1], [-1, ...shape])], output);
  }

  /** A flat value with one more element behind it; unchanged without `fill`. */
  padded(value: string, fill: number | undefined): string {
    if (fill === undefined) return value;
    return this.node('Pad', [value, this.integers([4], [0, 0, 0, 1]), this.scalar(fill)]);
  }

  finish(producer = 'subrosa'): Uint8Array {
    return writeOnnxModel({
      irVersion: IR_VERSION,
      producerName: producer,
      opsetImport: [{ domain: '', version: OPSET }],
      graph: {
        name: 'model',
        nodes: this.#nodes,
        initializers: this.#constants,
        inputs: this.#inputs,
        outputs: this.#outputs,
      },
    });
  }

  #constant(shape: readonly number[], dataType: number, rawData: Uint8Array): string {
    const name = `c${this.#constants.length}`;
    this.#constants.push({ name, dims: numberList('int', shape), dataType, rawData });
    return name;
  }
}

function attribute(name: string, value: WrittenAttribute): OnnxAttribute {
  if (typeof value === 'number') return { name, type: ATTRIBUTE_TYPE.int, i: value };
  if (typeof value === 'string')
    return { name, type: ATTRIBUTE_TYPE.string, s: new TextEncoder().encode(value) };
  if ('float' in value) return { name, type: ATTRIBUTE_TYPE.float, f: value.float };
  return { name, type: ATTRIBUTE_TYPE.ints, ints: numberList('int', value) };
}

function valueInfo(name: string, shape: readonly number[]): OnnxValueInfo {
  const dims = [{ parameter: 'N' }, ...shape.map((value) => ({ value }))];
  return { name, type: { tensorType: { elemType: DATA_TYPE.float32, shape: { dims } } } };
}
