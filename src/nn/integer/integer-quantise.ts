/**
 * Post-training quantisation of a float graph to an {@link IntegerNetwork}: int8 weights with a scale per row, 8-bit activations
 * into every linear layer with a scale per tensor, unsigned where they cannot be negative, and fixed-point rescaling between
 * them (Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only inference", 2018;
 * symmetric, so that padding stays zero). What only the device sees, sums of a residual branch and operands of squares, keeps 15 bits.
 */
import * as arg from '../../base/arguments.ts';
import { OutOfRangeError, ShapeError, UnsupportedOpError } from '../../base/errors.ts';
import { integerConvolution } from '../../kernel/integer-linear-map.ts';
import type { IntegerLinearMap } from '../../kernel/integer-linear-map.ts';
import { Conv2d } from '../layers/conv2d.ts';
import { Dense } from '../layers/dense.ts';
import { fixedPointFactors } from './fixed-point.ts';
import { IntegerNetwork } from './integer-network.ts';
import type { IntegerInput } from './integer-input-output.ts';
import { imageOf, stepFacts } from './integer-shapes.ts';
import type { IntegerTensorFacts } from './integer-shapes.ts';
import { HIGHEST_INT8 } from './integer-step.ts';
import type { IntegerStep } from './integer-step.ts';
import { sourcesOf } from '../layers/layer-graph.ts';
import type { GraphNode, LayerGraph } from '../layers/layer-graph.ts';
import type { Layer } from '../layers/layer.ts';
import type { MatrixMultiply } from '../tensor/matrix-multiply.ts';
import { MaxPool, MeanPool } from '../layers/pool.ts';
import { sizeOf } from '../tensor/tensor.ts';

/** Samples of a calibration pass: the layers hold their outputs. */
const CALIBRATION_BLOCK = 16;
const NARROW = 8;
const WIDE = 15;
const INT32_LIMIT = 2 ** 31 - 1;
/** Leaves room for the products in an int32. */
const LARGEST_BIAS = 2 ** 29;

type Interval = readonly [low: number, high: number];

/** Integers somewhere in the network; channel c is `scales[c]` (or `scales[0]`) real units per one. */
interface ScaledTensor {
  /** The step that makes them, -1 for the input of the network. */
  readonly step: number;
  readonly scales: Float64Array;
  readonly facts: IntegerTensorFacts;
  /** 8 bits, one scale: may enter a linear step as they are. */
  readonly narrow: boolean;
}

/** The interval of every node's output over the samples `[count, inputs]`. */
function measureIntervals(graph: LayerGraph, samples: Float32Array, multiply: MatrixMultiply): Interval[] {
  const intervals: [number, number][] = graph.nodes.map(() => [0, 0]);
  const block = CALIBRATION_BLOCK * graph.inputs;
  for (let at = 0; at < samples.length; at += block) {
    graph.infer(samples.subarray(at, at + block), multiply, (node, output) => {
      const interval = intervals[node];
      for (let i = 0; i < output.length; i++) {
        if (output[i] < interval[0]) interval[0] = output[i];
        if (output[i] > interval[1]) interval[1] = output[i];
      }
    });
  }
  return intervals;
}

/**
 * `calibration` are real inputs `[count, inputs]`, a few dozen typical ones; values beyond what they reach are clamped. `input` says
 * how real inputs enter; its values must have 8 bits.
 * @throws {UnsupportedOpError} naming a layer that has no integer form. @throws {ShapeError} when there is no calibration sample.
 * @throws {OutOfRangeError} when the input has more bits, or sums could leave int32.
 */
export function quantiseToIntegers(
  graph: LayerGraph,
  calibration: Float32Array,
  input: Omit<IntegerInput, 'shape'>,
  multiply: MatrixMultiply,
): IntegerNetwork {
  arg.checkArguments('quantiseToIntegers', [graph, calibration, input, multiply], {
    graph: arg.like('a LayerGraph', 'infer', 'inputShape'),
    calibration: arg.typed('a Float32Array', Float32Array),
    input: arg.options,
    multiply: arg.like('a MatrixMultiply', 'sgemm'),
  });
  if (input.low < -128 || input.high - Math.min(0, input.low) > 255 || input.offset !== 0)
    throw new OutOfRangeError(
      'the input of a quantised network',
      '8 bits around 0',
      `${input.low}, ${input.high}`,
    );
  if (calibration.length === 0 || calibration.length % graph.inputs !== 0)
    throw new ShapeError('the calibration samples', `n x ${graph.inputs}`, calibration.length);
  const entry = { ...input, shape: graph.inputShape };
  const quantiser = new GraphQuantiser(graph, measureIntervals(graph, calibration, multiply), entry);
  return new IntegerNetwork(entry, quantiser.steps, { scale: quantiser.outputScale, softmax: false });
}

class GraphQuantiser {
  readonly steps: IntegerStep[] = [];
  readonly outputScale: number;
  readonly #graph: LayerGraph;
  readonly #intervals: readonly Interval[];
  readonly #input: ScaledTensor;
  readonly #tensors: ScaledTensor[] = [];
  /** Per node, its 8-bit form where `#tensors` holds a wider one. */
  readonly #narrowed = new Map<number, ScaledTensor>();
  readonly #readers: readonly (readonly number[])[];

  constructor(graph: LayerGraph, intervals: readonly Interval[], input: IntegerInput) {
    this.#graph = graph;
    this.#intervals = intervals;
    const facts = { shape: input.shape, bound: Math.max(-input.low, input.high) };
    this.#input = { step: -1, scales: Float64Array.of(input.scale), facts, narrow: true };
    const readers: number[][] = graph.nodes.map(() => []);
    graph.nodes.forEach((node, i) => {
      for (const source of sourcesOf(node, i)) readers[source]?.push(i);
    });
    this.#readers = readers;
    graph.nodes.forEach((node, i) => {
      this.#tensors[i] = this.#quantised(node, i);
    });
    const last = graph.nodes.length - 1;
    const result = this.#tensors[last];
    const uniform = result.scales.every((scale) => scale === result.scales[0]);
    this.outputScale = (uniform ? result : this.#rescaled(result, intervals[last], WIDE)).scales[0];
  }

  #tensor(node: number): ScaledTensor {
    return node === -1 ? this.#input : this.#tensors[node];
  }

  #push(
    step: IntegerStep,
    x: ScaledTensor,
    scales: Float64Array,
    narrow = false,
    other?: ScaledTensor,
  ): ScaledTensor {
    const index = this.steps.length;
    const facts = stepFacts(step, x.facts, other?.facts, `step ${index} (${step.kind})`);
    this.steps.push(step);
    return { step: index, scales, facts, narrow };
  }

  #quantised(node: GraphNode, i: number): ScaledTensor {
    const [from, other] = sourcesOf(node, i);
    const x = this.#tensor(from);
    switch (node.kind) {
      case 'add':
        return this.#added(i, x, this.#tensor(other));
      case 'zero-extend': {
        const perChannel = x.scales.length > 1 && x.scales.length !== node.to.channels;
        const source = perChannel ? this.#rescaled(x, this.#intervals[from], WIDE) : x;
        const step = { kind: 'zero-extend', to: node.to, from: source.step } as const;
        return this.#push(step, source, source.scales, source.narrow);
      }
      case 'layer':
        return this.#layer(node.layer, i, from);
    }
  }

  #layer(layer: Layer, i: number, from: number): ScaledTensor {
    const x = this.#tensor(from);
    if (layer instanceof Dense || layer instanceof Conv2d) return this.#linear(layer, i, this.#narrow(from));
    if (layer instanceof MaxPool) {
      const { size, stride = size } = layer.spec;
      return this.#push({ kind: 'max-pool', size, stride, from: x.step }, x, x.scales, x.narrow);
    }
    if (layer instanceof MeanPool) return this.#summed(layer, x, from);
    if (layer.spec.kind === 'relu') return this.#rectified(i, x, from);
    if (layer.spec.kind === 'square') {
      const operand = this.#rescaled(x, this.#intervals[from], WIDE);
      const scales = operand.scales.map((scale) => scale * scale);
      return this.#push({ kind: 'square', from: operand.step }, operand, scales);
    }
    throw new UnsupportedOpError([`node ${i}: ${layer.spec.kind}`]);
  }

  #linear(layer: Dense | Conv2d, i: number, x: ScaledTensor): ScaledTensor {
    const last = i === this.#graph.nodes.length - 1;
    const { weights, scales } = quantisedRows(layer, x.scales[0], last);
    const bias = Int32Array.from(layer.bias?.value ?? new Float32Array(scales.length), (value, row) =>
      Math.round(value / scales[row]),
    );
    return this.#push({ kind: 'linear', map: linearMapOf(layer, weights), bias, from: x.step }, x, scales);
  }

  /** Window sums are exact; the mean's factor joins the scale. */
  #summed({ spec, scale }: MeanPool, x: ScaledTensor, from: number): ScaledTensor {
    const { size, stride = size } = spec;
    const fits = x.facts.bound * size[0] * size[1] <= INT32_LIMIT;
    const source = fits ? x : this.#rescaled(x, this.#intervals[from], WIDE);
    const scales = source.scales.map((value) => value * scale);
    return this.#push({ kind: 'sum-pool', size, stride, divisor: 1, from: source.step }, source, scales);
  }

  /** Clamping at zero is the activation. An addition before it has clamped already. */
  #rectified(i: number, x: ScaledTensor, from: number): ScaledTensor {
    if (this.#clampsFor(from) === i) return x;
    return this.#rescaled(x, [0, this.#intervals[i][1]], this.#feedsLinearOnly(i) ? NARROW : WIDE);
  }

  /** The activation that is the only reader of an addition. */
  #clampsFor(node: number): number | undefined {
    if (this.#graph.nodes[node]?.kind !== 'add' || this.#readers[node].length !== 1) return undefined;
    const reader = this.#readers[node][0];
    const next = this.#graph.nodes[reader];
    return next.kind === 'layer' && next.layer.spec.kind === 'relu' ? reader : undefined;
  }

  #feedsLinearOnly(node: number): boolean {
    return this.#readers[node].every((reader) => {
      const next = this.#graph.nodes[reader];
      if (next.kind === 'add') return false;
      const passes = next.kind === 'zero-extend' || next.layer instanceof MaxPool;
      if (passes) return this.#feedsLinearOnly(reader);
      return next.layer instanceof Dense || next.layer instanceof Conv2d;
    });
  }

  #added(i: number, x: ScaledTensor, y: ScaledTensor): ScaledTensor {
    const activation = this.#clampsFor(i);
    const [low, high] = this.#intervals[activation ?? i];
    const bits = this.#feedsLinearOnly(activation ?? i) ? NARROW : WIDE;
    const { clamps, unit } = gridOf([activation === undefined ? low : 0, high], bits);
    const { multipliers, shift } = fixedPointFactors(
      [x, y].map(({ scales, facts }) => ({
        ratios: scales.map((scale) => scale / unit),
        bound: facts.bound,
      })),
    );
    const [ours, others] = multipliers;
    const operands = { from: x.step, other: y.step, multipliers: ours, otherMultipliers: others, shift };
    return this.#push({ kind: 'add', ...operands, ...clamps }, x, Float64Array.of(unit), bits === NARROW, y);
  }

  /** The node's values in the 8 bits that a linear step takes. */
  #narrow(node: number): ScaledTensor {
    const x = this.#tensor(node);
    if (x.narrow) return x;
    const known = this.#narrowed.get(node) ?? this.#rescaled(x, this.#intervals[node], NARROW);
    this.#narrowed.set(node, known);
    return known;
  }

  /** On a grid of `bits` over the interval. */
  #rescaled(x: ScaledTensor, interval: Interval, bits: number): ScaledTensor {
    const { clamps, unit } = gridOf(interval, bits);
    const ratios = x.scales.map((scale) => scale / unit);
    const { multipliers, shift } = fixedPointFactors([{ ratios, bound: x.facts.bound }]);
    const step = { kind: 'requantise', multipliers: multipliers[0], shift, from: x.step, ...clamps } as const;
    return this.#push(step, x, Float64Array.of(unit), bits === NARROW);
  }
}

/** The integers from 0, or on both sides of it, whose `bits` cover the interval, and the real value of one. */
function gridOf(
  [low, high]: Interval,
  bits: number,
): { clamps: { low: number; high: number }; unit: number } {
  const largest = low < 0 ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
  const unit = Math.max(-low, high) / largest || 1;
  return { clamps: { low: low < 0 ? -largest : 0, high: largest }, unit };
}

/** Weights in -127 to 127 and per row the real value of one unit of the sum; the same for all rows when `uniform`. */
function quantisedRows(
  layer: Dense | Conv2d,
  inputScale: number,
  uniform: boolean,
): { weights: Int8Array; scales: Float64Array } {
  const values = layer.quantiser?.apply(layer.weights.value) ?? layer.weights.value;
  const rows = layer.outputShape[0];
  const cols = values.length / rows;
  const steps = Float64Array.from({ length: rows }, (_, row) => {
    let largest = 0;
    for (let i = row * cols; i < (row + 1) * cols; i++) largest = Math.max(largest, Math.abs(values[i]));
    const forBias = Math.abs(layer.bias?.value[row] ?? 0) / (inputScale * LARGEST_BIAS);
    return Math.max(largest / HIGHEST_INT8, forBias, Number.MIN_VALUE / inputScale) || 1;
  });
  if (uniform) steps.fill(steps.reduce((a, b) => Math.max(a, b)));
  const weights = Int8Array.from(values, (value, i) => Math.round(value / steps[Math.floor(i / cols)]));
  return { weights, scales: steps.map((step) => step * inputScale) };
}

function linearMapOf(layer: Dense | Conv2d, weights: Int8Array): IntegerLinearMap {
  if (layer instanceof Dense)
    return { kind: 'dense', inputs: sizeOf(layer.inputShape), outputs: layer.spec.outputs, weights };
  const { size, stride, padding, dilation } = layer.geometry;
  const { filters, groups = 1 } = layer.spec;
  const image = imageOf(layer.inputShape, 'a convolution');
  return integerConvolution(image, filters, size, weights, { stride, padding, dilation, groups });
}
