/** Polynomial activations of degree two: the square and the learned quadratic, both with a penalty on large inputs. */
import { newParameter } from './layer.ts';
import type { Layer, LayerSpec, Parameter, Pass } from './layer.ts';
import { resized, sizeOf } from './tensor.ts';
import type { SampleShape } from './tensor.ts';

/** Adds the gradient of `weight/batch * sum(max(0, |x| - bound)^2)` to dx and returns the penalty itself. */
export function addRangePenalty(
  dx: Float32Array,
  x: Float32Array,
  batch: number,
  bound: number,
  weight: number,
): number {
  let sum = 0;
  const factor = (2 * weight) / batch;
  for (let i = 0; i < x.length; i++) {
    const value = x[i];
    if (value > bound) {
      sum += (value - bound) * (value - bound);
      dx[i] += factor * (value - bound);
    } else if (value < -bound) {
      sum += (value + bound) * (value + bound);
      dx[i] += factor * (value + bound);
    }
  }
  return (sum * weight) / batch;
}

/** z^2. */
export class Square implements Layer {
  readonly spec: LayerSpec & { readonly kind: 'square' };
  readonly inputShape: SampleShape;
  readonly outputShape: SampleShape;
  readonly parameters = [];
  readonly statistics = [];
  penalty = 0;
  #x: Float32Array = new Float32Array(0);
  #y: Float32Array = new Float32Array(0);
  #dx: Float32Array = new Float32Array(0);

  constructor(spec: LayerSpec & { kind: 'square' }, inputShape: SampleShape) {
    this.spec = spec;
    this.inputShape = inputShape;
    this.outputShape = inputShape;
  }

  forward(x: Float32Array): Float32Array {
    this.#y = resized(this.#y, x.length);
    this.#x = x;
    const y = this.#y;
    for (let i = 0; i < y.length; i++) y[i] = x[i] * x[i];
    return y;
  }

  backward(dy: Float32Array, batch: number): Float32Array {
    this.#dx = resized(this.#dx, dy.length);
    const dx = this.#dx;
    const x = this.#x;
    for (let i = 0; i < dx.length; i++) dx[i] = 2 * x[i] * dy[i];
    const { bound, penalty } = this.spec;
    if (bound !== undefined) this.penalty = addRangePenalty(dx, x, batch, bound, penalty ?? 0.01);
    return dx;
  }
}

/** Least-squares fit of ReLU by a quadratic under N(0,1): a = c = 1/(2 sqrt(2 pi)), b = 1/2 (Chabanne et al. 2017). */
export const RELU_QUADRATIC: readonly [number, number, number] = [0.19947114, 0.5, 0.19947114];

/** a z^2 + b z + c with a, b, c trained per channel (first axis of the sample). */
export class Quadratic implements Layer {
  readonly spec: LayerSpec & { readonly kind: 'quadratic' };
  readonly inputShape: SampleShape;
  readonly outputShape: SampleShape;
  readonly parameters: readonly Parameter[];
  readonly statistics = [];
  penalty = 0;
  readonly a: Parameter;
  readonly b: Parameter;
  readonly c: Parameter;
  readonly #channels: number;
  readonly #positions: number;
  readonly #sums: Float64Array;
  #x: Float32Array = new Float32Array(0);
  #y: Float32Array = new Float32Array(0);
  #dx: Float32Array = new Float32Array(0);

  constructor(spec: LayerSpec & { kind: 'quadratic' }, inputShape: SampleShape) {
    this.spec = spec;
    this.inputShape = inputShape;
    this.outputShape = inputShape;
    this.#channels = inputShape[0];
    this.#positions = sizeOf(inputShape) / this.#channels;
    const [a, b, c] = spec.initial ?? RELU_QUADRATIC;
    this.a = newParameter('a', this.#channels, { bounds: [spec.leastCurvature ?? 0.05, 16] });
    this.b = newParameter('b', this.#channels);
    this.c = newParameter('c', this.#channels);
    this.a.value.fill(a);
    this.b.value.fill(b);
    this.c.value.fill(c);
    this.parameters = [this.a, this.b, this.c];
    this.#sums = new Float64Array(3 * this.#channels);
  }

  forward(x: Float32Array, batch: number): Float32Array {
    this.#y = resized(this.#y, x.length);
    this.#x = x;
    const y = this.#y;
    const channels = this.#channels;
    const positions = this.#positions;
    const a = this.a.value;
    const b = this.b.value;
    const c = this.c.value;
    if (positions === 1) {
      for (let row = 0, at = 0; row < batch; row++) {
        for (let j = 0; j < channels; j++, at++) y[at] = (a[j] * x[at] + b[j]) * x[at] + c[j];
      }
      return y;
    }
    for (let run = 0, at = 0; run < batch * channels; run++) {
      const j = run % channels;
      const [second, first, constant] = [a[j], b[j], c[j]];
      for (const end = at + positions; at < end; at++) y[at] = (second * x[at] + first) * x[at] + constant;
    }
    return y;
  }

  backward(dy: Float32Array, batch: number, _pass: Pass, _inputGradient: boolean): Float32Array {
    this.#dx = resized(this.#dx, dy.length);
    this.#sums.fill(0);
    if (this.#positions === 1) this.#differentiateFeatures(dy, batch);
    else this.#differentiateMaps(dy, batch);
    const channels = this.#channels;
    for (let j = 0; j < channels; j++) {
      this.a.gradient[j] = this.#sums[j];
      this.b.gradient[j] = this.#sums[channels + j];
      this.c.gradient[j] = this.#sums[2 * channels + j];
    }
    const { bound, penalty } = this.spec;
    if (bound !== undefined) this.penalty = addRangePenalty(this.#dx, this.#x, batch, bound, penalty ?? 0.01);
    return this.#dx;
  }

  #differentiateFeatures(dy: Float32Array, batch: number): void {
    const channels = this.#channels;
    const x = this.#x;
    const dx = this.#dx;
    const a = this.a.value;
    const b = this.b.value;
    const squares = this.#sums.subarray(0, channels);
    const products = this.#sums.subarray(channels, 2 * channels);
    const sums = this.#sums.subarray(2 * channels);
    for (let row = 0, at = 0; row < batch; row++) {
      for (let j = 0; j < channels; j++, at++) {
        const value = x[at];
        const incoming = dy[at];
        const product = incoming * value;
        squares[j] += product * value;
        products[j] += product;
        sums[j] += incoming;
        dx[at] = 2 * a[j] * product + b[j] * incoming;
      }
    }
  }

  #differentiateMaps(dy: Float32Array, batch: number): void {
    const channels = this.#channels;
    const positions = this.#positions;
    const x = this.#x;
    const dx = this.#dx;
    for (let run = 0, at = 0; run < batch * channels; run++) {
      const j = run % channels;
      const second = 2 * this.a.value[j];
      const first = this.b.value[j];
      let squares = 0;
      let products = 0;
      let sum = 0;
      for (const end = at + positions; at < end; at++) {
        const product = dy[at] * x[at];
        squares += product * x[at];
        products += product;
        sum += dy[at];
        dx[at] = second * product + first * dy[at];
      }
      this.#sums[j] += squares;
      this.#sums[channels + j] += products;
      this.#sums[2 * channels + j] += sum;
    }
  }
}
