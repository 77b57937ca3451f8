/**
 * The trainer's side of the estimator by categories: evaluation keys and encrypted rows in, encrypted indices and weights out. It holds no
 * secret key and sees no value. All of its work is deterministic.
 */
import * as arg from '../../../base/arguments.ts';
import { printOnOneLine } from '../../../base/inspect.ts';
import { ShapeError } from '../../../base/errors.ts';
import { type BootstrapKeys, Bootstrapper } from '../../../circuits/bootstrap/bootstrapper.ts';
import type { HomomorphicWork } from '../../../circuits/cost.ts';
import { SlotOperations } from '../../../circuits/slot-operations.ts';
import type { Arena } from '../../../ring/arena.ts';
import type { CkksCiphertext } from '../../../schemes/ckks/ciphertext.ts';
import type { CkksContext } from '../../../schemes/ckks/context.ts';
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
    onStep: (step: CategoryStep) => void = () => undefined,
  ): CkksCiphertext {
    this.#assertData(data);
    using work = this.#context.arena();
    const operations = new SlotOperations(this.#context, this.#keys.evaluation, work);
    const circuit = new CategoryCircuit(this.program, operations, this.#bootstrapper);
    const { layout, spec, scoreBits } = this.program;
    let [keySwitches, diagonals] = [0, 0];
    const step = <T>(name: CategoryStepName, made: T): T => {
      const { work: done } = operations;
      const own = {
        keySwitches: done.keySwitches.slice(keySwitches),
        diagonals: done.diagonals.slice(diagonals),
      };
      [keySwitches, diagonals] = [done.keySwitches.length, done.diagonals.length];
      const index = CATEGORY_STEPS.indexOf(name) + 1;
      onStep({ name, index, of: CATEGORY_STEPS.length, work: own });
      return made;
    };
    const rows = data.slice(0, layout.ciphertexts);
    const labels = data[layout.ciphertexts]!;
    const scores = step('scores', circuit.scores(rows));
    const pairs = step('pairs', circuit.pairs(scores));
    scores[Symbol.dispose]();
    const signs = step('order', circuit.signs(pairs, scoreBits));
    const ranks = step('ranks', circuit.ranks(signs));
    const choices = step('choices', circuit.choices(ranks));
    const chosen = step('chosen columns', circuit.chosen(choices, rows));
    const indicators = step('categories', circuit.categories(chosen));
    const counts = step('counts', circuit.counts(indicators, labels));
    const state = step('system', circuit.system(counts));
    const solution = step(
      'solution',
      solveEncrypted(operations, this.#bootstrapper, layout.order, spec.chosen + 1, state),
    );
    const result = step('result', circuit.result(choices, solution));
    return arena.adopt(work.keep(result));
  }

  #assertData(data: readonly CkksCiphertext[]): void {
    const { ciphertexts, topLevel, labelLevel, params } = this.program;
    if (data.length !== ciphertexts)
      throw new ShapeError('encrypted rows', `${ciphertexts} ciphertexts`, data.length);
    data.forEach(({ level, scale, parts, count, paramsId }, i) => {
      this.#context.assertOwn('encrypted rows', { paramsId });
      const expected = i === ciphertexts - 1 ? labelLevel : topLevel;
      if (level !== expected || scale !== params.defaultScale || parts !== 2 || count !== 1)
        throw new ShapeError(
          'encrypted rows',
          `at level ${expected} and the default scale`,
          'something else',
        );
    });
  }

  [Symbol.dispose](): void {
    this.#bootstrapper[Symbol.dispose]();
  }
}

printOnOneLine(CategoryTrainer);
arg.guard('CategoryTrainer', CategoryTrainer.prototype, {
  run: { data: arg.list, arena: arg.like('an Arena', 'make', 'adopt'), onStep: arg.optional(arg.callback) },
});
