import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { ShapeError } from '../../base/errors.ts';
import type { Layer, LayerSpec } from './layer.ts';
import { resized } from '../tensor/tensor.ts';
import type { SampleShape } from '../tensor/tensor.ts';

/** A fixed polynomial of any degree, by Horner's rule. */
export class PolynomialActivation implements Layer {
  readonly spec: LayerSpec & { readonly kind: 'polynomial' };
  readonly inputShape: SampleShape;
  readonly outputShape: SampleShape;
  readonly parameters = [];
  readonly statistics = [];
  penalty = 0;
  readonly #coefficients: Float64Array;
  readonly #derivative: Float64Array;
  #x: Float32Array = new Float32Array(0);
  #y: Float32Array = new Float32Array(0);
  #dx: Float32Array = new Float32Array(0);

  /** @throws {ShapeError} without coefficients or with one that is not finite. */
  constructor(spec: LayerSpec & { kind: 'polynomial' }, inputShape: SampleShape) {
    arg.checkArguments('new PolynomialActivation', [spec, inputShape], {
      spec: arg.options,
      inputShape: arg.numbers,
    });
    if (spec.coefficients.length < 2 || !spec.coefficients.every(Number.isFinite)) {
      throw new ShapeError('polynomial coefficients', '2 or more finite numbers', spec.coefficients.length);
    }
    this.spec = spec;
    this.inputShape = inputShape;
    this.outputShape = inputShape;
    this.#coefficients = Float64Array.from(spec.coefficients);
    this.#derivative = Float64Array.from(spec.coefficients.slice(1), (c, i) => c * (i + 1));
  }

  forward(x: Float32Array): Float32Array {
    this.#x = x;
    this.#y = resized(this.#y, x.length);
    const y = this.#y;
    const coefficients = this.#coefficients;
    const degree = coefficients.length - 1;
    for (let i = 0; i < y.length; i++) {
      const value = x[i];
      let sum = coefficients[degree];
      for (let power = degree - 1; power >= 0; power--) sum = sum * value + coefficients[power];
      y[i] = sum;
    }
    return y;
  }

  backward(dy: Float32Array, batch: number): Float32Array {
    this.#dx = resized(this.#dx, dy.length);
    const dx = this.#dx;
    const x = this.#x;
    const coefficients = this.#derivative;
    const degree = coefficients.length - 1;
    const bound = this.spec.bound ?? Number.POSITIVE_INFINITY;
    const weight = (this.spec.penalty ?? 0.01) / batch;
    let squares = 0;
    for (let i = 0; i < dx.length; i++) {
      const value = x[i];
      let sum = coefficients[degree];
      for (let power = degree - 1; power >= 0; power--) sum = sum * value + coefficients[power];
      const excess = value - Math.max(-bound, Math.min(bound, value));
      squares += excess * excess;
      dx[i] = sum * dy[i] + 2 * weight * excess;
    }
    this.penalty = weight * squares;
    return dx;
  }
}

printOnOneLine(PolynomialActivation);
arg.guard('PolynomialActivation', PolynomialActivation.prototype, {
  forward: { x: arg.typed('a Float32Array', Float32Array) },
  backward: { dy: arg.typed('a Float32Array', Float32Array), batch: arg.number },
});
