import * as arg from '../../base/arguments.ts';
import { OutOfRangeError } from '../../base/errors.ts';

/** Arbitrary real levels: a reporting baseline. Encrypted products need integers, so nothing is shipped this way. */
export interface Codebook {
  /** Ascending; one of them is 0. */
  readonly levels: Float64Array;
  /** Mean squared error on the fitted values. */
  readonly error: number;
}

const ROUNDS = 60;

/** Index of the nearest level, by bisection between the midpoints. */
function nearestIndex(levels: Float64Array, value: number): number {
  let low = 0;
  let high = levels.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value > (levels[middle] + levels[middle + 1]) / 2) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The quantiser of least squared error with 2^bits levels, one of them forced to 0 (Lloyd 1957, Max 1960). Starts from
 * quantiles and alternates between assignment and centroids; levels that lose all their values stay where they are.
 * @throws {OutOfRangeError} unless 1 <= bits <= 8 and there are values.
 */
export function lloydMax(values: ArrayLike<number>, bits: number): Codebook {
  arg.checkArguments('lloydMax', [values, bits], { values: arg.numbers, bits: arg.number });
  if (!Number.isInteger(bits) || bits < 1 || bits > 8) {
    throw new OutOfRangeError('codebook bits', 'an integer of 1 to 8', bits);
  }
  if (values.length === 0) throw new OutOfRangeError('the number of values', 'at least 1', 0);
  const sorted = Float64Array.from(values).sort();
  const count = 2 ** bits;
  const levels = Float64Array.from({ length: count }, (_, i) => {
    return sorted[Math.min(sorted.length - 1, Math.floor(((i + 0.5) / count) * sorted.length))];
  });
  forceZero(levels);
  let error = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const sums = new Float64Array(count);
    const members = new Float64Array(count);
    let squares = 0;
    for (let i = 0; i < sorted.length; i++) {
      const at = nearestIndex(levels, sorted[i]);
      sums[at] += sorted[i];
      members[at]++;
      squares += (sorted[i] - levels[at]) ** 2;
    }
    const previous = error;
    error = squares / sorted.length;
    if (previous - error <= 1e-9 * error) break;
    if (round === ROUNDS - 1) break;
    for (let k = 0; k < count; k++) {
      if (levels[k] !== 0 && members[k] > 0) levels[k] = sums[k] / members[k];
    }
  }
  return { levels, error };
}

/** Moves the level nearest to 0 onto it. */
function forceZero(levels: Float64Array): void {
  let nearest = 0;
  for (let i = 1; i < levels.length; i++) if (Math.abs(levels[i]) < Math.abs(levels[nearest])) nearest = i;
  levels[nearest] = 0;
}

/** The values replaced by their nearest levels. */
export function applyCodebook(codebook: Codebook, values: ArrayLike<number>): Float32Array {
  arg.checkArguments('applyCodebook', [codebook, values], {
    codebook: arg.like('a Codebook', 'levels', 'error'),
    values: arg.numbers,
  });
  return Float32Array.from(values, (value) => codebook.levels[nearestIndex(codebook.levels, value)]);
}
