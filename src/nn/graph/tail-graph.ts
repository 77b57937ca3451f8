/**
 * What follows the last value that the server computes: softmax, arg max, thresholds. Plain data, run by the client in the clear,
 * with limits, since a client may get it from a server.
 */
import { DecodeError, LimitError, ShapeError } from '../../base/errors.ts';
import { sizeOf } from '../tensor/tensor.ts';
import { evaluateFunction, FUNCTION_PARAMETERS } from './element-functions.ts';
import type { FunctionName } from './element-functions.ts';

/** No tail does more element operations. */
const MAX_TAIL_OPERATIONS = 10_000_000;
/** No tail holds more numbers at one time: 64 MiB. */
const MAX_TAIL_NUMBERS = 2 ** 23;

/** Groups of `extent` elements that lie `after` apart; `before` blocks of them. */
interface AlongAxis {
  readonly before: number;
  readonly extent: number;
  readonly after: number;
}

type NormaliseOp = 'softmax' | 'log-softmax' | 'hardmax' | 'norm-l1' | 'norm-l2' | 'norm-max';

interface PickFields extends AlongAxis {
  readonly in: number;
  /** The last of equal ones instead of the first. */
  readonly last: boolean;
}

interface TopFields extends AlongAxis {
  readonly in: number;
  readonly count: number;
  readonly largest: boolean;
}

interface PairFields {
  readonly in: number;
  readonly other: number;
}

/** `in`: 0 is the server's output, i + 1 the result of node i. */
export type TailNode =
  | {
      readonly op: 'function';
      readonly in: number;
      readonly fn: FunctionName;
      readonly parameters: readonly number[];
      /** Replaces the first parameter, element by element. */
      readonly perElement?: readonly number[];
    }
  /** The last three divide each group by its sum of sizes, its length or its largest size; a group of zeros stays. */
  | ({ readonly op: NormaliseOp; readonly in: number } & AlongAxis)
  /** The index of the largest or smallest of each group. */
  | ({ readonly op: 'arg-max' } & PickFields)
  | ({ readonly op: 'arg-min' } & PickFields)
  /** The `count` largest (or smallest) of each group in order, or their indices. */
  | ({ readonly op: 'top-values' } & TopFields)
  | ({ readonly op: 'top-indices' } & TopFields)
  /** 1 where the comparison with the bound holds, else 0. */
  | {
      readonly op: 'compare';
      readonly in: number;
      readonly relation: 'greater' | 'greater-equal' | 'less' | 'less-equal' | 'equal';
      readonly bound: readonly number[];
    }
  /** table[x] of whole numbers; outside the table it fails. */
  | { readonly op: 'lookup'; readonly in: number; readonly table: readonly number[] }
  /** Element i is element from[i]; -1 gives 0. */
  | { readonly op: 'select'; readonly in: number; readonly from: readonly number[] }
  /** x * factor + offset, element by element; a single number serves all. */
  | {
      readonly op: 'affine';
      readonly in: number;
      readonly factor: readonly number[];
      readonly offset: readonly number[];
    }
  | ({ readonly op: 'add' } & PairFields)
  | ({ readonly op: 'multiply' } & PairFields);

export interface TailOutput {
  readonly name: string;
  /** Without the batch axis. */
  readonly shape: readonly number[];
  /** Which value: 0 is the server's output, i + 1 the result of node i. */
  readonly value: number;
  /** What the numbers stand for, when they are indices of texts: labels of classes. */
  readonly texts?: readonly string[];
}

export interface TailGraph {
  readonly nodes: readonly TailNode[];
  /** The outputs of the model, in its order. */
  readonly outputs: readonly TailOutput[];
}

/** A tail that does nothing. */
export function emptyTail(name: string, shape: readonly number[]): TailGraph {
  return { nodes: [], outputs: [{ name, shape, value: 0 }] };
}

/** The values of the model's outputs, by name, from the server's output for one sample. */
export type TailResult = ReadonlyMap<
  string,
  { readonly shape: readonly number[]; readonly data: Float64Array }
>;

/**
 * Runs a tail on one sample.
 * @throws {ShapeError} {@link DecodeError} when it does not fit together. @throws {LimitError} above 10^7 operations or 64 MiB.
 */
export function runTail(tail: TailGraph, served: Float64Array): TailResult {
  checkTail(tail, served.length);
  const values: Float64Array[] = [served];
  for (const node of tail.nodes) values.push(runTailNode(node, values));
  return new Map(tail.outputs.map(({ name, shape, value }) => [name, { shape, data: values[value] }]));
}

/** Sizes of all values of a tail whose input has `size` elements; throws as {@link runTail}. */
export function checkTail(tail: TailGraph, size: number): number[] {
  const sizes = [size];
  let operations = 0;
  let held = size;
  tail.nodes.forEach((node, i) => {
    const inputs = node.op === 'add' || node.op === 'multiply' ? [node.in, node.other] : [node.in];
    for (const id of inputs)
      if (!(Number.isInteger(id) && id >= 0 && id <= i))
        throw new DecodeError('a tail graph', `node ${i} reads value ${id}`);
    const result = tailSize(node, sizes, i);
    operations += tailWork(node, sizes[node.in], result);
    if (operations > MAX_TAIL_OPERATIONS)
      throw new LimitError('the operations of a tail graph', MAX_TAIL_OPERATIONS, operations);
    sizes.push(result);
    held += result;
    if (held > MAX_TAIL_NUMBERS) throw new LimitError('the numbers of a tail graph', MAX_TAIL_NUMBERS, held);
  });
  for (const { name, shape, value } of tail.outputs) {
    if (!(Number.isInteger(value) && value >= 0 && value < sizes.length))
      throw new DecodeError('a tail graph', `output ${name} is value ${value}`);
    if (sizeOf(shape) !== sizes[value])
      throw new ShapeError(`tail output ${name}`, shape.join(' x '), sizes[value]);
  }
  return sizes;
}

function tailWork(node: TailNode, input: number, result: number): number {
  if (node.op === 'top-values' || node.op === 'top-indices')
    return input * Math.ceil(Math.log2(node.extent + 1)) + result;
  return input + result;
}

function tailSize(node: TailNode, sizes: readonly number[], index: number): number {
  const size = sizes[node.in];
  const require = (part: string, needed: number, got: number): void => {
    if (needed !== got) throw new ShapeError(`${part} of tail node ${index} (${node.op})`, needed, got);
  };
  const requireOneOrAll = (part: string, got: number): void => {
    if (got !== 1) require(part, size, got);
  };
  if (node.op === 'function') {
    require('the parameters', FUNCTION_PARAMETERS[node.fn] ?? Number.NaN, node.parameters.length);
    if (node.perElement !== undefined) require('the parameters per element', size, node.perElement.length);
    return size;
  }
  if (node.op === 'add' || node.op === 'multiply') {
    require('the second operand', size, sizes[node.other]);
    return size;
  }
  if (node.op === 'compare') requireOneOrAll('the bounds', node.bound.length);
  else if (node.op === 'affine') {
    requireOneOrAll('the factors', node.factor.length);
    requireOneOrAll('the offsets', node.offset.length);
  } else if (node.op === 'select') {
    if (!node.from.every((from) => Number.isInteger(from) && from >= -1 && from < size))
      throw new DecodeError('a tail graph', `node ${index} selects an element that is not there`);
    return node.from.length;
  } else if (node.op !== 'lookup') {
    const { before, extent, after } = node;
    if (![before, extent, after].every((value) => Number.isInteger(value) && value > 0))
      throw new DecodeError('a tail graph', `node ${index} has an empty axis`);
    require('the groups', size, before * extent * after);
    if (node.op === 'arg-max' || node.op === 'arg-min') return before * after;
    if (node.op === 'top-values' || node.op === 'top-indices') {
      if (!(Number.isInteger(node.count) && node.count >= 1 && node.count <= extent))
        throw new DecodeError('a tail graph', `node ${index} asks for ${node.count} of ${extent}`);
      return before * after * node.count;
    }
  }
  return size;
}

function runTailNode(node: TailNode, values: readonly Float64Array[]): Float64Array {
  const x = values[node.in];
  switch (node.op) {
    case 'function': {
      const own = [...node.parameters];
      return x.map((value, i) => {
        if (node.perElement !== undefined) own[0] = node.perElement[i];
        return evaluateFunction(node.fn, value, own);
      });
    }
    case 'add':
      return x.map((value, i) => value + values[node.other][i]);
    case 'multiply':
      return x.map((value, i) => value * values[node.other][i]);
    case 'affine':
      return x.map(
        (value, i) => value * (node.factor[i] ?? node.factor[0]) + (node.offset[i] ?? node.offset[0]),
      );
    case 'lookup':
      return x.map((value) => {
        if (node.table[value] === undefined)
          throw new DecodeError('a tail graph', 'it looks up what is not in the table');
        return node.table[value];
      });
    case 'select':
      return Float64Array.from(node.from, (from) => (from < 0 ? 0 : x[from]));
    case 'compare':
      return x.map((value, i) => (holds(node.relation, value, node.bound[i] ?? node.bound[0]) ? 1 : 0));
    case 'softmax':
    case 'log-softmax':
    case 'hardmax':
    case 'norm-l1':
    case 'norm-l2':
    case 'norm-max':
      return normalised(node, x);
    default:
      return ordered(node, x);
  }
}

function holds(relation: string, value: number, bound: number): boolean {
  if (relation === 'greater') return value > bound;
  if (relation === 'greater-equal') return value >= bound;
  if (relation === 'less') return value < bound;
  if (relation === 'less-equal') return value <= bound;
  return value === bound;
}

/** Calls `visit` with the first element of each group. */
function forEachGroup(
  { before, extent, after }: AlongAxis,
  visit: (first: number, group: number) => void,
): void {
  for (let block = 0; block < before; block++)
    for (let place = 0; place < after; place++) visit(block * extent * after + place, block * after + place);
}

function normalised(node: TailNode & { op: NormaliseOp }, x: Float64Array): Float64Array {
  const { extent, after, op } = node;
  const y = new Float64Array(x.length);
  forEachGroup(node, (first) => {
    let [best, largestSize, sumOfSizes, squares] = [0, 0, 0, 0];
    for (let i = 0; i < extent; i++) {
      const value = x[first + i * after];
      if (value > x[first + best * after]) best = i;
      largestSize = Math.max(largestSize, Math.abs(value));
      sumOfSizes += Math.abs(value);
      squares += value * value;
    }
    const largest = x[first + best * after];
    let sum = 0;
    for (let i = 0; i < extent; i++) sum += Math.exp(x[first + i * after] - largest);
    const divisor = { 'norm-l1': sumOfSizes, 'norm-l2': Math.sqrt(squares), 'norm-max': largestSize }[
      op as string
    ];
    for (let i = 0; i < extent; i++) {
      const value = x[first + i * after];
      let result = i === best ? 1 : 0;
      if (op === 'softmax') result = Math.exp(value - largest) / sum;
      else if (op === 'log-softmax') result = value - largest - Math.log(sum);
      else if (divisor !== undefined) result = divisor === 0 ? value : value / divisor;
      y[first + i * after] = result;
    }
  });
  return y;
}

type OrderNode = Extract<TailNode, { op: 'arg-max' | 'arg-min' | 'top-values' | 'top-indices' }>;

function ordered(node: OrderNode, x: Float64Array): Float64Array {
  const { before, extent, after } = node;
  const isSmallest = node.op === 'arg-min' || ('largest' in node && !node.largest);
  const sign = isSmallest ? -1 : 1;
  if (node.op === 'arg-max' || node.op === 'arg-min') {
    const y = new Float64Array(before * after);
    forEachGroup(node, (first, group) => {
      let best = 0;
      for (let i = 1; i < extent; i++) {
        const gain = sign * (x[first + i * after] - x[first + best * after]);
        if (gain > 0 || (node.last && gain === 0)) best = i;
      }
      y[group] = best;
    });
    return y;
  }
  const y = new Float64Array(before * after * node.count);
  forEachGroup(node, (first, group) => {
    const order = Array.from({ length: extent }, (_, i) => i);
    order.sort((a, b) => sign * (x[first + b * after] - x[first + a * after]) || a - b);
    const start = Math.floor(group / after) * node.count * after + (group % after);
    for (let i = 0; i < node.count; i++)
      y[start + i * after] = node.op === 'top-values' ? x[first + order[i] * after] : order[i];
  });
  return y;
}
