/** Puts a model graph together node by node, working out shapes. */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { ShapeError } from '../../base/errors.ts';
import { sizeOf } from '../tensor/tensor.ts';
import { FUNCTION_PARAMETERS } from './element-functions.ts';
import type { FunctionName } from './element-functions.ts';
import type { LinearMap } from './linear-map.ts';
import { checkModelGraph } from './model-graph.ts';
import type {
  InputDescription,
  MaximumWindows,
  ModelGraph,
  ModelNode,
  PolynomialForm,
  QuantisedWeights,
  WireId,
} from './model-graph.ts';
import { checkTail, emptyTail } from './tail-graph.ts';
import type { TailGraph } from './tail-graph.ts';

/** An input without any normalisation. */
export function tensorInput(name: string, shape: readonly number[]): InputDescription {
  const everything = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const;
  return { name, shape, kind: 'tensor', mean: [0], deviation: [1], interval: everything, clip: everything };
}

/** Inputs first, then nodes in order; every method returns the wire that it writes. Shapes are without the batch axis. */
export class GraphBuilder {
  readonly #inputs: InputDescription[] = [];
  readonly #wires: { id: WireId; shape: readonly number[]; name: string }[] = [];
  readonly #nodes: ModelNode[] = [];

  /** @throws {ShapeError} after the first node. */
  input(description: InputDescription): WireId {
    if (this.#nodes.length > 0) throw new ShapeError('the nodes before an input', 0, this.#nodes.length);
    this.#inputs.push(description);
    return this.#wire(description.shape, description.name);
  }

  /** The shape of a wire. */
  shapeOf(wire: WireId): readonly number[] {
    return this.#wires[wire].shape;
  }

  /** The output has one axis unless `shape` is given. */
  linear(
    from: WireId,
    map: LinearMap,
    options: {
      readonly shape?: readonly number[];
      readonly name?: string;
      readonly quantised?: QuantisedWeights;
    } = {},
  ): WireId {
    const out = this.#wire(options.shape ?? [map.rows], options.name);
    const { quantised } = options;
    this.#nodes.push({ op: 'linear', in: from, out, map, ...(quantised === undefined ? {} : { quantised }) });
    return out;
  }

  function(
    from: WireId,
    fn: FunctionName,
    parameters: readonly number[] = [],
    options: { readonly perChannel?: Float64Array; readonly name?: string } = {},
  ): WireId {
    const out = this.#wire(this.shapeOf(from), options.name);
    const { perChannel } = options;
    const padded =
      perChannel !== undefined && parameters.length < FUNCTION_PARAMETERS[fn]
        ? [0, ...parameters]
        : parameters;
    this.#nodes.push({
      op: 'function',
      in: from,
      out,
      fn,
      parameters: padded,
      ...(perChannel === undefined ? {} : { perChannel }),
    });
    return out;
  }

  /** Coefficients lowest power first, each one number for all channels or one per channel. */
  polynomial(
    from: WireId,
    coefficients: readonly (number | Float64Array)[],
    options: { readonly form?: PolynomialForm; readonly name?: string } = {},
  ): WireId {
    const out = this.#wire(this.shapeOf(from), options.name);
    const rows = coefficients.map((row) => (typeof row === 'number' ? Float64Array.of(row) : row));
    const { form } = options;
    this.#nodes.push({
      op: 'polynomial',
      in: from,
      out,
      coefficients: rows,
      ...(form === undefined ? {} : { form }),
    });
    return out;
  }

  multiply(a: WireId, b: WireId, name?: string): WireId {
    const out = this.#wire(this.shapeOf(a), name);
    this.#nodes.push({ op: 'multiply', a, b, out });
    return out;
  }

  add(a: WireId, b: WireId, name?: string): WireId {
    const out = this.#wire(this.shapeOf(a), name);
    this.#nodes.push({ op: 'add', a, b, out });
    return out;
  }

  maximum(from: WireId, windows: MaximumWindows, shape: readonly number[], name?: string): WireId {
    const out = this.#wire(shape, name);
    this.#nodes.push({ op: 'maximum', in: from, out, windows });
    return out;
  }

  /** Gain and bias per element; 1 and 0 by default. */
  norm(
    from: WireId,
    axes: readonly number[],
    epsilon: number,
    options: { readonly gain?: Float64Array; readonly bias?: Float64Array; readonly name?: string } = {},
  ): WireId {
    const size = sizeOf(this.shapeOf(from));
    const out = this.#wire(this.shapeOf(from), options.name);
    const gain = options.gain ?? new Float64Array(size).fill(1);
    const bias = options.bias ?? new Float64Array(size);
    this.#nodes.push({ op: 'norm', in: from, out, axes, epsilon, gain, bias });
    return out;
  }

  /** @throws {ShapeError} {@link OutOfRangeError} unless everything fits together, see {@link checkModelGraph}. */
  build(output: WireId, tail?: TailGraph, source: ModelGraph['source'] = {}): ModelGraph {
    const wire = this.#wires[output];
    const graph = {
      inputs: [...this.#inputs],
      wires: [...this.#wires],
      nodes: [...this.#nodes],
      output,
      tail: tail ?? emptyTail(wire.name, wire.shape),
      source,
    };
    checkModelGraph(graph);
    checkTail(graph.tail, sizeOf(wire.shape));
    return graph;
  }

  #wire(shape: readonly number[], name: string | undefined): WireId {
    const id = this.#wires.length;
    this.#wires.push({ id, shape, name: name ?? `wire ${id}` });
    return id;
  }
}

printOnOneLine(GraphBuilder);
arg.guard('GraphBuilder', GraphBuilder.prototype, {
  input: { description: arg.like('an InputDescription', 'name', 'shape') },
  shapeOf: { wire: arg.number },
  linear: {
    from: arg.number,
    map: arg.either(
      arg.like('a DenseMap', 'forEachEntry', 'applyFloat64'),
      arg.like('a WindowMap', 'forEachEntry', 'applyFloat64'),
      arg.like('a DiagonalMap', 'forEachEntry', 'applyFloat64'),
      arg.like('a GatherMap', 'forEachEntry', 'applyFloat64'),
      arg.like('a SparseMap', 'forEachEntry', 'applyFloat64'),
    ),
    options: arg.optional(arg.options),
  },
  function: {
    from: arg.number,
    fn: arg.text,
    parameters: arg.optional(arg.numbers),
    options: arg.optional(arg.options),
  },
  polynomial: { from: arg.number, coefficients: arg.list, options: arg.optional(arg.options) },
  multiply: { a: arg.number, b: arg.number, name: arg.optional(arg.text) },
  add: { a: arg.number, b: arg.number, name: arg.optional(arg.text) },
  maximum: {
    from: arg.number,
    windows: arg.like('a MaximumWindows', 'taps', 'inputs'),
    shape: arg.numbers,
    name: arg.optional(arg.text),
  },
  norm: { from: arg.number, axes: arg.numbers, epsilon: arg.number, options: arg.optional(arg.options) },
  build: {
    output: arg.number,
    tail: arg.optional(arg.like('a TailGraph', 'nodes', 'outputs')),
    source: arg.optional(arg.options),
  },
});
