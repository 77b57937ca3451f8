/** How rows lie in slots: a row and a column to a slot, the column minor. */
import { type LabelledTable, rowCount } from './labelled-table.ts';
import type { LogisticProgram } from './logistic-program.ts';

/**
 * The slots of one ciphertext: y (1, x) of the table's rows from `first` on, 0 where there is none. `first` may be negative, when rows of
 * others come before.
 */
export function rowSlots(program: LogisticProgram, table: LabelledTable, first: number): Float64Array {
  const { width, rowsPerCiphertext, params } = program;
  const columns = table.columns.length;
  const slots = new Float64Array(params.slots);
  for (let r = Math.max(0, -first); r < rowsPerCiphertext; r++) {
    const row = first + r;
    if (row >= rowCount(table)) break;
    const y = table.labels[row] === 1 ? 1 : -1;
    slots[r * width] = y;
    for (let j = 0; j < columns; j++) slots[r * width + j + 1] = y * table.values[row * columns + j]!;
  }
  return slots;
}
