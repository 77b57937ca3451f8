/**
 * The estimator by categories of Crawford et al. on encrypted rows, 1600 x 105, five columns chosen, at 128 bits: seconds of processor time
 * per step, predicted beside measured, and the AUC on held-out rows of the encrypted model, its clear mirror, the same estimator in exact
 * arithmetic and the best clear model. 13 GB; `--quick` a small insecure ring, another table, no claim of security.
 */
import { predictedSeconds } from '../../src/circuits/cost.ts';
import { openKernel } from '../../src/kernel/open.ts';
import {
  areaUnderCurve,
  CategoryOwner,
  CategoryProgram,
  type CategoryStep,
  CategoryTrainer,
  categoryRowScores,
  exactCategory,
  generatedTable,
  mirrorCategory,
  newtonLogistic,
  scoresOf,
  splitTable,
  standardised,
  tableStandardisation,
} from '../../src/runtime/training/index.ts';
import { CkksContext } from '../../src/schemes/ckks/context.ts';
import { CkksParams } from '../../src/schemes/ckks/params.ts';
import { type Bench, type BenchRow, reportFor } from '../report.ts';
import { measuredCosts, processorTime } from './machine-costs.ts';

const HELD_OUT_ONE_IN = 5;
const FULL = { rows: 2000, columns: 105, chosen: 5 } as const;
const QUICK = { rows: 250, columns: 12, chosen: 2 } as const;
const QUICK_LOG_N = 10;
/** Five hours on one thread. */
const PUBLISHED_SECONDS = 18_000;

export const category: Bench = async ({ quick }, note) => {
  const { rows, columns, chosen } = quick ? QUICK : FULL;
  const table = generatedTable({ rows, columns, seed: 1 });
  const { train, heldOut } = splitTable(table, HELD_OUT_ONE_IN);
  const insecure = quick
    ? CkksParams.bootstrapping({ logN: QUICK_LOG_N, security: 'insecure-for-tests' })
    : undefined;
  const spec = {
    kind: 'category',
    version: 1,
    rows: train.labels.length,
    features: columns,
    chosen,
  } as const;
  const program = new CategoryProgram(spec, insecure);
  using kernel = await openKernel();
  using context = await CkksContext.open(program.params, { kernel });
  using arena = context.arena();
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using evaluation = generator.evaluationKeys(secret, program.keyPlan);
  using encapsulation = generator.encapsulationKeys(secret);
  note(`${program.ciphertexts} ciphertexts, N = ${program.params.n}; keys made`);
  const data = new CategoryOwner(context, program, secret).encrypt(train, arena);
  const top = program.bootstrap.argumentLevel;
  const costs = measuredCosts(context, secret, evaluation, [top, Math.round(top / 2), 3]);
  using trainer = new CategoryTrainer(context, program, { evaluation, encapsulation });
  note('transforms encoded');
  const report: BenchRow[] = [];
  const clock = performance.now();
  const begun = processorTime();
  let last = begun;
  const onStep = ({ name, work }: CategoryStep): void => {
    const now = processorTime();
    const functions = program.circleFunctions[name] ?? [];
    const predicted = functions.reduce(
      (sum, each) => sum + predictedSeconds(program.bootstrap.workOfMany(each), costs),
      predictedSeconds(work, costs),
    );
    const seconds = (now - last) / 1000;
    const { length: keySwitches } = work.keySwitches;
    report.push({ step: name, seconds, predicted, bootstraps: functions.length, keySwitches });
    note(`${name}: ${seconds.toFixed(2)} s, predicted ${predicted.toFixed(2)} s`);
    last = now;
  };
  const result = trainer.run(data, arena, { onStep });
  const seconds = (processorTime() - begun) / 1000;
  const elapsed = (performance.now() - clock) / 1000;
  const opened = new CategoryOwner(context, program, secret).open(result);
  const [mirror, exact] = [mirrorCategory(train, chosen), exactCategory(train, chosen)];
  const standard = tableStandardisation(train);
  const best = newtonLogistic(standardised(train, standard));
  const auc = (scores: ArrayLike<number>): number => areaUnderCurve(scores, heldOut.labels);
  report.push({
    task: `${spec.rows} x ${columns}, k = ${chosen}`,
    ...{ seconds, elapsed, predicted: report.reduce((sum, row) => sum + Number(row['predicted']), 0) },
    indicesEqual: opened.columns.every((column, r) => column === mirror.columns[r]),
    aucEncrypted: auc(categoryRowScores(heldOut, opened)),
    aucMirror: auc(categoryRowScores(heldOut, mirror)),
    aucExact: auc(categoryRowScores(heldOut, exact)),
    aucClear: auc(scoresOf(standardised(heldOut, standard), best)),
    mirrorDifference: Math.max(...mirror.weights.map((w, i) => Math.abs(w - opened.weights[i]!))),
    ...(!quick && { published: PUBLISHED_SECONDS, factor: PUBLISHED_SECONDS / elapsed }),
    peakBytes: process.resourceUsage().maxRSS * 1024,
  });
  return reportFor('category', kernel, report);
};
