/** What a responder needs of a model, whatever the scheme that it runs in. */
import { ProtocolError } from '../../base/errors.ts';
import type { AnyProgram } from '../../compiler/exact/exact-program.ts';
import { type Offer, offeredKeyPlan } from '../../compiler/offer.ts';
import type { Words } from '../../kernel/kernel.ts';
import type { EvaluationControl } from '../../runtime/run-steps.ts';
import type { StepTime } from '../../runtime/step-times.ts';
import type { RlweContext } from '../../schemes/rlwe/context.ts';
import { EvaluationKeys } from '../../schemes/rlwe/keys/evaluation-keys.ts';
import { PublicKey } from '../../schemes/rlwe/keys/public-key.ts';
import { sha256Digest } from '../../base/sha256.ts';
import type { DecisionKeys } from '../../runtime/decoding/encrypted-decision.ts';
import { readEnrolment, type QueryMessage } from './messages.ts';

/** What a client enrolled. */
export interface EnrolledKeys {
  readonly publicKey: PublicKey;
  readonly evaluationKeys: EvaluationKeys;
  /** For a model that decides. */
  readonly decision?: DecisionKeys;
  /** SHA-256 of the message that brought them. */
  readonly hash: Uint8Array;
}

/** Where the mask of a reply comes from, and what it was put on. */
export interface MaskSource {
  /** 32 bytes. */
  readonly seed: Uint8Array;
  /** Told the unmasked result before anything is sent. @throws {DivergentReplyError} */
  readonly note: (result: Uint8Array) => void;
}

export interface AnsweringModel extends Disposable {
  readonly program: AnyProgram;
  readonly offer: Offer;
  /** Public key and evaluation keys on the wire. */
  readonly keyBytes: number;
  /** The ciphertexts of the longest query. */
  readonly queryBytes: number;
  readonly context: RlweContext;
  /** Reads what follows the evaluation keys, of a model that decides. @throws {DecodeError} {@link ParamsMismatchError} */
  openDecisionKeys?(bytes: Uint8Array): DecisionKeys;
  /** @throws {DecodeError} {@link ParamsMismatchError} {@link ProtocolError} {@link MissingKeyError} {@link DivergentReplyError} */
  answer(
    message: QueryMessage,
    keys: EnrolledKeys,
    mask: MaskSource,
    steps: StepTime[],
    control: EvaluationControl,
  ): Uint8Array;
}

/** Tells of the words of a result, before they are masked in place. @throws {DivergentReplyError} */
export function noteResult(mask: MaskSource, words: Words): void {
  const { buffer, byteOffset, byteLength } = words.u64();
  mask.note(new Uint8Array(buffer, byteOffset, byteLength));
}

/** One form for each query: without its seed it would be another one with the same content. @throws {ProtocolError} */
export function requireSeed(seed: Uint8Array | undefined): void {
  if (seed === undefined)
    throw new ProtocolError('ciphertexts with the seed of their second parts were expected');
}

/** @throws {DecodeError} {@link ParamsMismatchError} */
export function openKeys(model: AnsweringModel, message: Uint8Array): EnrolledKeys {
  const { context, offer } = model;
  const parts = readEnrolment(message);
  const publicKey = PublicKey.fromBytes(context, parts.publicKey);
  let decision: DecisionKeys | undefined;
  try {
    const plan = offeredKeyPlan(offer);
    const keys = parts.evaluationKeys;
    const own =
      model.openDecisionKeys === undefined ? keys.length : EvaluationKeys.byteLength(context.params, plan);
    decision = model.openDecisionKeys?.(keys.subarray(own));
    const evaluationKeys = EvaluationKeys.fromBytes(context, keys.subarray(0, own), plan);
    return { publicKey, evaluationKeys, ...(decision && { decision }), hash: sha256Digest(message) };
  } catch (error) {
    publicKey[Symbol.dispose]();
    if (decision !== undefined) disposeDecisionKeys(decision);
    throw error;
  }
}

export function disposeKeys({ publicKey, evaluationKeys, decision }: EnrolledKeys): void {
  publicKey[Symbol.dispose]();
  evaluationKeys[Symbol.dispose]();
  if (decision !== undefined) disposeDecisionKeys(decision);
}

function disposeDecisionKeys({ exit, evaluation }: DecisionKeys): void {
  exit[Symbol.dispose]();
  evaluation[Symbol.dispose]();
}
