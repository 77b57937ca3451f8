/**
 * Networks trained under encryption at 128 bits: seconds of processor time per step, predicted beside measured, the largest difference of a
 * weight from the clear mirror, and the accuracy on test images of the encrypted weights and of the mirror's.
 * `--part batch-512` (the default: 64-32-16-10), `--part guarded` (the same with a guard), `--part batch-60`, `--part survey` (60 samples,
 * tables, squared loss), `--part wide` (784-128-32-10, 60 samples); `--epochs N` steps (default 2), `--part curve` the clear mirror alone,
 * 400 steps; `--quick` a small insecure ring; `--data DIR` with MNIST, else generated samples.
 */
import { UsageError } from '../../src/base/errors.ts';
import { networkSamples } from '../../src/apps/cli/fhe/fhe-network-parts.ts';
import { openKernel } from '../../src/kernel/open.ts';
import {
  batchOrder,
  generatedSamples,
  initialPerceptron,
  type LabelledSamples,
  PERCEPTRON_RECIPE,
  PerceptronMirror,
  PerceptronOwner,
  PerceptronProgram,
  type PerceptronSpec,
  type PerceptronState,
  PerceptronTrainer,
  samplesAt,
  stateDifference,
  stepSeconds,
  stepWork,
  uniformNumbers,
} from '../../src/runtime/training/index.ts';
import { CkksContext } from '../../src/schemes/ckks/context.ts';
import { CkksParams } from '../../src/schemes/ckks/params.ts';
import { type Bench, type BenchRow, reportFor } from '../report.ts';
import { measuredCosts, processorTime } from './machine-costs.ts';

const PUBLISHED_SECONDS = 2400;
const [QUICK_LOG_N, STEPS, CURVE_STEPS, SEED] = [10, 2, 400, 5];
const PARTS: Readonly<Record<string, Partial<PerceptronSpec>>> = {
  'batch-512': {},
  guarded: { guard: true },
  'batch-60': { batch: 60, rate: 0.3 },
  survey: { batch: 60, rate: 0.1, momentum: 0.9, sumBound: 16, loss: 'squared', activation: 'table' },
  wide: { layers: [784, 128, 32, 10], batch: 60, rate: 0.3 },
  curve: {},
};
const QUICK: Partial<PerceptronSpec> = { layers: [16, 8, 4, 3], batch: 30 };
const MARKS = new Set([1, 2, 5, 10, 20, 30, 40, 50, 100, 150, 200, 300, 400]);

interface Samples {
  readonly train: LabelledSamples;
  readonly test: LabelledSamples;
}

function samplesOf(spec: PerceptronSpec, data: string | undefined): Samples {
  const inputs = spec.layers[0]!;
  if (data !== undefined && (inputs === 64 || inputs === 784))
    return networkSamples(spec, data, 'straightened');
  const generated = (count: number): LabelledSamples =>
    generatedSamples({ count, inputs, classes: spec.layers.at(-1)! }, uniformNumbers(SEED));
  return { train: generated(4 * spec.batch), test: generated(2 * spec.batch) };
}

export const perceptron: Bench = async ({ quick, part = 'batch-512', epochs, data }, note) => {
  const change = PARTS[part];
  if (change === undefined)
    throw new UsageError(`--part is one of ${Object.keys(PARTS).join(', ')}, not "${part}"`);
  const steps = epochs ?? (part === 'curve' ? CURVE_STEPS : STEPS);
  const spec: PerceptronSpec = { ...PERCEPTRON_RECIPE, ...change, ...(quick && QUICK), steps };
  const { train, test } = samplesOf(spec, data);
  const mirror = new PerceptronMirror(spec);
  const uniform = uniformNumbers(SEED);
  let clear = initialPerceptron(spec, uniform);
  const orders = batchOrder(train.labels.length, spec, uniform);
  using kernel = await openKernel();
  if (part === 'curve') {
    const rows: BenchRow[] = [];
    orders.forEach((order, i) => {
      const { state, range } = mirror.step(clear, samplesAt(train, order));
      clear = state;
      if (MARKS.has(i + 1))
        rows.push({
          step: i + 1,
          accuracyMirror: mirror.accuracy(clear.layers, test),
          largestSum: range.sum,
        });
    });
    return reportFor('perceptron', kernel, rows);
  }
  const insecure = CkksParams.bootstrapping({ logN: QUICK_LOG_N, security: 'insecure-for-tests' });
  const program = new PerceptronProgram(spec, quick ? insecure : undefined);
  using context = await CkksContext.open(program.params, { kernel });
  using arena = context.arena();
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using evaluation = generator.evaluationKeys(secret, program.keyPlan);
  using encapsulation = generator.encapsulationKeys(secret);
  note('keys made');
  const owner = new PerceptronOwner(context, program, secret);
  const top = program.bootstrap.argumentLevel;
  const costs = measuredCosts(context, secret, evaluation, [top, Math.round(top / 2), 3]);
  using trainer = new PerceptronTrainer(context, program, { evaluation, encapsulation });
  note('transforms encoded');
  const predicted = stepSeconds(program, costs);
  const keySwitches = stepWork(program).keySwitches.length;
  const rows: BenchRow[] = [];
  let states = owner.encryptState(clear, arena);
  let opened: PerceptronState = clear;
  const clock = performance.now();
  orders.forEach((order, i) => {
    const batch = samplesAt(train, order);
    const encrypted = owner.encryptBatch(batch, arena);
    const started = processorTime();
    const next = trainer.step(states, encrypted, arena);
    const seconds = (processorTime() - started) / 1000;
    for (const used of [...states, ...encrypted.inputs, encrypted.labels]) used[Symbol.dispose]();
    states = next;
    clear = mirror.step(clear, batch).state;
    opened = owner.openState(states);
    rows.push({
      ...{ step: i + 1, seconds, predicted: predicted.bootstraps + predicted.rest },
      ...{ bootstraps: program.bootstrapsPerStep, keySwitches },
      ...(spec.guard === true && { sumsThatLeft: owner.openGuard(states).times }),
      differenceBits: Math.log2(stateDifference(clear, opened)),
      accuracyEncrypted: mirror.accuracy(opened.layers, test),
      accuracyMirror: mirror.accuracy(clear.layers, test),
    });
    note(
      `step ${i + 1}: ${seconds.toFixed(1)} s, predicted ${(predicted.bootstraps + predicted.rest).toFixed(1)} s`,
    );
  });
  const asked = test.inputs.subarray(0, spec.layers[0]! * Math.min(spec.batch, test.labels.length));
  const started = processorTime();
  const scores = trainer.scores(states, owner.encryptInputs(asked, arena), arena);
  const answered = (processorTime() - started) / 1000;
  const wanted = mirror.scores(opened.layers, asked);
  const found = owner.openScores(scores, asked.length / spec.layers[0]!);
  rows.push({
    ...{ task: `${spec.layers.join('-')}, ${spec.batch} samples, ${spec.activation}, ${spec.loss}`, steps },
    ...{ elapsed: (performance.now() - clock) / 1000, secondsOfScores: answered },
    scoreDifferenceBits: Math.log2(
      found.reduce((max, score, at) => Math.max(max, Math.abs(score - wanted[at]!)), 0),
    ),
    ...(part !== 'wide' && !quick && { published: PUBLISHED_SECONDS }),
    peakBytes: process.resourceUsage().maxRSS * 1024,
  });
  return reportFor('perceptron', kernel, rows);
};
