/**
 * The task of Han et al.: MNIST's threes against its eights, 14 x 14 grey values, batches of 1024, 32 iterations. Pictures are those of the
 * data set (`--data DIR`); accuracy is on its test pictures.
 */
import { UsageError } from '../../src/base/errors.ts';
import { readMnist } from '../../src/apps/train/mnist-corpus.ts';
import {
  type LabelledTable,
  LogisticProgram,
  type LogisticSpec,
  standardised,
} from '../../src/runtime/training/index.ts';

const [ZERO, ONE] = [3, 8];
const [SIDE, HALF] = [28, 14];
const BATCH = 1024;
const QUICK_ROWS = 2 * BATCH;

function pictures(data: string, split: 'train' | 'test'): LabelledTable {
  const { pixels, labels } = readMnist(data, split);
  const chosen = Array.from(labels, (label, i) => ({ label, i })).filter(
    ({ label }) => label === ZERO || label === ONE,
  );
  const values = new Float64Array(chosen.length * HALF ** 2);
  chosen.forEach(({ i }, row) => {
    for (let at = 0; at < HALF ** 2; at++) {
      const [y, x] = [2 * Math.floor(at / HALF), 2 * (at % HALF)];
      const pixel = (dy: number, dx: number): number => pixels[i * SIDE ** 2 + (y + dy) * SIDE + x + dx]!;
      const sum = pixel(0, 0) + pixel(0, 1) + pixel(1, 0) + pixel(1, 1);
      values[row * HALF ** 2 + at] = sum / (4 * 255);
    }
  });
  const columns = Array.from({ length: HALF ** 2 }, (_, at) => `p${at}`);
  return { columns, values, labels: Uint8Array.from(chosen, ({ label }) => (label === ONE ? 1 : 0)) };
}

/** Grey values less their mean, in units of half the scale. */
function centred(train: LabelledTable, test: LabelledTable): [LabelledTable, LabelledTable] {
  const width = train.columns.length;
  const rows = train.labels.length;
  const means = train.columns.map((_, j) => {
    let sum = 0;
    for (let i = 0; i < rows; i++) sum += train.values[i * width + j]!;
    return sum / rows;
  });
  const standard = { means, deviations: means.map(() => 1 / 2) };
  return [standardised(train, standard), standardised(test, standard)];
}

/** @throws {UsageError} without the data set. */
export function helrTask(data: string | undefined, iterations: number, quick: boolean) {
  if (data === undefined) throw new UsageError('--part helr needs --data DIR with the files of MNIST');
  const [all, heldOut] = centred(pictures(data, 'train'), pictures(data, 'test'));
  const rows = quick ? QUICK_ROWS : BATCH * Math.floor(all.labels.length / BATCH);
  const width = all.columns.length;
  const train = {
    columns: all.columns,
    values: all.values.subarray(0, rows * width),
    labels: all.labels.subarray(0, rows),
  };
  const spec: LogisticSpec = {
    ...{ kind: 'logistic', version: 1, rows, features: width, iterations, batchRows: BATCH },
    ...{ rate: 0.75, decay: 0.5, weightBound: 1, rule: 'keep', bootstrapping: true },
  };
  return { train, heldOut, program: new LogisticProgram(spec) };
}
