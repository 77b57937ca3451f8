/** What {@link Kernel.updateIntegerProduct} multiplies: weights that are not zero, or their changes where those are fewer. */

export interface IntegerTerms {
  /** (row of the panels, factor modulo 2^32), of one row of weights after another. */
  readonly terms: Int32Array;
  /** Where the terms of each row of weights end. */
  readonly ends: Uint32Array;
  /** Whether they are changes, to be added to the product of the weights before. */
  readonly areChanges: boolean;
}

/** `weights` and `before` are `[count, length]`. */
export function integerTerms(
  weights: Int32Array,
  before: Int32Array | undefined,
  length: number,
): IntegerTerms {
  let [nonzero, changed] = [0, 0];
  for (let i = 0; i < weights.length; i++) {
    if (weights[i] !== 0) nonzero++;
    if (before !== undefined && weights[i] !== before[i]) changed++;
  }
  const known = before !== undefined && changed < nonzero ? before : undefined;
  const terms = new Int32Array(2 * (known === undefined ? nonzero : changed));
  const ends = new Uint32Array(weights.length / length);
  let used = 0;
  for (let row = 0; row < ends.length; row++) {
    for (let j = 0; j < length; j++) {
      const at = row * length + j;
      const factor = known === undefined ? weights[at] : weights[at] - known[at];
      if (factor === 0) continue;
      terms[used++] = j;
      terms[used++] = factor;
    }
    ends[row] = used / 2;
  }
  return { terms, ends, areChanges: known !== undefined };
}
