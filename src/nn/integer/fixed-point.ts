/** Real factors as integers over a power of two, as fine as exact products in doubles allow. */
import * as arg from '../../base/arguments.ts';
import { OutOfRangeError } from '../../base/errors.ts';

const LARGEST_SHIFT = 52;

/** A tensor that is to be multiplied: its factors and the largest |value| that they meet. */
export interface FixedPointOperand {
  readonly ratios: Float64Array;
  readonly bound: number;
}

/**
 * Multipliers round(ratio * 2^shift), at least 1, with one shift for all operands: the largest with which the sum of their largest
 * products stays below 2^52, so that with the rounding term it is exact in doubles.
 * @throws {OutOfRangeError} when no shift does.
 */
export function fixedPointFactors(operands: readonly FixedPointOperand[]): {
  multipliers: Float64Array[];
  shift: number;
} {
  arg.checkArguments('fixedPointFactors', [operands], { operands: arg.list });
  const largest = operands.reduce(
    (sum, { ratios, bound }) => sum + bound * ratios.reduce((a, b) => Math.max(a, b)),
    0,
  );
  const shift = Math.min(LARGEST_SHIFT, Math.floor(LARGEST_SHIFT - 1 - Math.log2(largest)));
  if (!(shift >= 1)) throw new OutOfRangeError('a factor between integers', 'small enough for 2^52', largest);
  const multipliers = operands.map(({ ratios }) =>
    ratios.map((ratio) => Math.max(1, Math.round(ratio * 2 ** shift))),
  );
  return { multipliers, shift };
}
