/** Polynomial activations of degree two: the square and the learned quadratic, both with a penalty on large inputs. */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { newParameter } from './layer.ts';
import type { Layer, LayerSpec, Parameter } from './layer.ts';
import { resized, sizeOf } from '../tensor/tensor.ts';
import type { SampleShape } from '../tensor/tensor.ts';
import type { Lanes, LoopBody } from '../tensor/vector-assembler.ts';
import { VectorLoop } from '../tensor/vector-loop.ts';

/** What z exceeds [-bound, bound] by, from scalars 0 = bound and 1 = -bound; 0 inside. */
function excessOf(body: LoopBody, x: Lanes): Lanes {
  return body.keep(body.sub(x, body.max(body.min(x, body.scalar(0)), body.scalar(1))));
}

const SQUARE = new VectorLoop({ streams: 2, reads: [0], writes: [1] }, (body) => {
  const x = body.stream(0);
  body.setStream(1, body.mul(x, x));
});

// Scalars: bound, -bound, 2 * penalty / batch.
const SQUARE_BACKWARD = new VectorLoop(
  { streams: 3, scalars: 3, totals: 1, reads: [0, 1], writes: [2] },
  (body) => {
    const x = body.stream(1);
    const excess = excessOf(body, x);
    body.addToTotal(0, body.mul(excess, excess));
    const product = body.keep(body.mul(body.stream(0), x));
    body.setStream(2, body.add(body.add(product, product), body.mul(body.scalar(2), excess)));
  },
);

const QUADRATIC = new VectorLoop({ streams: 2, columns: 3, reads: [0], writes: [1] }, (body) => {
  const x = body.stream(0);
  const linear = body.add(body.mul(body.column(0), x), body.column(1));
  body.setStream(1, body.add(body.mul(linear, x), body.column(2)));
});

const QUADRATIC_BACKWARD = new VectorLoop(
  { streams: 3, columns: 3, sums: 3, scalars: 3, totals: 1, reads: [0, 1], writes: [2] },
  (body) => {
    const dy = body.stream(0);
    const x = body.stream(1);
    const product = body.keep(body.mul(dy, x));
    body.addToColumn(3, body.mul(product, x));
    body.addToColumn(4, product);
    body.addToColumn(5, dy);
    const excess = excessOf(body, x);
    body.addToTotal(0, body.mul(excess, excess));
    const second = body.mul(body.column(0), body.add(product, product));
    const slope = body.add(second, body.mul(body.column(1), dy));
    body.setStream(2, body.add(slope, body.mul(body.scalar(2), excess)));
  },
);

/** Scalars of a backward pass with the penalty `weight/batch * sum(max(0, |x| - bound)^2)`. */
function penaltyScalars(spec: { bound?: number; penalty?: number }, batch: number): [number, number, number] {
  if (spec.bound === undefined) return [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  return [spec.bound, -spec.bound, (2 * (spec.penalty ?? DEFAULT_PENALTY)) / batch];
}

const DEFAULT_PENALTY = 0.01;

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
    arg.checkArguments('new Square', [spec, inputShape], { spec: arg.options, inputShape: arg.numbers });
    this.spec = spec;
    this.inputShape = inputShape;
    this.outputShape = inputShape;
  }

  forward(x: Float32Array): Float32Array {
    this.#y = resized(this.#y, x.length);
    this.#x = x;
    SQUARE.run(1, x.length, { streams: [x, this.#y] });
    return this.#y;
  }

  backward(dy: Float32Array, batch: number): Float32Array {
    this.#dx = resized(this.#dx, dy.length);
    const scalars = penaltyScalars(this.spec, batch);
    const streams = [dy, this.#x, this.#dx];
    const [squares] = SQUARE_BACKWARD.run(1, dy.length, { streams, scalars });
    this.penalty = (squares * scalars[2]) / 2;
    return this.#dx;
  }
}

/** Least-squares fit of ReLU by a quadratic under N(0,1): a = c = 1/(2 sqrt(2 pi)), b = 1/2 (Chabanne et al. 2017). */
const RELU_QUADRATIC: readonly [number, number, number] = [0.19947114, 0.5, 0.19947114];

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
  readonly #columns: Float32Array[];
  readonly #sums: Float64Array[];
  #x: Float32Array = new Float32Array(0);
  #y: Float32Array = new Float32Array(0);
  #dx: Float32Array = new Float32Array(0);

  constructor(spec: LayerSpec & { kind: 'quadratic' }, inputShape: SampleShape) {
    arg.checkArguments('new Quadratic', [spec, inputShape], { spec: arg.options, inputShape: arg.numbers });
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
    this.#columns = [0, 1, 2].map(() => new Float32Array(sizeOf(inputShape)));
    this.#sums = [0, 1, 2].map(() => new Float64Array(sizeOf(inputShape)));
  }

  forward(x: Float32Array, batch: number): Float32Array {
    this.#y = resized(this.#y, x.length);
    this.#x = x;
    this.#spreadColumns();
    QUADRATIC.run(batch, this.#columns[0].length, { streams: [x, this.#y], columns: this.#columns });
    return this.#y;
  }

  /** a, b and c once per feature. */
  #spreadColumns(): void {
    const positions = this.#positions;
    this.parameters.forEach(({ value }, i) => {
      for (let j = 0; j < value.length; j++)
        this.#columns[i].fill(value[j], j * positions, (j + 1) * positions);
    });
  }

  backward(dy: Float32Array, batch: number): Float32Array {
    this.#dx = resized(this.#dx, dy.length);
    for (const sum of this.#sums) sum.fill(0);
    const scalars = penaltyScalars(this.spec, batch);
    const arrays = { streams: [dy, this.#x, this.#dx], columns: this.#columns, sums: this.#sums, scalars };
    const [squares] = QUADRATIC_BACKWARD.run(batch, this.#columns[0].length, arrays);
    this.penalty = (squares * scalars[2]) / 2;
    const positions = this.#positions;
    this.parameters.forEach(({ gradient }, i) => {
      for (let j = 0; j < gradient.length; j++) {
        let sum = 0;
        for (let at = j * positions; at < (j + 1) * positions; at++) sum += this.#sums[i][at];
        gradient[j] = sum;
      }
    });
    return this.#dx;
  }
}

printOnOneLine(Square, Quadratic);
arg.guard('Square', Square.prototype, {
  forward: { x: arg.typed('a Float32Array', Float32Array) },
  backward: { dy: arg.typed('a Float32Array', Float32Array), batch: arg.number },
});
arg.guard('Quadratic', Quadratic.prototype, {
  forward: { x: arg.typed('a Float32Array', Float32Array), batch: arg.number },
  backward: { dy: arg.typed('a Float32Array', Float32Array), batch: arg.number },
});
