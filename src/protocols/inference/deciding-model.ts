/** Answers queries to a program that decides: CKKS first, then TFHE. What leaves is one message, the place that won. */
import type { DecidingProgram } from '../../compiler/decision/decision-facts.ts';
import { tfheParamsOf } from '../../compiler/decision/decision-facts.ts';
import type { Offer } from '../../compiler/offer.ts';
import { ProtocolError } from '../../base/errors.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { type DecisionKeys, EncryptedDecision } from '../../runtime/decoding/encrypted-decision.ts';
import type { EvaluationMemory } from '../../runtime/evaluation-memory.ts';
import type { EvaluationControl } from '../../runtime/run-steps.ts';
import type { StepTime } from '../../runtime/step-times.ts';
import type { CkksContext } from '../../schemes/ckks/context.ts';
import { TfheCiphertext, TfheContext, TfheEvaluationKeys, TfheExitKey } from '../../schemes/tfhe/index.ts';
import { type AnsweringModel, type EnrolledKeys, type MaskSource, noteResult } from './answering-model.ts';
import { ApproximateModel } from './approximate-model.ts';
import type { QueryMessage } from './messages.ts';

export class DecidingModel implements AnsweringModel {
  readonly program: DecidingProgram;
  readonly offer: Offer;
  readonly keyBytes: number;
  readonly queryBytes: number;
  readonly #scores: ApproximateModel;
  readonly #tfhe: TfheContext;
  readonly #decision: EncryptedDecision;

  private constructor(program: DecidingProgram, scores: ApproximateModel, tfhe: TfheContext) {
    this.program = program;
    this.offer = scores.offer;
    this.keyBytes = scores.keyBytes;
    this.queryBytes = scores.queryBytes;
    this.#scores = scores;
    this.#tfhe = tfhe;
    this.#decision = new EncryptedDecision(program, tfhe);
  }

  /** The kernel and the memory are borrowed. @throws {KernelError} */
  static async open(
    program: DecidingProgram,
    kernel: Kernel,
    memory: EvaluationMemory,
  ): Promise<DecidingModel> {
    const scores = await ApproximateModel.open(program, kernel, memory);
    try {
      const tfhe = await TfheContext.open(tfheParamsOf(program.decision), { kernel });
      return new DecidingModel(program, scores, tfhe);
    } catch (error) {
      scores[Symbol.dispose]();
      throw error;
    }
  }

  get context(): CkksContext {
    return this.#scores.context;
  }

  openDecisionKeys(bytes: Uint8Array): DecisionKeys {
    const length = TfheExitKey.byteLength(this.context.params);
    const exit = TfheExitKey.fromBytes(this.#tfhe, this.context, bytes.subarray(0, length));
    try {
      return { exit, evaluation: TfheEvaluationKeys.fromBytes(this.#tfhe, bytes.subarray(length)) };
    } catch (error) {
      exit[Symbol.dispose]();
      throw error;
    }
  }

  /** The scores are never masked: they stay. The answer is hidden as {@link TfheEvaluator.hide} has it, from the mask's seed. */
  answer(
    message: QueryMessage,
    keys: EnrolledKeys,
    mask: MaskSource,
    steps: StepTime[],
    control: EvaluationControl,
  ): Uint8Array {
    if (keys.decision === undefined) throw new ProtocolError('the keys of a decision are missing');
    const { reply } = this.#scores.evaluate(message, keys, steps, control);
    noteResult(mask, reply.words);
    const { answer } = this.#decision.decide(reply, keys.decision, mask.seed, steps, control);
    return TfheCiphertext.toBytes(this.#tfhe, answer);
  }

  [Symbol.dispose](): void {
    this.#tfhe[Symbol.dispose]();
    this.#scores[Symbol.dispose]();
  }
}
