/**
 * Tables that a logistic regression is trained on: numbers in columns, a label of two classes in each row. Standardised by the owner,
 * split by the owner; the trainer sees neither the means nor the rows that are held out.
 */
import { DataError, OutOfRangeError } from '../../base/errors.ts';

export interface LabelledTable {
  readonly columns: readonly string[];
  /** Row by row, as many numbers as columns. */
  readonly values: Float64Array;
  /** 0 or 1 for each row. */
  readonly labels: Uint8Array;
}

/** Standardised values are cut off here: the trainer's circuit is planned for inputs of this size. */
export const VALUE_BOUND = 4;

/** How a table was standardised: stays with the owner, who needs it to use the weights. */
export interface Standardisation {
  readonly means: readonly number[];
  /** Standard deviations; 0 for a column that is constant and so has no weight. */
  readonly deviations: readonly number[];
}

export function rowCount(table: LabelledTable): number {
  return table.labels.length;
}

/** @throws {DataError} for a shape that is wrong, a value that is no number, or labels of one class. */
export function assertTable(table: LabelledTable): void {
  const { columns, values, labels } = table;
  if (columns.length === 0) throw new DataError('a table needs at least one column beside the label');
  if (values.length !== columns.length * labels.length)
    throw new DataError(
      `${labels.length} rows of ${columns.length} columns need as many values, not ${values.length}`,
    );
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw new DataError(
      `row ${Math.floor(bad / columns.length) + 1}, column ${columns[bad % columns.length]}: not a finite number`,
    );
  const ones = labels.reduce((sum, label) => sum + label, 0);
  if (ones === 0 || ones === labels.length)
    throw new DataError('all labels are of one class: there is nothing to tell apart');
}

/** Every `oneIn`-th row of each class is held out: a split that needs no chance and keeps both classes. @throws {OutOfRangeError} */
export function splitTable(
  table: LabelledTable,
  oneIn: number,
): { train: LabelledTable; heldOut: LabelledTable } {
  if (!Number.isInteger(oneIn) || oneIn < 2)
    throw new OutOfRangeError('one in how many rows', 'an integer from 2', oneIn);
  const seen = [0, 0];
  const held = Array.from(table.labels, (label) => {
    seen[label] = seen[label]! + 1;
    return seen[label]! % oneIn === 0;
  });
  const rows = (wanted: boolean): LabelledTable => {
    const indices = held.flatMap((is, row) => (is === wanted ? [row] : []));
    const width = table.columns.length;
    const values = new Float64Array(indices.length * width);
    indices.forEach((row, i) => {
      values.set(table.values.subarray(row * width, (row + 1) * width), i * width);
    });
    return { columns: table.columns, values, labels: Uint8Array.from(indices, (row) => table.labels[row]!) };
  };
  return { train: rows(false), heldOut: rows(true) };
}

/** Means and standard deviations of the columns. */
export function tableStandardisation(table: LabelledTable): Standardisation {
  const width = table.columns.length;
  const rows = rowCount(table);
  const column = (j: number): number[] =>
    Array.from({ length: rows }, (_, i) => table.values[i * width + j]!);
  const means = table.columns.map((_, j) => column(j).reduce((sum, v) => sum + v, 0) / rows);
  const deviations = table.columns.map((_, j) => {
    const variance = column(j).reduce((sum, v) => sum + (v - means[j]!) ** 2, 0) / rows;
    const deviation = Math.sqrt(variance);
    return deviation > 1e-12 * Math.max(1, Math.abs(means[j]!)) ? deviation : 0;
  });
  return { means, deviations };
}

/** (value - mean) / deviation, cut off at {@link VALUE_BOUND}; constant columns are 0. */
export function standardised(table: LabelledTable, { means, deviations }: Standardisation): LabelledTable {
  const width = table.columns.length;
  const values = table.values.map((value, i) => {
    const j = i % width;
    const scaled = deviations[j] === 0 ? 0 : (value - means[j]!) / deviations[j]!;
    return Math.min(VALUE_BOUND, Math.max(-VALUE_BOUND, scaled));
  });
  return { ...table, values };
}

/** The linear score of each row: weights[0] is the constant. */
export function scoresOf(table: LabelledTable, weights: ArrayLike<number>): Float64Array {
  const width = table.columns.length;
  return Float64Array.from(table.labels, (_, i) => {
    let score = weights[0]!;
    for (let j = 0; j < width; j++) score += weights[j + 1]! * table.values[i * width + j]!;
    return score;
  });
}

/** The share of rows whose score is on their label's side of 0. */
export function signAccuracy(scores: ArrayLike<number>, labels: Uint8Array): number {
  const right = labels.reduce((sum, label, i) => sum + ((scores[i]! > 0 ? 1 : 0) === label ? 1 : 0), 0);
  return right / labels.length;
}

/**
 * Area under the ROC curve: the share of pairs of a 1 and a 0 that the scores put in order, ties counting half.
 *
 * @throws {DataError} when all labels are of one class.
 */
export function areaUnderCurve(scores: ArrayLike<number>, labels: ArrayLike<number>): number {
  const order = Array.from({ length: labels.length }, (_, i) => i).sort((a, b) => scores[a]! - scores[b]!);
  let [ones, rankSum] = [0, 0];
  for (let at = 0; at < order.length; ) {
    let end = at;
    while (end < order.length && scores[order[end]!] === scores[order[at]!]) end++;
    const rank = (at + 1 + end) / 2;
    for (; at < end; at++) {
      if (labels[order[at]!] !== 1) continue;
      ones++;
      rankSum += rank;
    }
  }
  const zeros = labels.length - ones;
  if (ones === 0 || zeros === 0) throw new DataError('an AUC needs rows of both classes');
  return (rankSum - (ones * (ones + 1)) / 2) / (ones * zeros);
}
