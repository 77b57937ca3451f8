/**
 * Affine maps y = W x + bias between flat vectors, kept in the form in which they were given: a dense matrix, one small
 * matrix at many places (convolutions, pools, products shared over rows), a diagonal, a choice of elements, or rows of
 * single entries. Whoever needs the entries walks them; nothing expands a convolution to a matrix.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { LimitError, OutOfRangeError, ShapeError } from '../../base/errors.ts';

/** Weights as they came: single precision from a file, double precision after a computation. */
export type WeightArray = Float32Array | Float64Array;

/** No map holds more entries in the form of single entries; 2^26 of them take 800 MB. */
export const MAX_SPARSE_ENTRIES = 2 ** 26;

/** What a map does with one weight: output element, input element, weight. */
export type EntryVisitor = (row: number, col: number, weight: number) => void;

/** Where a window map came from: a convolution or pool of one or two spatial axes. For layouts and file formats; adds nothing. */
export interface WindowGeometry {
  /** Channels and spatial extents. */
  readonly input: readonly number[];
  readonly output: readonly number[];
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  /** Zeros before and after, per spatial axis. */
  readonly padding: readonly (readonly [before: number, after: number])[];
}

/** The fields of a {@link WindowMap}. */
export interface WindowMapFields {
  readonly cols: number;
  /** 1, or the groups of a grouped convolution. */
  readonly groups: number;
  /** Matrix rows of all groups together: channels of the output. */
  readonly channels: number;
  /** Columns of one row: inputs that one output reads. */
  readonly taps: number;
  readonly positions: number;
  /** Row-major channels x taps. */
  readonly matrix: WeightArray;
  /** groups x positions x taps: the input element that a tap reads, -1 where it reads a zero of the padding. */
  readonly inputs: Int32Array;
  /** channels * positions + position -> output element; channel-major order when absent. A permutation. */
  readonly places?: Int32Array;
  readonly bias: Float64Array;
  readonly geometry?: WindowGeometry;
}

abstract class AffineMap {
  abstract readonly kind: string;
  readonly rows: number;
  readonly cols: number;
  /** One per row. */
  readonly bias: Float64Array;

  constructor(rows: number, cols: number, bias: Float64Array) {
    arg.checkArguments(`new ${new.target.name}`, [rows, cols, bias], {
      rows: arg.number,
      cols: arg.number,
      bias: arg.typed('a Float64Array', Float64Array),
    });
    requireExtent('the rows of a linear map', rows);
    requireExtent('the columns of a linear map', cols);
    if (bias.length !== rows) throw new ShapeError('the bias of a linear map', rows, bias.length);
    this.rows = rows;
    this.cols = cols;
    this.bias = bias;
  }

  /**
   * Visits every entry that can be other than zero, once per (row, column, tap); taps of one row may share a column, their weights
   * add up. The order is that of the form, not of the rows.
   */
  abstract forEachEntry(visit: EntryVisitor): void;

  /** How many entries {@link forEachEntry} visits: multiply-adds of one vector. */
  abstract get entries(): number;

  /** W x + bias for `[batch, cols]`, in double precision. @throws {ShapeError} */
  applyFloat64(x: ArrayLike<number>, batch = 1): Float64Array {
    if (x.length !== batch * this.cols)
      throw new ShapeError('the input of a linear map', `${batch} x ${this.cols}`, x.length);
    const y = new Float64Array(batch * this.rows);
    for (let sample = 0; sample < batch; sample++) y.set(this.bias, sample * this.rows);
    this.addProducts(x, batch, y);
    return y;
  }

  /** y += W x; lengths are right. */
  protected abstract addProducts(x: ArrayLike<number>, batch: number, y: Float64Array): void;

  /** Sum of |w| of every row: the largest |y - bias| for inputs within +-1. */
  rowL1(): Float64Array {
    const sums = new Float64Array(this.rows);
    this.forEachEntry((row, _, weight) => {
      sums[row] += Math.abs(weight);
    });
    return sums;
  }

  /** Root of the sum of w^2 of every row: the gain of independent noise. */
  rowL2(): Float64Array {
    const sums = new Float64Array(this.rows);
    this.forEachEntry((row, _, weight) => {
      sums[row] += weight * weight;
    });
    return sums.map(Math.sqrt);
  }
}

/** A full matrix. */
export class DenseMap extends AffineMap {
  readonly kind = 'dense';
  /** Row-major rows x cols. */
  readonly matrix: WeightArray;

  /** @throws {ShapeError} */
  constructor(rows: number, cols: number, matrix: WeightArray, bias: Float64Array = new Float64Array(rows)) {
    super(rows, cols, bias);
    if (matrix.length !== rows * cols)
      throw new ShapeError('the matrix of a dense map', `${rows} x ${cols}`, matrix.length);
    this.matrix = matrix;
  }

  override get entries(): number {
    return this.matrix.length;
  }

  override forEachEntry(visit: EntryVisitor): void {
    for (let row = 0, at = 0; row < this.rows; row++)
      for (let col = 0; col < this.cols; col++) visit(row, col, this.matrix[at++]);
  }

  protected override addProducts(x: ArrayLike<number>, batch: number, y: Float64Array): void {
    const { rows, cols, matrix } = this;
    for (let sample = 0; sample < batch; sample++) {
      const from = sample * cols;
      for (let row = 0, at = 0; row < rows; row++) {
        let sum = 0;
        for (let col = 0; col < cols; col++) sum += matrix[at++] * x[from + col];
        y[sample * rows + row] += sum;
      }
    }
  }
}

/** One matrix of channels x taps at many positions: convolutions, pools, a matrix product shared by the rows of an array. */
export class WindowMap extends AffineMap {
  readonly kind = 'window';
  readonly groups: number;
  readonly channels: number;
  readonly taps: number;
  readonly positions: number;
  readonly matrix: WeightArray;
  readonly inputs: Int32Array;
  readonly places: Int32Array | undefined;
  readonly geometry: WindowGeometry | undefined;

  /** @throws {ShapeError} {@link OutOfRangeError} */
  constructor(fields: WindowMapFields) {
    const { cols, groups, channels, taps, positions, matrix, inputs, places, bias, geometry } = fields;
    super(channels * positions, cols, bias);
    if (!(groups >= 1 && channels % groups === 0))
      throw new ShapeError('the groups of a window map', `a divisor of ${channels}`, groups);
    if (matrix.length !== channels * taps)
      throw new ShapeError('the matrix of a window map', `${channels} x ${taps}`, matrix.length);
    if (inputs.length !== groups * positions * taps)
      throw new ShapeError('the inputs of a window map', `${groups} x ${positions} x ${taps}`, inputs.length);
    requireIndices('an input of a window map', inputs, cols, -1);
    if (places !== undefined) requirePermutation('the places of a window map', places, this.rows);
    this.groups = groups;
    this.channels = channels;
    this.taps = taps;
    this.positions = positions;
    this.matrix = matrix;
    this.inputs = inputs;
    this.places = places;
    this.geometry = geometry;
  }

  override get entries(): number {
    let read = 0;
    for (let i = 0; i < this.inputs.length; i++) if (this.inputs[i] >= 0) read++;
    return (read / this.groups) * this.channels;
  }

  override forEachEntry(visit: EntryVisitor): void {
    const { groups, channels, taps, positions, matrix, inputs, places } = this;
    const perGroup = channels / groups;
    for (let channel = 0; channel < channels; channel++) {
      const group = Math.floor(channel / perGroup);
      for (let position = 0; position < positions; position++) {
        const flat = channel * positions + position;
        const row = places === undefined ? flat : places[flat];
        const from = (group * positions + position) * taps;
        for (let tap = 0; tap < taps; tap++)
          if (inputs[from + tap] >= 0) visit(row, inputs[from + tap], matrix[channel * taps + tap]);
      }
    }
  }

  protected override addProducts(x: ArrayLike<number>, batch: number, y: Float64Array): void {
    const { groups, channels, taps, positions, matrix, inputs, places, cols, rows } = this;
    const perGroup = channels / groups;
    const window = new Float64Array(taps);
    for (let sample = 0; sample < batch; sample++) {
      const [start, end] = [sample * cols, sample * rows];
      for (let group = 0; group < groups; group++) {
        for (let position = 0; position < positions; position++) {
          const from = (group * positions + position) * taps;
          for (let tap = 0; tap < taps; tap++)
            window[tap] = inputs[from + tap] < 0 ? 0 : x[start + inputs[from + tap]];
          for (let channel = group * perGroup; channel < (group + 1) * perGroup; channel++) {
            let sum = 0;
            for (let tap = 0, at = channel * taps; tap < taps; tap++) sum += matrix[at++] * window[tap];
            const flat = channel * positions + position;
            y[end + (places === undefined ? flat : places[flat])] += sum;
          }
        }
      }
    }
  }
}

/** What a window map is made of, to make another from. */
export function windowFields(map: WindowMap): WindowMapFields {
  const { cols, groups, channels, taps, positions, matrix, inputs, places, bias, geometry } = map;
  return {
    cols,
    groups,
    channels,
    taps,
    positions,
    matrix,
    inputs,
    bias,
    ...(places === undefined ? {} : { places }),
    ...(geometry === undefined ? {} : { geometry }),
  };
}

/** Every element times its own factor. */
export class DiagonalMap extends AffineMap {
  readonly kind = 'diagonal';
  readonly factors: Float64Array;

  /** @throws {ShapeError} */
  constructor(factors: Float64Array, bias: Float64Array = new Float64Array(factors.length)) {
    super(factors.length, factors.length, bias);
    this.factors = factors;
  }

  override get entries(): number {
    return this.rows;
  }

  override forEachEntry(visit: EntryVisitor): void {
    for (let i = 0; i < this.rows; i++) visit(i, i, this.factors[i]);
  }

  protected override addProducts(x: ArrayLike<number>, batch: number, y: Float64Array): void {
    for (let sample = 0, at = 0; sample < batch; sample++)
      for (let i = 0; i < this.rows; i++, at++) y[at] += this.factors[i] * x[at];
  }
}

/** Every output is one input, or the bias alone: slices, transpositions, concatenations, repetition. */
export class GatherMap extends AffineMap {
  readonly kind = 'gather';
  /** The input element of each output; -1 for none. */
  readonly from: Int32Array;

  /** @throws {ShapeError} {@link OutOfRangeError} */
  constructor(from: Int32Array, cols: number, bias: Float64Array = new Float64Array(from.length)) {
    super(from.length, cols, bias);
    requireIndices('an input of a gather map', from, cols, -1);
    this.from = from;
  }

  /** Whether it changes nothing. */
  get isIdentity(): boolean {
    return (
      this.rows === this.cols &&
      this.from.every((col, row) => col === row) &&
      this.bias.every((value) => value === 0)
    );
  }

  override get entries(): number {
    return this.from.reduce((count, col) => count + (col >= 0 ? 1 : 0), 0);
  }

  override forEachEntry(visit: EntryVisitor): void {
    for (let row = 0; row < this.rows; row++) if (this.from[row] >= 0) visit(row, this.from[row], 1);
  }

  protected override addProducts(x: ArrayLike<number>, batch: number, y: Float64Array): void {
    for (let sample = 0; sample < batch; sample++)
      for (let row = 0; row < this.rows; row++)
        if (this.from[row] >= 0) y[sample * this.rows + row] += x[sample * this.cols + this.from[row]];
  }
}

/** Rows of single entries, columns ascending in each: what has no better form. */
export class SparseMap extends AffineMap {
  readonly kind = 'sparse';
  /** Entries of row r are starts[r] up to starts[r + 1]. */
  readonly starts: Int32Array;
  readonly columns: Int32Array;
  readonly weights: Float64Array;

  /** @throws {ShapeError} {@link OutOfRangeError} */
  constructor(
    cols: number,
    starts: Int32Array,
    columns: Int32Array,
    weights: Float64Array,
    bias: Float64Array = new Float64Array(starts.length - 1),
  ) {
    super(starts.length - 1, cols, bias);
    if (columns.length !== weights.length || starts[0] !== 0 || starts[this.rows] !== columns.length)
      throw new ShapeError('the entries of a sparse map', starts[this.rows], columns.length);
    for (let row = 0; row < this.rows; row++)
      if (starts[row] > starts[row + 1])
        throw new OutOfRangeError('a row start of a sparse map', 'ascending', starts[row]);
    requireIndices('a column of a sparse map', columns, cols, 0);
    this.starts = starts;
    this.columns = columns;
    this.weights = weights;
  }

  override get entries(): number {
    return this.weights.length;
  }

  override forEachEntry(visit: EntryVisitor): void {
    for (let row = 0; row < this.rows; row++)
      for (let at = this.starts[row]; at < this.starts[row + 1]; at++)
        visit(row, this.columns[at], this.weights[at]);
  }

  protected override addProducts(x: ArrayLike<number>, batch: number, y: Float64Array): void {
    for (let sample = 0; sample < batch; sample++) {
      for (let row = 0; row < this.rows; row++) {
        let sum = 0;
        for (let at = this.starts[row]; at < this.starts[row + 1]; at++)
          sum += this.weights[at] * x[sample * this.cols + this.columns[at]];
        y[sample * this.rows + row] += sum;
      }
    }
  }
}

/** The forms of an affine map; `kind` tells them apart. */
export type LinearMap = DenseMap | WindowMap | DiagonalMap | GatherMap | SparseMap;

/**
 * Any map as rows of single entries; entries of one place are added, zeros left out.
 * @throws {LimitError} above {@link MAX_SPARSE_ENTRIES}.
 */
export function toSparse(map: LinearMap): SparseMap {
  if (map.kind === 'sparse') return map;
  if (map.entries > MAX_SPARSE_ENTRIES)
    throw new LimitError('the entries of a sparse map', MAX_SPARSE_ENTRIES, map.entries);
  const counts = new Int32Array(map.rows + 1);
  map.forEachEntry((row, _, weight) => {
    if (weight !== 0) counts[row + 1]++;
  });
  for (let row = 0; row < map.rows; row++) counts[row + 1] += counts[row];
  const next = counts.slice(0, map.rows);
  const columns = new Int32Array(counts[map.rows]);
  const weights = new Float64Array(columns.length);
  map.forEachEntry((row, col, weight) => {
    if (weight === 0) return;
    columns[next[row]] = col;
    weights[next[row]++] = weight;
  });
  return sparseFromRows(map.cols, map.bias, (row) => ({
    columns: columns.subarray(counts[row], counts[row + 1]),
    weights: weights.subarray(counts[row], counts[row + 1]),
  }));
}

/**
 * A sparse map of rows in any order of columns, with repetitions.
 * @throws {LimitError} above {@link MAX_SPARSE_ENTRIES}.
 */
export function sparseFromRows(
  cols: number,
  bias: Float64Array,
  rowOf: (row: number) => { readonly columns: ArrayLike<number>; readonly weights: ArrayLike<number> },
): SparseMap {
  const sums = new Float64Array(cols);
  const isOpen = new Uint8Array(cols);
  const starts = new Int32Array(bias.length + 1);
  let [columns, weights] = [new Int32Array(1024), new Float64Array(1024)];
  let length = 0;
  for (let row = 0; row < bias.length; row++) {
    const entries = rowOf(row);
    const touched: number[] = [];
    for (let i = 0; i < entries.columns.length; i++) {
      const col = entries.columns[i];
      if (isOpen[col] === 0) touched.push(col);
      isOpen[col] = 1;
      sums[col] += entries.weights[i];
    }
    touched.sort((a, b) => a - b);
    if (length + touched.length > MAX_SPARSE_ENTRIES)
      throw new LimitError('the entries of a sparse map', MAX_SPARSE_ENTRIES, 'more');
    if (length + touched.length > columns.length) {
      const room = Math.max(2 * columns.length, length + touched.length);
      [columns, weights] = [grown(columns, new Int32Array(room)), grown(weights, new Float64Array(room))];
    }
    for (const col of touched) {
      if (sums[col] !== 0) {
        columns[length] = col;
        weights[length++] = sums[col];
      }
      sums[col] = 0;
      isOpen[col] = 0;
    }
    starts[row + 1] = length;
  }
  return new SparseMap(cols, starts, columns.slice(0, length), weights.slice(0, length), bias);
}

function grown<T extends Int32Array | Float64Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}

function requireExtent(what: string, extent: number): void {
  if (!(Number.isInteger(extent) && extent >= 1 && extent < 2 ** 31))
    throw new ShapeError(what, 'an integer of 1 to 2^31 - 1', extent);
}

function requireIndices(what: string, indices: Int32Array, end: number, least: number): void {
  for (let i = 0; i < indices.length; i++)
    if (!(indices[i] >= least && indices[i] < end))
      throw new OutOfRangeError(what, `${least} to ${end - 1}`, indices[i]);
}

function requirePermutation(what: string, indices: Int32Array, size: number): void {
  if (indices.length !== size) throw new ShapeError(what, size, indices.length);
  requireIndices(what, indices, size, 0);
  const isSeen = new Uint8Array(size);
  for (let i = 0; i < size; i++) {
    if (isSeen[indices[i]] === 1) throw new OutOfRangeError(what, 'each once', 'a repetition');
    isSeen[indices[i]] = 1;
  }
}

printOnOneLine(DenseMap, WindowMap, DiagonalMap, GatherMap, SparseMap);
arg.guard('DenseMap', DenseMap.prototype, { forEachEntry: { visit: arg.callback } });
arg.guard('WindowMap', WindowMap.prototype, { forEachEntry: { visit: arg.callback } });
arg.guard('DiagonalMap', DiagonalMap.prototype, { forEachEntry: { visit: arg.callback } });
arg.guard('GatherMap', GatherMap.prototype, { forEachEntry: { visit: arg.callback } });
arg.guard('SparseMap', SparseMap.prototype, { forEachEntry: { visit: arg.callback } });
