import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { OutOfRangeError } from '../../base/errors.ts';
import type { SeededGenerator } from '../tensor/generator.ts';
import { foldBack, unfold, windowGeometry } from '../tensor/im2col.ts';
import type { WindowGeometry } from '../tensor/im2col.ts';
import { newParameter } from './layer.ts';
import type { Layer, LayerSpec, Parameter, Pass } from './layer.ts';
import type { WeightRounding } from '../quantise/quantise.ts';
import { weightRounding } from './weight-rounding.ts';
import { resized } from '../tensor/tensor.ts';
import type { SampleShape } from '../tensor/tensor.ts';

/** Unfolded columns of one block of samples stay below this many floats: in the second-level cache, roughly. */
const BLOCK_FLOATS = 2 ** 19;

/**
 * Cross-correlation with zero padding, `[batch, channels, height, width]` to `[batch, filters, outHeight, outWidth]`;
 * filters are `[filters, channels / groups, size y, size x]`. Blocks of samples are unfolded and multiplied.
 */
export class Conv2d implements Layer {
  readonly spec: LayerSpec & { readonly kind: 'conv2d' };
  readonly inputShape: SampleShape;
  readonly outputShape: SampleShape;
  readonly parameters: readonly Parameter[];
  readonly statistics = [];
  readonly penalty = 0;
  readonly weights: Parameter;
  readonly bias: Parameter | undefined;
  readonly quantiser: WeightRounding | undefined;
  readonly geometry: WindowGeometry;
  /** Weights of one filter. */
  readonly taps: number;
  readonly #groups: number;
  readonly #positions: number;
  readonly #block: number;
  #x: Float32Array = new Float32Array(0);
  #y: Float32Array = new Float32Array(0);
  #dx: Float32Array = new Float32Array(0);
  #columns: Float32Array = new Float32Array(0);
  #blockOutput: Float32Array = new Float32Array(0);
  #used: Float32Array;

  /** @throws {ShapeError} {@link OutOfRangeError} when the windows or groups do not fit the input. */
  constructor(spec: LayerSpec & { kind: 'conv2d' }, inputShape: SampleShape, generator: SeededGenerator) {
    arg.checkArguments('new Conv2d', [spec, inputShape, generator], {
      spec: arg.options,
      inputShape: arg.numbers,
      generator: arg.like('a SeededGenerator', 'word', 'uniform'),
    });
    this.spec = spec;
    this.inputShape = inputShape;
    const { size, stride = [1, 1], padding = [0, 0], dilation } = spec;
    this.geometry = windowGeometry('a convolution', inputShape, size, stride, padding, dilation);
    const { channels, outHeight, outWidth } = this.geometry;
    this.#groups = spec.groups ?? 1;
    if (!(this.#groups >= 1) || channels % this.#groups !== 0 || spec.filters % this.#groups !== 0) {
      throw new OutOfRangeError('groups', `a divisor of ${channels} and ${spec.filters}`, this.#groups);
    }
    this.outputShape = [spec.filters, outHeight, outWidth];
    this.#positions = outHeight * outWidth;
    this.taps = (channels / this.#groups) * spec.size[0] * spec.size[1];
    this.#block = Math.max(1, Math.floor(BLOCK_FLOATS / (this.taps * this.#positions)));
    this.weights = newParameter('weights', spec.filters * this.taps, { decays: true });
    this.bias = (spec.bias ?? true) ? newParameter('bias', spec.filters) : undefined;
    const deviation = Math.sqrt(2 / this.taps);
    const values = this.weights.value;
    for (let i = 0; i < values.length; i++) values[i] = deviation * generator.normal();
    this.quantiser = weightRounding(spec, values.length);
    this.quantiser?.calibrate(values);
    this.parameters = [this.weights, this.bias, this.quantiser?.step].filter((p) => p !== undefined);
    this.#used = values;
  }

  #channelsPerGroup(): number {
    return this.geometry.channels / this.#groups;
  }

  forward(x: Float32Array, batch: number, pass: Pass): Float32Array {
    const positions = this.#positions;
    const filters = this.spec.filters / this.#groups;
    const size = this.spec.filters * positions;
    const image = x.length / batch;
    this.#x = x;
    this.#y = resized(this.#y, batch * size);
    this.#used = this.quantiser?.apply(this.weights.value) ?? this.weights.value;
    const channels = this.#channelsPerGroup();
    for (let start = 0; start < batch; start += this.#block) {
      const samples = Math.min(this.#block, batch - start);
      const n = samples * positions;
      this.#columns = resized(this.#columns, this.taps * n);
      this.#blockOutput = resized(this.#blockOutput, filters * n);
      for (let group = 0; group < this.#groups; group++) {
        unfold(this.#columns, x, this.geometry, start * image, image, group * channels, channels, samples);
        const weights = this.#groupWeights(this.#used, group);
        pass.multiply.sgemm(
          false,
          false,
          filters,
          n,
          this.taps,
          1,
          weights,
          this.#columns,
          0,
          this.#blockOutput,
        );
        for (let filter = 0; filter < filters; filter++) {
          for (let sample = 0; sample < samples; sample++) {
            const from = filter * n + sample * positions;
            const to = (start + sample) * size + (group * filters + filter) * positions;
            this.#y.set(this.#blockOutput.subarray(from, from + positions), to);
          }
        }
      }
    }
    if (this.bias !== undefined) this.#addBias(this.bias.value, batch);
    return this.#y;
  }

  #groupWeights(weights: Float32Array, group: number): Float32Array {
    if (this.#groups === 1) return weights;
    const length = weights.length / this.#groups;
    return weights.subarray(group * length, (group + 1) * length);
  }

  #addBias(bias: Float32Array, batch: number): void {
    const y = this.#y;
    const positions = this.#positions;
    for (let run = 0, at = 0; run < batch * bias.length; run++) {
      const value = bias[run % bias.length];
      for (const end = at + positions; at < end; at++) y[at] += value;
    }
  }

  backward(dy: Float32Array, batch: number, pass: Pass, inputGradient: boolean): Float32Array {
    const positions = this.#positions;
    const filters = this.spec.filters / this.#groups;
    const image = this.#x.length / batch;
    const channels = this.#channelsPerGroup();
    this.weights.gradient.fill(0);
    if (inputGradient) this.#dx = resized(this.#dx, this.#x.length).fill(0);
    for (let start = 0; start < batch; start += this.#block) {
      const samples = Math.min(this.#block, batch - start);
      const n = samples * positions;
      this.#columns = resized(this.#columns, this.taps * n);
      for (let group = 0; group < this.#groups; group++) {
        const incoming = this.#gatherGradient(dy, start, samples, group);
        const from = group * channels;
        unfold(this.#columns, this.#x, this.geometry, start * image, image, from, channels, samples);
        const gradient = this.#groupWeights(this.weights.gradient, group);
        pass.multiply.sgemm(false, true, filters, this.taps, n, 1, incoming, this.#columns, 1, gradient);
        if (!inputGradient) continue;
        const weights = this.#groupWeights(this.#used, group);
        pass.multiply.sgemm(true, false, this.taps, n, filters, 1, weights, incoming, 0, this.#columns);
        foldBack(this.#dx, this.#columns, this.geometry, start * image, image, from, channels, samples);
      }
    }
    this.quantiser?.routeGradient?.(this.weights.value, this.weights.gradient);
    if (this.bias !== undefined) this.#sumBias(this.bias.gradient, dy, batch);
    return this.#dx;
  }

  /** The gradient of one block and group as `[filters, (sample, position)]`. */
  #gatherGradient(dy: Float32Array, start: number, samples: number, group: number): Float32Array {
    const positions = this.#positions;
    const filters = this.spec.filters / this.#groups;
    const n = samples * positions;
    this.#blockOutput = resized(this.#blockOutput, filters * n);
    for (let filter = 0; filter < filters; filter++) {
      for (let sample = 0; sample < samples; sample++) {
        const from = ((start + sample) * this.spec.filters + group * filters + filter) * positions;
        this.#blockOutput.set(dy.subarray(from, from + positions), filter * n + sample * positions);
      }
    }
    return this.#blockOutput;
  }

  #sumBias(gradient: Float32Array, dy: Float32Array, batch: number): void {
    const positions = this.#positions;
    gradient.fill(0);
    for (let run = 0, at = 0; run < batch * gradient.length; run++) {
      let sum = 0;
      for (const end = at + positions; at < end; at++) sum += dy[at];
      gradient[run % gradient.length] += sum;
    }
  }
}

printOnOneLine(Conv2d);
arg.guard('Conv2d', Conv2d.prototype, {
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
