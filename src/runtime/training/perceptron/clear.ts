/**
 * The clear mirror of encrypted training: the same functions on the circle, the same steps, in double precision. The owner runs it on its
 * own samples to choose the steps, to know that no value leaves the range that the circuit was planned for, and to compare.
 */
import * as arg from '../../../base/arguments.ts';
import { printOnOneLine } from '../../../base/inspect.ts';
import { ShapeError } from '../../../base/errors.ts';
import { type CircleFunction, TURN_STEPS } from '../../../circuits/circle/circle-function.ts';
import { activationsOf, assertPerceptronSpec, type PerceptronSpec } from './spec.ts';

/** Samples row by row, and the class of each. */
export interface LabelledSamples {
  /** `labels.length` times as many numbers as the network has inputs. */
  readonly inputs: Float64Array;
  readonly labels: Uint8Array;
}

/** A dense layer: weight of input i for output j at i outputs + j. */
export interface DenseWeights {
  readonly weights: Float64Array;
  readonly biases: Float64Array;
}

/** What a step starts from and ends with. Velocities are the moves of the last step: minus the rate times what is usually called so. */
export interface PerceptronState {
  readonly layers: readonly DenseWeights[];
  readonly velocities: readonly DenseWeights[];
}

/** The largest that was seen on the way: what the bounds of a program must cover. */
export interface PerceptronRange {
  readonly sum: number;
  readonly weight: number;
  readonly error: number;
}

type LayerSizes = Pick<PerceptronSpec, 'layers'>;

/** Numbers in [0, 1) from a source of 32-bit words, as standard normal ones [BM58]. */
function normal(uniform: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** Weights of variance 1 / inputs, constants and velocities 0. `uniform` gives numbers in [0, 1). */
export function initialPerceptron({ layers }: LayerSizes, uniform: () => number): PerceptronState {
  const dense = (fill: (inputs: number) => number): DenseWeights[] =>
    layers.slice(1).map((outputs, l) => ({
      weights: Float64Array.from({ length: layers[l]! * outputs }, () => fill(layers[l]!)),
      biases: new Float64Array(outputs),
    }));
  return { layers: dense((inputs) => normal(uniform) / Math.sqrt(inputs)), velocities: dense(() => 0) };
}

/** Values of a circle function by its powers: E^k by multiplication, which is a third of the time of `circleValue`. */
function circleValues(f: CircleFunction, sums: Float64Array): Float64Array {
  const { re, im } = f.series;
  const turn = (2 * Math.PI * f.turns) / TURN_STEPS;
  return sums.map((v) => {
    const [c, s] = [Math.cos(turn * v), Math.sin(turn * v)];
    // Horner from the top: only the real part is kept at the end.
    let [x, y] = [0, 0];
    for (let k = re.length - 1; k > 0; k--) {
      const [a, b] = [x + re[k]!, y + im[k]!];
      x = a * c - b * s;
      y = a * s + b * c;
    }
    return re[0]! + x;
  });
}

function product(a: Float64Array, { weights, biases }: DenseWeights, rows: number): Float64Array {
  const [inputs, outputs] = [weights.length / biases.length, biases.length];
  const out = new Float64Array(rows * outputs);
  for (let r = 0; r < rows; r++) {
    const to = out.subarray(r * outputs, (r + 1) * outputs);
    to.set(biases);
    for (let i = 0; i < inputs; i++) {
      const x = a[r * inputs + i]!;
      if (x === 0) continue;
      for (let j = 0; j < outputs; j++) to[j] = to[j]! + x * weights[i * outputs + j]!;
    }
  }
  return out;
}

function largest(values: Float64Array): number {
  return values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
}

/** The network on samples. */
export class PerceptronMirror {
  readonly spec: PerceptronSpec;
  #hidden: CircleFunction;
  #output: CircleFunction;

  /** @throws {DataError} {@link OutOfRangeError} */
  constructor(spec: PerceptronSpec) {
    arg.checkArguments('new PerceptronMirror', [spec], { spec: arg.options });
    assertPerceptronSpec(spec);
    this.spec = spec;
    const { hidden, output } = activationsOf(spec);
    this.#hidden = hidden;
    this.#output = output;
  }

  /** Activations of every layer, inputs first; the largest sum. */
  #forward(layers: readonly DenseWeights[], inputs: Float64Array): { values: Float64Array[]; sum: number } {
    const rows = inputs.length / this.spec.layers[0]!;
    if (!Number.isInteger(rows))
      throw new ShapeError('inputs', `a multiple of ${this.spec.layers[0]}`, inputs.length);
    const values = [inputs];
    let sum = 0;
    layers.forEach((layer, l) => {
      const sums = product(values[l]!, layer, rows);
      sum = Math.max(sum, largest(sums));
      values.push(circleValues(l === layers.length - 1 ? this.#output : this.#hidden, sums));
    });
    return { values, sum };
  }

  /** Scores of every class for every sample. */
  scores(layers: readonly DenseWeights[], inputs: Float64Array): Float64Array {
    return this.#forward(layers, inputs).values.at(-1)!;
  }

  /** The share of samples whose class has the largest score. */
  accuracy(layers: readonly DenseWeights[], samples: LabelledSamples): number {
    const { inputs, labels } = samples;
    const scores = this.scores(layers, inputs);
    const classes = this.spec.layers.at(-1)!;
    return (
      labels.reduce((sum, label, r) => sum + (bestOf(scores, r, classes) === label ? 1 : 0), 0) /
      labels.length
    );
  }

  /** One step on the batch. */
  step(state: PerceptronState, batch: LabelledSamples): { state: PerceptronState; range: PerceptronRange } {
    const { spec } = this;
    const { rate, momentum, decay, loss } = spec;
    const rows = batch.labels.length;
    const { values, sum } = this.#forward(state.layers, batch.inputs);
    const classes = spec.layers.at(-1)!;
    let error = values.at(-1)!.map((a, at) => {
      const e = a - (at % classes === batch.labels[Math.floor(at / classes)] ? 1 : 0);
      return loss === 'squared' ? 4 * e * a * (1 - a) : e;
    });
    let largestError = largest(error);
    const [layers, velocities]: [DenseWeights[], DenseWeights[]] = [[], []];
    for (let l = state.layers.length - 1; l >= 0; l--) {
      const [old, speed] = [state.layers[l]!, state.velocities[l]!];
      const input = values[l]!;
      const [inputs, outputs] = [spec.layers[l]!, spec.layers[l + 1]!];
      const move = (last: Float64Array, gradient: Float64Array): Float64Array =>
        last.map((v, at) => momentum * v - (rate / rows) * gradient[at]!);
      const [gradient, biasGradient] = [new Float64Array(inputs * outputs), new Float64Array(outputs)];
      const before = new Float64Array(rows * inputs);
      for (let r = 0; r < rows; r++) {
        const delta = error.subarray(r * outputs, (r + 1) * outputs);
        for (let j = 0; j < outputs; j++) biasGradient[j] = biasGradient[j]! + delta[j]!;
        for (let i = 0; i < inputs; i++) {
          const x = input[r * inputs + i]!;
          let back = 0;
          for (let j = 0, at = i * outputs; j < outputs; j++, at++) {
            gradient[at] = gradient[at]! + x * delta[j]!;
            back += old.weights[at]! * delta[j]!;
          }
          before[r * inputs + i] = back * (1 - x * x);
        }
      }
      const velocity = {
        weights: move(speed.weights, gradient),
        biases: move(speed.biases, biasGradient),
      };
      const moved = (from: Float64Array, by: Float64Array): Float64Array =>
        from.map((w, at) => (1 - decay) * w + by[at]!);
      velocities.unshift(velocity);
      layers.unshift({
        weights: moved(old.weights, velocity.weights),
        biases: moved(old.biases, velocity.biases),
      });
      if (l > 0) {
        error = before;
        largestError = Math.max(largestError, largest(error));
      }
    }
    const all = [...layers, ...velocities].flatMap(({ weights, biases }) => [weights, biases]);
    const weight = all.reduce((max, each) => Math.max(max, largest(each)), 0);
    return { state: { layers, velocities }, range: { sum, weight, error: largestError } };
  }
}

/** The class with the largest score of sample `row`. */
export function bestOf(scores: ArrayLike<number>, row: number, classes: number): number {
  let best = 0;
  for (let j = 1; j < classes; j++) if (scores[row * classes + j]! > scores[row * classes + best]!) best = j;
  return best;
}

/** Ranges together. */
export function widerRange(a: PerceptronRange, b: PerceptronRange): PerceptronRange {
  return {
    sum: Math.max(a.sum, b.sum),
    weight: Math.max(a.weight, b.weight),
    error: Math.max(a.error, b.error),
  };
}

/** The largest difference of a weight, a constant or a velocity. */
export function stateDifference(a: PerceptronState, b: PerceptronState): number {
  const flat = ({ layers, velocities }: PerceptronState): Float64Array[] =>
    [...layers, ...velocities].flatMap(({ weights, biases }) => [weights, biases]);
  const other = flat(b);
  return flat(a).reduce(
    (max, values, i) => values.reduce((m, v, at) => Math.max(m, Math.abs(v - other[i]![at]!)), max),
    0,
  );
}

printOnOneLine(PerceptronMirror);
arg.guard('PerceptronMirror', PerceptronMirror.prototype, {
  scores: { layers: arg.list, inputs: arg.numbers },
  accuracy: { layers: arg.list, samples: arg.like('a LabelledSamples', 'inputs', 'labels') },
  step: {
    state: arg.like('a PerceptronState', 'layers', 'velocities'),
    batch: arg.like('a LabelledSamples', 'inputs', 'labels'),
  },
});
