/**
 * Uses the freedom (s z)^2 = s^2 z^2: a row may be multiplied by s if the columns that read it are divided by s^2. Rows and
 * columns of even size lose less when one step has to serve the whole matrix (cross-layer equalisation, Nagel et al.
 * 2019, with the square in place of ReLU).
 */
import * as arg from '../../base/arguments.ts';
import type { SquareStage } from './square-form.ts';
import { sizeOf } from '../tensor/tensor.ts';

/**
 * none: as trained. rows: every row of a stage gets the same root mean square. cross: a compromise between rows of a
 * stage and columns of the next one, repeated until it settles.
 */
export type BalanceMethod = 'none' | 'rows' | 'cross';

const CROSS_ROUNDS = 8;

/** Which columns of `next` read channel `row` of the stage before: `[first, one after last]`. */
function columnsOf(next: SquareStage, row: number): [number, number] {
  const area =
    next.window === undefined
      ? sizeOf(next.inputShape) / next.inputShape[0]
      : next.window.size[0] * next.window.size[1];
  return [row * area, (row + 1) * area];
}

/** Columns per input channel of a dense stage after maps are the map's positions; after features, one. */
function rowSize(stage: SquareStage, row: number): number {
  let sum = 0;
  for (let i = row * stage.cols; i < (row + 1) * stage.cols; i++) sum += stage.weights[i] ** 2;
  return Math.sqrt(sum / stage.cols);
}

function columnSize(next: SquareStage, row: number): number {
  const [first, end] = columnsOf(next, row);
  let sum = 0;
  for (let r = 0; r < next.rows; r++) {
    for (let j = first; j < end; j++) sum += next.weights[r * next.cols + j] ** 2;
  }
  return Math.sqrt(sum / (next.rows * (end - first)));
}

function geometricMean(values: readonly number[]): number {
  const positive = values.filter((value) => value > 0);
  if (positive.length === 0) return 1;
  return Math.exp(positive.reduce((sum, value) => sum + Math.log(value), 0) / positive.length);
}

/** Multiplies the rows of a stage and divides the columns of the next; both are changed in place. */
function rescaleRows(stage: SquareStage, next: SquareStage, factors: readonly number[]): void {
  factors.forEach((factor, row) => {
    for (let i = row * stage.cols; i < (row + 1) * stage.cols; i++) stage.weights[i] *= factor;
    stage.offset[row] *= factor;
    const [first, end] = columnsOf(next, row);
    for (let r = 0; r < next.rows; r++) {
      for (let j = first; j < end; j++) next.weights[r * next.cols + j] /= factor * factor;
    }
  });
}

function copied(stage: SquareStage): SquareStage {
  const { quantised: _, ...rest } = stage;
  return { ...rest, weights: stage.weights.slice(), offset: stage.offset.slice() };
}

/** An equal network whose weights lose less to quantisation. Stages that are integers already stay as they are. */
export function balanceStages(stages: readonly SquareStage[], method: BalanceMethod): SquareStage[] {
  arg.checkArguments('balanceStages', [stages, method], {
    stages: arg.list,
    method: arg.oneOf('none', 'rows', 'cross'),
  });
  if (method === 'none' || stages.some((stage) => stage.quantised !== undefined)) return [...stages];
  const out = stages.map(copied);
  for (let round = 0; round < (method === 'rows' ? 1 : CROSS_ROUNDS); round++) {
    for (let i = 0; i + 1 < out.length; i++) {
      const rows = Array.from({ length: out[i].rows }, (_, row) => rowSize(out[i], row));
      const columns = rows.map((_, row) => columnSize(out[i + 1], row));
      const rowTarget = geometricMean(rows);
      const columnTarget = geometricMean(columns);
      const factors = rows.map((size, row) => {
        const needed = size > 0 ? rowTarget / size : 1;
        if (method === 'rows') return needed;
        // Equal relative excess: size * s / rowTarget = column / s^2 / columnTarget.
        return columns[row] > 0 ? Math.cbrt((needed * columns[row]) / columnTarget) : needed;
      });
      rescaleRows(out[i], out[i + 1], factors);
    }
  }
  return out;
}
