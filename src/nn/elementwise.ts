/** Activations without parameters: ReLU, sigmoid. */
import type { Layer, LayerSpec, Pass } from './layer.ts';
import { resized } from './tensor.ts';
import type { SampleShape } from './tensor.ts';

/** The bits of a float array as integers, on the same memory. */
function bitsOf(values: Float32Array): Int32Array {
  return new Int32Array(values.buffer, values.byteOffset, values.length);
}

/**
 * max(x, 0). Works on the bits of the floats: half of all signs are positive, so a branch per element would be mispredicted
 * half of the time.
 */
export class Relu implements Layer {
  readonly spec: LayerSpec & { readonly kind: 'relu' };
  readonly inputShape: SampleShape;
  readonly outputShape: SampleShape;
  readonly parameters = [];
  readonly statistics = [];
  readonly penalty = 0;
  #y: Float32Array = new Float32Array(0);
  #dx: Float32Array = new Float32Array(0);

  constructor(spec: LayerSpec & { kind: 'relu' }, inputShape: SampleShape) {
    this.spec = spec;
    this.inputShape = inputShape;
    this.outputShape = inputShape;
  }

  forward(x: Float32Array): Float32Array {
    this.#y = resized(this.#y, x.length);
    const from = bitsOf(x);
    const to = bitsOf(this.#y);
    for (let i = 0; i < to.length; i++) {
      const word = from[i];
      to[i] = word & ~(word >> 31);
    }
    return this.#y;
  }

  backward(dy: Float32Array): Float32Array {
    this.#dx = resized(this.#dx, dy.length);
    const from = bitsOf(dy);
    const output = bitsOf(this.#y);
    const to = bitsOf(this.#dx);
    for (let i = 0; i < to.length; i++) to[i] = from[i] & (-output[i] >> 31);
    return this.#dx;
  }
}

/** 1 / (1 + exp(-x)). */
export class Sigmoid implements Layer {
  readonly spec: LayerSpec & { readonly kind: 'sigmoid' };
  readonly inputShape: SampleShape;
  readonly outputShape: SampleShape;
  readonly parameters = [];
  readonly statistics = [];
  readonly penalty = 0;
  #y: Float32Array = new Float32Array(0);
  #dx: Float32Array = new Float32Array(0);

  constructor(spec: LayerSpec & { kind: 'sigmoid' }, inputShape: SampleShape) {
    this.spec = spec;
    this.inputShape = inputShape;
    this.outputShape = inputShape;
  }

  forward(x: Float32Array): Float32Array {
    this.#y = resized(this.#y, x.length);
    const y = this.#y;
    for (let i = 0; i < y.length; i++) y[i] = 1 / (1 + Math.exp(-x[i]));
    return y;
  }

  backward(dy: Float32Array): Float32Array {
    this.#dx = resized(this.#dx, dy.length);
    const dx = this.#dx;
    const y = this.#y;
    for (let i = 0; i < dx.length; i++) dx[i] = dy[i] * y[i] * (1 - y[i]);
    return dx;
  }
}

/** Zeroes a share `rate` of the values while training and scales the rest by 1/(1 - rate); nothing at inference. */
export class Dropout implements Layer {
  readonly spec: LayerSpec & { readonly kind: 'dropout' };
  readonly inputShape: SampleShape;
  readonly outputShape: SampleShape;
  readonly parameters = [];
  readonly statistics = [];
  readonly penalty = 0;
  readonly #word: () => number;
  #mask: Float32Array = new Float32Array(0);
  #y: Float32Array = new Float32Array(0);
  #dx: Float32Array = new Float32Array(0);

  /** `word` draws 32 uniform bits; it is the network's seeded generator. */
  constructor(spec: LayerSpec & { kind: 'dropout' }, inputShape: SampleShape, word: () => number) {
    this.spec = spec;
    this.inputShape = inputShape;
    this.outputShape = inputShape;
    this.#word = word;
  }

  forward(x: Float32Array, _batch: number, pass: Pass): Float32Array {
    if (!pass.training) return x;
    this.#mask = resized(this.#mask, x.length);
    this.#y = resized(this.#y, x.length);
    const mask = this.#mask;
    const y = this.#y;
    const threshold = this.spec.rate * 65_536;
    const kept = 1 / (1 - this.spec.rate);
    for (let i = 0; i < y.length; i += 2) {
      const word = this.#word();
      mask[i] = (word & 0xffff) >= threshold ? kept : 0;
      if (i + 1 < y.length) mask[i + 1] = word >>> 16 >= threshold ? kept : 0;
    }
    for (let i = 0; i < y.length; i++) y[i] = x[i] * mask[i];
    return y;
  }

  backward(dy: Float32Array): Float32Array {
    this.#dx = resized(this.#dx, dy.length);
    const dx = this.#dx;
    for (let i = 0; i < dx.length; i++) dx[i] = dy[i] * this.#mask[i];
    return dx;
  }
}
