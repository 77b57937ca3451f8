/**
 * The nodes of a network of sums, products and polynomials, with their gradients. Matrices of dense and window maps, one offset for each of
 * their rows, and the coefficients of polynomials are trained; other maps stay. Wires are `[batch, elements]`.
 */
import { UnsupportedOpError } from '../../base/errors.ts';
import { DenseMap, type LinearMap, windowFields, WindowMap } from '../graph/linear-map.ts';
import { channelSize, type ModelGraph, type ModelNode, wireSize } from '../graph/model-graph.ts';
import { newParameter, type Parameter } from '../layers/layer.ts';
import type { MatrixMultiply } from '../tensor/matrix-multiply.ts';
import { nearestWeights } from './nearest-weights.ts';

/** Values and gradients of all wires for one batch; gradients are added up. */
export interface WireData {
  readonly batch: number;
  readonly values: readonly Float32Array[];
  readonly gradients: readonly Float32Array[];
}

export interface TrainedNode {
  readonly parameters: readonly Parameter[];
  /** Fills the node's own output. */
  forward(data: WireData): void;
  /** Adds to the gradients of its inputs, sets those of its parameters. */
  backward(data: WireData): void;
  /** The node with what was learned. */
  finish(): ModelNode;
}

/** @throws {UnsupportedOpError} for functions, maxima and norms: they are replaced first. */
export function trainedNode(
  graph: ModelGraph,
  node: ModelNode,
  bits: number,
  multiply: MatrixMultiply,
): TrainedNode {
  switch (node.op) {
    case 'linear':
      if (node.map.kind === 'dense') return new TrainedDense(node, node.map, bits, multiply);
      if (node.map.kind === 'window') return new TrainedWindow(node, node.map, bits, multiply);
      return new FixedMap(node, node.map);
    case 'polynomial':
      return new TrainedPolynomial(graph, node);
    case 'multiply':
    case 'add':
      return new Pairwise(node);
    default:
      throw new UnsupportedOpError([
        `${node.op} at ${graph.wires[node.out].name}: it must be replaced before training`,
      ]);
  }
}

function relativeParameter(name: string, values: ArrayLike<number>, unit?: number): Parameter {
  const parameter = newParameter(name, values.length);
  parameter.value.set(values);
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] ** 2;
  // A rate of 0.01 changes a parameter by one per cent of its size.
  parameter.rate = unit ?? (Math.sqrt(sum / values.length) || 1);
  return parameter;
}

/** The size of a row's output for inputs of the size of one: the unit of its offset. */
function rowUnit(matrix: ArrayLike<number>, cols: number): number {
  let sum = 0;
  for (let i = 0; i < matrix.length; i++) sum += matrix[i] ** 2;
  return Math.sqrt((sum / matrix.length) * cols) || 1;
}

type LinearNode = ModelNode & { op: 'linear' };

class TrainedDense implements TrainedNode {
  readonly parameters: readonly Parameter[];
  readonly #node: LinearNode;
  readonly #map: DenseMap;
  readonly #bits: number;
  readonly #multiply: MatrixMultiply;
  readonly #weights: Parameter;
  readonly #offset: Parameter;
  #used: Float32Array = new Float32Array(0);

  constructor(node: LinearNode, map: DenseMap, bits: number, multiply: MatrixMultiply) {
    this.#node = node;
    this.#map = map;
    this.#bits = bits;
    this.#multiply = multiply;
    this.#weights = relativeParameter('weights', map.matrix);
    this.#offset = relativeParameter('offset', map.bias, rowUnit(map.matrix, map.cols));
    this.parameters = [this.#weights, this.#offset];
  }

  forward({ values, batch }: WireData): void {
    const { rows, cols } = this.#map;
    const y = values[this.#node.out];
    this.#used = nearestWeights(this.#weights.value, this.#bits);
    for (let row = 0; row < batch; row++) y.set(this.#offset.value, row * rows);
    this.#multiply.sgemm(false, true, batch, rows, cols, 1, values[this.#node.in], this.#used, 1, y);
  }

  backward({ values, gradients, batch }: WireData): void {
    const { rows, cols } = this.#map;
    const { in: from, out } = this.#node;
    const dy = gradients[out];
    const { sgemm } = this.#multiply;
    sgemm.call(
      this.#multiply,
      true,
      false,
      rows,
      cols,
      batch,
      1,
      dy,
      values[from],
      0,
      this.#weights.gradient,
    );
    this.#offset.gradient.fill(0);
    for (let i = 0; i < dy.length; i++) this.#offset.gradient[i % rows] += dy[i];
    sgemm.call(this.#multiply, false, false, batch, cols, rows, 1, dy, this.#used, 1, gradients[from]);
  }

  finish(): ModelNode {
    const { rows, cols } = this.#map;
    const map = new DenseMap(rows, cols, this.#weights.value.slice(), Float64Array.from(this.#offset.value));
    return { op: 'linear', in: this.#node.in, out: this.#node.out, map };
  }
}

/** One group of a window map after the other: windows are copied out, multiplied, and put where they belong. */
class TrainedWindow implements TrainedNode {
  readonly parameters: readonly Parameter[];
  readonly #node: LinearNode;
  readonly #map: WindowMap;
  readonly #bits: number;
  readonly #multiply: MatrixMultiply;
  readonly #weights: Parameter;
  /** Added to the map's own bias, one per channel. */
  readonly #offset: Parameter;
  #used: Float32Array = new Float32Array(0);
  #columns: Float32Array[] = [];

  constructor(node: LinearNode, map: WindowMap, bits: number, multiply: MatrixMultiply) {
    this.#node = node;
    this.#map = map;
    this.#bits = bits;
    this.#multiply = multiply;
    this.#weights = relativeParameter('weights', map.matrix);
    this.#offset = relativeParameter('offset', new Float64Array(map.channels), rowUnit(map.matrix, map.taps));
    this.parameters = [this.#weights, this.#offset];
  }

  /** The output element of a channel and a position. */
  #placeOf(channel: number, position: number): number {
    const flat = channel * this.#map.positions + position;
    return this.#map.places?.[flat] ?? flat;
  }

  forward({ values, batch }: WireData): void {
    const { groups, channels, taps, positions, inputs, cols, rows, bias } = this.#map;
    const [x, y] = [values[this.#node.in], values[this.#node.out]];
    const perGroup = channels / groups;
    this.#used = nearestWeights(this.#weights.value, this.#bits);
    this.#columns = Array.from({ length: groups }, (_, group) => {
      const columns = new Float32Array(batch * positions * taps);
      for (let t = 0, at = 0; t < batch; t++)
        for (let i = group * positions * taps; i < (group + 1) * positions * taps; i++, at++)
          if (inputs[i] >= 0) columns[at] = x[t * cols + inputs[i]];
      return columns;
    });
    const product = new Float32Array(batch * positions * perGroup);
    for (let group = 0; group < groups; group++) {
      const weights = this.#used.subarray(group * perGroup * taps, (group + 1) * perGroup * taps);
      const columns = this.#columns[group];
      this.#multiply.sgemm(false, true, batch * positions, perGroup, taps, 1, columns, weights, 0, product);
      for (let i = 0; i < product.length; i++) {
        const [place, inner] = [Math.floor(i / perGroup), i % perGroup];
        const [t, position] = [Math.floor(place / positions), place % positions];
        const channel = group * perGroup + inner;
        const to = this.#placeOf(channel, position);
        y[t * rows + to] = product[i] + bias[to] + this.#offset.value[channel];
      }
    }
  }

  backward({ gradients, batch }: WireData): void {
    const { groups, channels, taps, positions, inputs, cols, rows } = this.#map;
    const [dx, dy] = [gradients[this.#node.in], gradients[this.#node.out]];
    const perGroup = channels / groups;
    const { sgemm } = this.#multiply;
    this.#offset.gradient.fill(0);
    const dProduct = new Float32Array(batch * positions * perGroup);
    const dColumns = new Float32Array(batch * positions * taps);
    for (let group = 0; group < groups; group++) {
      for (let i = 0; i < dProduct.length; i++) {
        const [place, inner] = [Math.floor(i / perGroup), i % perGroup];
        const [t, position] = [Math.floor(place / positions), place % positions];
        const channel = group * perGroup + inner;
        dProduct[i] = dy[t * rows + this.#placeOf(channel, position)];
        this.#offset.gradient[channel] += dProduct[i];
      }
      const [from, to] = [group * perGroup * taps, (group + 1) * perGroup * taps];
      const places = batch * positions;
      const gradient = this.#weights.gradient.subarray(from, to);
      const weights = this.#used.subarray(from, to);
      const columns = this.#columns[group];
      sgemm.call(this.#multiply, true, false, perGroup, taps, places, 1, dProduct, columns, 0, gradient);
      sgemm.call(this.#multiply, false, false, places, taps, perGroup, 1, dProduct, weights, 0, dColumns);
      for (let t = 0, at = 0; t < batch; t++)
        for (let i = group * positions * taps; i < (group + 1) * positions * taps; i++, at++)
          if (inputs[i] >= 0) dx[t * cols + inputs[i]] += dColumns[at];
    }
  }

  finish(): ModelNode {
    const { positions, channels } = this.#map;
    const bias = this.#map.bias.slice();
    for (let channel = 0; channel < channels; channel++)
      for (let position = 0; position < positions; position++)
        bias[this.#placeOf(channel, position)] += this.#offset.value[channel];
    const map = new WindowMap({ ...windowFields(this.#map), matrix: this.#weights.value.slice(), bias });
    return { op: 'linear', in: this.#node.in, out: this.#node.out, map };
  }
}

class FixedMap implements TrainedNode {
  readonly parameters = [];
  readonly #node: LinearNode;
  readonly #map: LinearMap;

  constructor(node: LinearNode, map: LinearMap) {
    this.#node = node;
    this.#map = map;
  }

  forward({ values, batch }: WireData): void {
    values[this.#node.out].set(this.#map.applyFloat64(values[this.#node.in], batch));
  }

  backward({ gradients, batch }: WireData): void {
    const { rows, cols } = this.#map;
    const [dx, dy] = [gradients[this.#node.in], gradients[this.#node.out]];
    this.#map.forEachEntry((row, col, weight) => {
      for (let t = 0; t < batch; t++) dx[t * cols + col] += weight * dy[t * rows + row];
    });
  }

  finish(): ModelNode {
    return this.#node;
  }
}

class TrainedPolynomial implements TrainedNode {
  readonly parameters: readonly Parameter[];
  readonly #node: ModelNode & { op: 'polynomial' };
  readonly #inside: number;
  readonly #size: number;

  constructor(graph: ModelGraph, node: ModelNode & { op: 'polynomial' }) {
    this.#node = node;
    this.#inside = channelSize(graph.wires[node.in].shape);
    this.#size = wireSize(graph, node.in);
    this.parameters = node.coefficients.map((row, power) => relativeParameter(`power ${power}`, row));
  }

  #coefficient(power: number, element: number): number {
    const { value } = this.parameters[power];
    return value[value.length === 1 ? 0 : Math.floor(element / this.#inside)];
  }

  forward({ values }: WireData): void {
    const [x, y] = [values[this.#node.in], values[this.#node.out]];
    const degree = this.parameters.length - 1;
    for (let i = 0; i < x.length; i++) {
      const element = i % this.#size;
      let sum = this.#coefficient(degree, element);
      for (let power = degree - 1; power >= 0; power--) sum = sum * x[i] + this.#coefficient(power, element);
      y[i] = sum;
    }
  }

  backward({ values, gradients }: WireData): void {
    const { in: from, out } = this.#node;
    const [x, dx, dy] = [values[from], gradients[from], gradients[out]];
    const degree = this.parameters.length - 1;
    for (const { gradient } of this.parameters) gradient.fill(0);
    for (let i = 0; i < x.length; i++) {
      const element = i % this.#size;
      const channel = Math.floor(element / this.#inside);
      let slope = 0;
      let power = 1;
      for (let k = 0; k <= degree; k++) {
        const { gradient } = this.parameters[k];
        gradient[gradient.length === 1 ? 0 : channel] += dy[i] * power;
        if (k < degree) slope += (k + 1) * this.#coefficient(k + 1, element) * power;
        power *= x[i];
      }
      dx[i] += slope * dy[i];
    }
  }

  finish(): ModelNode {
    return { ...this.#node, coefficients: this.parameters.map(({ value }) => Float64Array.from(value)) };
  }
}

/** Sums and products of two wires. */
class Pairwise implements TrainedNode {
  readonly parameters = [];
  readonly #node: ModelNode & { op: 'multiply' | 'add' };

  constructor(node: ModelNode & { op: 'multiply' | 'add' }) {
    this.#node = node;
  }

  forward({ values }: WireData): void {
    const { a, b, out, op } = this.#node;
    const [x, z, y] = [values[a], values[b], values[out]];
    for (let i = 0; i < y.length; i++) y[i] = op === 'add' ? x[i] + z[i] : x[i] * z[i];
  }

  backward({ values, gradients }: WireData): void {
    const { a, b, out, op } = this.#node;
    const dy = gradients[out];
    for (let i = 0; i < dy.length; i++) {
      gradients[a][i] += op === 'add' ? dy[i] : dy[i] * values[b][i];
      gradients[b][i] += op === 'add' ? dy[i] : dy[i] * values[a][i];
    }
  }

  finish(): ModelNode {
    return this.#node;
  }
}
