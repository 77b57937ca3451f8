import { newParameter } from './layer.ts';
import type { Layer, LayerSpec, Parameter, Pass } from './layer.ts';
import { resized, sizeOf } from './tensor.ts';
import type { SampleShape } from './tensor.ts';

/**
 * Batch normalisation (Ioffe and Szegedy 2015) over the first axis of the sample: features of `[batch, features]`,
 * channels of `[batch, channels, height, width]`. Training uses the biased batch variance and moves the running
 * statistics by `1 - momentum`; inference uses the running ones.
 *
 * With `shared`, means and shifts stay per channel but one variance (of the centred layer) and one gain serve the whole
 * layer. Then the layer folds into a single number, which keeps integer weights integers.
 */
export class BatchNorm implements Layer {
  readonly spec: LayerSpec & { readonly kind: 'batch-norm' };
  readonly inputShape: SampleShape;
  readonly outputShape: SampleShape;
  readonly parameters: readonly Parameter[];
  readonly statistics: readonly Float32Array[];
  readonly penalty = 0;
  readonly gain: Parameter;
  readonly shift: Parameter;
  readonly mean: Float32Array;
  readonly variance: Float32Array;
  readonly epsilon: number;
  /** Share of the running statistics that a batch keeps. */
  momentum: number;
  readonly #channels: number;
  readonly #positions: number;
  /** Per channel: multiplier and addend of the forward pass, then the two sums of either pass. */
  readonly #scale: Float32Array;
  readonly #addend: Float32Array;
  readonly #centre: Float64Array;
  readonly #inverse: Float64Array;
  readonly #first: Float64Array;
  readonly #second: Float64Array;
  #x: Float32Array = new Float32Array(0);
  #y: Float32Array = new Float32Array(0);
  #dx: Float32Array = new Float32Array(0);

  constructor(spec: LayerSpec & { kind: 'batch-norm' }, inputShape: SampleShape) {
    this.spec = spec;
    this.inputShape = inputShape;
    this.outputShape = inputShape;
    const channels = inputShape[0];
    this.#channels = channels;
    this.#positions = sizeOf(inputShape) / channels;
    this.epsilon = spec.epsilon ?? 1e-5;
    this.momentum = spec.momentum ?? 0.9;
    const widths = spec.shared ? 1 : channels;
    this.gain = newParameter('gain', widths);
    this.gain.value.fill(1);
    this.shift = newParameter('shift', channels);
    this.shift.value.fill(spec.initialShift ?? 0);
    this.mean = new Float32Array(channels);
    this.variance = new Float32Array(widths).fill(1);
    this.parameters = [this.gain, this.shift];
    this.statistics = [this.mean, this.variance];
    this.#scale = new Float32Array(channels);
    this.#addend = new Float32Array(channels);
    this.#centre = new Float64Array(channels);
    this.#inverse = new Float64Array(channels);
    this.#first = new Float64Array(channels);
    this.#second = new Float64Array(channels);
  }

  /** The layer at inference: y = scale[channel] * x + addend[channel]. */
  affine(): { readonly scale: Float64Array; readonly addend: Float64Array } {
    const scale = new Float64Array(this.#channels);
    const addend = new Float64Array(this.#channels);
    for (let c = 0; c < this.#channels; c++) {
      const at = this.spec.shared ? 0 : c;
      scale[c] = this.gain.value[at] / Math.sqrt(this.variance[at] + this.epsilon);
      addend[c] = this.shift.value[c] - this.mean[c] * scale[c];
    }
    return { scale, addend };
  }

  forward(x: Float32Array, batch: number, pass: Pass): Float32Array {
    this.#y = resized(this.#y, x.length);
    this.#x = x;
    if (pass.training) {
      this.#measure(x, batch);
    } else {
      const { scale, addend } = this.affine();
      this.#scale.set(scale);
      this.#addend.set(addend);
    }
    const channels = this.#channels;
    const positions = this.#positions;
    const scale = this.#scale;
    const addend = this.#addend;
    const y = this.#y;
    if (positions === 1) {
      for (let row = 0, at = 0; row < batch; row++) {
        for (let c = 0; c < channels; c++, at++) y[at] = scale[c] * x[at] + addend[c];
      }
    } else {
      for (let run = 0, at = 0; run < batch * channels; run++) {
        const factor = scale[run % channels];
        const constant = addend[run % channels];
        for (const end = at + positions; at < end; at++) y[at] = factor * x[at] + constant;
      }
    }
    return y;
  }

  /** Batch statistics into centre and inverse deviation, and one step of the running statistics. */
  #measure(x: Float32Array, batch: number): void {
    const channels = this.#channels;
    const count = batch * this.#positions;
    this.#sumProducts(x, x, batch);
    const momentum = this.momentum;
    let pooled = 0;
    for (let c = 0; c < channels; c++) {
      const mean = this.#first[c] / count;
      const variance = Math.max(0, this.#second[c] / count - mean * mean);
      this.#centre[c] = mean;
      this.#inverse[c] = variance;
      pooled += variance / channels;
      this.mean[c] = momentum * this.mean[c] + (1 - momentum) * mean;
    }
    for (let c = 0; c < channels; c++) {
      const variance = this.spec.shared ? pooled : this.#inverse[c];
      if (c < this.variance.length) {
        this.variance[c] = momentum * this.variance[c] + (1 - momentum) * variance;
      }
      this.#inverse[c] = 1 / Math.sqrt(variance + this.epsilon);
      const scale = this.gain.value[this.spec.shared ? 0 : c] * this.#inverse[c];
      this.#scale[c] = scale;
      this.#addend[c] = this.shift.value[c] - this.#centre[c] * scale;
    }
  }

  /** Per channel: first = sum of u, second = sum of u * x. */
  #sumProducts(u: Float32Array, x: Float32Array, batch: number): void {
    const channels = this.#channels;
    const positions = this.#positions;
    const first = this.#first.fill(0);
    const second = this.#second.fill(0);
    if (positions === 1) {
      for (let row = 0, at = 0; row < batch; row++) {
        for (let c = 0; c < channels; c++, at++) {
          const value = u[at];
          first[c] += value;
          second[c] += value * x[at];
        }
      }
      return;
    }
    for (let run = 0, at = 0; run < batch * channels; run++) {
      let sum = 0;
      let products = 0;
      for (const end = at + positions; at < end; at++) {
        sum += u[at];
        products += u[at] * x[at];
      }
      first[run % channels] += sum;
      second[run % channels] += products;
    }
  }

  /** dx = scale * (dy - mean(dy) - xhat * mean(dy * xhat)), written as scale * dy + slope * x + constant. */
  backward(dy: Float32Array, batch: number, _pass: Pass, inputGradient: boolean): Float32Array {
    const channels = this.#channels;
    const positions = this.#positions;
    const count = batch * positions;
    this.#sumProducts(dy, this.#x, batch);
    const slope = this.#second;
    const constant = this.#first;
    let shared = 0;
    for (let c = 0; c < channels; c++) {
      this.shift.gradient[c] = constant[c];
      const alongNormal = (slope[c] - this.#centre[c] * constant[c]) * this.#inverse[c];
      slope[c] = alongNormal;
      shared += alongNormal;
      if (!this.spec.shared) this.gain.gradient[c] = alongNormal;
    }
    if (this.spec.shared) this.gain.gradient[0] = shared;
    for (let c = 0; c < channels; c++) {
      const along = this.spec.shared ? shared / channels : slope[c];
      slope[c] = (-this.#scale[c] * along * this.#inverse[c]) / count;
      constant[c] = (-this.#scale[c] * constant[c]) / count - slope[c] * this.#centre[c];
    }
    if (!inputGradient) return this.#dx;
    this.#dx = resized(this.#dx, dy.length);
    const dx = this.#dx;
    const x = this.#x;
    const scale = this.#scale;
    if (positions === 1) {
      for (let row = 0, at = 0; row < batch; row++) {
        for (let c = 0; c < channels; c++, at++) dx[at] = scale[c] * dy[at] + slope[c] * x[at] + constant[c];
      }
      return dx;
    }
    for (let run = 0, at = 0; run < batch * channels; run++) {
      const c = run % channels;
      const a = scale[c];
      const b = slope[c];
      const d = constant[c];
      for (const end = at + positions; at < end; at++) dx[at] = a * dy[at] + b * x[at] + d;
    }
    return dx;
  }
}
