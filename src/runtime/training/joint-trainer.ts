/**
 * Training on the rows of several owners: the iterations of one owner's program, with a refresh by all owners where the levels end. All of it
 * is deterministic and needs no secret, so every owner, or an auditor that it trusts, computes it and answers for nothing else. It stops
 * at each refresh and goes on with the refreshed ciphertext.
 *
 * v and w are refreshed as one polynomial, v + X^(g/2) w, where both have coefficients at multiples of g: a rotation by one period changes
 * the sign of X^(g/2) alone, so sum and difference are 2 v and 2 w, at twice the scale, and no level is spent.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { InvalidParamsError, ShapeError } from '../../base/errors.ts';
import type { Arena } from '../../ring/arena.ts';
import { copyWords } from '../../ring/poly.ts';
import type { CkksCiphertext } from '../../schemes/ckks/ciphertext.ts';
import type { CkksContext } from '../../schemes/ckks/context.ts';
import type { CkksEvaluator } from '../../schemes/ckks/evaluator.ts';
import { allocateCiphertext } from '../../schemes/rlwe/ciphertext.ts';
import type { EvaluationKeys } from '../../schemes/rlwe/keys/evaluation-keys.ts';
import { unionRows } from './joint-rows.ts';
import { LogisticIterations, type LogisticState, PeriodicMasks } from './logistic-circuit.ts';
import type { LogisticProgram } from './logistic-program.ts';

/** What is to be refreshed before the next iteration. */
export interface RefreshRequest {
  /** Borrowed until the run goes on. */
  readonly ciphertext: CkksCiphertext;
  /** Iterations that are done. */
  readonly iteration: number;
}

export class JointTrainer implements Disposable {
  readonly program: LogisticProgram;
  #context: CkksContext;
  #evaluation: EvaluationKeys;
  #arena: Arena;
  #masks: PeriodicMasks;

  /** Keys and context are borrowed. @throws {ParamsMismatchError} {@link InvalidParamsError} for a program of one owner. */
  constructor(context: CkksContext, program: LogisticProgram, evaluation: EvaluationKeys) {
    arg.checkArguments('new JointTrainer', [context, program, evaluation], {
      context: arg.like('a CkksContext', 'keyGenerator', 'encoder'),
      program: arg.like('a LogisticProgram', 'iterationsFrom', 'spec'),
      evaluation: arg.like('an EvaluationKeys', 'galoisKey', 'has'),
    });
    if (program.parties < 2) throw new InvalidParamsError('a joint run has several owners', {});
    context.assertOwn('a training program', { paramsId: program.params.id });
    context.assertOwn('evaluation keys', evaluation);
    this.program = program;
    this.#context = context;
    this.#evaluation = evaluation;
    this.#arena = context.arena();
    this.#masks = new PeriodicMasks(context.encoder(this.#arena));
  }

  /**
   * The run as a generator: yields what must be refreshed, is given the refreshed ciphertext, which it borrows until it asks again, and
   * returns the encrypted weights, periodic in the columns, at the level where they are released; they belong to `arena`.
   *
   * @throws {ShapeError} when the rows are not what the program encrypts. {@link MissingKeyError}
   */
  *run(
    owned: readonly (readonly CkksCiphertext[])[],
    arena: Arena,
  ): Generator<RefreshRequest, CkksCiphertext, CkksCiphertext> {
    this.#assertRows(owned);
    const { program } = this;
    using work = this.#context.arena();
    const evaluator = this.#context.evaluator(this.#evaluation, work);
    const rows = unionRows(evaluator, program, owned);
    const circuit = new LogisticIterations<CkksCiphertext>(evaluator, program, this.#masks, rows);
    const states = circuit.states();
    let next = states.next();
    for (let iteration = 1; next.done !== true; iteration++) {
      let state = next.value;
      if (program.needsRefresh(state.v.level, iteration)) {
        const ciphertext = this.#packed(circuit, evaluator, state);
        const fresh = yield { ciphertext, iteration };
        ciphertext[Symbol.dispose]();
        state = this.#unpacked(evaluator, work, fresh);
      }
      next = states.next(state);
    }
    const weights = evaluator.dropTo(next.value.value, program.refreshLevel);
    circuit.operations.free(next.value);
    return arena.adopt(work.keep(weights));
  }

  #assertRows(owned: readonly (readonly CkksCiphertext[])[]): void {
    const { parties, topLevel, rowScale } = this.program;
    if (owned.length !== parties)
      throw new ShapeError('encrypted rows', `of ${parties} owners`, owned.length);
    for (const { level, scale, parts, count, paramsId } of owned.flat()) {
      this.#context.assertOwn('encrypted rows', { paramsId });
      if (level !== topLevel || scale !== rowScale || parts !== 2 || count !== 1)
        throw new ShapeError(
          'encrypted rows',
          `at level ${topLevel} and the scale of rows`,
          'something else',
        );
    }
  }

  get #halfGap(): number {
    return this.program.params.n / this.program.stateCoefficients;
  }

  /** v + X^(g/2) w at the level of refreshes; the state is used up. */
  #packed(
    { operations }: LogisticIterations<CkksCiphertext>,
    evaluator: CkksEvaluator,
    { v, w }: LogisticState<CkksCiphertext>,
  ): CkksCiphertext {
    const { refreshLevel } = this.program;
    using first = evaluator.dropTo(v.value, refreshLevel);
    using second = evaluator.dropTo(w.value, refreshLevel);
    using moved = evaluator.mulMonomial(second, this.#halfGap);
    const packed = evaluator.add(first, moved);
    operations.free(v, w);
    return packed;
  }

  #unpacked(evaluator: CkksEvaluator, work: Arena, fresh: CkksCiphertext): LogisticState<CkksCiphertext> {
    const { width, spec } = this.program;
    const { level } = fresh;
    const scale = 2 * fresh.scale;
    using moved = evaluator.rotate(fresh, width);
    using sum = evaluator.add(fresh, moved);
    using difference = evaluator.sub(fresh, moved);
    using second = evaluator.mulMonomial(difference, -this.#halfGap);
    const [v, w] = [sum, second].map((doubled) => {
      const value = allocateCiphertext(work, doubled, { scale, maxAbs: spec.weightBound });
      copyWords(value.words, doubled.words);
      return { value, level, scale };
    });
    return { v: v!, w: w! };
  }

  [Symbol.dispose](): void {
    this.#arena[Symbol.dispose]();
  }
}

printOnOneLine(JointTrainer);
arg.guard('JointTrainer', JointTrainer.prototype, {
  run: { owned: arg.list, arena: arg.like('an Arena', 'make', 'adopt') },
});
