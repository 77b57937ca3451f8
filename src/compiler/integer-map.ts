/**
 * A linear map over whole ciphertexts: y = step W x + offsets with small integers W, cut into matrices that each write one run of
 * ciphertexts. Plain data. A matrix may serve many places: that of a convolution does.
 */

/** Row-major rows x cols. */
export interface IntegerMatrix {
  readonly rows: number;
  readonly cols: number;
  readonly weights: Int32Array;
}

/** Ciphertexts first .. first + rows - 1 of the result, by one matrix. */
export interface MapBlock {
  /** Index into {@link IntegerMap.matrices}. */
  readonly matrix: number;
  readonly first: number;
  /** The ciphertext that each column reads; the first `cols` when absent. */
  readonly inputs?: Uint32Array;
}

export interface IntegerMap {
  /** For people: the layer it comes from. */
  readonly name: string;
  /** Ciphertexts read and written. */
  readonly inputs: number;
  readonly outputs: number;
  /** The real value of weight 1; positive. */
  readonly step: number;
  /** Bits of a weight, sign included. */
  readonly bits: number;
  readonly matrices: readonly IntegerMatrix[];
  /** Together they write every ciphertext once, in order. */
  readonly blocks: readonly MapBlock[];
  /** One real number per ciphertext of the result. */
  readonly offsets: Float64Array;
}

/** Calls `visit` for each row: its ciphertext, its weights, and the ciphertexts that they multiply. */
export function forEachMapRow(
  map: IntegerMap,
  visit: (output: number, weights: Int32Array, inputOf: (col: number) => number) => void,
): void {
  for (const block of map.blocks) {
    const { rows, cols, weights } = map.matrices[block.matrix]!;
    const { inputs } = block;
    const inputOf = (col: number): number => (inputs === undefined ? col : inputs[col]!);
    for (let row = 0; row < rows; row++)
      visit(block.first + row, weights.subarray(row * cols, (row + 1) * cols), inputOf);
  }
}

/** Multiply-adds on one residue of every ciphertext part. */
export function mapProducts(map: IntegerMap): number {
  return map.blocks.reduce((sum, { matrix }) => sum + map.matrices[matrix]!.weights.length, 0);
}

/** The largest sum of squared weights of a row: how much the map amplifies independent noise. At least 1. */
export function mapNoiseGain(map: IntegerMap): number {
  return map.matrices.reduce((largest, { rows, cols, weights }) => {
    let most = largest;
    for (let row = 0; row < rows; row++) {
      let sum = 0;
      for (let col = 0; col < cols; col++) sum += weights[row * cols + col]! ** 2;
      most = Math.max(most, sum);
    }
    return most;
  }, 1);
}

/** Interval arithmetic: bounds of |y| per ciphertext from bounds of |x|. */
export function mapBounds(map: IntegerMap, inputs: Float64Array): Float64Array {
  const out = Float64Array.from(map.offsets, Math.abs);
  forEachMapRow(map, (output, weights, inputOf) => {
    let sum = out[output]!;
    for (let col = 0; col < weights.length; col++)
      sum += Math.abs(weights[col]!) * map.step * inputs[inputOf(col)]!;
    out[output] = sum;
  });
  return out;
}

/** The largest absolute value. */
export function largestOf(values: Float64Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}
