/** Answers queries to an approximate program: CKKS. */
import { ProtocolError } from '../../base/errors.ts';
import { type Bucket, type Offer, queryCiphertexts } from '../../compiler/offer.ts';
import type { Program } from '../../compiler/program.ts';
import { droppedBits, floodBits, offerOf, tracedSlots } from '../../compiler/program-facts.ts';
import { reportOf } from '../../compiler/report.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { EncryptedMachine } from '../../runtime/encrypted-machine.ts';
import type { EvaluationMemory } from '../../runtime/evaluation-memory.ts';
import type { EvaluationControl } from '../../runtime/run-steps.ts';
import type { StepTime } from '../../runtime/step-times.ts';
import { CiphertextBatch } from '../../schemes/ckks/ciphertext.ts';
import { CkksContext } from '../../schemes/ckks/context.ts';
import { CkksParams } from '../../schemes/ckks/params.ts';
import { maskReply } from '../../schemes/rlwe/reply-mask.ts';
import {
  type AnsweringModel,
  type EnrolledKeys,
  type MaskSource,
  noteResult,
  requireSeed,
} from './answering-model.ts';
import type { QueryMessage } from './messages.ts';

export class ApproximateModel implements AnsweringModel {
  readonly program: Program;
  readonly offer: Offer;
  readonly keyBytes: number;
  readonly queryBytes: number;
  readonly context: CkksContext;
  readonly #machine: EncryptedMachine;

  private constructor(program: Program, context: CkksContext, memory: EvaluationMemory) {
    this.program = program;
    this.context = context;
    this.#machine = new EncryptedMachine(program, context, memory);
    this.offer = offerOf(program);
    const { keyBytes, buckets } = reportOf(program);
    this.keyBytes = keyBytes;
    this.queryBytes = Math.max(...buckets.map(({ bytesUp }) => bytesUp));
  }

  /** The kernel and the memory are borrowed. @throws {KernelError} */
  static async open(program: Program, kernel: Kernel, memory: EvaluationMemory): Promise<ApproximateModel> {
    const context = await CkksContext.open(CkksParams.create(program.params), { kernel });
    try {
      return new ApproximateModel(program, context, memory);
    } catch (error) {
      context[Symbol.dispose]();
      throw error;
    }
  }

  answer(
    message: QueryMessage,
    keys: EnrolledKeys,
    mask: MaskSource,
    steps: StepTime[],
    control: EvaluationControl,
  ): Uint8Array {
    const { reply, bucket } = this.evaluate(message, keys, steps, control);
    noteResult(mask, reply.words);
    maskReply(reply, keys.publicKey, mask.seed, floodBits(this.program, bucket));
    // What is dropped tells nothing more: it is computed from what would have been sent.
    const [dropped, slots] = [droppedBits(this.program, bucket), tracedSlots(this.program)];
    return slots === undefined ? reply.toRoundedBytes(dropped) : reply.toTracedBytes({ slots, dropped });
  }

  /** The result before it is masked: not fit to be sent. Valid until the next evaluation. @throws as {@link answer}. */
  evaluate(
    message: QueryMessage,
    { evaluationKeys }: EnrolledKeys,
    steps: StepTime[],
    control: EvaluationControl,
  ): { readonly reply: CiphertextBatch; readonly bucket: Bucket } {
    const bucket = this.offer.buckets[message.bucket];
    if (bucket === undefined) throw new ProtocolError('no such bucket');
    const input = this.#read(message.ciphertexts, bucket);
    const reply = this.#machine.evaluate(bucket, input, evaluationKeys, steps, control);
    return { reply, bucket };
  }

  #read(ciphertexts: Uint8Array, bucket: Bucket): CiphertextBatch {
    const { context, offer } = this;
    const groups = queryCiphertexts(offer, bucket);
    const words = this.#machine.queryWords(bucket);
    const input = CiphertextBatch.readInto(context, ciphertexts, words, groups);
    const { maxLevel } = context.params;
    // The scale is the offer's: one of the client's own choice would make the offsets of the first layer wrong.
    const isAtScale = input.scale === offer.inputScale / bucket.interleave;
    const isWhole = input.count === groups && input.level === maxLevel && input.parts === 2;
    if (!isWhole || !isAtScale)
      throw new ProtocolError(
        `${groups} two-part ciphertexts at level ${maxLevel} and the scale of the offer were expected`,
      );
    requireSeed(input.seed);
    return input;
  }

  [Symbol.dispose](): void {
    this.#machine[Symbol.dispose]();
    this.context[Symbol.dispose]();
  }
}
