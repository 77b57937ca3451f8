/**
 * The server's side of encrypted inference, synchronous: a server runs it in a thread of its own. Holds programs and clients' evaluation keys; nothing here can decrypt.
 */
import { bytesToHex } from '@noble/hashes/utils.js';
import { LimitError, MissingKeyError, ProtocolError } from '../../base/errors.ts';
import { compile } from '../../compiler/compile.ts';
import { isDeciding } from '../../compiler/decision/decision-facts.ts';
import { type AnyProgram, isExact } from '../../compiler/exact/exact-program.ts';
import type { Offer } from '../../compiler/offer.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { PolynomialNetwork } from '../../nn/polynomial/polynomial-network.ts';
import { EvaluationMemory } from '../../runtime/evaluation-memory.ts';
import type { EvaluationControl } from '../../runtime/run-steps.ts';
import type { StepSpan, StepTime } from '../../runtime/step-times.ts';
import { type AnsweringModel, disposeKeys, type EnrolledKeys, openKeys } from './answering-model.ts';
import { ApproximateModel } from './approximate-model.ts';
import { DecidingModel } from './deciding-model.ts';
import { ExactModel } from './exact-model.ts';
import { ENROLMENT_PREFIX_BYTES, QUERY_PREFIX_BYTES, readQuery, writeReply } from './messages.ts';
import { type KeyId, keyId, type ModelName, modelName, type TenantId } from './names.ts';
import { keyPlanOf } from './shared-keys.ts';
import { ReplySecret } from './reply-secret.ts';

/** One of our own networks, which is compiled, or a program. */
export type ServedModel =
  | { readonly name: string; readonly network: PolynomialNetwork }
  | { readonly program: AnyProgram };

export interface InferenceAnswer {
  readonly bytes: Uint8Array;
  readonly steps: readonly StepTime[];
  /** Every step of the program, for traces. */
  readonly spans: readonly StepSpan[];
  /** Most kernel memory in use during the evaluation, keys included. */
  readonly peakBytes: number;
}

/** Keys, and the models that they were enrolled for: they go with the last of these. */
interface HeldEnrolment {
  readonly keys: EnrolledKeys;
  readonly models: Set<ModelName>;
}

type Clients = Map<TenantId, Map<KeyId, HeldEnrolment>>;

interface OpenModel {
  readonly model: AnsweringModel;
  /** Shared by the models of one key plan. */
  readonly clients: Clients;
}

export interface ResponderOptions {
  /** 32 bytes that replies are derived from, besides the queries; random when absent. */
  readonly replySecret?: Uint8Array;
}

export class InferenceResponder implements Disposable {
  readonly #kernel: Kernel;
  /** Of all machines: evaluations follow one another. */
  readonly #memory: EvaluationMemory;
  readonly #models = new Map<ModelName, OpenModel>();
  /** By key plan. */
  readonly #clients = new Map<string, Clients>();

  readonly #secret: ReplySecret;

  private constructor(kernel: Kernel, { replySecret }: ResponderOptions) {
    this.#kernel = kernel;
    this.#memory = new EvaluationMemory(kernel);
    this.#secret = new ReplySecret(replySecret);
  }

  /** Compiles every model. The kernel is borrowed. @throws {InvalidParamsError} {@link UnsupportedOpError} */
  static async open(
    models: readonly ServedModel[],
    kernel: Kernel,
    options: ResponderOptions = {},
  ): Promise<InferenceResponder> {
    const responder = new InferenceResponder(kernel, options);
    try {
      for (const model of models) await responder.#open(model);
    } catch (error) {
      responder[Symbol.dispose]();
      throw error;
    }
    return responder;
  }

  async #open(served: ServedModel): Promise<void> {
    const program = 'program' in served ? served.program : compile(served.network, { name: served.name });
    const name = modelName(program.name);
    if (this.#models.has(name)) throw new ProtocolError(`two models are called ${name}`);
    const model = await this.#modelOf(program);
    const plan = keyPlanOf(model.offer);
    const clients: Clients = this.#clients.get(plan) ?? new Map();
    this.#clients.set(plan, clients);
    this.#models.set(name, { model, clients });
  }

  #modelOf(program: AnyProgram): Promise<AnsweringModel> {
    if (isExact(program)) return ExactModel.open(program, this.#kernel, this.#memory);
    return isDeciding(program)
      ? DecidingModel.open(program, this.#kernel, this.#memory)
      : ApproximateModel.open(program, this.#kernel, this.#memory);
  }

  /** Replies are derived from another secret from now on: see {@link ReplySecret.rotate}. */
  rotateReplySecret(replySecret?: Uint8Array): void {
    this.#secret.rotate(replySecret);
  }

  programs(): AnyProgram[] {
    return [...this.#models.values()].map(({ model }) => model.program);
  }

  offers(): Offer[] {
    return [...this.#models.values()].map(({ model }) => model.offer);
  }

  /** Exact length of an enrolment for `model`, known before a byte of it is read. @throws {ProtocolError} */
  enrolmentBytes(model: ModelName): number {
    return ENROLMENT_PREFIX_BYTES + this.#find(model).model.keyBytes;
  }

  /** Length of the longest legal query for `model`. @throws {ProtocolError} */
  queryBytes(model: ModelName): number {
    return QUERY_PREFIX_BYTES + this.#find(model).model.queryBytes;
  }

  /**
   * Reads a client's keys and keeps them for `tenant`, who may then ask every model of the same parameters and key plan. Returns
   * their name, a hash of the message; the same message again changes nothing.
   *
   * @throws {DecodeError} {@link ParamsMismatchError} {@link LimitError}
   */
  enrol(tenant: TenantId, model: ModelName, message: Uint8Array): KeyId {
    const open = this.#find(model);
    const needed = this.enrolmentBytes(model);
    if (message.length > needed)
      throw new LimitError('an enrolment', `${needed} bytes`, `${message.length} bytes`);
    const keys = openKeys(open.model, message);
    const id = keyId(bytesToHex(keys.hash).slice(0, 32));
    const owned = open.clients.get(tenant) ?? new Map<KeyId, HeldEnrolment>();
    const known = owned.get(id);
    if (known !== undefined) disposeKeys(known.keys);
    open.clients.set(tenant, owned.set(id, { keys, models: new Set(known?.models).add(model) }));
    return id;
  }

  /** Drops keys; unknown names are fine. */
  forget(tenant: TenantId, model: ModelName, id: KeyId): void {
    const { clients } = this.#find(model);
    const owned = clients.get(tenant);
    const held = owned?.get(id);
    if (owned === undefined || held === undefined) return;
    held.models.delete(model);
    if (held.models.size > 0) return;
    owned.delete(id);
    if (owned.size === 0) clients.delete(tenant);
    disposeKeys(held.keys);
  }

  /**
   * Evaluates a query. The reply is re-randomised by an encryption of zero under the client's public key and flooded: as far as the
   * promised precision allows where scores are approximate, as far as the modulus holds where they are exact. So it shows the scores
   * and little of how they came about. Then its low bits are dropped, which tells nothing more.
   *
   * All of that is a function of the query and a secret: the same query has the same reply.
   *
   * @throws {DecodeError} {@link ParamsMismatchError} {@link ProtocolError} {@link MissingKeyError} {@link DivergentReplyError}
   */
  answer(
    tenant: TenantId,
    name: ModelName,
    id: KeyId,
    query: Uint8Array,
    control: EvaluationControl = {},
  ): InferenceAnswer {
    const { model, clients } = this.#find(name);
    const keys = clients.get(tenant)?.get(id)?.keys;
    if (keys === undefined) throw new MissingKeyError('the keys of this client');
    const message = readQuery(query);
    const { programId } = model.offer;
    if (message.programId !== programId) throw new ProtocolError('the query was made for another program');
    const steps: StepTime[] = [];
    const spans: StepSpan[] = [];
    let peak = 0;
    const watch: EvaluationControl = {
      checkpoint: () => {
        peak = Math.max(peak, this.#kernel.liveWords * 8);
        control.checkpoint?.();
      },
      onSpan: (span) => void spans.push(span),
    };
    const { bucket, ciphertexts, nonce } = message;
    const subject = { tenant, enrolment: keys.hash, programId, bucket, ciphertexts };
    const seed = this.#secret.seedFor(subject);
    try {
      const note = (result: Uint8Array) => this.#secret.note(subject, result);
      const reply = model.answer(message, keys, { seed, note }, steps, watch);
      return { bytes: writeReply({ programId, nonce, ciphertexts: reply }), steps, spans, peakBytes: peak };
    } finally {
      seed.fill(0);
    }
  }

  #find(model: ModelName): OpenModel {
    const open = this.#models.get(model);
    if (open === undefined) throw new ProtocolError('no such model');
    return open;
  }

  [Symbol.dispose](): void {
    for (const clients of this.#clients.values())
      for (const owned of clients.values()) for (const { keys } of owned.values()) disposeKeys(keys);
    for (const { model } of this.#models.values()) model[Symbol.dispose]();
    this.#clients.clear();
    this.#models.clear();
    this.#memory[Symbol.dispose]();
    this.#secret[Symbol.dispose]();
  }
}
