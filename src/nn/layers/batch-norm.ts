import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { newParameter } from './layer.ts';
import type { Layer, LayerSpec, Parameter, Pass } from './layer.ts';
import { resized, sizeOf } from '../tensor/tensor.ts';
import type { SampleShape } from '../tensor/tensor.ts';
import { VectorLoop } from '../tensor/vector-loop.ts';

const APPLY = new VectorLoop({ streams: 2, columns: 3, reads: [0], writes: [1] }, (body) => {
  body.setStream(1, body.add(body.mul(body.column(0), body.stream(0)), body.column(1)));
});

const SUM_PRODUCTS = new VectorLoop({ streams: 2, sums: 2, reads: [0, 1], writes: [] }, (body) => {
  const u = body.stream(0);
  body.addToColumn(0, u);
  body.addToColumn(1, body.mul(u, body.stream(1)));
});

const BACKWARD = new VectorLoop({ streams: 3, columns: 3, reads: [0, 1], writes: [2] }, (body) => {
  const along = body.add(body.mul(body.column(0), body.stream(0)), body.mul(body.column(1), body.stream(1)));
  body.setStream(2, body.add(along, body.column(2)));
});

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
  /** Per feature of the sample: three columns and two sums of a vector loop. */
  readonly #columns: Float32Array[];
  readonly #sums: Float64Array[];
  #x: Float32Array = new Float32Array(0);
  #y: Float32Array = new Float32Array(0);
  #dx: Float32Array = new Float32Array(0);

  constructor(spec: LayerSpec & { kind: 'batch-norm' }, inputShape: SampleShape) {
    arg.checkArguments('new BatchNorm', [spec, inputShape], { spec: arg.options, inputShape: arg.numbers });
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
    const features = sizeOf(inputShape);
    this.#columns = [0, 1, 2].map(() => new Float32Array(features));
    this.#sums = [new Float64Array(features), new Float64Array(features)];
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
    this.#spreadColumn(0, this.#scale);
    this.#spreadColumn(1, this.#addend);
    APPLY.run(batch, this.#columns[0].length, { streams: [x, this.#y], columns: this.#columns });
    return this.#y;
  }

  /** Column `index` gets one value per channel, repeated for its positions. */
  #spreadColumn(index: number, values: ArrayLike<number>): void {
    const positions = this.#positions;
    const column = this.#columns[index];
    for (let c = 0; c < values.length; c++) column.fill(values[c], c * positions, (c + 1) * positions);
  }

  /** Batch statistics into centre and inverse deviation, and one step of the running statistics. */
  #measure(x: Float32Array, batch: number): void {
    const channels = this.#channels;
    const count = batch * this.#positions;
    this.#sumProducts(x, batch, x);
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
  #sumProducts(u: Float32Array, batch: number, x: Float32Array): void {
    const [sums, products] = this.#sums;
    sums.fill(0);
    products.fill(0);
    SUM_PRODUCTS.run(batch, sums.length, { streams: [u, x], sums: this.#sums });
    const positions = this.#positions;
    for (let c = 0; c < this.#channels; c++) {
      this.#first[c] = 0;
      this.#second[c] = 0;
      for (let at = c * positions; at < (c + 1) * positions; at++) {
        this.#first[c] += sums[at];
        this.#second[c] += products[at];
      }
    }
  }

  /** dx = scale * (dy - mean(dy) - xhat * mean(dy * xhat)), written as scale * dy + slope * x + constant. */
  backward(dy: Float32Array, batch: number, _pass: Pass, inputGradient: boolean): Float32Array {
    const channels = this.#channels;
    const count = batch * this.#positions;
    this.#sumProducts(dy, batch, this.#x);
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
    this.#spreadColumn(0, this.#scale);
    this.#spreadColumn(1, slope);
    this.#spreadColumn(2, constant);
    BACKWARD.run(batch, this.#columns[0].length, {
      streams: [dy, this.#x, this.#dx],
      columns: this.#columns,
    });
    return this.#dx;
  }
}

printOnOneLine(BatchNorm);
arg.guard('BatchNorm', BatchNorm.prototype, {
  forward: {
    x: arg.typed('a Float32Array', Float32Array),
    batch: arg.number,
    pass: arg.like('a Pass', 'multiply', 'training'),
  },
  backward: {
    dy: arg.typed('a Float32Array', Float32Array),
    batch: arg.number,
    pass: arg.like('a Pass', 'multiply', 'training'),
    inputGradient: arg.flag,
  },
});
