/** What a handler of an operator gets, and the table entry that describes it. */
import { filled } from '../../../base/filled.ts';
import { DecodeError } from '../../../base/errors.ts';
import { constant, readTensor } from '../constant-tensor.ts';
import type { ConstantTensor, ExternalData } from '../constant-tensor.ts';
import { constantValue, NodeProblem } from '../draft.ts';
import type { Draft, Value, WireValue } from '../draft.ts';
import type { ArrayView } from '../../graph/index-maps.ts';
import { ATTRIBUTE_TYPE } from '../onnx-schema.ts';
import type { OnnxAttribute, OnnxGraph } from '../onnx-schema.ts';
import { sizeOf } from '../../tensor/tensor.ts';
import { numbersOf } from '../wire-format.ts';

const MAX_ATTRIBUTE_NUMBERS = 2 ** 20;

/** The attributes of a node, read by name. A wrong kind is a {@link DecodeError}. */
export class Attributes {
  readonly #byName: ReadonlyMap<string, OnnxAttribute>;
  readonly #what: string;
  readonly #external: ExternalData | undefined;

  constructor(list: readonly OnnxAttribute[], what: string, external?: ExternalData) {
    this.#byName = new Map(list.map((attribute) => [attribute.name ?? '', attribute]));
    this.#what = what;
    this.#external = external;
  }

  get names(): string[] {
    return [...this.#byName.keys()];
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  int(name: string, otherwise: number): number {
    const value = this.#find(name, ATTRIBUTE_TYPE.int);
    return value === undefined ? otherwise : (value.i ?? 0);
  }

  float(name: string, otherwise: number): number {
    const value = this.#find(name, ATTRIBUTE_TYPE.float);
    return value === undefined ? otherwise : (value.f ?? 0);
  }

  text(name: string, otherwise: string): string {
    const value = this.#find(name, ATTRIBUTE_TYPE.string);
    return value === undefined ? otherwise : new TextDecoder().decode(value.s);
  }

  ints(name: string): number[] | undefined {
    const value = this.#find(name, ATTRIBUTE_TYPE.ints);
    return value === undefined ? undefined : this.#numbers(value.ints);
  }

  floats(name: string): number[] | undefined {
    const value = this.#find(name, ATTRIBUTE_TYPE.floats);
    return value === undefined ? undefined : this.#numbers(value.floats);
  }

  texts(name: string): string[] | undefined {
    const value = this.#find(name, ATTRIBUTE_TYPE.strings);
    return (
      value?.strings?.map((bytes) => new TextDecoder().decode(bytes)) ??
      (value === undefined ? undefined : [])
    );
  }

  tensor(name: string): ConstantTensor | undefined {
    const value = this.#find(name, ATTRIBUTE_TYPE.tensor);
    if (value === undefined) return undefined;
    if (value.t === undefined) throw this.#wrong(name);
    return readTensor(value.t, this.#what, this.#external);
  }

  graph(name: string): OnnxGraph | undefined {
    return this.#find(name, ATTRIBUTE_TYPE.graph)?.g;
  }

  #find(name: string, type: number): OnnxAttribute | undefined {
    const attribute = this.#byName.get(name);
    if (attribute === undefined) return undefined;
    // Files before IR version 2 leave the type out.
    if ((attribute.type ?? type) !== type) throw this.#wrong(name);
    return attribute;
  }

  #numbers(list: OnnxAttribute['ints']): number[] {
    return [...numbersOf(list, `an attribute of ${this.#what}`, MAX_ATTRIBUTE_NUMBERS)];
  }

  #wrong(name: string): DecodeError {
    return new DecodeError(this.#what, `attribute ${name} is of another kind than its operator takes`);
  }
}

/** One node to be read. */
export class OperatorCall {
  readonly draft: Draft;
  readonly opset: number;
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Attributes;
  /** Whether each output has a name. */
  readonly wanted: readonly boolean[];
  /** What the first extent of the inputs says, when it is a number: 1 in models exported for single samples. */
  readonly declaredBatch: number | undefined;

  constructor(
    fields: Pick<OperatorCall, 'draft' | 'opset' | 'inputs' | 'attributes' | 'wanted' | 'declaredBatch'>,
  ) {
    this.draft = fields.draft;
    this.opset = fields.opset;
    this.inputs = fields.inputs;
    this.attributes = fields.attributes;
    this.wanted = fields.wanted;
    this.declaredBatch = fields.declaredBatch;
  }

  /** @throws {NodeProblem} when it is absent. */
  input(index: number): Exclude<Value, { kind: 'unknown' }> {
    const value = this.inputs[index];
    if (value === undefined || value.kind === 'unknown') throw new NodeProblem(`it lacks input ${index}`);
    return value;
  }

  /** @throws {NodeProblem} when it does not depend on the input of the model. */
  wire(index: number): WireValue {
    const value = this.input(index);
    if (value.kind !== 'wire') throw new NodeProblem(`input ${index} is a constant, data is needed`);
    return value;
  }

  /** @throws {NodeProblem} when it depends on the input of the model. */
  constant(index: number, what: string): ConstantTensor {
    const value = this.input(index);
    if (value.kind !== 'constant')
      throw new NodeProblem(`${what} depends on the input of the model; only constants are supported there`);
    return value.tensor;
  }

  optionalConstant(index: number, what: string): ConstantTensor | undefined {
    return this.inputs[index] === undefined ? undefined : this.constant(index, what);
  }

  get allConstant(): boolean {
    return this.inputs.every((value) => value === undefined || value.kind === 'constant');
  }

  /** Integers of an attribute or, in later operator sets, of an input. */
  intsOf(attribute: string, input: number): number[] | undefined {
    return this.attributes.ints(attribute) ?? optionalIntegers(this.optionalConstant(input, attribute));
  }

  /** @throws {NodeProblem} when an axis is out of range. */
  axis(axis: number, rank: number): number {
    return normalAxis(axis, rank);
  }

  /** The shape with a batch axis of 1. */
  fullShape(value: Value): readonly number[] {
    if (value.kind === 'constant') return value.tensor.shape;
    return value.kind === 'wire' ? [1, ...value.shape] : [];
  }

  /** A view of a constant or wire; that of a wire is given and returned with a batch axis of 1. */
  view(value: Value, { shape, from }: ArrayView): Value {
    this.draft.allow(from.length);
    if (value.kind === 'constant') {
      const { tensor } = value;
      const data = filled(new Float64Array(from.length), (i) => (from[i] < 0 ? 0 : tensor.data[from[i]]));
      const texts = tensor.texts === undefined ? {} : { texts: tensor.texts };
      return constantValue({ ...constant(tensor.type, shape, data), ...texts });
    }
    if (value.kind !== 'wire') return value;
    if (shape[0] !== 1) throw batchProblem();
    const inner = shape.slice(1);
    const isIdentity = from.length === sizeOf(value.shape) && from.every((index, i) => index === i);
    return isIdentity ? this.draft.reshape(value, inner) : this.draft.gather(value, from, inner);
  }
}

export function optionalIntegers(tensor: ConstantTensor | undefined): number[] | undefined {
  return tensor === undefined ? undefined : [...tensor.data];
}

function normalAxis(axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (!(Number.isInteger(positive) && positive >= 0 && positive < rank))
    throw new NodeProblem(`axis ${axis} of an array of ${rank} axes`);
  return positive;
}

/** The first axis numbers the samples, which are encrypted side by side and never mixed. */
export function batchProblem(): NodeProblem {
  return new NodeProblem(
    'it moves, mixes or splits the batch axis',
    'the first axis must stay the samples; export the model with the batch first, or state the shape: --shape NAME=1x...',
  );
}

/** One operator: what the documentation says of it and how it is read. */
export interface Operator {
  readonly name: string;
  /** '' is the default domain. */
  readonly domain?: string;
  /** Operator sets of its domain in which it exists; 7 to 23 by default. */
  readonly opsets?: readonly [first: number, last: number];
  readonly becomes: 'linear map' | 'view' | 'function' | 'product' | 'maximum' | 'norm' | 'tail' | 'constant';
  /** Attributes that are read or checked; any other is refused. */
  readonly attributes: readonly string[];
  /** What is not obvious, for the documentation. */
  readonly note?: string;
  readonly read: (call: OperatorCall) => readonly Value[];
}
