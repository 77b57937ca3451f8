/** Products of affine maps, keeping the form where a rule exists. */
import { filled } from '../../base/filled.ts';
import { LimitError, ShapeError } from '../../base/errors.ts';
import {
  DenseMap,
  DiagonalMap,
  GatherMap,
  MAX_SPARSE_ENTRIES,
  sparseFromRows,
  toSparse,
  windowFields,
  WindowMap,
} from './linear-map.ts';
import type { LinearMap, SparseMap } from './linear-map.ts';

/**
 * x -> outer(inner(x)). Stays dense, window, diagonal or gather where that form can hold the product (a scaled or permuted
 * matrix, a dense matrix after a pool, a convolution after a pool without padding); else it becomes rows of single entries.
 * @throws {ShapeError} unless outer reads what inner writes. @throws {LimitError} for a product of more than 2^26 entries.
 */
export function composeLinear(outer: LinearMap, inner: LinearMap): LinearMap {
  if (outer.cols !== inner.rows) throw new ShapeError('the columns of the outer map', inner.rows, outer.cols);
  const bias = outer.applyFloat64(inner.bias);
  return (
    afterDiagonal(outer, inner, bias) ??
    beforeDiagonal(outer, inner, bias) ??
    afterGather(outer, inner, bias) ??
    beforeGather(outer, inner, bias) ??
    denseProduct(outer, inner, bias) ??
    windowProduct(outer, inner, bias)
  );
}

/** outer = diag(f): rows of inner times f. */
function afterDiagonal(outer: LinearMap, inner: LinearMap, bias: Float64Array): LinearMap | undefined {
  if (outer.kind !== 'diagonal') return undefined;
  const { factors } = outer;
  if (inner.kind === 'diagonal')
    return new DiagonalMap(
      inner.factors.map((f, i) => f * factors[i]),
      bias,
    );
  if (inner.kind === 'dense') {
    const { rows, cols } = inner;
    const matrix = filled(
      new Float64Array(inner.matrix.length),
      (i) => inner.matrix[i] * factors[Math.floor(i / cols)],
    );
    return new DenseMap(rows, cols, matrix, bias);
  }
  if (inner.kind === 'gather')
    return factors.every((f) => f === 1) ? new GatherMap(inner.from, inner.cols, bias) : undefined;
  if (inner.kind !== 'window') return undefined;
  const { channels, positions, taps, places } = inner;
  const perChannel = new Float64Array(channels);
  for (let flat = 0; flat < inner.rows; flat++) {
    const factor = factors[places === undefined ? flat : places[flat]];
    const channel = Math.floor(flat / positions);
    if (flat % positions === 0) perChannel[channel] = factor;
    else if (perChannel[channel] !== factor) return undefined;
  }
  const matrix = filled(
    new Float64Array(inner.matrix.length),
    (i) => inner.matrix[i] * perChannel[Math.floor(i / taps)],
  );
  return new WindowMap({ ...windowFields(inner), matrix, bias });
}

/** inner = diag(f): columns of outer times f. */
function beforeDiagonal(outer: LinearMap, inner: LinearMap, bias: Float64Array): LinearMap | undefined {
  if (inner.kind !== 'diagonal') return undefined;
  const { factors } = inner;
  if (outer.kind === 'dense') {
    const { rows, cols } = outer;
    return new DenseMap(
      rows,
      cols,
      filled(new Float64Array(outer.matrix.length), (i) => outer.matrix[i] * factors[i % cols]),
      bias,
    );
  }
  if (outer.kind === 'gather')
    return factors.every((f) => f === 1) ? new GatherMap(outer.from, outer.cols, bias) : undefined;
  if (outer.kind !== 'window') return undefined;
  const { groups, channels, positions, taps, inputs } = outer;
  const perTap = new Float64Array(groups * taps).fill(Number.NaN);
  for (let i = 0; i < inputs.length; i++) {
    if (inputs[i] < 0) continue;
    const tap = Math.floor(i / (positions * taps)) * taps + (i % taps);
    if (Number.isNaN(perTap[tap])) perTap[tap] = factors[inputs[i]];
    else if (perTap[tap] !== factors[inputs[i]]) return undefined;
  }
  const perGroup = channels / groups;
  const matrix = Float64Array.from(outer.matrix, (weight, i) => {
    const group = Math.floor(i / taps / perGroup);
    const factor = perTap[group * taps + (i % taps)];
    return Number.isNaN(factor) ? 0 : weight * factor;
  });
  return new WindowMap({ ...windowFields(outer), matrix, bias });
}

/** outer chooses rows of inner. */
function afterGather(outer: LinearMap, inner: LinearMap, bias: Float64Array): LinearMap | undefined {
  if (outer.kind !== 'gather') return undefined;
  const { from, rows } = outer;
  if (inner.kind === 'gather')
    return new GatherMap(
      from.map((row) => (row < 0 ? -1 : inner.from[row])),
      inner.cols,
      bias,
    );
  if (inner.kind === 'dense') {
    const { cols } = inner;
    if (rows * cols > 2 * inner.matrix.length) return undefined;
    const matrix = new Float64Array(rows * cols);
    from.forEach((row, i) => {
      if (row >= 0) matrix.set(inner.matrix.subarray(row * cols, (row + 1) * cols), i * cols);
    });
    return new DenseMap(rows, cols, matrix, bias);
  }
  if (inner.kind !== 'window' || rows !== inner.rows) return undefined;
  const placeOf = new Int32Array(rows).fill(-1);
  from.forEach((row, i) => {
    if (row >= 0) placeOf[row] = i;
  });
  if (placeOf.includes(-1)) return undefined;
  const places = Int32Array.from(placeOf, (_, flat) => placeOf[inner.places?.[flat] ?? flat]);
  const { geometry: _, ...rest } = windowFields(inner);
  return new WindowMap({ ...rest, places, bias });
}

/** outer reads a choice of inputs. */
function beforeGather(outer: LinearMap, inner: LinearMap, bias: Float64Array): LinearMap | undefined {
  if (inner.kind !== 'gather') return undefined;
  const { from, cols } = inner;
  if (outer.kind === 'dense') {
    if (outer.rows * cols > 2 * outer.matrix.length) return undefined;
    const matrix = new Float64Array(outer.rows * cols);
    outer.forEachEntry((row, col, weight) => {
      if (from[col] >= 0) matrix[row * cols + from[col]] += weight;
    });
    return new DenseMap(outer.rows, cols, matrix, bias);
  }
  if (outer.kind !== 'window') return undefined;
  const inputs = outer.inputs.map((input) => (input < 0 ? -1 : from[input]));
  const { geometry: _, ...rest } = windowFields(outer);
  return new WindowMap({ ...rest, cols, inputs, bias });
}

/** outer dense: the product is dense, too. */
function denseProduct(outer: LinearMap, inner: LinearMap, bias: Float64Array): LinearMap | undefined {
  if (outer.kind !== 'dense') return undefined;
  const { rows, cols: middle, matrix } = outer;
  const { cols } = inner;
  if (rows * cols > MAX_SPARSE_ENTRIES)
    throw new LimitError('the entries of a product of linear maps', MAX_SPARSE_ENTRIES, rows * cols);
  const product = new Float64Array(rows * cols);
  inner.forEachEntry((via, col, weight) => {
    for (let row = 0; row < rows; row++) product[row * cols + col] += matrix[row * middle + via] * weight;
  });
  return new DenseMap(rows, cols, product, bias);
}

function windowProduct(outer: LinearMap, inner: LinearMap, bias: Float64Array): LinearMap {
  const sparse = sparseProduct(toSparse(outer), toSparse(inner), bias);
  const channels = outer.kind === 'window' && outer.places === undefined ? outer.channels : 1;
  if (channels === 1) return sparse;
  return windowFromSparse(sparse, channels, 1) ?? windowFromSparse(sparse, channels, channels) ?? sparse;
}

function sparseProduct(outer: SparseMap, inner: SparseMap, bias: Float64Array): SparseMap {
  return sparseFromRows(inner.cols, bias, (row) => {
    const columns: number[] = [];
    const weights: number[] = [];
    for (let at = outer.starts[row]; at < outer.starts[row + 1]; at++) {
      const via = outer.columns[at];
      for (let next = inner.starts[via]; next < inner.starts[via + 1]; next++) {
        columns.push(inner.columns[next]);
        weights.push(outer.weights[at] * inner.weights[next]);
      }
    }
    return { columns, weights };
  });
}

/**
 * The window map that a sparse map is, when every position reads the same weights in the order of its columns and the shared matrix
 * is mostly full; undefined otherwise. Sums in another order may differ in the last bits, so weights agree to 2^-40.
 */
function windowFromSparse(map: SparseMap, channels: number, groups: number): WindowMap | undefined {
  const positions = map.rows / channels;
  const perGroup = channels / groups;
  const { starts, columns, weights } = map;
  const rowsOf = (group: number, position: number): number[] =>
    Array.from({ length: perGroup }, (_, i) => (group * perGroup + i) * positions + position);
  const union = (rows: readonly number[]): number[] => {
    const seen = new Set<number>();
    for (const row of rows) for (let at = starts[row]; at < starts[row + 1]; at++) seen.add(columns[at]);
    return [...seen].sort((a, b) => a - b);
  };
  const taps = union(rowsOf(0, 0)).length;
  if (taps === 0 || taps * map.rows > 2 * map.entries) return undefined;
  const inputs = new Int32Array(groups * positions * taps);
  const matrix = new Float64Array(channels * taps);
  for (let group = 0; group < groups; group++) {
    for (let position = 0; position < positions; position++) {
      const rows = rowsOf(group, position);
      const read = union(rows);
      if (read.length !== taps) return undefined;
      inputs.set(read, (group * positions + position) * taps);
      const tapOf = new Map(read.map((col, tap) => [col, tap]));
      for (const [i, row] of rows.entries()) {
        const own = new Float64Array(taps);
        for (let at = starts[row]; at < starts[row + 1]; at++) own[tapOf.get(columns[at])!] = weights[at];
        const shared = matrix.subarray((group * perGroup + i) * taps, (group * perGroup + i + 1) * taps);
        if (position === 0) shared.set(own);
        else if (own.some((weight, tap) => Math.abs(weight - shared[tap]) > 2 ** -40 * Math.abs(shared[tap])))
          return undefined;
      }
    }
  }
  return new WindowMap({ cols: map.cols, groups, channels, taps, positions, matrix, inputs, bias: map.bias });
}
