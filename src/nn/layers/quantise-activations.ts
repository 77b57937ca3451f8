import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import type { Layer, LayerSpec, Pass } from './layer.ts';
import { largestLevel } from '../quantise/quantise.ts';
import { resized } from '../tensor/tensor.ts';
import type { SampleShape } from '../tensor/tensor.ts';

/**
 * Rounds values to `bits` bits, symmetric, with a step from the largest |value| seen in training (which decays by 0.1 % per
 * batch). Gradients pass straight through where nothing is clipped. For the quantised networks that run in clear.
 */
export class QuantiseActivations implements Layer {
  readonly spec: LayerSpec & { readonly kind: 'quantise-activations' };
  readonly inputShape: SampleShape;
  readonly outputShape: SampleShape;
  readonly parameters = [];
  readonly statistics: readonly Float32Array[];
  readonly penalty = 0;
  readonly #largest = new Float32Array(1);
  readonly #level: number;
  #x: Float32Array = new Float32Array(0);
  #y: Float32Array = new Float32Array(0);
  #dx: Float32Array = new Float32Array(0);

  /** @throws {OutOfRangeError} */
  constructor(spec: LayerSpec & { kind: 'quantise-activations' }, inputShape: SampleShape) {
    arg.checkArguments('new QuantiseActivations', [spec, inputShape], {
      spec: arg.options,
      inputShape: arg.numbers,
    });
    this.spec = spec;
    this.inputShape = inputShape;
    this.outputShape = inputShape;
    this.#level = largestLevel(spec.bits);
    this.statistics = [this.#largest];
  }

  forward(x: Float32Array, _batch: number, pass: Pass): Float32Array {
    this.#x = x;
    if (pass.training) {
      let largest = 0.999 * this.#largest[0];
      for (let i = 0; i < x.length; i++) {
        const magnitude = Math.abs(x[i]);
        if (magnitude > largest) largest = magnitude;
      }
      this.#largest[0] = largest;
    }
    if (this.#largest[0] === 0) return x;
    this.#y = resized(this.#y, x.length);
    const y = this.#y;
    const level = this.#level;
    const step = this.#largest[0] / level;
    for (let i = 0; i < y.length; i++) {
      const rounded = Math.round(x[i] / step);
      y[i] = step * (rounded > level ? level : rounded < -level ? -level : rounded);
    }
    return y;
  }

  backward(dy: Float32Array): Float32Array {
    this.#dx = resized(this.#dx, dy.length);
    const dx = this.#dx;
    const x = this.#x;
    const bound = this.#largest[0] === 0 ? Number.POSITIVE_INFINITY : this.#largest[0];
    for (let i = 0; i < dx.length; i++) dx[i] = x[i] > bound || x[i] < -bound ? 0 : dy[i];
    return dx;
  }
}

printOnOneLine(QuantiseActivations);
arg.guard('QuantiseActivations', QuantiseActivations.prototype, {
  forward: {
    x: arg.typed('a Float32Array', Float32Array),
    batch: arg.number,
    pass: arg.like('a Pass', 'multiply', 'training'),
  },
  backward: { dy: arg.typed('a Float32Array', Float32Array) },
});
