/**
 * The canonical polynomial network: integer matrices times a step, offsets, squares. It is what runs under encryption, and
 * `run` is the clear truth that encrypted results are compared with. Batch norms, learned quadratics and mean pools
 * have been folded away (see square-form.ts).
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { OutOfRangeError, ShapeError } from '../../base/errors.ts';
import { type DrawingInput, normaliseDrawings } from '../images/drawing-normalisation.ts';
import type { MatrixMultiply } from '../tensor/matrix-multiply.ts';
import { readPolynomialNetwork, writePolynomialNetwork } from './polynomial-bytes.ts';
import {
  type ActivationRange,
  applyPolynomialLayer,
  checkPolynomialLayer,
  type PolynomialLayer,
  polynomialLayerOutputs,
} from './polynomial-layer.ts';

/** A layer whose values left the interval it was trained on. */
export interface RangeViolation {
  readonly layer: number;
  readonly trained: ActivationRange;
  readonly seen: ActivationRange;
  /** How far outside, in widths of the trained interval. */
  readonly excess: number;
}

/** Immutable. Outputs are the values of the last layer: logits. */
export class PolynomialNetwork {
  readonly layers: readonly PolynomialLayer[];
  readonly inputs: number;
  readonly outputs: number;
  readonly bits: number;
  /** Per layer, the interval of z over the training data; infinite where it was not measured. */
  readonly ranges: readonly ActivationRange[];
  /** What the owner of an input does to it first, see {@link normalise}; undefined where inputs are taken as they are. */
  readonly input: DrawingInput | undefined;

  /**
   * @throws {ShapeError} when layers do not fit together, a range is missing, or the inputs are not as many as the drawing has pixels.
   * @throws {OutOfRangeError} when a weight, step, offset or index is out of range, or the squares are misplaced.
   */
  constructor(
    layers: readonly PolynomialLayer[],
    inputs: number,
    bits: number,
    ranges?: readonly ActivationRange[],
    input?: DrawingInput,
  ) {
    arg.checkArguments('new PolynomialNetwork', [layers, inputs, bits, ranges, input], {
      layers: arg.list,
      inputs: arg.number,
      bits: arg.number,
      ranges: arg.optional(arg.list),
      input: arg.optional(arg.like('a DrawingInput', 'kind', 'size')),
    });
    this.layers = layers;
    this.inputs = inputs;
    this.bits = bits;
    this.input = input;
    if (input !== undefined) checkDrawing(input, inputs);
    this.ranges = ranges ?? layers.map(() => [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const);
    if (layers.length === 0) throw new ShapeError('the number of layers', 'at least 1', 0);
    if (this.ranges.length !== layers.length)
      throw new ShapeError('ranges', layers.length, this.ranges.length);
    let width = inputs;
    layers.forEach((layer, i) => {
      checkPolynomialLayer(layer, i, width, bits);
      if (layer.square !== i < layers.length - 1) {
        throw new OutOfRangeError(
          `the square of layer ${i}`,
          String(i < layers.length - 1),
          String(layer.square),
        );
      }
      width = polynomialLayerOutputs(layer);
    });
    this.outputs = width;
    for (const [low, high] of this.ranges) {
      if (!(low <= high)) throw new OutOfRangeError('a range', 'low <= high', `${low} to ${high}`);
    }
  }

  /** The same network with other ranges. */
  withRanges(ranges: readonly ActivationRange[]): PolynomialNetwork {
    return new PolynomialNetwork(this.layers, this.inputs, this.bits, ranges, this.input);
  }

  /** The same network with another description of its inputs, or none. @throws {ShapeError} */
  withInput(input: DrawingInput | undefined): PolynomialNetwork {
    return new PolynomialNetwork(this.layers, this.inputs, this.bits, this.ranges, input);
  }

  /**
   * `[batch, inputs]` as the network was trained on them: pixels from 0 to 1 of drawings through {@link normaliseDrawings}, on the owner's side,
   * before they are encrypted; a network without {@link input} gets them as they are. {@link run} takes what this returns.
   * @throws {DataError} for a drawing with nothing in it. @throws {OutOfRangeError} for a value that is no pixel.
   */
  normalise(x: ArrayLike<number>): Float32Array {
    const { input } = this;
    if (input === undefined) return Float32Array.from(x);
    const levels = Float64Array.from(x, (value) => Math.round(255 * value));
    return Float32Array.from(normaliseDrawings(levels, input.size), (level) => level / 255);
  }

  /** `[batch, inputs]` to `[batch, outputs]`, in double precision; about a thousand million multiply-adds a second. */
  run(x: ArrayLike<number>): Float64Array {
    return this.#evaluate(x, () => undefined);
  }

  /**
   * The layers in which some sample of `[batch, inputs]` leaves the interval of the training data; empty when none does. The
   * clear-text form of the range guard: outside, a polynomial is not what was trained and its scores mean nothing.
   */
  checkRanges(x: ArrayLike<number>): RangeViolation[] {
    const violations: RangeViolation[] = [];
    this.#evaluate(x, (z, layer) => {
      const trained = this.ranges[layer];
      const seen = extent(z);
      const outside = Math.max(trained[0] - seen[0], seen[1] - trained[1]);
      if (!(outside <= 0)) {
        const width = Math.max(trained[1] - trained[0], Number.MIN_VALUE);
        violations.push({ layer, trained, seen, excess: outside / width });
      }
    });
    return violations;
  }

  #evaluate(x: ArrayLike<number>, observe: (z: Float64Array, layer: number) => void): Float64Array {
    if (x.length % this.inputs !== 0) throw new ShapeError('network inputs', `n x ${this.inputs}`, x.length);
    const batch = x.length / this.inputs;
    let data: Float64Array = Float64Array.from(x);
    this.layers.forEach((layer, i) => {
      const z = applyPolynomialLayer(layer, data, batch);
      observe(z, i);
      if (layer.square) for (let j = 0; j < z.length; j++) z[j] *= z[j];
      data = z;
    });
    return data;
  }

  /** Versioned, checksummed; weights take `bits` bits each. */
  toBytes(): Uint8Array {
    return writePolynomialNetwork(this);
  }

  /** @throws {DecodeError} on anything that is not a polynomial network. */
  static fromBytes(bytes: Uint8Array): PolynomialNetwork {
    return readPolynomialNetwork(
      bytes,
      ({ layers, inputs, bits, ranges, input }) => new PolynomialNetwork(layers, inputs, bits, ranges, input),
    );
  }
}

function checkDrawing({ kind, size: [height, width] }: DrawingInput, inputs: number): void {
  if (kind !== 'drawing') throw new OutOfRangeError('the kind of a described input', 'drawing', kind);
  if (!(height >= 3 && width >= 3 && height * width === inputs))
    throw new ShapeError('the inputs of a network for drawings', inputs, `${height} x ${width}`);
}

function extent(values: Float64Array): ActivationRange {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) {
    // Written so that NaN becomes the bound instead of vanishing.
    if (!(values[i] >= low)) low = values[i];
    if (!(values[i] <= high)) high = values[i];
  }
  return [low, high];
}

/**
 * The network in single precision through a matrix kernel, for whole data sets. Weights are expanded once; buffers are
 * kept. Agrees with {@link PolynomialNetwork.run} to float32 rounding.
 */
export class PolynomialRunner {
  readonly network: PolynomialNetwork;
  readonly #multiply: MatrixMultiply;
  readonly #weights: Float32Array[];
  readonly #ranges: [number, number][];

  constructor(network: PolynomialNetwork, multiply: MatrixMultiply) {
    arg.checkArguments('new PolynomialRunner', [network, multiply], {
      network: arg.like('a PolynomialNetwork', 'withRanges', 'run'),
      multiply: arg.like('a MatrixMultiply', 'sgemm'),
    });
    this.network = network;
    this.#multiply = multiply;
    this.#weights = network.layers.map((layer) => Float32Array.from(layer.weights, (w) => w * layer.step));
    this.#ranges = network.layers.map(() => [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]);
  }

  /** The interval of z in every layer over all batches so far; pass it to {@link PolynomialNetwork.withRanges}. */
  get ranges(): ActivationRange[] {
    return this.#ranges.map(([low, high]) => [low, high]);
  }

  /** `[batch, inputs]` to `[batch, outputs]`. @throws {ShapeError} */
  run(x: Float32Array): Float32Array {
    const { inputs, layers } = this.network;
    if (x.length % inputs !== 0) throw new ShapeError('network inputs', `n x ${inputs}`, x.length);
    const batch = x.length / inputs;
    let data = x;
    layers.forEach((layer, i) => {
      data = layer.gather === undefined ? this.#dense(i, data, batch) : this.#convolve(i, data, batch);
      const range = this.#ranges[i];
      for (let j = 0; j < data.length; j++) {
        const value = data[j];
        if (value < range[0]) range[0] = value;
        if (value > range[1]) range[1] = value;
        if (layer.square) data[j] = value * value;
      }
    });
    return data;
  }

  #dense(index: number, x: Float32Array, batch: number): Float32Array {
    const { rows, cols, offset } = this.network.layers[index];
    const z = new Float32Array(batch * rows);
    for (let sample = 0; sample < batch; sample++) z.set(offset, sample * rows);
    this.#multiply.sgemm(false, true, batch, rows, cols, 1, x, this.#weights[index], 1, z);
    return z;
  }

  #convolve(index: number, x: Float32Array, batch: number): Float32Array {
    const layer = this.network.layers[index];
    const { rows, cols, offset } = layer;
    const { positions, rowIndex } = layer.gather!;
    const inputs = x.length / batch;
    const z = new Float32Array(batch * rows * positions);
    const taps = new Float32Array(positions * cols);
    for (let sample = 0; sample < batch; sample++) {
      for (let i = 0; i < taps.length; i++) taps[i] = x[sample * inputs + rowIndex[i]];
      const part = z.subarray(sample * rows * positions, (sample + 1) * rows * positions);
      part.set(offset);
      this.#multiply.sgemm(false, true, rows, positions, cols, 1, this.#weights[index], taps, 1, part);
    }
    return z;
  }
}

printOnOneLine(PolynomialNetwork, PolynomialRunner);
arg.guard('PolynomialNetwork', PolynomialNetwork, { fromBytes: { bytes: arg.bytes } });
arg.guard('PolynomialNetwork', PolynomialNetwork.prototype, {
  withRanges: { ranges: arg.list },
  withInput: { input: arg.optional(arg.like('a DrawingInput', 'kind', 'size')) },
  normalise: { x: arg.numbers },
  run: { x: arg.numbers },
  checkRanges: { x: arg.numbers },
});
arg.guard('PolynomialRunner', PolynomialRunner.prototype, {
  run: { x: arg.typed('a Float32Array', Float32Array) },
});
