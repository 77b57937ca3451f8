/** Activations without parameters: ReLU, sigmoid. */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import type { Layer, LayerSpec, Pass } from './layer.ts';
import { resized } from '../tensor/tensor.ts';
import type { SampleShape } from '../tensor/tensor.ts';
import { VectorLoop } from '../tensor/vector-loop.ts';

const RELU = new VectorLoop({ streams: 2, reads: [0], writes: [1] }, (body) => {
  body.setStream(1, body.max(body.stream(0), body.zero()));
});

const RELU_BACKWARD = new VectorLoop({ streams: 3, reads: [0, 1], writes: [2] }, (body) => {
  body.setStream(2, body.and(body.stream(0), body.greater(body.stream(1), body.zero())));
});

const PRODUCT = new VectorLoop({ streams: 3, reads: [0, 1], writes: [2] }, (body) => {
  body.setStream(2, body.mul(body.stream(0), body.stream(1)));
});

/** max(x, 0). */
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
    arg.checkArguments('new Relu', [spec, inputShape], { spec: arg.options, inputShape: arg.numbers });
    this.spec = spec;
    this.inputShape = inputShape;
    this.outputShape = inputShape;
  }

  forward(x: Float32Array): Float32Array {
    this.#y = resized(this.#y, x.length);
    RELU.run(1, x.length, { streams: [x, this.#y] });
    return this.#y;
  }

  backward(dy: Float32Array): Float32Array {
    this.#dx = resized(this.#dx, dy.length);
    RELU_BACKWARD.run(1, dy.length, { streams: [dy, this.#y, this.#dx] });
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
    arg.checkArguments('new Sigmoid', [spec, inputShape], { spec: arg.options, inputShape: arg.numbers });
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
    arg.checkArguments('new Dropout', [spec, inputShape, word], {
      spec: arg.options,
      inputShape: arg.numbers,
      word: arg.callback,
    });
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
    const threshold = this.spec.rate * 65_536;
    const kept = 1 / (1 - this.spec.rate);
    for (let i = 0; i < mask.length; i += 2) {
      const word = this.#word();
      mask[i] = (word & 0xffff) >= threshold ? kept : 0;
      if (i + 1 < mask.length) mask[i + 1] = word >>> 16 >= threshold ? kept : 0;
    }
    PRODUCT.run(1, x.length, { streams: [x, mask, this.#y] });
    return this.#y;
  }

  backward(dy: Float32Array): Float32Array {
    this.#dx = resized(this.#dx, dy.length);
    PRODUCT.run(1, dy.length, { streams: [dy, this.#mask, this.#dx] });
    return this.#dx;
  }
}

printOnOneLine(Relu, Sigmoid, Dropout);
arg.guard('Relu', Relu.prototype, {
  forward: { x: arg.typed('a Float32Array', Float32Array) },
  backward: { dy: arg.typed('a Float32Array', Float32Array) },
});
arg.guard('Sigmoid', Sigmoid.prototype, {
  forward: { x: arg.typed('a Float32Array', Float32Array) },
  backward: { dy: arg.typed('a Float32Array', Float32Array) },
});
arg.guard('Dropout', Dropout.prototype, {
  forward: {
    x: arg.typed('a Float32Array', Float32Array),
    batch: arg.number,
    pass: arg.like('a Pass', 'multiply', 'training'),
  },
  backward: { dy: arg.typed('a Float32Array', Float32Array) },
});
