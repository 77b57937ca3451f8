/**
 * Logistic regression under encryption at 128 bits: seconds of processor time per iteration, predicted beside measured, and the AUC of
 * the encrypted weights, of their clear mirror and of the best clear model on held-out rows of a generated table.
 * `--part levelled` (the default: 1580 x 18, 7 iterations), `--part bootstrapped` (the same table, 15 iterations), `--part wide` (1600 x 105,
 * 30 iterations, bootstrapped), `--part helr --data DIR` (MNIST 3 against 8, 196 grey values, 32 iterations of 1024 pictures);
 * `--epochs N` for another number of iterations, `--quick` for few.
 */
import { UsageError } from '../../src/base/errors.ts';
import { identityFunction } from '../../src/circuits/circle/circle-function.ts';
import { predictedSeconds } from '../../src/circuits/cost.ts';
import { openKernel } from '../../src/kernel/open.ts';
import {
  areaUnderCurve,
  generatedTable,
  LogisticOwner,
  LogisticTrainer,
  mirrorLogistic,
  newtonLogistic,
  scoresOf,
  signAccuracy,
  splitTable,
  standardised,
  tableStandardisation,
  tuneLogistic,
} from '../../src/runtime/training/index.ts';
import { CkksContext } from '../../src/schemes/ckks/context.ts';
import { type Bench, type BenchRow, reportFor } from '../report.ts';
import { helrTask } from './helr-task.ts';
import { measuredCosts, processorTime } from './machine-costs.ts';

const HELD_OUT_ONE_IN = 5;
const TASKS = {
  levelled: { rows: 1580, columns: 18, iterations: 7, bootstrapping: false, publishedSeconds: 360 },
  bootstrapped: { rows: 1580, columns: 18, iterations: 15, bootstrapping: true, publishedSeconds: 0 },
  wide: { rows: 1600, columns: 105, iterations: 30, bootstrapping: true, publishedSeconds: 0 },
} as const;
/** 68 minutes on eight threads. */
const HELR = { iterations: 32, publishedSeconds: 4080 } as const;
const QUICK_ITERATIONS = 3;

function generatedTask(part: keyof typeof TASKS, iterations: number) {
  const task = TASKS[part];
  const training = Math.ceil((task.rows * HELD_OUT_ONE_IN) / (HELD_OUT_ONE_IN - 1));
  const table = generatedTable({ rows: training, columns: task.columns, seed: 1 });
  const { train, heldOut } = splitTable(table, HELD_OUT_ONE_IN);
  const standard = tableStandardisation(train);
  const own = standardised(train, standard);
  const program = tuneLogistic(own, { iterations, rule: 'keep', bootstrapping: task.bootstrapping });
  return { train: own, heldOut: standardised(heldOut, standard), program };
}

export const logistic: Bench = async ({ quick, part = 'levelled', epochs, data }, note) => {
  if (part !== 'levelled' && part !== 'bootstrapped' && part !== 'wide' && part !== 'helr')
    throw new UsageError(`--part is levelled, bootstrapped, wide or helr, not "${part}"`);
  const task = part === 'helr' ? HELR : TASKS[part];
  const iterations = epochs ?? (quick ? QUICK_ITERATIONS : task.iterations);
  const {
    train: own,
    heldOut: held,
    program,
  } = part === 'helr' ? helrTask(data, iterations, quick) : generatedTask(part, iterations);
  using kernel = await openKernel();
  using context = await CkksContext.open(program.params, { kernel });
  using arena = context.arena();
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using evaluation = generator.evaluationKeys(secret, program.keyPlan);
  using encapsulation = generator.encapsulationKeys(secret);
  note(`${program.ciphertexts} ciphertexts, N = ${program.params.n}; keys made`);
  const owner = new LogisticOwner(context, program, secret);
  const rows = owner.encrypt(own, arena);
  const top = program.topLevel;
  const costs = measuredCosts(context, secret, evaluation, [top, Math.round(top / 2), 2]);
  using trainer = new LogisticTrainer(context, program, { evaluation, encapsulation });
  const refreshed =
    program.bootstrap === undefined
      ? 0
      : program.bootstrap.seconds(identityFunction(program.spec.weightBound), costs);
  const report: BenchRow[] = [];
  const begun = processorTime();
  const clock = performance.now();
  let last = begun;
  const { overRows } = program.rotations;
  let level = top;
  const weights = trainer.run(rows, arena, (step) => {
    const now = processorTime();
    const keySwitches = step.iteration === 1 ? overRows.length : program.keySwitchesPerIteration;
    const limbs = step.iteration === 1 ? top + 1 : step.level + 3;
    const own = { keySwitches: new Array<number>(keySwitches).fill(limbs), diagonals: [] };
    const predicted = predictedSeconds(own, costs) + (step.isBootstrapped ? refreshed : 0);
    const bootstraps = step.isBootstrapped ? 1 : 0;
    report.push({
      step: step.iteration,
      level: step.level,
      seconds: (now - last) / 1000,
      predicted,
      bootstraps,
      keySwitches,
    });
    note(
      `iteration ${step.iteration}: ${((now - last) / 1000).toFixed(2)} s, predicted ${predicted.toFixed(2)} s`,
    );
    last = now;
    level = step.level;
  });
  const seconds = (processorTime() - begun) / 1000;
  const elapsed = (performance.now() - clock) / 1000;
  const opened = owner.open(weights);
  const mirror = mirrorLogistic(own, program.steps, program.spec.batchRows).weights;
  const auc = (of: ArrayLike<number>): number => areaUnderCurve(scoresOf(held, of), held.labels);
  const accuracy = (of: ArrayLike<number>): number => signAccuracy(scoresOf(held, of), held.labels);
  const isPublished = task.publishedSeconds > 0 && iterations === task.iterations;
  report.push({
    ...{
      task: `${program.spec.rows} x ${program.spec.features}, ${iterations} iterations`,
      levelLeft: level,
    },
    ...{
      seconds,
      elapsed,
      aucEncrypted: auc(opened),
      aucMirror: auc(mirror),
      aucClear: auc(newtonLogistic(own)),
      accuracyEncrypted: accuracy(opened),
      accuracyMirror: accuracy(mirror),
    },
    ...{ mirrorDifference: mirror.reduce((max, w, j) => Math.max(max, Math.abs(w - opened[j]!)), 0) },
    ...(isPublished && { published: task.publishedSeconds, factor: task.publishedSeconds / elapsed }),
    peakBytes: process.resourceUsage().maxRSS * 1024,
  });
  return reportFor('logistic', kernel, report);
};
