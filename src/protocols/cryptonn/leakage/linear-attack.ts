/**
 * The rank attack: a trainer that holds keys for r vectors and decrypted a batch under them has a linear system. When the rank is the
 * number of unknowns, the solution is the data. It works on the forward pass after a few weight updates and on the
 * backward pass at once when the first layer has at least as many units as the batch has samples.
 */
import { ShapeError } from '../../../base/errors.ts';

/** Relative to the largest entry of the matrix: smaller pivots are rounding. Integers of some hundreds leave 1e-12. */
const SMALLEST_PIVOT = 1e-9;

/**
 * Solves A X = Z for integers X `[unknowns, columns]`, A `[equations, unknowns]`, Z `[equations, columns]`, by elimination with
 * row pivoting. Unknowns that the system does not determine come back as null.
 * @throws {ShapeError}
 */
export function solveForInputs(
  keys: ArrayLike<number>,
  products: ArrayLike<number>,
  unknowns: number,
): { readonly rank: number; readonly solution: Int32Array | null } {
  const equations = keys.length / unknowns;
  const columns = products.length / equations;
  if (!Number.isInteger(equations) || !Number.isInteger(columns))
    throw new ShapeError('the products of an attack', `a multiple of ${equations} values`, products.length);
  const width = unknowns + columns;
  const rows = Array.from({ length: equations }, (_, i) => {
    const row = new Float64Array(width);
    for (let j = 0; j < unknowns; j++) row[j] = keys[i * unknowns + j] as number;
    for (let j = 0; j < columns; j++) row[unknowns + j] = products[i * columns + j] as number;
    return row;
  });
  const rank = eliminate(rows, unknowns);
  if (rank < unknowns) return { rank, solution: null };
  const solution = new Int32Array(unknowns * columns);
  for (let k = 0; k < unknowns; k++) {
    for (let j = 0; j < columns; j++)
      solution[k * columns + j] = Math.round((rows[k] as Float64Array)[unknowns + j]!);
  }
  return { rank, solution };
}

/** Gauss-Jordan in place over the first `unknowns` columns; returns the rank. */
function eliminate(rows: Float64Array[], unknowns: number): number {
  let largest = 0;
  for (const row of rows) for (let j = 0; j < unknowns; j++) largest = Math.max(largest, Math.abs(row[j]!));
  let rank = 0;
  for (let column = 0; column < unknowns && rank < rows.length; column++) {
    let best = rank;
    for (let i = rank + 1; i < rows.length; i++) {
      if (Math.abs((rows[i] as Float64Array)[column]!) > Math.abs((rows[best] as Float64Array)[column]!))
        best = i;
    }
    const pivotRow = rows[best] as Float64Array;
    if (Math.abs(pivotRow[column]!) <= SMALLEST_PIVOT * largest) continue;
    rows[best] = rows[rank] as Float64Array;
    rows[rank] = pivotRow;
    const scale = 1 / pivotRow[column]!;
    for (let j = column; j < pivotRow.length; j++) pivotRow[j]! *= scale;
    for (const row of rows) {
      const factor = row[column]!;
      if (row === pivotRow || factor === 0) continue;
      for (let j = column; j < row.length; j++) row[j]! -= factor * pivotRow[j]!;
    }
    rank++;
  }
  return rank;
}
