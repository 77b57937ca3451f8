/**
 * From a trained network to linear stages and squares. What makes it exact:
 *   a z^2 + b z + c = a (z + b/2a)^2 + (c - b^2/4a),
 * so b/2a joins the offset before the square, while a and the constant move into the columns and the offset of the
 * next linear stage. A batch norm folds into the linear stage before it, or into the one after it; a mean pool only sums,
 * its scale moves on as well.
 */
import * as arg from '../../base/arguments.ts';
import { UnsupportedOpError } from '../../base/errors.ts';
import { BatchNorm } from '../layers/batch-norm.ts';
import { Conv2d } from '../layers/conv2d.ts';
import { Dense } from '../layers/dense.ts';
import type { WindowGeometry } from '../tensor/im2col.ts';
import type { Layer } from '../layers/layer.ts';
import { PolynomialActivation } from '../layers/polynomial-activation.ts';
import { MeanPool } from '../layers/pool.ts';
import { Quadratic, Square } from '../layers/quadratic.ts';
import type { Sequential } from '../layers/sequential.ts';
import { sizeOf } from '../tensor/tensor.ts';
import type { SampleShape } from '../tensor/tensor.ts';

/** u = W x + offset, then u^2 if `square`, then sums over the windows of `pool`. */
export interface SquareStage {
  /** Output channels (features of a dense stage). */
  readonly rows: number;
  /** Weights of a row: all inputs, or channels x size y x size x of a convolution (groups filled up with zeros). */
  readonly cols: number;
  readonly weights: Float64Array;
  /** One per row. */
  readonly offset: Float64Array;
  readonly inputShape: SampleShape;
  readonly outputShape: SampleShape;
  /** Windows of a convolution, without padding. */
  readonly window?: WindowGeometry;
  readonly square: boolean;
  /** Window sums after the square. */
  readonly pool?: WindowGeometry;
  /** When every weight is integer * step already, by quantised training. */
  readonly quantised?: { readonly integers: Int32Array; readonly step: number; readonly bits: number };
}

interface OpenStage {
  layer: Dense | Conv2d;
  weights: Float64Array;
  offset: Float64Array;
  /** Factor between the layer's quantised weights and `weights`; NaN once rows or columns differ in it. */
  factor: number;
  window?: WindowGeometry;
}

/** What the stored squares must be multiplied by and increased by, per feature, to be the values of the network. */
interface Pending {
  multiplier: Float64Array;
  addend: Float64Array;
}

/** The places of one channel: values of a sample that share a batch norm or an activation. */
function positionsOf(shape: SampleShape): number {
  return sizeOf(shape) / shape[0];
}

function uniformValue(values: Float64Array): number {
  return values.every((value) => value === values[0]) ? values[0] : Number.NaN;
}

function identity(size: number): Pending {
  return { multiplier: new Float64Array(size).fill(1), addend: new Float64Array(size) };
}

/** Weights of a convolution with the zeros that groups leave out. */
function ungroupedFilters(layer: Conv2d, values: Float32Array): Float64Array {
  const { channels, size } = layer.geometry;
  const area = size[0] * size[1];
  const groups = layer.spec.groups ?? 1;
  const filters = layer.spec.filters;
  const out = new Float64Array(filters * channels * area);
  for (let filter = 0; filter < filters; filter++) {
    const group = Math.floor((filter * groups) / filters);
    out.set(
      values.subarray(filter * layer.taps, (filter + 1) * layer.taps),
      filter * channels * area + group * layer.taps,
    );
  }
  return out;
}

/** Collects stages while walking the layers of a network. */
class StageBuilder {
  readonly stages: SquareStage[] = [];
  readonly problems: string[] = [];
  #open: OpenStage | undefined;
  #pending: Pending;

  constructor(inputs: number) {
    this.#pending = identity(inputs);
  }

  add(layer: Layer, index: number): void {
    if (layer instanceof Dense || layer instanceof Conv2d) this.#linear(layer, index);
    else if (layer instanceof BatchNorm) this.#affine(layer);
    else if (layer instanceof Square) this.#activate([1], [0], [0], index);
    else if (layer instanceof Quadratic) {
      this.#activate([...layer.a.value], [...layer.b.value], [...layer.c.value], index);
    } else if (layer instanceof PolynomialActivation && layer.spec.coefficients.length === 3) {
      const [c, b, a] = layer.spec.coefficients;
      this.#activate([a], [b], [c], index);
    } else if (layer instanceof MeanPool) this.#pool(layer, index);
    else if (layer.spec.kind !== 'dropout') this.problems.push(`layer ${index}: ${layer.spec.kind}`);
  }

  finish(): SquareStage[] {
    if (this.#open === undefined) this.problems.push('the last layer is not linear');
    if (this.problems.length > 0) throw new UnsupportedOpError(this.problems);
    this.#close(false);
    return this.stages;
  }

  /** Opens a stage and pulls the pending multipliers and addends through its columns. */
  #linear(layer: Dense | Conv2d, index: number): void {
    if (this.#open !== undefined) {
      this.problems.push(`layer ${index}: ${layer.spec.kind} directly after a linear layer`);
      return;
    }
    const values = layer.quantiser?.apply(layer.weights.value) ?? layer.weights.value;
    const convolution = layer instanceof Conv2d;
    if (convolution && layer.geometry.padding.some((p) => p > 0)) {
      this.problems.push(`layer ${index}: conv2d with padding`);
      return;
    }
    if (convolution && layer.geometry.dilation.some((d) => d > 1)) {
      this.problems.push(`layer ${index}: conv2d with dilation`);
      return;
    }
    const weights = convolution ? ungroupedFilters(layer, values) : Float64Array.from(values);
    const rows = layer.outputShape[0];
    const cols = weights.length / rows;
    const offset = Float64Array.from({ length: rows }, (_, row) => layer.bias?.value[row] ?? 0);
    const { multiplier, addend } = this.#pending;
    // A filter tap stands for one channel at all its places; multipliers and addends are the same at all of them.
    const area = convolution ? layer.geometry.size[0] * layer.geometry.size[1] : 1;
    const spread = convolution ? positionsOf(layer.inputShape) : 1;
    for (let row = 0, at = 0; row < rows; row++) {
      for (let j = 0; j < cols; j++, at++) {
        const feature = Math.floor(j / area) * spread;
        offset[row] += weights[at] * addend[feature];
        weights[at] *= multiplier[feature];
      }
    }
    const factor = uniformValue(multiplier);
    this.#open = { layer, weights, offset, factor, ...(convolution ? { window: layer.geometry } : {}) };
  }

  #affine(norm: BatchNorm): void {
    const { scale, addend } = norm.affine();
    const open = this.#open;
    if (open !== undefined) {
      const cols = open.weights.length / open.offset.length;
      for (let i = 0; i < open.weights.length; i++) open.weights[i] *= scale[Math.floor(i / cols)];
      for (let row = 0; row < open.offset.length; row++) {
        open.offset[row] = open.offset[row] * scale[row] + addend[row];
      }
      open.factor *= uniformValue(scale);
      return;
    }
    const positions = positionsOf(norm.inputShape);
    const pending = this.#pending;
    for (let i = 0; i < pending.multiplier.length; i++) {
      const channel = Math.floor(i / positions);
      pending.multiplier[i] *= scale[channel];
      pending.addend[i] = pending.addend[i] * scale[channel] + addend[channel];
    }
  }

  /** a z^2 + b z + c per row; arrays of one serve all rows. */
  #activate(a: number[], b: number[], c: number[], index: number): void {
    const open = this.#open;
    if (open === undefined) {
      this.problems.push(`layer ${index}: an activation without a linear layer before it`);
      return;
    }
    const positions = positionsOf(open.layer.outputShape);
    const rows = open.offset.length;
    const pending = identity(rows * positions);
    for (let row = 0; row < rows; row++) {
      const second = a[row % a.length];
      const first = b[row % b.length];
      const constant = c[row % c.length];
      if (second === 0) {
        this.problems.push(`layer ${index}: a quadratic without a square term in channel ${row}`);
        return;
      }
      open.offset[row] += first / (2 * second);
      const rest = constant - (first * first) / (4 * second);
      pending.multiplier.fill(second, row * positions, (row + 1) * positions);
      pending.addend.fill(rest, row * positions, (row + 1) * positions);
    }
    this.#close(true);
    this.#pending = pending;
  }

  #pool(layer: MeanPool, index: number): void {
    const last = this.stages.at(-1);
    if (this.#open !== undefined || last === undefined || last.pool !== undefined) {
      this.problems.push(`layer ${index}: a mean pool that does not follow a square`);
      return;
    }
    this.stages[this.stages.length - 1] = { ...last, pool: layer.geometry };
    const from = this.#pending;
    const inputs = positionsOf(layer.inputShape);
    const outputs = positionsOf(layer.outputShape);
    const size = layer.geometry.size[0] * layer.geometry.size[1];
    const pending = identity(sizeOf(layer.outputShape));
    for (let i = 0; i < pending.multiplier.length; i++) {
      const channel = Math.floor(i / outputs) * inputs;
      pending.multiplier[i] = from.multiplier[channel] * layer.scale;
      pending.addend[i] = from.addend[channel] * layer.scale * size;
    }
    this.#pending = pending;
  }

  #close(square: boolean): void {
    const { layer, weights, offset, factor, window } = this.#open!;
    const quantiser = layer.quantiser;
    let quantised: SquareStage['quantised'];
    if (quantiser !== undefined && Number.isFinite(factor) && factor !== 0) {
      const step = quantiser.step.value[0] * factor;
      const integers = Int32Array.from(weights, (weight) => Math.round(weight / Math.abs(step)));
      quantised = { integers, step: Math.abs(step), bits: quantiser.bits };
    }
    const rows = offset.length;
    this.stages.push({
      rows,
      cols: weights.length / rows,
      weights,
      offset,
      inputShape: layer.inputShape,
      outputShape: layer.outputShape,
      square,
      ...(window === undefined ? {} : { window }),
      ...(quantised === undefined ? {} : { quantised }),
    });
    this.#open = undefined;
  }
}

/**
 * The stages of a trained network, equal to it in inference up to rounding. Accepts dense and conv2d (no padding, no dilation), batch norm,
 * square, quadratic, polynomials of degree two, mean pools after an activation, dropout.
 * @throws {UnsupportedOpError} naming every layer that has no such form.
 */
export function toSquareForm(network: Sequential): SquareStage[] {
  arg.checkArguments('toSquareForm', [network], { network: arg.like('a Sequential', 'forward', 'infer') });
  const builder = new StageBuilder(network.inputs);
  network.layers.forEach((layer, index) => builder.add(layer, index));
  return builder.finish();
}
