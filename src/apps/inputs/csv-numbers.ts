/** Tables of numbers as text: commas or semicolons, an optional line of names, one sample a line. */
import { DecodeError, LimitError } from '../../base/errors.ts';

const MAX_CELLS = 2 ** 26;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

export interface NumberTable {
  /** Of the columns, when the first line names them. */
  readonly names?: readonly string[];
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array;
}

/**
 * @throws {DecodeError} naming line and column of what is no number, or the line that has another number of cells.
 * @throws {LimitError} above 2^26 cells.
 */
export function readCsvNumbers(text: string): NumberTable {
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/);
  while (lines.at(-1)?.trim() === '') lines.pop();
  if (lines.length === 0) throw new DecodeError('a CSV table', 'it is empty');
  const separator = lines[0]!.includes(';') && !lines[0]!.includes(',') ? ';' : ',';
  const first = cellsOf(lines[0]!, separator);
  const isHeader = first.some((cell) => !NUMBER.test(cell));
  const columns = first.length;
  const rows = lines.length - (isHeader ? 1 : 0);
  if (rows * columns > MAX_CELLS) throw new LimitError('the cells of a CSV table', MAX_CELLS, rows * columns);
  if (rows === 0) throw new DecodeError('a CSV table', 'it has names and no numbers');
  const data = new Float32Array(rows * columns);
  let at = 0;
  for (let line = isHeader ? 1 : 0; line < lines.length; line++) {
    const cells = cellsOf(lines[line]!, separator);
    if (cells.length !== columns)
      throw new DecodeError(
        'a CSV table',
        `line ${line + 1} has ${cells.length} cells, the first one ${columns}`,
      );
    cells.forEach((cell, column) => {
      if (!NUMBER.test(cell))
        throw new DecodeError(
          'a CSV table',
          `line ${line + 1}, column ${column + 1}: "${cell.slice(0, 40)}" is no number`,
        );
      data[at++] = Number(cell);
    });
  }
  return { rows, columns, data, ...(isHeader ? { names: first } : {}) };
}

function cellsOf(line: string, separator: string): string[] {
  return line.split(separator).map((cell) => cell.trim().replace(/^"(.*)"$/, '$1'));
}
