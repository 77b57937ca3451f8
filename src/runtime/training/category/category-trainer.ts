/**
 * The trainer's side of the estimator by categories: evaluation keys and encrypted rows in, encrypted indices and weights out. It holds no
 * secret key and sees no value. All of its work is deterministic.
 */
import * as arg from '../../../base/arguments.ts';
import { printOnOneLine } from '../../../base/inspect.ts';
import { ShapeError } from '../../../base/errors.ts';
import { type BootstrapKeys, Bootstrapper } from '../../../circuits/bootstrap/bootstrapper.ts';
import type { HomomorphicWork } from '../../../circuits/cost.ts';
import { PatternOperations } from '../../../circuits/pattern-operations.ts';
import type { Arena } from '../../../ring/arena.ts';
import type { CkksCiphertext } from '../../../schemes/ckks/ciphertext.ts';
import type { CkksContext } from '../../../schemes/ckks/context.ts';
import { assertCount, assertFresh } from '../assert-ciphertexts.ts';
import type { TrainingCheckpoint } from '../checkpoint.ts';
import { CategoryCircuit } from './category-circuit.ts';
import type { CategoryProgram } from './category-program.ts';
import { solveEncrypted } from './linear-system.ts';

export interface CategoryStep {
  readonly name: string;
  /** From 1. */
  readonly index: number;
  readonly of: number;
  /** Work outside bootstraps since the last step. */
  readonly work: HomomorphicWork;
}

export const CATEGORY_STEPS = [
  'scores',
  'pairs',
  'order',
  'ranks',
  'choices',
  'chosen columns',
  'categories',
  'counts',
  'system',
  'solution',
  'result',
] as const;
export type CategoryStepName = (typeof CATEGORY_STEPS)[number];

/** What a run is told and tells besides its steps. */
export interface CategoryRunOptions {
  readonly onStep?: (step: CategoryStep) => void;
  /** Where an earlier run of this program on these rows was stopped: its states are borrowed. */
  readonly from?: TrainingCheckpoint;
  /** After every step but the last: what is needed to go on. The states are lent for the call. */
  readonly keep?: (checkpoint: TrainingCheckpoint) => void;
}

/** Ciphertexts that are needed to go on after so many steps: where choices are kept for the result, one more. */
export function categoryStates({ layout }: CategoryProgram, step: number): number {
  const name = CATEGORY_STEPS[step - 1];
  if (step === 0) return 0;
  if (name === 'categories') return 1 + layout.vectors;
  return step > CATEGORY_STEPS.indexOf('choices') + 1 && name !== 'result' ? 2 : 1;
}

export class CategoryTrainer implements Disposable {
  readonly program: CategoryProgram;
  #context: CkksContext;
  #keys: BootstrapKeys;
  #bootstrapper: Bootstrapper;

  /** Keys and context are borrowed. @throws {ParamsMismatchError} */
  constructor(context: CkksContext, program: CategoryProgram, keys: BootstrapKeys) {
    arg.checkArguments('new CategoryTrainer', [context, program, keys], {
      context: arg.like('a CkksContext', 'keyGenerator', 'encoder'),
      program: arg.like('a CategoryProgram', 'layout', 'spec'),
      keys: arg.like('a BootstrapKeys', 'evaluation', 'encapsulation'),
    });
    context.assertOwn('a training program', { paramsId: program.params.id });
    this.program = program;
    this.#context = context;
    this.#keys = keys;
    this.#bootstrapper = new Bootstrapper(context, keys, program.bootstrap);
  }

  /**
   * Encrypted indices and weights, in the arena. `data` are what {@link CategoryOwner.encrypt} made.
   *
   * @throws {ShapeError} when they are not what the program encrypts. {@link MissingKeyError}
   */
  run(
    data: readonly CkksCiphertext[],
    arena: Arena,
    { onStep, from, keep }: CategoryRunOptions = {},
  ): CkksCiphertext {
    this.#assertData(data);
    using work = this.#context.arena();
    const operations = new PatternOperations(this.#context, this.#keys.evaluation, work);
    const circuit = new CategoryCircuit(this.program, operations, this.#bootstrapper);
    const { layout, spec, scoreBits } = this.program;
    const rows = data.slice(0, layout.ciphertexts);
    const labels = data[layout.ciphertexts]!;
    // Each step takes the states before it, which it uses up, and leaves the next ones; choices wait for the result.
    const stages: Readonly<Record<CategoryStepName, (states: CkksCiphertext[]) => CkksCiphertext[]>> = {
      scores: () => [circuit.scores(rows)],
      pairs: ([scores]) => {
        const pairs = circuit.pairs(scores!);
        scores![Symbol.dispose]();
        return [pairs];
      },
      order: ([pairs]) => [circuit.signs(pairs!, scoreBits)],
      ranks: ([signs]) => [circuit.ranks(signs!)],
      choices: ([ranks]) => [circuit.choices(ranks!)],
      'chosen columns': ([choices]) => [choices!, circuit.chosen(choices!, rows)],
      categories: ([choices, chosen]) => [choices!, ...circuit.categories(chosen!)],
      counts: ([choices, ...indicators]) => [choices!, circuit.counts(indicators, labels)],
      system: ([choices, counts]) => [choices!, circuit.system(counts!)],
      solution: ([choices, state]) => [
        choices!,
        solveEncrypted(operations, this.#bootstrapper, layout.order, spec.chosen + 1, state!),
      ],
      result: ([choices, solution]) => [circuit.result(choices!, solution!)],
    };
    let done = from?.step ?? 0;
    let states = from === undefined ? [] : this.#statesOf(from, operations);
    let [keySwitches, diagonals] = [0, 0];
    for (const name of CATEGORY_STEPS.slice(done)) {
      states = stages[name](states);
      done++;
      const { work: all } = operations;
      const own = {
        keySwitches: all.keySwitches.slice(keySwitches),
        diagonals: all.diagonals.slice(diagonals),
      };
      [keySwitches, diagonals] = [all.keySwitches.length, all.diagonals.length];
      if (done < CATEGORY_STEPS.length) keep?.({ step: done, states });
      onStep?.({ name, index: done, of: CATEGORY_STEPS.length, work: own });
    }
    return arena.adopt(work.keep(states[0]!));
  }

  /** Copies of the states of a checkpoint. @throws {ShapeError} where they are not those of the step. {@link ParamsMismatchError} */
  #statesOf({ step, states }: TrainingCheckpoint, operations: PatternOperations): CkksCiphertext[] {
    if (!(step >= 0 && step < CATEGORY_STEPS.length))
      throw new ShapeError('a checkpoint', `after at most ${CATEGORY_STEPS.length - 1} steps`, step);
    const count = categoryStates(this.program, step);
    if (states.length !== count) throw new ShapeError('states of a checkpoint', count, states.length);
    for (const state of states) {
      this.#context.assertOwn('a checkpoint', state);
      if (state.parts !== 2) throw new ShapeError('a state of a checkpoint', 'of two parts', state.parts);
    }
    return states.map((state) => operations.lowered(state, state.level));
  }

  #assertData(data: readonly CkksCiphertext[]): void {
    const { ciphertexts, topLevel, labelLevel } = this.program;
    assertCount('encrypted rows', data, ciphertexts);
    assertFresh(this.#context, 'encrypted rows', data.slice(0, -1), topLevel);
    assertFresh(this.#context, 'encrypted rows', data.slice(-1), labelLevel);
  }

  [Symbol.dispose](): void {
    this.#bootstrapper[Symbol.dispose]();
  }
}

printOnOneLine(CategoryTrainer);
arg.guard('CategoryTrainer', CategoryTrainer.prototype, {
  run: { data: arg.list, arena: arg.like('an Arena', 'make', 'adopt'), options: arg.optional(arg.options) },
});
