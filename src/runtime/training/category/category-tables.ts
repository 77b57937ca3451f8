/** The tables and constants of the estimator by categories, which its clear mirror and its encrypted run share. */
import type { ScaledTableFunction, TableScales } from '../../../circuits/discrete/scaled-table.ts';

/** Counts below 256 exactly; up to 2047 by multiples of 8. */
export const COUNT_SCALES: TableScales = Object.freeze({ bits: 8, drop: 3, isSigned: false });
/** Counts are below this. */
export const COUNT_LIMIT = 2 ** (COUNT_SCALES.bits + COUNT_SCALES.drop);

/** Two of its values make 1 / (T + 1): errors are then relative to the product with two counts, however large they are. */
export const ROOT: ScaledTableFunction = { name: '1 / sqrt(x + 1)', at: (x) => 1 / Math.sqrt(x + 1) };
export const LOG: ScaledTableFunction = { name: 'ln(x + 1/2)', at: (x) => Math.log(x + 0.5) };

/** Added to the diagonal of A / norm: no eigenvalue is below it, so nothing that is computed exceeds its inverse. */
export const RIDGE = 2 ** -10;
/** So many squarings sum 2^14 powers: what is left is e^-16 at the least eigenvalue. */
export const SQUARINGS = 14;
