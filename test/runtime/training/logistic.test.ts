/** Logistic regression under encryption against its clear mirror, at small rings. */
import { describe, expect, test } from 'vitest';
import {
  DataError,
  DecodeError,
  InvalidParamsError,
  MissingKeyError,
  OutOfRangeError,
  ReleaseRefusedError,
  ShapeError,
} from '../../../src/base/errors.ts';
import {
  readCheckpoint,
  type TrainingCheckpoint,
  writeCheckpoint,
} from '../../../src/runtime/training/checkpoint.ts';
import { generatedTable } from '../../../src/runtime/training/generated-table.ts';
import {
  areaUnderCurve,
  assertTable,
  type LabelledTable,
  scoresOf,
  splitTable,
  tableStandardisation,
  standardised,
} from '../../../src/runtime/training/labelled-table.ts';
import {
  mirrorLogistic,
  newtonLogistic,
  tuneLogistic,
} from '../../../src/runtime/training/logistic-clear.ts';
import { LogisticOwner, originalWeights } from '../../../src/runtime/training/logistic-owner.ts';
import { LogisticProgram, parseLogisticProgram } from '../../../src/runtime/training/logistic-program.ts';
import { type LogisticSpec } from '../../../src/runtime/training/logistic-spec.ts';
import { LogisticTrainer, type TrainingStep } from '../../../src/runtime/training/logistic-trainer.ts';
import { CkksContext } from '../../../src/schemes/ckks/context.ts';
import { CkksParams } from '../../../src/schemes/ckks/params.ts';

function standardTable(rows: number, columns: number, seed: number): LabelledTable {
  const table = generatedTable({ rows, columns, seed });
  return standardised(table, tableStandardisation(table));
}

const levelled = { iterations: 3, rule: 'keep', bootstrapping: false } as const;

/** The program with insecure parameters of the same chain. */
function small(program: LogisticProgram, logN: number): LogisticProgram {
  const { params, spec } = program;
  const bits = (moduli: readonly { q: number }[]) =>
    moduli.map(({ q }) => Math.min(50, Math.log2(q) + 2 ** -8));
  const insecure = CkksParams.create({
    logN,
    logQ: bits(params.q),
    logP: bits(params.p),
    logScale: Math.log2(params.defaultScale),
    security: 'insecure-for-tests',
  });
  return new LogisticProgram(spec, insecure);
}

async function trained(program: LogisticProgram, table: LabelledTable) {
  const steps: TrainingStep[] = [];
  using context = await CkksContext.open(program.params);
  using arena = context.arena();
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using evaluation = generator.evaluationKeys(secret, program.keyPlan);
  using encapsulation = generator.encapsulationKeys(secret);
  const owner = new LogisticOwner(context, program, secret);
  const rows = owner.encrypt(table, arena);
  using trainer = new LogisticTrainer(context, program, { evaluation, encapsulation });
  const result = trainer.run(rows, arena, (step) => steps.push(step));
  return { weights: owner.open(result), steps };
}

describe('weights are those of the clear mirror to 1e-4', () => {
  test('levelled, two ciphertexts of rows', async () => {
    const table = standardTable(40, 6, 1);
    const program = small(tuneLogistic(table, levelled), 9);
    expect(program.ciphertexts).toBe(2);
    const { weights, steps } = await trained(program, table);
    const mirror = mirrorLogistic(table, program.steps);
    mirror.weights.forEach((weight, j) => expect(Math.abs(weights[j]! - weight)).toBeLessThan(1e-4));
    expect(steps.map(({ level }) => level)).toEqual([8, 4, 0]);
  });

  test('one iteration is one level', async () => {
    const table = standardTable(30, 3, 2);
    const program = small(tuneLogistic(table, { ...levelled, iterations: 1 }), 8);
    const { weights } = await trained(program, table);
    const mirror = mirrorLogistic(table, program.steps);
    mirror.weights.forEach((weight, j) => expect(Math.abs(weights[j]! - weight)).toBeLessThan(1e-4));
  });

  test('nine iterations with bootstraps between them', async () => {
    const table = standardTable(50, 5, 3);
    const { spec } = tuneLogistic(table, { iterations: 9, rule: 'keep', bootstrapping: true });
    const params = CkksParams.bootstrapping({ logN: 9, security: 'insecure-for-tests' });
    const program = new LogisticProgram(spec, params);
    const { weights, steps } = await trained(program, table);
    expect(steps.filter(({ isBootstrapped }) => isBootstrapped)).toHaveLength(program.bootstraps);
    expect(program.bootstraps).toBeGreaterThanOrEqual(3);
    const mirror = mirrorLogistic(table, program.steps);
    mirror.weights.forEach((weight, j) => expect(Math.abs(weights[j]! - weight)).toBeLessThan(1e-4));
  });
});

test('batches one after the other, pairs of ciphertexts and one left over, with bootstraps', async () => {
  const table = standardTable(192, 5, 3);
  const { spec } = tuneLogistic(table, { iterations: 7, rule: 'keep', bootstrapping: true });
  const params = CkksParams.bootstrapping({ logN: 9, security: 'insecure-for-tests' });
  // Three ciphertexts of 32 rows in each of two batches.
  const program = new LogisticProgram({ ...spec, rate: spec.rate / 4, batchRows: 96 }, params);
  expect([program.ciphertexts, program.batches, program.isPaired]).toEqual([6, 2, true]);
  const { weights } = await trained(program, table);
  const mirror = mirrorLogistic(table, program.steps, 96).weights;
  mirror.forEach((weight, j) => expect(Math.abs(weights[j]! - weight)).toBeLessThan(1e-4));
  // All rows at once are another model.
  const whole = mirrorLogistic(table, program.steps).weights;
  expect(Math.max(...whole.map((weight, j) => Math.abs(weight - mirror[j]!)))).toBeGreaterThan(1e-3);
  for (const batchRows of [0, 1.5, 100, 193])
    expect(() => new LogisticProgram({ ...spec, batchRows }, params)).toThrow(OutOfRangeError);
  expect(() => new LogisticProgram({ ...spec, batchRows: 48 }, params)).toThrow(InvalidParamsError);
  expect(new LogisticProgram({ ...spec, batchRows: 96 }, params).id).not.toBe(program.id);
});

test('a run that goes on from a checkpoint ends with the same bytes, from whichever iteration', async () => {
  const table = standardTable(50, 5, 3);
  const { spec } = tuneLogistic(table, { iterations: 6, rule: 'keep', bootstrapping: true });
  const params = CkksParams.bootstrapping({ logN: 9, security: 'insecure-for-tests' });
  const program = new LogisticProgram(spec, params);
  using context = await CkksContext.open(program.params);
  using arena = context.arena();
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using evaluation = generator.evaluationKeys(secret, program.keyPlan);
  using encapsulation = generator.encapsulationKeys(secret);
  const owner = new LogisticOwner(context, program, secret);
  const rows = owner.encrypt(table, arena);
  using trainer = new LogisticTrainer(context, program, { evaluation, encapsulation });
  const files: Uint8Array[] = [];
  const keep = (checkpoint: TrainingCheckpoint) => files.push(writeCheckpoint(program.id, checkpoint));
  const whole = trainer.run(rows, arena, undefined, { keep }).toBytes();
  expect(files).toHaveLength(5);
  const expected = { programId: program.id, states: 2, steps: spec.iterations };
  files.forEach((file, i) => {
    const from = readCheckpoint(expected, context, file, arena);
    const iterations: number[] = [];
    const rest = trainer.run(rows, arena, ({ iteration }) => iterations.push(iteration), { from });
    expect(iterations).toEqual([2, 3, 4, 5, 6].slice(i));
    expect(Buffer.from(rest.toBytes()).equals(Buffer.from(whole))).toBe(true);
  });
  const [v] = readCheckpoint(expected, context, files[0]!, arena).states;
  expect(() => trainer.run(rows, arena, undefined, { from: { step: 1, states: [v!] } })).toThrow(ShapeError);
  expect(() => trainer.run(rows, arena, undefined, { from: { step: 6, states: [v!, v!] } })).toThrow(
    ShapeError,
  );
  expect(() =>
    readCheckpoint({ ...expected, programId: 'ab'.repeat(32) }, context, files[0]!, arena),
  ).toThrow(DecodeError);
});

describe('publishing', () => {
  const table = standardTable(40, 5, 4);
  const publish = { iterations: 2, rule: 'publish', bootstrapping: false } as const;

  test('what leaves the owner goes through the release of its key, which recomputes or is told who computed', async () => {
    const program = small(tuneLogistic(table, publish), 9);
    using context = await CkksContext.open(program.params);
    using arena = context.arena();
    using generator = context.keyGenerator();
    using secret = generator.secretKey();
    using evaluation = generator.evaluationKeys(secret, program.keyPlan);
    const owner = new LogisticOwner(context, program, secret);
    const release = owner.release(arena);
    expect(release.precisionBits).toBeGreaterThanOrEqual(7);
    const rows = owner.encrypt(table, arena);
    using trainer = new LogisticTrainer(context, program, { evaluation });
    const result = trainer.run(rows, arena);
    // Unpublished weights are as exact as noise lets them be; published ones are not, and are still near.
    const exact = owner.open(result);
    const published = release.recompute(context.evaluator(evaluation, arena), rows, { claimed: result });
    const mirror = mirrorLogistic(table, program.steps);
    const worst = (values: ArrayLike<number>) =>
      Math.max(...mirror.weights.map((weight, j) => Math.abs(values[j]! - weight)));
    expect(worst(exact)).toBeLessThan(2 ** -30);
    expect(worst(published)).toBeGreaterThan(worst(exact) * 2 ** 10);
    expect(worst(published)).toBeLessThan(2 ** -release.precisionBits);
    expect(() => release.open(result, { evaluator: 'follows-the-circuit' })).toThrow(ReleaseRefusedError);
  });

  test('three iterations, at larger primes', async () => {
    const program = small(tuneLogistic(table, { ...publish, iterations: 3 }), 9);
    expect(program.params.defaultScale).toBe(2 ** 90);
    using context = await CkksContext.open(program.params);
    using arena = context.arena();
    using generator = context.keyGenerator();
    using secret = generator.secretKey();
    using evaluation = generator.evaluationKeys(secret, program.keyPlan);
    const owner = new LogisticOwner(context, program, secret);
    const release = owner.release(arena);
    const rows = owner.encrypt(table, arena);
    using trainer = new LogisticTrainer(context, program, { evaluation });
    const claimed = trainer.run(rows, arena);
    const published = release.recompute(context.evaluator(evaluation, arena), rows, { claimed });
    const { weights } = mirrorLogistic(table, program.steps);
    weights.forEach((weight, j) =>
      expect(Math.abs(published[j]! - weight)).toBeLessThan(2 ** -release.precisionBits),
    );
  });

  test('a trainer that returns something else is noticed, and nothing is released', async () => {
    const program = small(tuneLogistic(table, publish), 9);
    using context = await CkksContext.open(program.params);
    using arena = context.arena();
    using generator = context.keyGenerator();
    using secret = generator.secretKey();
    using evaluation = generator.evaluationKeys(secret, program.keyPlan);
    const owner = new LogisticOwner(context, program, secret);
    const release = owner.release(arena);
    const rows = owner.encrypt(table, arena);
    const evaluator = context.evaluator(evaluation, arena);
    using trainer = new LogisticTrainer(context, program, { evaluation });
    const other = evaluator.add(trainer.run(rows, arena), 0.25);
    expect(() => release.recompute(evaluator, rows, { claimed: other })).toThrow(ReleaseRefusedError);
    expect(release.budget.released).toBe(0);
  });

  test('a program for keeping weights leaves no room for a release, and says so before anything is encrypted', async () => {
    const program = small(tuneLogistic(table, levelled), 9);
    using context = await CkksContext.open(program.params);
    using arena = context.arena();
    using secret = context.keyGenerator().secretKey();
    expect(() => new LogisticOwner(context, program, secret).release(arena)).toThrow(ReleaseRefusedError);
  });
});

describe('what does not fit is refused', () => {
  const table = standardTable(40, 6, 1);
  const program = tuneLogistic(table, levelled);
  const { spec } = program;

  test('the largest that is allowed is described without a list of its work', () => {
    const largest = { ...spec, rows: 2 ** 20, features: 511, iterations: 200, bootstrapping: true };
    const { keySwitches, predictedSeconds } = parseLogisticProgram(largest);
    expect(keySwitches).toBeGreaterThan(10 ** 7);
    expect(predictedSeconds).toBeGreaterThan(keySwitches / 1000);
  });

  test('specifications', () => {
    const bad: Partial<Record<keyof LogisticSpec, unknown>>[] = [
      { rows: 1 },
      { rows: 1.5 },
      { features: 0 },
      { features: 512 },
      { iterations: 0 },
      { iterations: 1000 },
      { rate: Number.NaN },
      { decay: -1 },
      { weightBound: 3 },
    ];
    for (const change of bad)
      expect(() => parseLogisticProgram({ ...spec, ...change }), JSON.stringify(change)).toThrow(
        OutOfRangeError,
      );
    expect(() => parseLogisticProgram({ ...spec, kind: 'other' })).toThrow(DataError);
    expect(() => parseLogisticProgram({ ...spec, extra: 1 })).toThrow(DataError);
    expect(() => parseLogisticProgram({ ...spec, rule: 'give' })).toThrow(DataError);
    expect(() => parseLogisticProgram('x')).toThrow(DataError);
    const { rate: _, ...lacking } = spec;
    expect(() => parseLogisticProgram(lacking)).toThrow(DataError);
    expect(() => parseLogisticProgram({ ...spec, iterations: 30 })).toThrow(InvalidParamsError);
    expect(() => parseLogisticProgram({ ...spec, rule: 'publish', bootstrapping: true })).toThrow(
      InvalidParamsError,
    );
    expect(() => new LogisticProgram(spec, CkksParams.bootstrapping())).toThrow(InvalidParamsError);
    expect(parseLogisticProgram(JSON.parse(JSON.stringify(spec))).id).toBe(program.id);
    expect(parseLogisticProgram({ ...spec, rate: spec.rate * 2 }).id).not.toBe(program.id);
    expect(program.params.isInsecure).toBe(false);
  });

  test('tables', async () => {
    const one = { ...table, labels: new Uint8Array(40).fill(1) };
    expect(() => assertTable(one)).toThrow(/one class/);
    const nan = { ...table, values: table.values.map((v, i) => (i === 8 ? Number.NaN : v)) };
    expect(() => assertTable(nan)).toThrow(/row 2, column gene3/);
    expect(() => assertTable({ ...table, values: table.values.subarray(1) })).toThrow(DataError);
    expect(() => splitTable(table, 1)).toThrow(OutOfRangeError);
    const tiny = small(program, 9);
    using context = await CkksContext.open(tiny.params);
    using arena = context.arena();
    using generator = context.keyGenerator();
    using secret = generator.secretKey();
    const owner = new LogisticOwner(context, tiny, secret);
    expect(() => owner.encrypt(standardTable(41, 6, 1), arena)).toThrow(DataError);
    expect(() => owner.encrypt({ ...table, values: table.values.map((v) => 5 * v) }, arena)).toThrow(
      DataError,
    );
    const wide = { ...table, values: table.values.map((v) => Math.max(-4, Math.min(4, 2 * v))) };
    expect(() => owner.encrypt(wide, arena)).toThrow(/column gene\d is not standardised/);
    // Standardised, but of another kind: the steps that were tuned leave the range.
    const wild = new LogisticProgram({ ...spec, rate: 900 }, tiny.params);
    expect(() => new LogisticOwner(context, wild, secret).encrypt(table, arena)).toThrow(/tune/);
    const rows = owner.encrypt(table, arena);
    using none = generator.evaluationKeys(secret, {});
    using trainer = new LogisticTrainer(context, tiny, { evaluation: none });
    expect(() => trainer.run(rows.slice(1), arena)).toThrow(ShapeError);
    expect(() => trainer.run(rows, arena)).toThrow(MissingKeyError);
  });
});

test('the area under the curve, ties and all', () => {
  expect(areaUnderCurve([1, 2, 3, 4], [0, 0, 1, 1])).toBe(1);
  expect(areaUnderCurve([4, 3, 2, 1], [0, 0, 1, 1])).toBe(0);
  expect(areaUnderCurve([1, 1, 1, 1], [0, 1, 0, 1])).toBe(0.5);
  expect(areaUnderCurve([1, 2, 2, 3], [0, 0, 1, 1])).toBe(0.875);
  expect(() => areaUnderCurve([1, 2], [1, 1])).toThrow(DataError);
});

test('original weights score original rows as standardised ones do, and the mirror nears the best', () => {
  const raw = generatedTable({ rows: 1200, columns: 12, seed: 5 });
  const { train, heldOut } = splitTable(raw, 5);
  expect(heldOut.labels.length).toBeGreaterThanOrEqual(238);
  const standard = tableStandardisation(train);
  const table = standardised(train, standard);
  const program = tuneLogistic(table, { iterations: 7, rule: 'keep', bootstrapping: false });
  const { weights } = mirrorLogistic(table, program.steps);
  const scores = scoresOf(standardised(heldOut, standard), weights);
  const original = scoresOf(heldOut, originalWeights(weights, standard));
  scores.forEach((score, i) => expect(original[i]).toBeCloseTo(score, 10));
  const best = scoresOf(standardised(heldOut, standard), newtonLogistic(table));
  const [auc, bestAuc] = [scores, best].map((of) => areaUnderCurve(of, heldOut.labels));
  expect(auc).toBeGreaterThan(0.6);
  expect(Math.abs(auc! - bestAuc!)).toBeLessThan(0.02);
});
