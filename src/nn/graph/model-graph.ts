/**
 * A network as a graph: what every model becomes before it is compiled. Shapes are static and without the batch axis; wires are
 * flat row-major vectors of them. Views (reshapes, transpositions, slices) are merged into the maps next to them.
 */
import { OutOfRangeError, ShapeError } from '../../base/errors.ts';
import { sizeOf } from '../tensor/tensor.ts';
import { FUNCTION_PARAMETERS } from './element-functions.ts';
import type { FunctionName } from './element-functions.ts';
import type { LinearMap } from './linear-map.ts';
import type { TailGraph } from './tail-graph.ts';

/** Index into {@link ModelGraph.wires}. */
export type WireId = number;

/** How the product of a quadratic is to be formed; the compiler may choose when it is absent. */
export type PolynomialForm = 'completed' | 'product' | 'two-wires' | 'factored';

/** The integers that a quantised model came with: real weight = integer * step of its row of the matrix. */
export interface QuantisedWeights {
  /** As {@link DenseMap.matrix} or {@link WindowMap.matrix}. */
  readonly integers: Int32Array;
  /** One per row of the matrix. */
  readonly rowStep: Float64Array;
}

/** A channel is an index of the first axis of a wire; every feature of a flat wire is one. */
export type ModelNode =
  | {
      readonly op: 'linear';
      readonly in: WireId;
      readonly out: WireId;
      readonly map: LinearMap;
      readonly quantised?: QuantisedWeights;
    }
  | {
      readonly op: 'function';
      readonly in: WireId;
      readonly out: WireId;
      readonly fn: FunctionName;
      readonly parameters: readonly number[];
      /** One value per channel, in place of the first parameter. */
      readonly perChannel?: Float64Array;
    }
  | {
      readonly op: 'polynomial';
      readonly in: WireId;
      readonly out: WireId;
      /** [degree + 1], lowest power first; each one per channel, or a single one for all. */
      readonly coefficients: readonly Float64Array[];
      readonly form?: PolynomialForm;
    }
  /** Element by element; a = b is a square. */
  | { readonly op: 'multiply'; readonly a: WireId; readonly b: WireId; readonly out: WireId }
  | { readonly op: 'add'; readonly a: WireId; readonly b: WireId; readonly out: WireId }
  | { readonly op: 'maximum'; readonly in: WireId; readonly out: WireId; readonly windows: MaximumWindows }
  | {
      readonly op: 'norm';
      readonly in: WireId;
      readonly out: WireId;
      /** Mean and variance are taken over these axes of the wire's shape. */
      readonly axes: readonly number[];
      readonly epsilon: number;
      /** Per element of the wire. */
      readonly gain: Float64Array;
      readonly bias: Float64Array;
    };

/** The largest of `taps` elements for every output: a pool, or a reduction. */
export interface MaximumWindows {
  readonly taps: number;
  /** outputs x taps: input elements; -1 for a place outside, which counts as -infinity. At least one is inside. */
  readonly inputs: Int32Array;
  /** Of a pool without dilation or padding; for layouts. */
  readonly pool?: { readonly kernel: readonly number[]; readonly stride: readonly number[] };
}

/** Statistics of a wire over calibration data, per channel. */
export interface ChannelStatistics {
  readonly samples: number;
  readonly low: Float64Array;
  readonly high: Float64Array;
  readonly mean: Float64Array;
  readonly variance: Float64Array;
}

export interface Wire {
  readonly id: WireId;
  /** Without the batch axis: `[channels, height, width]`, `[channels, time]`, `[features]`; `[1]` for a single number. */
  readonly shape: readonly number[];
  /** The value's name in the file it came from, for messages. */
  readonly name: string;
  readonly trained?: ChannelStatistics;
  /** A proven bound of |value|, per channel. */
  readonly proven?: Float64Array;
}

/** What an input is, and how a file of it becomes numbers: (value - mean) / deviation, clipped. */
export interface InputDescription {
  readonly name: string;
  readonly shape: readonly number[];
  readonly kind: 'image' | 'audio' | 'table' | 'tensor';
  /** One number, or one per channel. */
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
  /** Of the values after normalisation that the model was calibrated on. */
  readonly interval: readonly [low: number, high: number];
  readonly clip: readonly [low: number, high: number];
  readonly image?: ImageInput;
  /** Samples at this rate; with `embedding`, windows of the public speech embedding of them, one every 80 ms. */
  readonly audio?: { readonly rate: number; readonly embedding?: 'speech-embedding-96' };
  /** Names of the classes of the output. */
  readonly labels?: readonly string[];
}

export interface ImageInput {
  readonly channels: 1 | 3;
  readonly size: readonly [height: number, width: number];
  /** `mnist`: cropped to the ink, 20 x 20, centre of mass in the middle. */
  readonly fit: 'stretch' | 'contain' | 'mnist';
  /** Dark ink on white paper becomes bright on black. */
  readonly invert: boolean;
  /** Pixels run from 0 to this before mean and deviation: 1 or 255. */
  readonly white: number;
  /** Order of the values: channel-major, or the channels of a pixel side by side. */
  readonly order?: 'channels-first' | 'channels-last';
  /** What is done to the fitted picture next, see normaliseDrawings; nothing by default. */
  readonly normalisation?: 'drawing';
}

/** Immutable. Wires 0 .. inputs.length - 1 are the inputs; nodes are in topological order and each wire is written once. */
export interface ModelGraph {
  readonly inputs: readonly InputDescription[];
  readonly wires: readonly Wire[];
  readonly nodes: readonly ModelNode[];
  /** What the server computes. */
  readonly output: WireId;
  /** What the client computes from it in the clear: softmax, arg max, thresholds; names and shapes of the model's outputs. */
  readonly tail: TailGraph;
  readonly source: { readonly file?: string; readonly producer?: string; readonly opset?: number };
}

/** The wires a node reads, both of a sum or product. */
export function wiresOf(node: ModelNode): WireId[] {
  return node.op === 'multiply' || node.op === 'add' ? [node.a, node.b] : [node.in];
}

/** Elements of a wire. */
export function wireSize(graph: ModelGraph, id: WireId): number {
  return sizeOf(graph.wires[id].shape);
}

/** Elements of one channel. */
export function channelSize(shape: readonly number[]): number {
  return sizeOf(shape.slice(1));
}

/**
 * @throws {ShapeError} when shapes of wires and nodes do not fit together.
 * @throws {OutOfRangeError} when a wire is read before it is written, written twice, or never.
 */
export function checkModelGraph(graph: ModelGraph): void {
  const { inputs, wires, nodes, output } = graph;
  if (inputs.length === 0) throw new ShapeError('the inputs of a model', 'at least 1', 0);
  const isWritten = wires.map((wire, i) => {
    if (wire.id !== i) throw new OutOfRangeError(`the number of wire ${i}`, String(i), wire.id);
    if (wire.shape.length === 0 || !wire.shape.every((extent) => Number.isInteger(extent) && extent > 0))
      throw new ShapeError(`the shape of ${wire.name}`, 'positive extents', `[${wire.shape.join(', ')}]`);
    return i < inputs.length;
  });
  inputs.forEach((input, i) => {
    if (input.shape.join() !== wires[i]?.shape.join())
      throw new ShapeError(
        `the shape of input ${input.name}`,
        wires[i]?.shape.join(' x ') ?? 'a wire',
        input.shape.join(' x '),
      );
  });
  nodes.forEach((node, i) => {
    for (const id of wiresOf(node))
      if (isWritten[id] !== true) throw new OutOfRangeError(`a wire read by node ${i}`, 'written before', id);
    if (isWritten[node.out] !== false)
      throw new OutOfRangeError(`the wire written by node ${i}`, 'one that no other writes', node.out);
    checkNode(graph, node, i);
    isWritten[node.out] = true;
  });
  if (isWritten[output] !== true) throw new OutOfRangeError('the output wire', 'written', output);
}

function checkNode(graph: ModelGraph, node: ModelNode, index: number): void {
  const out = wireSize(graph, node.out);
  const what = `node ${index} (${node.op}, ${graph.wires[node.out].name})`;
  const requireSize = (part: string, needed: number, got: number): void => {
    if (needed !== got) throw new ShapeError(`${part} of ${what}`, needed, got);
  };
  for (const id of wiresOf(node))
    if (node.op !== 'linear' && node.op !== 'maximum') requireSize('the input', out, wireSize(graph, id));
  const channels = graph.wires[node.out].shape[0];
  if (node.op === 'linear') {
    requireSize('the columns', wireSize(graph, node.in), node.map.cols);
    requireSize('the rows', out, node.map.rows);
    if (node.quantised !== undefined) checkQuantised(node.map, node.quantised, what);
  } else if (node.op === 'function') {
    requireSize('the parameters', FUNCTION_PARAMETERS[node.fn], node.parameters.length);
    if (node.perChannel !== undefined)
      requireSize('the parameters per channel', channels, node.perChannel.length);
  } else if (node.op === 'polynomial') {
    if (node.coefficients.length === 0) throw new ShapeError(`the coefficients of ${what}`, 'at least 1', 0);
    for (const row of node.coefficients)
      if (row.length !== 1) requireSize('the coefficients', channels, row.length);
  } else if (node.op === 'maximum') {
    const { taps, inputs } = node.windows;
    requireSize('the windows', out * taps, inputs.length);
    const size = wireSize(graph, node.in);
    for (let i = 0; i < inputs.length; i++)
      if (!(inputs[i] >= -1 && inputs[i] < size))
        throw new OutOfRangeError(`an input of ${what}`, `-1 to ${size - 1}`, inputs[i]);
  } else if (node.op === 'norm') {
    requireSize('the gains', out, node.gain.length);
    requireSize('the offsets', out, node.bias.length);
    if (!node.axes.every((axis) => axis >= 0 && axis < graph.wires[node.in].shape.length))
      throw new OutOfRangeError(`the axes of ${what}`, 'axes of its input', node.axes.join(', '));
  }
}

function checkQuantised(map: LinearMap, { integers, rowStep }: QuantisedWeights, what: string): void {
  if (map.kind !== 'dense' && map.kind !== 'window')
    throw new ShapeError(`the quantised weights of ${what}`, 'those of a dense or window map', map.kind);
  const rows = map.kind === 'dense' ? map.rows : map.channels;
  if (integers.length !== map.matrix.length)
    throw new ShapeError(`the integers of ${what}`, map.matrix.length, integers.length);
  if (rowStep.length !== rows) throw new ShapeError(`the steps of ${what}`, rows, rowStep.length);
}
