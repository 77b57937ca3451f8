import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { ShapeError } from '../../base/errors.ts';
import type { Parameter } from '../layers/layer.ts';
import { VectorLoop } from '../tensor/vector-loop.ts';

// Streams: value, gradient, first moment, second moment. Scalars: gradient scale, 1 - beta1, 1 - beta2, kept share, rate,
// epsilon.
const ADAM = new VectorLoop({ streams: 4, scalars: 6, reads: [0, 1, 2, 3], writes: [0, 2, 3] }, (body) => {
  const g = body.keep(body.mul(body.scalar(0), body.stream(1)));
  const m = body.stream(2);
  const v = body.stream(3);
  const first = body.keep(body.add(m, body.mul(body.scalar(1), body.sub(g, m))));
  const second = body.keep(body.add(v, body.mul(body.scalar(2), body.sub(body.mul(g, g), v))));
  body.setStream(2, first);
  body.setStream(3, second);
  const change = body.div(body.mul(body.scalar(4), first), body.add(body.sqrt(second), body.scalar(5)));
  body.setStream(0, body.sub(body.mul(body.scalar(3), body.stream(0)), change));
});

// Streams: value, gradient, velocity. Scalars: gradient scale, momentum, kept share, rate.
const SGD = new VectorLoop({ streams: 3, scalars: 4, reads: [0, 1, 2], writes: [0, 2] }, (body) => {
  const pull = body.mul(body.scalar(0), body.stream(1));
  const velocity = body.keep(body.add(body.mul(body.scalar(1), body.stream(2)), pull));
  body.setStream(2, velocity);
  body.setStream(0, body.sub(body.mul(body.scalar(2), body.stream(0)), body.mul(body.scalar(3), velocity)));
});

const SQUARED_NORM = new VectorLoop({ streams: 1, totals: 1, reads: [0], writes: [] }, (body) => {
  const g = body.stream(0);
  body.addToTotal(0, body.mul(g, g));
});

/** Changes parameters from their gradients. Decay is decoupled from the gradient (Loshchilov and Hutter 2019). */
export interface Optimiser {
  readonly kind: 'sgd' | 'adam';
  /** One update of all parameters. Gradients are multiplied by `gradientScale` first (clipping). */
  step(learningRate: number, gradientScale: number): void;
  /** Everything that a resumed run needs, in order; `restore` takes the same. */
  snapshot(): Float32Array[];
  /** @throws {ShapeError} when the arrays do not fit the parameters. */
  restore(arrays: readonly Float32Array[]): void;
}

function project(parameter: Parameter): void {
  if (parameter.bounds === undefined) return;
  const [low, high] = parameter.bounds;
  const value = parameter.value;
  for (let i = 0; i < value.length; i++) value[i] = Math.min(high, Math.max(low, value[i]));
}

function restoreInto(targets: readonly Float32Array[], arrays: readonly Float32Array[]): void {
  if (arrays.length !== targets.length)
    throw new ShapeError('optimiser arrays', targets.length, arrays.length);
  targets.forEach((target, i) => {
    if (arrays[i].length !== target.length) {
      throw new ShapeError(`optimiser array ${i}`, target.length, arrays[i].length);
    }
    target.set(arrays[i]);
  });
}

export interface SgdOptions {
  /** 0.9 by default. */
  readonly momentum?: number;
  /** Share of the value removed per step and unit of learning rate, where a parameter decays. 0 by default. */
  readonly weightDecay?: number;
}

/** Gradient descent with heavy-ball momentum. */
export class Sgd implements Optimiser {
  readonly kind = 'sgd';
  readonly #parameters: readonly Parameter[];
  readonly #velocity: Float32Array[];
  readonly #momentum: number;
  readonly #decay: number;

  constructor(parameters: readonly Parameter[], options: SgdOptions = {}) {
    arg.checkArguments('new Sgd', [parameters, options], {
      parameters: arg.list,
      options: arg.optional(arg.options),
    });
    this.#parameters = parameters;
    this.#velocity = parameters.map((p) => new Float32Array(p.value.length));
    this.#momentum = options.momentum ?? 0.9;
    this.#decay = options.weightDecay ?? 0;
  }

  step(learningRate: number, gradientScale: number): void {
    this.#parameters.forEach((parameter, index) => {
      const { value, gradient } = parameter;
      const velocity = this.#velocity[index];
      const rate = learningRate * parameter.rate;
      const kept = parameter.decays ? 1 - rate * this.#decay : 1;
      SGD.run(1, value.length, {
        streams: [value, gradient, velocity],
        scalars: [gradientScale, this.#momentum, kept, rate],
      });
      project(parameter);
    });
  }

  snapshot(): Float32Array[] {
    return this.#velocity.map((v) => v.slice());
  }

  restore(arrays: readonly Float32Array[]): void {
    restoreInto(this.#velocity, arrays);
  }
}

export interface AdamOptions {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  readonly weightDecay?: number;
}

/** Adam (Kingma and Ba 2015) with bias correction and decoupled weight decay. */
export class Adam implements Optimiser {
  readonly kind = 'adam';
  readonly #parameters: readonly Parameter[];
  readonly #first: Float32Array[];
  readonly #second: Float32Array[];
  readonly #beta1: number;
  readonly #beta2: number;
  readonly #epsilon: number;
  readonly #decay: number;
  /** Steps so far; an array of one so that it is saved with the rest. */
  readonly #steps = new Float32Array(1);

  constructor(parameters: readonly Parameter[], options: AdamOptions = {}) {
    arg.checkArguments('new Adam', [parameters, options], {
      parameters: arg.list,
      options: arg.optional(arg.options),
    });
    this.#parameters = parameters;
    this.#first = parameters.map((p) => new Float32Array(p.value.length));
    this.#second = parameters.map((p) => new Float32Array(p.value.length));
    this.#beta1 = options.beta1 ?? 0.9;
    this.#beta2 = options.beta2 ?? 0.999;
    this.#epsilon = options.epsilon ?? 1e-8;
    this.#decay = options.weightDecay ?? 0;
  }

  step(learningRate: number, gradientScale: number): void {
    // Exact in float32 up to 2^24 steps.
    this.#steps[0] += 1;
    const correction1 = 1 - this.#beta1 ** this.#steps[0];
    const correction2 = Math.sqrt(1 - this.#beta2 ** this.#steps[0]);
    const rate = (learningRate * correction2) / correction1;
    const epsilon = this.#epsilon * correction2;
    this.#parameters.forEach((parameter, index) => {
      const kept = parameter.decays ? 1 - learningRate * parameter.rate * this.#decay : 1;
      this.#update(parameter, index, rate * parameter.rate, epsilon, kept, gradientScale);
      project(parameter);
    });
  }

  #update(
    parameter: Parameter,
    index: number,
    rate: number,
    epsilon: number,
    kept: number,
    gradientScale: number,
  ): void {
    const { value, gradient } = parameter;
    ADAM.run(1, value.length, {
      streams: [value, gradient, this.#first[index], this.#second[index]],
      scalars: [gradientScale, 1 - this.#beta1, 1 - this.#beta2, kept, rate, epsilon],
    });
  }

  snapshot(): Float32Array[] {
    return [...this.#first, ...this.#second, this.#steps].map((a) => a.slice());
  }

  restore(arrays: readonly Float32Array[]): void {
    restoreInto([...this.#first, ...this.#second, this.#steps], arrays);
  }
}

/** Euclidean norm of all gradients together. */
export function gradientNorm(parameters: readonly Parameter[]): number {
  arg.checkArguments('gradientNorm', [parameters], { parameters: arg.list });
  let sum = 0;
  for (const { gradient } of parameters) {
    sum += SQUARED_NORM.run(1, gradient.length, { streams: [gradient] })[0];
  }
  return Math.sqrt(sum);
}

printOnOneLine(Sgd, Adam);
arg.guard('Sgd', Sgd.prototype, {
  step: { learningRate: arg.number, gradientScale: arg.number },
  restore: { arrays: arg.list },
});
arg.guard('Adam', Adam.prototype, {
  step: { learningRate: arg.number, gradientScale: arg.number },
  restore: { arrays: arg.list },
});
