/** Pooling over windows of `[batch, channels, height, width]`: the largest value, or the scaled sum that replaces it. */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { windowGeometry } from '../tensor/im2col.ts';
import type { WindowGeometry } from '../tensor/im2col.ts';
import type { Layer, LayerSpec } from './layer.ts';
import { resized, sizeOf } from '../tensor/tensor.ts';
import type { SampleShape } from '../tensor/tensor.ts';

/** Largest value of each window; the gradient goes to the first of equals. */
export class MaxPool implements Layer {
  readonly spec: LayerSpec & { readonly kind: 'max-pool' };
  readonly inputShape: SampleShape;
  readonly outputShape: SampleShape;
  readonly parameters = [];
  readonly statistics = [];
  readonly penalty = 0;
  readonly #geometry: WindowGeometry;
  #y: Float32Array = new Float32Array(0);
  #dx: Float32Array = new Float32Array(0);
  #chosen = new Int32Array(0);

  constructor(spec: LayerSpec & { kind: 'max-pool' }, inputShape: SampleShape) {
    arg.checkArguments('new MaxPool', [spec, inputShape], { spec: arg.options, inputShape: arg.numbers });
    this.spec = spec;
    this.inputShape = inputShape;
    this.#geometry = windowGeometry('a max pool', inputShape, spec.size, spec.stride ?? spec.size, [0, 0]);
    this.outputShape = [this.#geometry.channels, this.#geometry.outHeight, this.#geometry.outWidth];
  }

  forward(x: Float32Array, batch: number): Float32Array {
    const g = this.#geometry;
    const outputs = batch * sizeOf(this.outputShape);
    this.#y = resized(this.#y, outputs);
    if (this.#chosen.length !== outputs) this.#chosen = new Int32Array(outputs);
    let to = 0;
    for (let map = 0; map < batch * g.channels; map++) {
      for (let oy = 0; oy < g.outHeight; oy++) {
        for (let ox = 0; ox < g.outWidth; ox++, to++) {
          const corner = (map * g.height + oy * g.stride[0]) * g.width + ox * g.stride[1];
          let best = corner;
          for (let ky = 0; ky < g.size[0]; ky++) {
            for (let kx = 0, at = corner + ky * g.width; kx < g.size[1]; kx++, at++) {
              if (x[at] > x[best]) best = at;
            }
          }
          this.#chosen[to] = best;
          this.#y[to] = x[best];
        }
      }
    }
    return this.#y;
  }

  backward(dy: Float32Array, batch: number): Float32Array {
    this.#dx = resized(this.#dx, batch * sizeOf(this.inputShape)).fill(0);
    for (let i = 0; i < dy.length; i++) this.#dx[this.#chosen[i]] += dy[i];
    return this.#dx;
  }
}

/** The sum of each window times a scale; the mean by default. */
export class MeanPool implements Layer {
  readonly spec: LayerSpec & { readonly kind: 'mean-pool' };
  readonly inputShape: SampleShape;
  readonly outputShape: SampleShape;
  readonly parameters = [];
  readonly statistics = [];
  readonly penalty = 0;
  readonly geometry: WindowGeometry;
  readonly scale: number;
  #y: Float32Array = new Float32Array(0);
  #dx: Float32Array = new Float32Array(0);

  constructor(spec: LayerSpec & { kind: 'mean-pool' }, inputShape: SampleShape) {
    arg.checkArguments('new MeanPool', [spec, inputShape], { spec: arg.options, inputShape: arg.numbers });
    this.spec = spec;
    this.inputShape = inputShape;
    this.geometry = windowGeometry('a mean pool', inputShape, spec.size, spec.stride ?? spec.size, [0, 0]);
    this.scale = spec.scale ?? 1 / (spec.size[0] * spec.size[1]);
    this.outputShape = [this.geometry.channels, this.geometry.outHeight, this.geometry.outWidth];
  }

  forward(x: Float32Array, batch: number): Float32Array {
    const g = this.geometry;
    this.#y = resized(this.#y, batch * sizeOf(this.outputShape));
    let to = 0;
    for (let map = 0; map < batch * g.channels; map++) {
      for (let oy = 0; oy < g.outHeight; oy++) {
        for (let ox = 0; ox < g.outWidth; ox++, to++) {
          const corner = (map * g.height + oy * g.stride[0]) * g.width + ox * g.stride[1];
          let sum = 0;
          for (let ky = 0; ky < g.size[0]; ky++) {
            for (let kx = 0, at = corner + ky * g.width; kx < g.size[1]; kx++) sum += x[at++];
          }
          this.#y[to] = this.scale * sum;
        }
      }
    }
    return this.#y;
  }

  backward(dy: Float32Array, batch: number): Float32Array {
    const g = this.geometry;
    this.#dx = resized(this.#dx, batch * sizeOf(this.inputShape)).fill(0);
    let from = 0;
    for (let map = 0; map < batch * g.channels; map++) {
      for (let oy = 0; oy < g.outHeight; oy++) {
        for (let ox = 0; ox < g.outWidth; ox++, from++) {
          const corner = (map * g.height + oy * g.stride[0]) * g.width + ox * g.stride[1];
          const share = this.scale * dy[from];
          for (let ky = 0; ky < g.size[0]; ky++) {
            for (let kx = 0, at = corner + ky * g.width; kx < g.size[1]; kx++) this.#dx[at++] += share;
          }
        }
      }
    }
    return this.#dx;
  }
}

printOnOneLine(MaxPool, MeanPool);
arg.guard('MaxPool', MaxPool.prototype, {
  forward: { x: arg.typed('a Float32Array', Float32Array), batch: arg.number },
  backward: { dy: arg.typed('a Float32Array', Float32Array), batch: arg.number },
});
arg.guard('MeanPool', MeanPool.prototype, {
  forward: { x: arg.typed('a Float32Array', Float32Array), batch: arg.number },
  backward: { dy: arg.typed('a Float32Array', Float32Array), batch: arg.number },
});
