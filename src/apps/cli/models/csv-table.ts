/** Tables of numbers separated by commas, with or without a line of names. */
import { DecodeError } from '../../../base/errors.ts';

/** All numbers, row by row; every row has as many. @throws {DecodeError} that names the row and the column. */
export function readCsv(text: string): Float64Array {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  const isNumber = (cell: string): boolean => cell.trim() !== '' && Number.isFinite(Number(cell));
  const hasNames = lines.length > 0 && !lines[0]!.split(',').some(isNumber);
  const rows = lines.slice(hasNames ? 1 : 0).map((line) => line.split(','));
  const columns = rows[0]?.length ?? 0;
  const values = new Float64Array(rows.length * columns);
  rows.forEach((cells, r) => {
    const row = r + (hasNames ? 2 : 1);
    if (cells.length !== columns)
      throw new DecodeError('a table', `row ${row} has ${cells.length} columns, the first has ${columns}`);
    cells.forEach((cell, c) => {
      if (!isNumber(cell)) throw new DecodeError('a table', `row ${row}, column ${c + 1} is no number`);
      values[r * columns + c] = Number(cell);
    });
  });
  return values;
}
