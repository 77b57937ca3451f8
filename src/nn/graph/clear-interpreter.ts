/** A model graph in the clear: the truth that every later form of the model is compared with. */
import { ShapeError } from '../../base/errors.ts';
import type { MatrixMultiply } from '../tensor/matrix-multiply.ts';
import { evaluatePolynomial } from '../layers/polynomial-fit.ts';
import { sizeOf } from '../tensor/tensor.ts';
import { evaluateFunction } from './element-functions.ts';
import type { LinearMap } from './linear-map.ts';
import { channelSize, wireSize, wiresOf } from './model-graph.ts';
import type { ModelGraph, ModelNode, WireId } from './model-graph.ts';
import { runTail } from './tail-graph.ts';
import type { TailResult } from './tail-graph.ts';

export interface InterpretOptions {
  /** Sees every wire, inputs included, once its values are known: `[batch, elements]`. */
  readonly observe?: (wire: WireId, values: Float64Array) => void;
  /**
   * Runs dense and ungrouped window maps in single precision through this kernel: about ten times as fast, with the rounding
   * of float32. Double precision throughout without it.
   */
  readonly multiply?: MatrixMultiply;
}

/**
 * The output wire, `[batch, elements]`, from `[batch, elements]` of every input.
 * @throws {ShapeError} when an input has another number of elements.
 */
export function interpret(
  graph: ModelGraph,
  inputs: readonly ArrayLike<number>[],
  batch = 1,
  options: InterpretOptions = {},
): Float64Array {
  if (inputs.length !== graph.inputs.length)
    throw new ShapeError('the inputs of the model', graph.inputs.length, inputs.length);
  const values: (Float64Array | undefined)[] = inputs.map((input, i) => {
    const needed = sizeOf(graph.inputs[i].shape);
    if (input.length !== batch * needed)
      throw new ShapeError(`input ${graph.inputs[i].name}`, `${batch} x ${needed} values`, input.length);
    return Float64Array.from(input);
  });
  inputs.forEach((_, i) => options.observe?.(i, values[i]!));
  const lastUse = new Map<WireId, number>([[graph.output, graph.nodes.length]]);
  graph.nodes.forEach((node, i) => {
    for (const id of wiresOf(node)) lastUse.set(id, Math.max(i, lastUse.get(id) ?? 0));
  });
  graph.nodes.forEach((node, i) => {
    const result = evaluateNode(graph, node, values, batch, options.multiply);
    values[node.out] = result;
    options.observe?.(node.out, result);
    for (const id of wiresOf(node)) if (lastUse.get(id) === i) values[id] = undefined;
  });
  return values[graph.output]!;
}

/** The model's outputs by name, tail included, for one sample. @throws {ShapeError} */
export function interpretWithTail(
  graph: ModelGraph,
  inputs: readonly ArrayLike<number>[],
  options: InterpretOptions = {},
): TailResult {
  return runTail(graph.tail, interpret(graph, inputs, 1, options));
}

/** What a node writes, from the values of the wires it reads; of samples side by side. */
export function evaluateNode(
  graph: ModelGraph,
  node: ModelNode,
  values: readonly (Float64Array | undefined)[],
  batch: number,
  multiply: MatrixMultiply | undefined,
): Float64Array {
  const x = values[wiresOf(node)[0]]!;
  const { shape } = graph.wires[node.out];
  switch (node.op) {
    case 'linear':
      return multiply === undefined
        ? node.map.applyFloat64(x, batch)
        : applyFloat32(node.map, x, batch, multiply);
    case 'function':
      return applyFunction(node, x, shape);
    case 'polynomial':
      return applyPolynomial(node.coefficients, x, shape);
    case 'multiply': {
      const other = values[node.b]!;
      return x.map((value, i) => value * other[i]);
    }
    case 'add': {
      const other = values[node.b]!;
      return x.map((value, i) => value + other[i]);
    }
    case 'maximum':
      return applyMaximum(node.windows, x, batch, wireSize(graph, node.in));
    default:
      return applyNorm(node, x, graph.wires[node.in].shape);
  }
}

function applyFunction(
  node: ModelNode & { op: 'function' },
  x: Float64Array,
  shape: readonly number[],
): Float64Array {
  const { fn, perChannel } = node;
  if (perChannel === undefined) return x.map((value) => evaluateFunction(fn, value, node.parameters));
  const parameters = [...node.parameters];
  const inside = channelSize(shape);
  return x.map((value, i) => {
    parameters[0] = perChannel[Math.floor(i / inside) % shape[0]];
    return evaluateFunction(fn, value, parameters);
  });
}

function applyPolynomial(
  coefficients: readonly Float64Array[],
  x: Float64Array,
  shape: readonly number[],
): Float64Array {
  if (coefficients.every((row) => row.length === 1)) {
    const shared = coefficients.map((row) => row[0]);
    return x.map((value) => evaluatePolynomial(shared, value));
  }
  const inside = channelSize(shape);
  const perChannel = Array.from({ length: shape[0] }, (_, channel) =>
    coefficients.map((row) => row[row.length === 1 ? 0 : channel]),
  );
  return x.map((value, i) => evaluatePolynomial(perChannel[Math.floor(i / inside) % shape[0]], value));
}

function applyMaximum(
  { taps, inputs }: { readonly taps: number; readonly inputs: Int32Array },
  x: Float64Array,
  batch: number,
  size: number,
): Float64Array {
  const outputs = inputs.length / taps;
  const y = new Float64Array(batch * outputs).fill(Number.NEGATIVE_INFINITY);
  for (let sample = 0, at = 0; sample < batch; sample++) {
    for (let output = 0; output < outputs; output++, at++) {
      for (let tap = output * taps; tap < (output + 1) * taps; tap++) {
        if (inputs[tap] < 0) continue;
        const value = x[sample * size + inputs[tap]];
        if (value > y[at] || Number.isNaN(value)) y[at] = value;
      }
    }
  }
  return y;
}

function applyNorm(
  { axes, epsilon, gain, bias }: ModelNode & { op: 'norm' },
  x: Float64Array,
  shape: readonly number[],
): Float64Array {
  const size = sizeOf(shape);
  const groupOf = normGroups(shape, axes);
  const groups = Math.max(...groupOf) + 1;
  const count = size / groups;
  const y = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += size) {
    const [mean, variance] = [new Float64Array(groups), new Float64Array(groups)];
    for (let i = 0; i < size; i++) mean[groupOf[i]] += x[start + i] / count;
    for (let i = 0; i < size; i++) variance[groupOf[i]] += (x[start + i] - mean[groupOf[i]]) ** 2 / count;
    for (let i = 0; i < size; i++) {
      const group = groupOf[i];
      y[start + i] =
        ((x[start + i] - mean[group]) / Math.sqrt(variance[group] + epsilon)) * gain[i] + bias[i];
    }
  }
  return y;
}

/** The number of the group, of elements that differ along `axes` only, of every element. */
export function normGroups(shape: readonly number[], axes: readonly number[]): Int32Array {
  const groups = new Int32Array(sizeOf(shape));
  for (let i = 0; i < groups.length; i++) {
    let [group, rest, weight] = [0, i, 1];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (!axes.includes(axis)) {
        group += weight * (rest % shape[axis]);
        weight *= shape[axis];
      }
      rest = Math.floor(rest / shape[axis]);
    }
    groups[i] = group;
  }
  return groups;
}

/** W x + bias with the products in single precision where the form has a matrix. */
function applyFloat32(
  map: LinearMap,
  x: Float64Array,
  batch: number,
  multiply: MatrixMultiply,
): Float64Array {
  if (map.kind === 'dense') {
    const { rows, cols } = map;
    const y = new Float32Array(batch * rows);
    for (let sample = 0; sample < batch; sample++) y.set(map.bias, sample * rows);
    multiply.sgemm(false, true, batch, rows, cols, 1, Float32Array.from(x), float32(map.matrix), 1, y);
    return Float64Array.from(y);
  }
  if (map.kind !== 'window' || map.groups !== 1) return map.applyFloat64(x, batch);
  const { channels, taps, positions, inputs, cols, rows, places } = map;
  const matrix = float32(map.matrix);
  const windows = new Float32Array(positions * taps);
  const part = new Float32Array(rows);
  const y = new Float64Array(batch * rows);
  for (let sample = 0; sample < batch; sample++) {
    for (let i = 0; i < windows.length; i++) windows[i] = inputs[i] < 0 ? 0 : x[sample * cols + inputs[i]];
    multiply.sgemm(false, true, channels, positions, taps, 1, matrix, windows, 0, part);
    for (let i = 0; i < rows; i++) {
      const row = places === undefined ? i : places[i];
      y[sample * rows + row] = part[i] + map.bias[row];
    }
  }
  return y;
}

function float32(weights: Float32Array | Float64Array): Float32Array {
  return weights instanceof Float32Array ? weights : Float32Array.from(weights);
}
