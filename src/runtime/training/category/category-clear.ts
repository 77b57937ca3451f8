/**
 * The estimator by categories in the clear [CGHPS18]: k columns by their correlation with the label, one category for each of the 2^k values
 * that they take together, and the regression of the categories' log odds on the columns, weighted by their variances. As exact arithmetic
 * has it, and as the encrypted run computes it: the same order of ties, the same tables, the same ridge and number of squarings.
 */
import { DataError } from '../../../base/errors.ts';
import { scaledTableValue } from '../../../circuits/discrete/scaled-table.ts';
import { solveSymmetric } from '../../../nn/layers/symmetric-solve.ts';
import { type LabelledTable, rowCount } from '../labelled-table.ts';
import { COUNT_SCALES, LOG, RIDGE, ROOT, SQUARINGS } from './category-tables.ts';

export interface CategoryModel {
  /** Indices of the chosen columns, the best first. */
  readonly columns: readonly number[];
  /** The constant first, then one weight for each chosen column. */
  readonly weights: readonly number[];
  /** Rows, and rows with label 1, of each category; bit r of a category is the value of chosen column r. */
  readonly totals: readonly number[];
  readonly positives: readonly number[];
}

/** @throws {DataError} unless every value is 0 or 1. */
export function assertBinary({ columns, values }: LabelledTable): void {
  const bad = values.findIndex((value) => value !== 0 && value !== 1);
  if (bad >= 0)
    throw new DataError(
      `row ${Math.floor(bad / columns.length) + 1}, column ${columns[bad % columns.length]}: the method of categories takes columns of 0 and 1`,
    );
}

/** n times the covariance of column and label, in integers: n beta_j - Y alpha_j. */
export function categoryScores(table: LabelledTable): number[] {
  const width = table.columns.length;
  const n = rowCount(table);
  const positives = table.labels.reduce((sum, label) => sum + label, 0);
  return table.columns.map((_, j) => {
    let [alpha, beta] = [0, 0];
    for (let i = 0; i < n; i++) {
      alpha += table.values[i * width + j]!;
      beta += table.values[i * width + j]! * table.labels[i]!;
    }
    return n * beta - positives * alpha;
  });
}

/**
 * Columns by |score|, the best first. Of equal ones those with a score that is not negative come first, with ascending index; then negative
 * ones, with descending index: the order that signs of 2 (s_i - s_j) + sgn(j - i) and 2 (s_i + s_j) + 1 make.
 */
export function scoreOrder(scores: readonly number[]): number[] {
  const beats = (i: number, j: number): boolean => {
    const [difference, sum] = [
      2 * (scores[i]! - scores[j]!) + Math.sign(j - i),
      2 * (scores[i]! + scores[j]!) + 1,
    ];
    return difference > 0 === sum > 0;
  };
  return scores.map((_, j) => j).sort((i, j) => (i === j ? 0 : beats(i, j) ? -1 : 1));
}

interface Counts {
  readonly totals: number[];
  readonly positives: number[];
}

function countsOf(table: LabelledTable, columns: readonly number[]): Counts {
  const width = table.columns.length;
  const [totals, positives] = [
    new Array<number>(2 ** columns.length).fill(0),
    new Array<number>(2 ** columns.length).fill(0),
  ];
  table.labels.forEach((label, i) => {
    const category = columns.reduce((sum, j, r) => sum + table.values[i * width + j]! * 2 ** r, 0);
    totals[category] = totals[category]! + 1;
    positives[category] = positives[category]! + label;
  });
  return { totals, positives };
}

/** Row of the design matrix of a category: the values of the columns, then 1. */
function designRow(category: number, k: number): number[] {
  return [...Array.from({ length: k }, (_, r) => (category >> r) & 1), 1];
}

/** A = U^T diag(V) U and b = U^T (V L) from weights V of the categories, and those times their log odds L. */
function normalEquations(k: number, variances: readonly number[], weighted: readonly number[]) {
  const size = k + 1;
  const matrix = Array.from({ length: size }, () => new Array<number>(size).fill(0));
  const right = new Array<number>(size).fill(0);
  variances.forEach((variance, category) => {
    const u = designRow(category, k);
    for (let i = 0; i < size; i++) {
      right[i] = right[i]! + u[i]! * weighted[category]!;
      for (let j = 0; j < size; j++) matrix[i]![j] = matrix[i]![j]! + u[i]! * u[j]! * variance;
    }
  });
  return { matrix, right };
}

/** The constant first. */
function constantFirst(weights: ArrayLike<number>): number[] {
  const all = Array.from(weights);
  return [all.at(-1)!, ...all.slice(0, -1)];
}

function chosenColumns(table: LabelledTable, k: number): number[] {
  assertBinary(table);
  return scoreOrder(categoryScores(table)).slice(0, k);
}

/** Exact functions, no ridge: what the mirror and the encrypted run approximate. */
export function exactCategory(table: LabelledTable, k: number): CategoryModel {
  const columns = chosenColumns(table, k);
  const { totals, positives } = countsOf(table, columns);
  const variances = totals.map((t, c) => ((positives[c]! + 0.5) * (t - positives[c]! + 0.5)) / (t + 1));
  const logOdds = totals.map((t, c) => Math.log(positives[c]! + 0.5) - Math.log(t - positives[c]! + 0.5));
  const { matrix, right } = normalEquations(
    k,
    variances,
    variances.map((v, c) => v * logOdds[c]!),
  );
  return { columns, weights: constantFirst(solveSymmetric(matrix, right)), totals, positives };
}

/**
 * The same by functions of x = Y/N alone, as [CGHPS18] has them: V = N (1 - 1 / (x + 1)) and V L = Y ln(x) / (x + 1), with halves added to both
 * counts so that x is positive. Equal to {@link exactCategory} but for rounding.
 */
export function quotientCategory(table: LabelledTable, k: number): CategoryModel {
  const columns = chosenColumns(table, k);
  const { totals, positives } = countsOf(table, columns);
  const negatives = totals.map((t, c) => t - positives[c]! + 0.5);
  const quotients = positives.map((y, c) => (y + 0.5) / negatives[c]!);
  const variances = quotients.map((x, c) => negatives[c]! * (1 - 1 / (x + 1)));
  const weighted = quotients.map((x, c) => (positives[c]! + 0.5) * (Math.log(x) / (x + 1)));
  const { matrix, right } = normalEquations(k, variances, weighted);
  return { columns, weights: constantFirst(solveSymmetric(matrix, right)), totals, positives };
}

/** n (k + 1) / 4 with the halves that are added to the counts: the trace of A is at most this. */
export function systemNorm(rows: number, k: number): number {
  return ((rows + 2 ** k) * (k + 1)) / 4;
}

/** What the encrypted run computes, in double precision. */
export function mirrorCategory(table: LabelledTable, k: number): CategoryModel {
  const columns = chosenColumns(table, k);
  const { totals, positives } = countsOf(table, columns);
  const at = (f: typeof ROOT, count: number): number => scaledTableValue(f, COUNT_SCALES, count);
  const variances = totals.map((t, c) => {
    const root = at(ROOT, t);
    return (positives[c]! + 0.5) * root * (t - positives[c]! + 0.5) * root;
  });
  const logOdds = totals.map((t, c) => at(LOG, positives[c]!) - at(LOG, t - positives[c]!));
  const { matrix, right } = normalEquations(
    k,
    variances,
    variances.map((v, c) => v * logOdds[c]!),
  );
  const norm = systemNorm(rowCount(table), k);
  // The powers of E = I - A / norm - ridge and the sums of them times b, a squaring at a time.
  let e = matrix.map((row, i) => row.map((value, j) => (i === j ? 1 - RIDGE : 0) - value / norm));
  let w = right.map((value) => value / norm);
  for (let t = 0; t < SQUARINGS; t++) {
    w = w.map((value, i) => value + e[i]!.reduce((sum, entry, j) => sum + entry * w[j]!, 0));
    e = e.map((row) => row.map((_, j) => row.reduce((sum, entry, m) => sum + entry * e[m]![j]!, 0)));
  }
  return { columns, weights: constantFirst(w), totals, positives };
}

/** Scores of the rows of a table under a model of categories. */
export function categoryRowScores(
  table: LabelledTable,
  { columns, weights }: Pick<CategoryModel, 'columns' | 'weights'>,
): Float64Array {
  const width = table.columns.length;
  return Float64Array.from(table.labels, (_, i) =>
    columns.reduce((sum, j, r) => sum + weights[r + 1]! * table.values[i * width + j]!, weights[0]!),
  );
}
