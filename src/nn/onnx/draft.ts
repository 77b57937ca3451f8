/**
 * A network while it is read: wires that depend on the input, constants, and nodes that are those of a model graph or of its
 * tail. Which nodes become the tail is decided at the end, see split-tail.ts.
 */
import { DecodeError, LimitError } from '../../base/errors.ts';
import type { FunctionName } from '../graph/element-functions.ts';
import { DiagonalMap, GatherMap } from '../graph/linear-map.ts';
import type { LinearMap } from '../graph/linear-map.ts';
import type { MaximumWindows, ModelNode, QuantisedWeights } from '../graph/model-graph.ts';
import { wiresOf } from '../graph/model-graph.ts';
import type { TailNode } from '../graph/tail-graph.ts';
import { sizeOf } from '../tensor/tensor.ts';
import { type ConstantTensor, constant } from './constant-tensor.ts';

/**
 * Stands for the number of samples in shapes that a model computes. A prime above every extent that is allowed, so that products and
 * quotients with it can be told apart.
 */
export const BATCH = 16_777_213;

/** Elements of one wire, and of all that constant folding makes. */
export const MAX_WIRE_ELEMENTS = 2 ** 23;
const MAX_WORK = 2 ** 27;

/** A number per sample that depends on the input. */
export interface WireValue {
  readonly kind: 'wire';
  readonly id: number;
  /** Without the batch axis; may be empty. */
  readonly shape: readonly number[];
  /** Of a value that the model holds as integers q; the wire carries scale (q - zero). */
  readonly quantised?: Quantisation;
}

export interface Quantisation {
  readonly scale: number;
  readonly zero: number;
}

export interface ConstantValue {
  readonly kind: 'constant';
  readonly tensor: ConstantTensor;
}

/** What comes out of a node that could not be read. */
export interface UnknownValue {
  readonly kind: 'unknown';
}

export type Value = WireValue | ConstantValue | UnknownValue;

export function constantValue(tensor: ConstantTensor): ConstantValue {
  return { kind: 'constant', tensor };
}

/** A constant with `of` of every number, of the same type if no other is given. */
export function mappedConstant(
  { type, shape, data }: ConstantTensor,
  of: (value: number) => number,
  to = type,
): ConstantValue {
  return constantValue(
    constant(
      to,
      shape,
      Array.from(data, (value) => of(value)),
    ),
  );
}

/** A node of the tail whose inputs are wires of the draft. */
export interface TailDraft {
  readonly op: 'tail';
  readonly reads: readonly number[];
  readonly out: number;
  /** Its `in` and `other` are set when the tail is split off. */
  readonly node: TailNode;
}

export type DraftNode = ModelNode | TailDraft;

export function readsOf(node: DraftNode): readonly number[] {
  return node.op === 'tail' ? node.reads : wiresOf(node);
}

/** Why a node cannot be read; collected, so that all of them are reported at once. */
export class NodeProblem extends Error {
  readonly remedy: string | undefined;

  constructor(reason: string, remedy?: string) {
    super(reason);
    this.remedy = remedy;
  }
}

/** The wires and nodes so far. Every method that adds a node returns the wire that it writes. */
export class Draft {
  readonly wires: { readonly shape: readonly number[]; name: string }[] = [];
  readonly nodes: DraftNode[] = [];
  readonly inputs: number[] = [];
  /** Of wires whose numbers are indices of texts: labels of classes. */
  readonly texts = new Map<number, readonly string[]>();
  /** What is being read, for errors. */
  current = 'a model';
  #work = 0;

  input(name: string, shape: readonly number[]): WireValue {
    const value = this.#wire(shape);
    this.wires[value.id].name = name;
    this.inputs.push(value.id);
    return value;
  }

  /** Counts elements that are about to be built, of maps and of folded constants. @throws {LimitError} */
  allow(elements: number): void {
    this.#work += elements;
    if (!(this.#work <= MAX_WORK))
      throw new LimitError('the elements of the maps of a model', MAX_WORK, this.#work);
  }

  linear(from: WireValue, map: LinearMap, shape: readonly number[], quantised?: QuantisedWeights): WireValue {
    this.#requireFinite(map);
    const out = this.#wire(shape);
    const node = { op: 'linear', in: from.id, out: out.id, map } as const;
    this.nodes.push(quantised === undefined ? node : { ...node, quantised });
    return out;
  }

  /** Another shape of the same elements. */
  reshape(from: WireValue, shape: readonly number[]): WireValue {
    if (shape.join() === from.shape.join()) return from;
    return this.gather(
      from,
      Int32Array.from({ length: sizeOf(from.shape) }, (_, i) => i),
      shape,
    );
  }

  gather(from: WireValue, index: Int32Array, shape: readonly number[]): WireValue {
    this.allow(index.length);
    return this.linear(from, new GatherMap(index, sizeOf(from.shape)), shape);
  }

  /** x * factors + offsets, each a single number or one per element. */
  affine(
    from: WireValue,
    factors: ArrayLike<number> | number,
    offsets: ArrayLike<number> | number,
  ): WireValue {
    const size = sizeOf(from.shape);
    this.allow(2 * size);
    const all = (values: ArrayLike<number> | number): Float64Array =>
      typeof values === 'number' ? new Float64Array(size).fill(values) : Float64Array.from(values);
    return this.linear(from, new DiagonalMap(all(factors), all(offsets)), from.shape);
  }

  function(
    from: WireValue,
    fn: FunctionName,
    parameters: readonly number[] = [],
    perChannel?: Float64Array,
  ): WireValue {
    const out = this.#wire(from.shape);
    const node = { op: 'function', in: from.id, out: out.id, fn, parameters } as const;
    this.nodes.push(perChannel === undefined ? node : { ...node, perChannel });
    return out;
  }

  polynomial(from: WireValue, coefficients: readonly number[]): WireValue {
    const out = this.#wire(from.shape);
    const rows = coefficients.map((value) => Float64Array.of(value));
    this.nodes.push({ op: 'polynomial', in: from.id, out: out.id, coefficients: rows });
    return out;
  }

  add(a: WireValue, b: WireValue): WireValue {
    const out = this.#wire(a.shape);
    this.nodes.push({ op: 'add', a: a.id, b: b.id, out: out.id });
    return out;
  }

  multiply(a: WireValue, b: WireValue): WireValue {
    const out = this.#wire(a.shape);
    this.nodes.push({ op: 'multiply', a: a.id, b: b.id, out: out.id });
    return out;
  }

  maximum(from: WireValue, windows: MaximumWindows, shape: readonly number[]): WireValue {
    this.allow(windows.inputs.length);
    const out = this.#wire(shape);
    this.nodes.push({ op: 'maximum', in: from.id, out: out.id, windows });
    return out;
  }

  norm(
    from: WireValue,
    axes: readonly number[],
    epsilon: number,
    gain: Float64Array,
    bias: Float64Array,
  ): WireValue {
    const out = this.#wire(from.shape);
    this.nodes.push({ op: 'norm', in: from.id, out: out.id, axes, epsilon, gain, bias });
    return out;
  }

  tail(reads: readonly WireValue[], node: TailNode, shape: readonly number[]): WireValue {
    const out = this.#wire(shape);
    this.nodes.push({ op: 'tail', reads: reads.map(({ id }) => id), out: out.id, node });
    return out;
  }

  /** Weights that are NaN or infinite spoil every result. */
  #requireFinite(map: LinearMap): void {
    const lists: ArrayLike<number>[] = [map.bias];
    if (map.kind === 'dense' || map.kind === 'window') lists.push(map.matrix);
    else if (map.kind === 'diagonal') lists.push(map.factors);
    for (const list of lists)
      for (let i = 0; i < list.length; i++)
        if (!Number.isFinite(list[i])) throw new DecodeError(this.current, `a weight of ${list[i]}`);
  }

  #wire(shape: readonly number[]): WireValue {
    const size = sizeOf(shape);
    if (!(size >= 1 && size <= MAX_WIRE_ELEMENTS))
      throw new NodeProblem(
        `its result would be of shape [${shape.join(', ')}], ${MAX_WIRE_ELEMENTS} elements are the most`,
      );
    const id = this.wires.length;
    this.wires.push({ shape: shape.length === 0 ? [1] : shape, name: `wire ${id}` });
    return { kind: 'wire', id, shape };
  }
}
