/**
 * The decision behind a program, on ciphertexts: scores leave CKKS as messages of TFHE, are quantised and compared there. What comes out
 * is one message, the place of the winner.
 *
 * Every score vector stands in a ciphertext as sum_i X^i m_i(X^k), one m_i for each output; coefficient 0 of m_i is the mean of its slots. So
 * the means over all samples of a query are coefficients 0 .. k - 1 as they are, and nothing has to be computed for them.
 */
import {
  type DecidingProgram,
  type DecisionFacts,
  decisionFactsOf,
} from '../../compiler/decision/decision-facts.ts';
import type { CiphertextBatch } from '../../schemes/ckks/ciphertext.ts';
import {
  type TfheCiphertext,
  type TfheContext,
  type TfheEvaluationKeys,
  TfheEvaluator,
  TfheExit,
  type TfheExitKey,
} from '../../schemes/tfhe/index.ts';
import type { EvaluationControl } from '../run-steps.ts';
import { stopwatch, type StepTime } from '../step-times.ts';

/** What a client brings for a decision besides the keys of the program. */
export interface DecisionKeys {
  readonly exit: TfheExitKey;
  readonly evaluation: TfheEvaluationKeys;
}

/** What was decided, and what its owner never gets. */
export interface Decided {
  /** Hidden: fit to be sent. */
  readonly answer: TfheCiphertext;
  /** Of all outputs, before they were compared: for tests, not for clients. */
  readonly levels: readonly TfheCiphertext[];
  /** log2 of a bound on the probability that something went wrong. */
  readonly failureBits: number;
}

export class EncryptedDecision {
  readonly program: DecidingProgram;
  readonly facts: DecisionFacts;
  readonly #context: TfheContext;

  /** Borrows the context, of {@link tfheParamsOf}. */
  constructor(program: DecidingProgram, context: TfheContext) {
    this.program = program;
    this.facts = decisionFactsOf(program);
    this.#context = context;
  }

  /**
   * `scores`: the unmasked result of the program, at level 0. `seed`, 32 bytes: what hides the answer.
   *
   * @throws {NoiseBudgetError} {@link ParamsMismatchError} {@link DisposedError}
   */
  decide(
    scores: CiphertextBatch,
    keys: DecisionKeys,
    seed: Uint8Array,
    times: StepTime[],
    control: EvaluationControl = {},
  ): Decided {
    const { outputs, decision } = this.program;
    const { levelsPerScore, ownVariance: variance } = this.facts;
    const clock = stopwatch(times);
    const step = (name: string): void => {
      clock(name);
      control.checkpoint?.();
    };
    const exit = new TfheExit(this.#context, keys.exit);
    const evaluator = new TfheEvaluator(this.#context, keys.evaluation);
    const groups = scores.count;
    const left = Array.from({ length: groups }, (_, group) => {
      const places = Array.from({ length: Math.ceil((outputs - group) / groups) }, (_each, i) => i);
      return exit.leave(scores.at(group).words, { places, factor: decision.factor, variance });
    });
    const messages = Array.from({ length: outputs }, (_, o) =>
      evaluator.sum([left[o % groups]![Math.floor(o / groups)]!], undefined, -decision.low * levelsPerScore),
    );
    step('exit');
    const levels = evaluator.quantise(messages);
    step('quantise');
    const place = evaluator.argmax(levels);
    step('decide');
    const answer = evaluator.hide(place, seed);
    step('hide');
    return { answer, levels, failureBits: evaluator.failureBits };
  }
}
