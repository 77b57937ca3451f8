/** Answers queries to an exact program: BGV, one plaintext modulus for each message. */
import { ProtocolError } from '../../base/errors.ts';
import {
  exactMessageBytes,
  type ExactReplyFacts,
  exactReplyFacts,
} from '../../compiler/exact/exact-facts.ts';
import type { ExactProgram } from '../../compiler/exact/exact-program.ts';
import { exactParams } from '../../compiler/exact/validate-exact.ts';
import type { Offer } from '../../compiler/offer.ts';
import { offerOf } from '../../compiler/program-facts.ts';
import { reportOf } from '../../compiler/report.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { EvaluationMemory } from '../../runtime/evaluation-memory.ts';
import { ExactMachine } from '../../runtime/exact-machine.ts';
import type { EvaluationControl } from '../../runtime/run-steps.ts';
import type { StepTime } from '../../runtime/step-times.ts';
import { BgvCiphertextBatch } from '../../schemes/bgv/ciphertext.ts';
import type { BgvContext } from '../../schemes/bgv/context.ts';
import { BgvCrtContext } from '../../schemes/bgv/crt/crt-context.ts';
import { freshBits } from '../../schemes/bgv/noise-bound.ts';
import { maskReply } from '../../schemes/rlwe/reply-mask.ts';
import {
  type AnsweringModel,
  type EnrolledKeys,
  type MaskSource,
  noteResult,
  requireSeed,
} from './answering-model.ts';
import type { QueryMessage } from './messages.ts';

export class ExactModel implements AnsweringModel {
  readonly program: ExactProgram;
  readonly offer: Offer;
  readonly keyBytes: number;
  readonly queryBytes: number;
  readonly #context: BgvCrtContext;
  readonly #machine: ExactMachine;
  readonly #reply: ExactReplyFacts;

  private constructor(program: ExactProgram, context: BgvCrtContext, memory: EvaluationMemory) {
    this.program = program;
    this.#context = context;
    this.#machine = new ExactMachine(program, context, memory);
    this.#reply = exactReplyFacts(program);
    this.offer = offerOf(program);
    this.keyBytes = reportOf(program).keyBytes;
    this.queryBytes = exactMessageBytes(program).up;
  }

  /** The kernel and the memory are borrowed. @throws {KernelError} */
  static async open(program: ExactProgram, kernel: Kernel, memory: EvaluationMemory): Promise<ExactModel> {
    const context = await BgvCrtContext.open(exactParams(program), { kernel });
    try {
      return new ExactModel(program, context, memory);
    } catch (error) {
      context[Symbol.dispose]();
      throw error;
    }
  }

  /** Of the first plaintext modulus; keys serve all. */
  get context(): BgvContext {
    return this.#context.components[0]!;
  }

  answer(
    message: QueryMessage,
    { publicKey, evaluationKeys }: EnrolledKeys,
    mask: MaskSource,
    steps: StepTime[],
    control: EvaluationControl,
  ): Uint8Array {
    const context = this.#context.components[message.bucket];
    if (context === undefined) throw new ProtocolError('no such plaintext modulus');
    const input = this.#read(message.ciphertexts, context);
    const result = this.#machine.evaluate(message.bucket, input, evaluationKeys, steps, control);
    noteResult(mask, result.words);
    const { floodBits, noiseBits, level } = this.#reply;
    maskReply(result, publicKey, mask.seed, floodBits);
    // Its coefficients, which decryption needs, are below this bound.
    const masked = new BgvCiphertextBatch(result.words, { ...result.facts, noiseBits });
    using arena = context.arena();
    // What the switches leave is computed from what could have been sent, so it tells nothing more.
    const small = context.evaluator(evaluationKeys, arena).modSwitchTo(masked, level);
    return level === 0 ? small.toRoundedBytes() : small.toBytes();
  }

  #read(ciphertexts: Uint8Array, context: BgvContext): BgvCiphertextBatch {
    const { inputs } = this.offer;
    const input = BgvCiphertextBatch.readInto(context, ciphertexts, this.#machine.queryWords(), inputs);
    const { n, maxLevel } = context.params;
    const isFresh = input.factor === 1 && input.noiseBits === freshBits(n);
    if (input.count !== inputs || input.level !== maxLevel || input.parts !== 2 || !isFresh)
      throw new ProtocolError(`${inputs} fresh two-part ciphertexts at level ${maxLevel} were expected`);
    requireSeed(input.seed);
    return input;
  }

  [Symbol.dispose](): void {
    this.#machine[Symbol.dispose]();
    this.#context[Symbol.dispose]();
  }
}
