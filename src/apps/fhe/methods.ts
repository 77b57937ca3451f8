/**
 * What owner and trainer do for each kind of program on a table, under one interface: choose the program, encrypt, run with checkpoints, open
 * and compare with the clear mirror.
 */
import { DataError } from '../../base/errors.ts';
import {
  areaUnderCurve,
  assertBinary,
  CATEGORY_STEPS,
  CategoryOwner,
  CategoryProgram,
  categoryRowScores,
  categoryStates,
  CategoryTrainer,
  type ExpectedCheckpoint,
  type LabelledTable,
  LogisticOwner,
  LogisticProgram,
  LogisticTrainer,
  mirrorCategory,
  mirrorLogistic,
  originalWeights,
  scoresOf,
  splitTable,
  type Standardisation,
  standardised,
  tableStandardisation,
  type TableProgram,
  type TrainerKeys,
  type TrainingCheckpoint,
  tuneLogistic,
} from '../../runtime/training/index.ts';
import type { Arena } from '../../ring/arena.ts';
import type { CkksCiphertext } from '../../schemes/ckks/ciphertext.ts';
import type { CkksContext } from '../../schemes/ckks/context.ts';
import type { SecretKey } from '../../schemes/rlwe/keys/secret-key.ts';

/** What the owner asks for. */
export type MethodShape =
  | {
      readonly method: 'logistic';
      readonly iterations: number;
      readonly bootstrapping: boolean;
      readonly publish: boolean;
    }
  | { readonly method: 'category'; readonly choose: number };

/** A table as the program takes it: split, and standardised by its training rows. */
export interface PreparedTables {
  readonly train: LabelledTable;
  readonly heldOut: LabelledTable;
}

export interface PreparedProgram extends PreparedTables {
  readonly program: TableProgram;
  readonly standard: Standardisation;
}

/** The program that the owner's table gets. @throws {DataError} {@link InvalidParamsError} {@link OutOfRangeError} */
export function prepareProgram(
  raw: LabelledTable,
  shape: MethodShape,
  heldOutOneIn: number,
): PreparedProgram {
  const { train, heldOut } = splitTable(raw, heldOutOneIn);
  if (shape.method === 'category') {
    const standard = { means: raw.columns.map(() => 0), deviations: raw.columns.map(() => 1) };
    // Before there is a key.
    assertBinary(train);
    const size = { rows: train.labels.length, features: raw.columns.length, chosen: shape.choose };
    return {
      program: new CategoryProgram({ kind: 'category', version: 1, ...size }),
      standard,
      train,
      heldOut,
    };
  }
  const standard = tableStandardisation(train);
  const table = standardised(train, standard);
  const { iterations, bootstrapping, publish } = shape;
  const program = tuneLogistic(table, { iterations, bootstrapping, rule: publish ? 'publish' : 'keep' });
  return { program, standard, train: table, heldOut: standardised(heldOut, standard) };
}

export interface MethodStep {
  readonly done: number;
  readonly of: number;
  /** For people: 'iteration 3', 'counts'. */
  readonly name: string;
  readonly isBootstrapped: boolean;
}

export interface MethodRun {
  readonly onStep: (step: MethodStep) => void;
  readonly from: TrainingCheckpoint | undefined;
  readonly keep: (checkpoint: TrainingCheckpoint) => void;
}

/** The owner's rows, encrypted. @throws {DataError} when they are not the program's. */
export function encryptTable(
  program: TableProgram,
  context: CkksContext,
  secret: SecretKey,
  train: LabelledTable,
  arena: Arena,
): CkksCiphertext[] {
  return program instanceof CategoryProgram
    ? new CategoryOwner(context, program, secret).encrypt(train, arena)
    : new LogisticOwner(context, program, secret).encrypt(train, arena);
}

/** What a checkpoint of the program must be. */
export function expectedCheckpoint(program: TableProgram): ExpectedCheckpoint {
  const { id: programId } = program;
  return program instanceof CategoryProgram
    ? { programId, steps: CATEGORY_STEPS.length - 1, states: (step) => categoryStates(program, step) }
    : { programId, steps: program.steps.length - 1, states: 2 };
}

/** The trainer's work. The result belongs to the arena. @throws {ShapeError} {@link MissingKeyError} */
export function runProgram(
  program: TableProgram,
  context: CkksContext,
  keys: TrainerKeys,
  rows: readonly CkksCiphertext[],
  arena: Arena,
  { onStep, from, keep }: MethodRun,
): CkksCiphertext {
  const start = from === undefined ? {} : { from };
  if (program instanceof LogisticProgram) {
    using trainer = new LogisticTrainer(context, program, keys);
    return trainer.run(
      rows,
      arena,
      ({ iteration, of, isBootstrapped }) =>
        onStep({ done: iteration, of, name: `iteration ${iteration}`, isBootstrapped }),
      { ...start, keep },
    );
  }
  const { evaluation, encapsulation } = keys;
  using trainer = new CategoryTrainer(context, program, { evaluation, encapsulation: encapsulation! });
  const withBootstraps = program.circleFunctions;
  return trainer.run(rows, arena, {
    ...start,
    keep,
    onStep: ({ name, index, of }) =>
      onStep({ done: index, of, name, isBootstrapped: withBootstraps[name] !== undefined }),
  });
}

export interface OpenedModel {
  /** By name, the constant first, for the columns as the file has them. */
  readonly weights: readonly (readonly [name: string, weight: number])[];
  readonly scores: Float64Array;
  /** Largest difference of a weight from the clear mirror's; infinite where other columns were chosen. */
  readonly mirrorDifference: number;
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((max, value, i) => Math.max(max, Math.abs(value - b[i]!)), 0);
}

/** Weights of a regression, exact or published, beside what the owner can compute in the clear. */
export function openedLogistic(
  program: LogisticProgram,
  { train, heldOut }: PreparedTables,
  standard: Standardisation,
  weights: Float64Array,
): OpenedModel {
  const original = originalWeights(weights, standard);
  const mirror = mirrorLogistic(train, program.steps, program.spec.batchRows).weights;
  return {
    weights: ['(constant)', ...train.columns].map((name, j) => [name, original[j]!] as const),
    scores: scoresOf(heldOut, weights),
    mirrorDifference: largestDifference(mirror, weights),
  };
}

/** The result of a run, for the owner alone. @throws {ParamsMismatchError} */
export function openResult(
  program: TableProgram,
  context: CkksContext,
  secret: SecretKey,
  tables: PreparedTables,
  standard: Standardisation,
  result: CkksCiphertext,
): OpenedModel {
  if (program instanceof LogisticProgram)
    return openedLogistic(
      program,
      tables,
      standard,
      new LogisticOwner(context, program, secret).open(result),
    );
  const opened = new CategoryOwner(context, program, secret).open(result);
  const mirror = mirrorCategory(tables.train, program.spec.chosen);
  const isSame = opened.columns.every((column, r) => column === mirror.columns[r]);
  const names = opened.columns.map((column) => tables.train.columns[column] ?? '(no such column)');
  return {
    weights: ['(constant)', ...names].map((name, i) => [name, opened.weights[i]!] as const),
    scores: isSame
      ? categoryRowScores(tables.heldOut, opened)
      : new Float64Array(tables.heldOut.labels.length),
    mirrorDifference: isSame ? largestDifference(mirror.weights, opened.weights) : Number.POSITIVE_INFINITY,
  };
}

/** AUC on held-out rows, or null where they are of one class. */
export function heldOutAuc(heldOut: LabelledTable, scores: ArrayLike<number>): number | null {
  try {
    return areaUnderCurve(scores, heldOut.labels);
  } catch (error) {
    if (error instanceof DataError) return null;
    throw error;
  }
}

/** A difference from the clear mirror that noise does not explain: the trainer computed something else. */
export function mirrorTolerance(program: TableProgram): number {
  return program instanceof CategoryProgram ? 2 ** -8 : 1e-3;
}
