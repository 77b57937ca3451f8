/**
 * Tables in CSV files (RFC 4180): a header, numbers, and a column with two values. Everything that is not so is refused with the place
 * where it stands.
 */
import { readFileSync, statSync } from 'node:fs';
import { DataError } from '../../base/errors.ts';
import { assertTable, type LabelledTable } from '../../runtime/training/index.ts';

const MAX_BYTES = 256 * 2 ** 20;
const MAX_CELLS = 50_000_000;

/** Spellings of 1 and 0 that may stand in the label's column, by lower case. */
const YES = new Set(['1', 'yes', 'true', 'y', 't']);
const NO = new Set(['0', 'no', 'false', 'n', 'f']);
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

/** Rows of cells; quotes as RFC 4180 has them. @throws {DataError} for a quote that is not closed. */
function cellsOf(text: string): string[][] {
  const rows: string[][] = [];
  let [row, cell, isQuoted, wasQuoted] = [[] as string[], '', false, false];
  let cells = 0;
  const endCell = () => {
    row.push(wasQuoted ? cell : cell.trim());
    [cell, wasQuoted] = ['', false];
    if (++cells > MAX_CELLS) throw new DataError(`a table has at most ${MAX_CELLS} cells`);
  };
  const endRow = () => {
    endCell();
    if (row.length > 1 || row[0] !== '') rows.push(row);
    row = [];
  };
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    if (isQuoted) {
      if (character !== '"') cell += character;
      else if (text[i + 1] === '"') cell += text[++i];
      else isQuoted = false;
    } else if (character === '"' && cell.trim() === '') [cell, isQuoted, wasQuoted] = ['', true, true];
    else if (character === ',') endCell();
    else if (character === '\n') endRow();
    else if (character !== '\r') cell += character;
  }
  if (isQuoted) throw new DataError('a quote is not closed');
  if (cell !== '' || row.length > 0) endRow();
  return rows;
}

/**
 * The table with the column `label` as its labels: 1, yes, true against 0, no, false.
 *
 * @throws {DataError} naming row and column: row 1 is the first below the header.
 */
export function parseCsvTable(text: string, label: string): LabelledTable {
  const [header, ...rows] = cellsOf(text.replace(/^\uFEFF/, ''));
  if (header === undefined) throw new DataError('the file is empty');
  const repeated = header.find((name, i) => header.indexOf(name) !== i);
  if (repeated !== undefined) throw new DataError(`two columns are called ${JSON.stringify(repeated)}`);
  const at = header.indexOf(label);
  if (at < 0)
    throw new DataError(
      `there is no column ${JSON.stringify(label)}; the file has ${header.slice(0, 20).join(', ')}`,
    );
  const columns = header.filter((_, i) => i !== at);
  const values = new Float64Array(rows.length * columns.length);
  const labels = new Uint8Array(rows.length);
  rows.forEach((row, i) => {
    if (row.length !== header.length)
      throw new DataError(`row ${i + 1} has ${row.length} cells, the header ${header.length}`);
    let to = i * columns.length;
    row.forEach((cell, j) => {
      const where = `row ${i + 1}, column ${header[j]}`;
      if (j === at) {
        const word = cell.toLowerCase();
        if (!YES.has(word) && !NO.has(word))
          throw new DataError(`${where}: a label is yes or no (1 or 0, true or false), not ${shown(cell)}`);
        labels[i] = YES.has(word) ? 1 : 0;
      } else {
        if (!NUMBER.test(cell))
          throw new DataError(`${where}: ${cell === '' ? 'missing' : `${shown(cell)} is no number`}`);
        values[to++] = Number(cell);
      }
    });
  });
  const table = { columns, values, labels };
  assertTable(table);
  return table;
}

/** A cell in an error: short, and nothing that a terminal would obey. */
function shown(cell: string): string {
  return JSON.stringify(cell.length > 20 ? `${cell.slice(0, 20)}...` : cell);
}

/** As {@link parseCsvTable}, of a file. @throws {DataError} */
export function readCsvTable(path: string, label: string): LabelledTable {
  let text: string;
  try {
    const { size } = statSync(path);
    if (size > MAX_BYTES) throw new DataError(`${path} has ${size} bytes; a table has at most ${MAX_BYTES}`);
    text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path));
  } catch (error) {
    if (error instanceof DataError) throw error;
    const { code = 'it is not UTF-8 text' } = error as NodeJS.ErrnoException;
    throw new DataError(`cannot read ${path}: ${code === 'ENOENT' ? 'there is no such file' : code}`);
  }
  try {
    return parseCsvTable(text, label);
  } catch (error) {
    throw error instanceof DataError ? new DataError(`${path}: ${error.details.reason}`) : error;
  }
}

/** The table as a file, for demonstrations. */
export function csvText({ columns, values, labels }: LabelledTable, label: string): string {
  const lines = [[...columns, label].join(',')];
  labels.forEach((value, i) => {
    const row = values.subarray(i * columns.length, (i + 1) * columns.length);
    lines.push([...row, value === 1 ? 'yes' : 'no'].join(','));
  });
  return `${lines.join('\n')}\n`;
}
