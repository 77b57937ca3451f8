/** How the rows of {@link Kernel.updateIntegerProduct} lie: panels of columns, [n / 64][rows][64], 16 bits an entry where all fit. */
import { ShapeError } from '../../base/errors.ts';
import { batchCount, checkApart, checkLength } from '../preconditions.ts';

export const PANEL_COLUMNS = 64;

/**
 * Panels of `[rows, n]` integers. Their type tells whether all of them fit 16 bits, and nothing else.
 * @throws {ShapeError} unless n is a multiple of {@link PANEL_COLUMNS} and the rows are whole.
 */
export function integerPanels(rows: Int32Array, n: number): Int16Array | Int32Array {
  const count = panelRows(rows, n);
  // Over all of them, without a branch.
  let beyond = 0;
  for (let i = 0; i < rows.length; i++) beyond |= (rows[i] + 0x8000) >>> 16;
  const out = beyond === 0 ? new Int16Array(rows.length) : new Int32Array(rows.length);
  for (let row = 0; row < count; row++) {
    for (let column = 0; column < n; column += PANEL_COLUMNS) {
      const from = row * n + column;
      out.set(rows.subarray(from, from + PANEL_COLUMNS), column * count + row * PANEL_COLUMNS);
    }
  }
  return out;
}

/** How many rows the panels hold. @throws {ShapeError} unless they are whole. */
function panelRows(rows: Int16Array | Int32Array, n: number): number {
  if (!Number.isSafeInteger(n) || n < 1 || n % PANEL_COLUMNS !== 0)
    throw new ShapeError('the length of a row', `a multiple of ${PANEL_COLUMNS}`, n);
  return batchCount('the rows', rows.length, n);
}

/** Rows of weights, and of the panels. @throws {ShapeError} unless the arrays of {@link Kernel.updateIntegerProduct} fit. */
export function checkIntegerProduct(
  out: Int32Array,
  panels: Int16Array | Int32Array,
  n: number,
  weights: Int32Array,
  before: Int32Array | undefined,
): { readonly count: number; readonly length: number } {
  const length = panelRows(panels, n);
  if (length === 0) throw new ShapeError('the rows', 'at least one', 'none');
  const count = batchCount('the weights', weights.length, length);
  checkLength('out', out.length, count * n);
  if (before !== undefined) {
    checkLength('the weights before', before.length, weights.length);
    checkApart('the weights before', out, before);
  }
  checkApart('the rows', out, panels);
  checkApart('the weights', out, weights);
  return { count, length };
}
