/**
 * The clear mirror of the encrypted regression: the same polynomial, the same steps, in double precision. The owner runs it on its own rows
 * to choose step sizes and to know that no value leaves the range that the circuit was planned for.
 */
import { DataError } from '../../base/errors.ts';
import { solveSymmetric } from '../../nn/layers/symmetric-solve.ts';
import { type LabelledTable, rowCount, scoresOf } from './labelled-table.ts';
import { LogisticProgram, MARGIN_BOUND, SIGMOID_CUBIC } from './logistic-program.ts';
import { type LogisticSpec, type NesterovStep, nesterovSteps } from './logistic-spec.ts';

export interface MirrorResult {
  /** weights[0] is the constant; for standardised columns. */
  readonly weights: Float64Array;
  /** Largest |margin| and largest weight of either state on the way. */
  readonly largestMargin: number;
  readonly largestWeight: number;
}

/** y of each row as -1 or 1. */
function signOf(label: number): 1 | -1 {
  return label === 1 ? 1 : -1;
}

/**
 * Weights after the steps, on a standardised table; with `batchRows`, so many rows a step, one batch after the other. `onStep` is told the
 * weights after each, which stay as they are.
 */
export function mirrorLogistic(
  table: LabelledTable,
  steps: readonly NesterovStep[],
  batchRows: number = rowCount(table),
  onStep: (weights: Float64Array) => void = () => undefined,
): MirrorResult {
  const { c0, c1, c3 } = SIGMOID_CUBIC;
  const width = table.columns.length;
  const batches = Math.floor(rowCount(table) / batchRows);
  let w = new Float64Array(width + 1);
  let v = new Float64Array(width + 1);
  let [largestMargin, largestWeight] = [0, 0];
  for (const [t, { rate, momentum }] of steps.entries()) {
    const gradient = new Float64Array(width + 1);
    const from = (t % batches) * batchRows;
    const batch = {
      columns: table.columns,
      values: table.values.subarray(from * width, (from + batchRows) * width),
      labels: table.labels.subarray(from, from + batchRows),
    };
    scoresOf(batch, v).forEach((score, i) => {
      const y = signOf(batch.labels[i]!);
      const margin = y * score;
      largestMargin = Math.max(largestMargin, Math.abs(margin));
      const q = y * (c0 + c1 * margin + c3 * margin ** 3);
      gradient[0] = gradient[0]! + q;
      for (let j = 0; j < width; j++) gradient[j + 1] = gradient[j + 1]! + q * batch.values[i * width + j]!;
    });
    const next = v.map((value, j) => value - (rate * gradient[j]!) / batchRows);
    v = next.map((value, j) => (1 - momentum) * value + momentum * w[j]!);
    w = next;
    for (const value of [...w, ...v]) largestWeight = Math.max(largestWeight, Math.abs(value));
    onStep(w);
  }
  return { weights: w, largestMargin, largestWeight };
}

/** Mean of log(1 + exp(-margin)): what training lowers. */
export function logisticLoss(table: LabelledTable, weights: ArrayLike<number>): number {
  const scores = scoresOf(table, weights);
  return (
    scores.reduce((sum, score, i) => sum + Math.log1p(Math.exp(-signOf(table.labels[i]!) * score)), 0) /
    scores.length
  );
}

/** Newton's method with a ridge: the best that a clear logistic regression does, to compare with. */
export function newtonLogistic(table: LabelledTable, ridge = 1, iterations = 12): Float64Array {
  const size = table.columns.length + 1;
  const width = table.columns.length;
  const weights = new Float64Array(size);
  const at = (i: number, j: number): number => (j === 0 ? 1 : table.values[i * width + j - 1]!);
  for (let step = 0; step < iterations; step++) {
    const matrix = Array.from({ length: size }, (_, j) =>
      Array.from({ length: size }, (_v, k) => (j === k ? ridge : 0)),
    );
    const right = Array.from(weights, (weight) => -ridge * weight);
    scoresOf(table, weights).forEach((score, i) => {
      const p = 1 / (1 + Math.exp(-score));
      const residual = table.labels[i]! - p;
      for (let j = 0; j < size; j++) {
        const row = matrix[j]!;
        const x = at(i, j);
        right[j] = right[j]! + residual * x;
        for (let k = 0; k < size; k++) row[k] = row[k]! + p * (1 - p) * x * at(i, k);
      }
    });
    solveSymmetric(matrix, right).forEach((delta, j) => {
      weights[j] = weights[j]! + delta;
    });
  }
  return weights;
}

const RATES = [0.25, 0.5, 1, 2, 3, 4, 6, 8];
const DECAYS = [0, 0.25, 1];
/** Room for rounding and noise below the bounds. */
const ROOM = 1.25;

export type LogisticShape = Pick<LogisticSpec, 'iterations' | 'rule' | 'bootstrapping'>;

/**
 * The program for a standardised table whose mirror ends with the least loss, among steps that keep every margin within the range of the
 * cubic with room to spare. Sees the data: it runs at the owner.
 *
 * @throws {DataError} when no step keeps the margins in range. As {@link LogisticProgram}.
 */
export function tuneLogistic(table: LabelledTable, shape: LogisticShape): LogisticProgram {
  let best: { loss: number; spec: LogisticSpec } | undefined;
  for (const rate of RATES) {
    for (const decay of DECAYS) {
      const draft: LogisticSpec = {
        kind: 'logistic',
        version: 1,
        rows: rowCount(table),
        features: table.columns.length,
        ...shape,
        rate,
        decay,
        weightBound: 1,
      };
      const { weights, largestMargin, largestWeight } = mirrorLogistic(table, nesterovSteps(draft));
      if (!(largestMargin * ROOM <= MARGIN_BOUND && largestWeight * ROOM <= 64)) continue;
      const loss = logisticLoss(table, weights);
      const weightBound = 2 ** Math.max(-6, Math.ceil(Math.log2(largestWeight * ROOM)));
      if (best === undefined || loss < best.loss) best = { loss, spec: { ...draft, weightBound } };
    }
  }
  if (best === undefined) throw new DataError('no step size keeps the margins of this table in range');
  return new LogisticProgram(best.spec);
}
