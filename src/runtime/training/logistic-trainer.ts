/**
 * The trainer's side of a logistic regression: evaluation keys and encrypted rows in, encrypted weights out. It holds no secret key and sees
 * no value. All of its work is deterministic.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { ShapeError } from '../../base/errors.ts';
import { type BootstrapKeys, Bootstrapper } from '../../circuits/bootstrap/bootstrapper.ts';
import type { Arena } from '../../ring/arena.ts';
import type { CkksCiphertext } from '../../schemes/ckks/ciphertext.ts';
import type { CkksContext } from '../../schemes/ckks/context.ts';
import type { CkksEvaluator } from '../../schemes/ckks/evaluator.ts';
import type { EncapsulationKeys } from '../../schemes/rlwe/keys/encapsulation-keys.ts';
import type { EvaluationKeys } from '../../schemes/rlwe/keys/evaluation-keys.ts';
import { assertCount, assertFresh } from './assert-ciphertexts.ts';
import type { TrainingCheckpoint } from './checkpoint.ts';
import { LogisticIterations, type LogisticState, PeriodicMasks, stateScaleAt } from './logistic-circuit.ts';
import type { LogisticProgram } from './logistic-program.ts';
import type { PlannedValue } from './planned-operations.ts';

export interface TrainerKeys {
  readonly evaluation: EvaluationKeys;
  /** For programs that bootstrap. */
  readonly encapsulation?: EncapsulationKeys;
}

export interface TrainingStep {
  /** From 1. */
  readonly iteration: number;
  readonly of: number;
  /** Where the weights are afterwards. */
  readonly level: number;
  /** Whether they were bootstrapped before. */
  readonly isBootstrapped: boolean;
}

/** How a run is stopped and goes on: what it leaves after an iteration, and what it starts from. */
export interface TrainingInterruption {
  /** Of an earlier run of this program on these rows; borrowed. */
  readonly from?: TrainingCheckpoint;
  /** After every iteration but the last. The states are lent for the call. */
  readonly keep?: (checkpoint: TrainingCheckpoint) => void;
}

/** Level and scale as the ciphertext itself has them. */
function asStated({ value }: PlannedValue<CkksCiphertext>): PlannedValue<CkksCiphertext> {
  return { value, level: value.level, scale: value.scale };
}

export class LogisticTrainer implements Disposable {
  readonly program: LogisticProgram;
  #context: CkksContext;
  #keys: TrainerKeys;
  #arena: Arena;
  #masks: PeriodicMasks;
  #bootstrapper: Bootstrapper | undefined;

  /** Keys and context are borrowed. @throws {ParamsMismatchError} {@link ShapeError} without the keys that a bootstrap needs. */
  constructor(context: CkksContext, program: LogisticProgram, keys: TrainerKeys) {
    arg.checkArguments('new LogisticTrainer', [context, program, keys], {
      context: arg.like('a CkksContext', 'keyGenerator', 'encoder'),
      program: arg.like('a LogisticProgram', 'iterationsFrom', 'spec'),
      keys: arg.like('a TrainerKeys', 'evaluation'),
    });
    program.assertOneOwner();
    context.assertOwn('a training program', { paramsId: program.params.id });
    this.program = program;
    this.#context = context;
    this.#keys = keys;
    if (program.bootstrap !== undefined) {
      const { evaluation, encapsulation } = keys;
      if (encapsulation === undefined)
        throw new ShapeError('keys of a program that bootstraps', 'with an encapsulation pair', 'without');
      const bundle: BootstrapKeys = { evaluation, encapsulation };
      this.#bootstrapper = new Bootstrapper(context, bundle, program.bootstrap);
    }
    this.#arena = context.arena();
    this.#masks = new PeriodicMasks(context.encoder(this.#arena));
  }

  /**
   * Encrypted weights, once per row: periodic in the columns. The result belongs to `arena`.
   *
   * @throws {ShapeError} when `rows` are not what the program encrypts. {@link MissingKeyError}
   */
  run(
    rows: readonly CkksCiphertext[],
    arena: Arena,
    onStep: (step: TrainingStep) => void = () => undefined,
    interruption: TrainingInterruption = {},
  ): CkksCiphertext {
    const { program } = this;
    assertCount('encrypted rows', rows, program.ciphertexts);
    assertFresh(this.#context, 'encrypted rows', rows, program.topLevel);
    const { from, keep } = interruption;
    using work = this.#context.arena();
    const evaluator = this.#context.evaluator(this.#keys.evaluation, work);
    const circuit = new LogisticIterations<CkksCiphertext>(evaluator, program, this.#masks, rows);
    const of = program.steps.length;
    let isBootstrapped = false;
    const weights = circuit.run(
      (state) => {
        // Scales as the ciphertexts have them: a run that goes on from a checkpoint knows no others.
        const exact = { v: asStated(state.v), w: asStated(state.w) };
        isBootstrapped = program.iterationsFrom(exact.v.level) < 1;
        return isBootstrapped ? this.#refreshed(circuit, evaluator, work, exact) : exact;
      },
      (iteration, { level }, state) => {
        if (state !== undefined) keep?.({ step: iteration, states: [state.v.value, state.w.value] });
        onStep({ iteration, of, level, isBootstrapped });
      },
      from && { iteration: from.step, state: this.#stateOf(from, evaluator) },
    );
    return arena.adopt(work.keep(weights.value));
  }

  /** Copies of the states of a checkpoint. @throws {ShapeError} where they are not those of the step. */
  #stateOf({ step, states }: TrainingCheckpoint, evaluator: CkksEvaluator): LogisticState<CkksCiphertext> {
    const { program } = this;
    const { steps, spec, params } = program;
    const [v, w] = states;
    if (states.length !== 2 || step < 1 || step >= steps.length)
      throw new ShapeError('a checkpoint', `two states after 1 to ${steps.length - 1} iterations`, step);
    for (const state of [v!, w!]) {
      this.#context.assertOwn('a checkpoint', state);
      const expected = stateScaleAt(program, state.level);
      if (
        state.level > params.maxLevel ||
        Math.abs(state.scale / expected - 1) > 2 ** -20 ||
        state.parts !== 2
      )
        throw new ShapeError('a state of a checkpoint', `at scale ${expected}`, state.scale);
    }
    const own = (state: CkksCiphertext): PlannedValue<CkksCiphertext> =>
      asStated({ value: evaluator.declareMaxAbs(state, spec.weightBound), level: 0, scale: 0 });
    return { v: own(v!), w: own(w!) };
  }

  /**
   * Both states side by side in slots of twice the period, so that one exponential serves them; bootstrapped; and taken apart again. A mask
   * costs a level on either side.
   */
  #refreshed(
    { operations }: LogisticIterations<CkksCiphertext>,
    evaluator: CkksEvaluator,
    work: Arena,
    { v, w }: LogisticState<CkksCiphertext>,
  ): LogisticState<CkksCiphertext> {
    const { width, params, spec } = this.program;
    const { defaultScale } = params;
    const level = Math.min(v.level, w.level);
    const [left, right] = [v, w].map((half, i) => {
      const at = { level, scale: (defaultScale * operations.divisor(level)) / half.scale };
      const value = evaluator.mul(half.value, this.#masks.at(at, 2 * width, i * width, (i + 1) * width));
      operations.free(half);
      return value;
    }) as [CkksCiphertext, CkksCiphertext];
    using both = evaluator.add(left, right);
    using packed = evaluator.rescale(both);
    for (const half of [left, right]) half[Symbol.dispose]();
    using known = evaluator.declareMaxAbs(packed, spec.weightBound);
    const fresh = this.#bootstrapper!.refresh(known, work, { bound: spec.weightBound });
    const unpack = (i: number): PlannedValue<CkksCiphertext> => {
      const below = fresh.level - 1;
      const scale = (stateScaleAt(this.program, below) * operations.divisor(fresh.level)) / fresh.scale;
      const mask = this.#masks.at({ level: fresh.level, scale }, 2 * width, i * width, (i + 1) * width);
      const source = { value: fresh, level: fresh.level, scale: fresh.scale };
      return operations.maskedAndSpread(source, mask, [width], spec.weightBound);
    };
    const state = { v: unpack(0), w: unpack(1) };
    fresh[Symbol.dispose]();
    return state;
  }

  [Symbol.dispose](): void {
    this.#bootstrapper?.[Symbol.dispose]();
    this.#arena[Symbol.dispose]();
  }
}

printOnOneLine(LogisticTrainer);
arg.guard('LogisticTrainer', LogisticTrainer.prototype, {
  run: {
    rows: arg.list,
    arena: arg.like('an Arena', 'make', 'adopt'),
    onStep: arg.optional(arg.callback),
    interruption: arg.optional(arg.options),
  },
});
