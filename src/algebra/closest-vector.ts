/** Enumeration in a reduced basis [Schnorr, Euchner 1994]: all coefficients whose vectors are within a radius, likely ones first. */

/** Gram-Schmidt coefficients and squared lengths of the orthogonalised rows. */
interface Orthogonalised {
  readonly mu: readonly Float64Array[];
  readonly lengths: Float64Array;
}

export interface Search {
  /** Rows `start` to `end` - 1, across the rows before; all without them. */
  readonly start?: number;
  readonly end?: number;
  /** Along the orthogonalised rows; 0 when absent. */
  readonly target?: ArrayLike<number>;
  /** Squared. */
  readonly radius: number;
  readonly mostNodes: number;
  /**
   * Of the radius that the first of d coordinates may take, from 0 to 1; the k-th may take this and k / d more. Less is faster and
   * misses vectors whose distance is unevenly spread [Schnorr, Hoerner 1995]. Default 1: none.
   */
  readonly slack?: number;
}

/** Of one block. */
const MAX_BLOCK_NODES = 4_000_000;

/**
 * Coefficients of the rows `start` to `end` - 1, not all zero, of a vector whose part across the rows before is shorter than the first
 * of them by the factor (squared); null when there is none.
 */
export function enumerateShortest(
  basis: Orthogonalised,
  start: number,
  end: number,
  factor: number,
): Int32Array | null {
  let best: Int32Array | null = null;
  const radius = factor * (basis.lengths[start] as number);
  enumerate(basis, { start, end, radius, mostNodes: MAX_BLOCK_NODES }, (x, distance) => {
    if (x.every((value) => value === 0)) return radius;
    best = Int32Array.from(x);
    return distance;
  });
  return best;
}

/**
 * Calls `found` with the coefficients of every vector within the radius of the target, and its squared distance; it returns the radius
 * to go on with, 0 to stop. Returns how many nodes it took, `mostNodes` when these were spent before the end.
 */
export function enumerate(
  { mu, lengths }: Orthogonalised,
  { start = 0, end = lengths.length, target, radius, mostNodes, slack = 1 }: Search,
  found: (x: Float64Array, distance: number) => number,
): number {
  const size = end - start;
  const x = new Float64Array(size);
  const centre = new Float64Array(size);
  const step = new Float64Array(size);
  // What x_i .. x_(size - 1) decide of the squared distance.
  const partial = new Float64Array(size + 1);
  const share = Float64Array.from({ length: size }, (_, i) => Math.min(1, slack + (size - i) / size));
  let left = radius;
  const enter = (i: number) => {
    let c = target === undefined ? 0 : (target[i] as number);
    for (let j = i + 1; j < size; j++)
      c -= (x[j] as number) * ((mu[start + j] as Float64Array)[start + i] as number);
    centre[i] = c;
    x[i] = Math.round(c);
    step[i] = c >= (x[i] as number) ? 1 : -1;
  };
  let i = size - 1;
  enter(i);
  for (let nodes = 1; nodes < mostNodes; nodes++) {
    const offset = (x[i] as number) - (centre[i] as number);
    const distance = (partial[i + 1] as number) + offset * offset * (lengths[start + i] as number);
    if (distance < left * (share[i] as number)) {
      if (i > 0) {
        partial[i] = distance;
        enter(--i);
        continue;
      }
      left = found(x, distance);
      if (left === 0) return nodes;
    } else if (++i === size) return nodes;
    // The next nearest integer: alternately on both sides of the centre.
    const by = step[i] as number;
    x[i] = (x[i] as number) + by;
    step[i] = -by - Math.sign(by);
  }
  return mostNodes;
}
