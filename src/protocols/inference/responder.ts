/**
 * The server's side of encrypted inference, synchronous: a server runs it in a thread of its own. Holds programs and clients' evaluation keys; nothing here can decrypt.
 */
import { bytesToHex } from '@noble/hashes/utils.js';
import { LimitError, MissingKeyError, ProtocolError } from '../../base/errors.ts';
import { sha256Digest } from '../../base/sha256.ts';
import { compile } from '../../compiler/compile.ts';
import { type Offer, offeredKeyPlan, queryCiphertexts } from '../../compiler/offer.ts';
import type { Program } from '../../compiler/program.ts';
import { droppedBits, floodBits, offerOf } from '../../compiler/program-facts.ts';
import { type Report, reportOf } from '../../compiler/report.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { PolynomialNetwork } from '../../nn/polynomial/polynomial-network.ts';
import { EncryptedMachine } from '../../runtime/encrypted-machine.ts';
import { EvaluationMemory } from '../../runtime/evaluation-memory.ts';
import type { EvaluationControl } from '../../runtime/run-steps.ts';
import type { StepTime } from '../../runtime/step-times.ts';
import { CiphertextBatch } from '../../schemes/ckks/ciphertext.ts';
import { CkksContext } from '../../schemes/ckks/context.ts';
import { CkksParams } from '../../schemes/ckks/params.ts';
import { EvaluationKeys } from '../../schemes/rlwe/keys/evaluation-keys.ts';
import { PublicKey } from '../../schemes/rlwe/keys/public-key.ts';
import {
  ENROLMENT_PREFIX_BYTES,
  QUERY_PREFIX_BYTES,
  readEnrolment,
  readQuery,
  writeReply,
} from './messages.ts';
import { type KeyId, keyId, type ModelName, modelName, type TenantId } from './names.ts';

/** One of our own networks, which is compiled, or a program. */
export type ServedModel =
  | { readonly name: string; readonly network: PolynomialNetwork }
  | { readonly program: Program };

export interface InferenceAnswer {
  readonly bytes: Uint8Array;
  readonly steps: readonly StepTime[];
  /** Most kernel memory in use during the evaluation, keys included. */
  readonly peakBytes: number;
}

interface OpenModel {
  readonly program: Program;
  readonly offer: Offer;
  readonly report: Report;
  readonly context: CkksContext;
  readonly machine: EncryptedMachine;
  readonly clients: Map<TenantId, Map<KeyId, ClientKeys>>;
}

interface ClientKeys {
  readonly publicKey: PublicKey;
  readonly evaluationKeys: EvaluationKeys;
}

export class InferenceResponder implements Disposable {
  readonly #kernel: Kernel;
  /** Of all machines: evaluations follow one another. */
  readonly #memory: EvaluationMemory;
  readonly #models = new Map<ModelName, OpenModel>();

  private constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#memory = new EvaluationMemory(kernel);
  }

  /** Compiles every model. The kernel is borrowed. @throws {InvalidParamsError} {@link UnsupportedOpError} */
  static async open(models: readonly ServedModel[], kernel: Kernel): Promise<InferenceResponder> {
    const responder = new InferenceResponder(kernel);
    try {
      for (const model of models) await responder.#open(model);
    } catch (error) {
      responder[Symbol.dispose]();
      throw error;
    }
    return responder;
  }

  async #open(model: ServedModel): Promise<void> {
    const program = 'program' in model ? model.program : compile(model.network, { name: model.name });
    const name = modelName(program.name);
    if (this.#models.has(name)) throw new ProtocolError(`two models are called ${name}`);
    const context = await CkksContext.open(CkksParams.create(program.params), { kernel: this.#kernel });
    try {
      const machine = new EncryptedMachine(program, context, this.#memory);
      const [offer, report] = [offerOf(program), reportOf(program)];
      this.#models.set(name, { program, offer, report, context, machine, clients: new Map() });
    } catch (error) {
      context[Symbol.dispose]();
      throw error;
    }
  }

  programs(): Program[] {
    return [...this.#models.values()].map((model) => model.program);
  }

  offers(): Offer[] {
    return [...this.#models.values()].map((model) => model.offer);
  }

  /** Exact length of an enrolment for `model`, known before a byte of it is read. @throws {ProtocolError} */
  enrolmentBytes(model: ModelName): number {
    return ENROLMENT_PREFIX_BYTES + this.#find(model).report.keyBytes;
  }

  /** Length of the longest legal query for `model`. @throws {ProtocolError} */
  queryBytes(model: ModelName): number {
    const { report } = this.#find(model);
    return QUERY_PREFIX_BYTES + Math.max(...report.buckets.map(({ bytesUp }) => bytesUp));
  }

  /**
   * Reads a client's keys and keeps them for `tenant`. Returns their name, a hash of the message; the same message again changes
   * nothing.
   *
   * @throws {DecodeError} {@link ParamsMismatchError} {@link LimitError}
   */
  enrol(tenant: TenantId, model: ModelName, message: Uint8Array): KeyId {
    const open = this.#find(model);
    const needed = this.enrolmentBytes(model);
    if (message.length > needed)
      throw new LimitError('an enrolment', `${needed} bytes`, `${message.length} bytes`);
    const parts = readEnrolment(message);
    const publicKey = PublicKey.fromBytes(open.context, parts.publicKey);
    try {
      const plan = offeredKeyPlan(open.offer);
      const evaluationKeys = EvaluationKeys.fromBytes(open.context, parts.evaluationKeys, plan);
      const id = keyId(bytesToHex(sha256Digest(message)).slice(0, 32));
      this.forget(tenant, model, id);
      const owned = open.clients.get(tenant) ?? new Map<KeyId, ClientKeys>();
      open.clients.set(tenant, owned.set(id, { publicKey, evaluationKeys }));
      return id;
    } catch (error) {
      publicKey[Symbol.dispose]();
      throw error;
    }
  }

  /** Drops keys; unknown names are fine. */
  forget(tenant: TenantId, model: ModelName, id: KeyId): void {
    const { clients } = this.#find(model);
    const owned = clients.get(tenant);
    const keys = owned?.get(id);
    if (owned === undefined || keys === undefined) return;
    owned.delete(id);
    if (owned.size === 0) clients.delete(tenant);
    disposeKeys(keys);
  }

  /**
   * Evaluates a query. The reply is re-randomised by a fresh encryption of zero under the client's public key and flooded as far as
   * the promised precision allows, so that it shows the scores and little of how they came about. Then its low bits are dropped, which
   * tells nothing more: it is computed from what would have been sent.
   *
   * @throws {DecodeError} {@link ParamsMismatchError} {@link ProtocolError} {@link MissingKeyError}
   */
  answer(
    tenant: TenantId,
    model: ModelName,
    id: KeyId,
    query: Uint8Array,
    control: EvaluationControl = {},
  ): InferenceAnswer {
    const { program, offer, context, machine, clients } = this.#find(model);
    const keys = clients.get(tenant)?.get(id);
    if (keys === undefined) throw new MissingKeyError('the keys of this client');
    const message = readQuery(query);
    if (message.programId !== offer.programId)
      throw new ProtocolError('the query was made for another program');
    const bucket = offer.buckets[message.bucket];
    if (bucket === undefined) throw new ProtocolError('no such bucket');
    const groups = queryCiphertexts(offer, bucket);
    const steps: StepTime[] = [];
    let peak = 0;
    const watch: EvaluationControl = {
      checkpoint: () => {
        peak = Math.max(peak, this.#kernel.liveWords * 8);
        control.checkpoint?.();
      },
    };
    using arena = context.arena();
    const input = CiphertextBatch.readInto(context, message.ciphertexts, machine.queryWords(bucket), groups);
    const { maxLevel } = context.params;
    // The scale is the offer's: one of the client's own choice would make the offsets of the first layer wrong.
    const isAtScale = input.scale === offer.inputScale / bucket.interleave;
    if (input.count !== groups || input.level !== maxLevel || input.parts !== 2 || !isAtScale) {
      throw new ProtocolError(
        `${groups} two-part ciphertexts at level ${maxLevel} and the scale of the offer were expected`,
      );
    }
    const reply = machine.evaluate(bucket, input, keys.evaluationKeys, steps, watch);
    const { count, level, scale } = reply;
    using encryptor = context.encryptor(keys.publicKey, arena);
    const zero = encryptor.encryptZero(count, { level, scale, floodBits: floodBits(program, bucket) });
    this.#kernel.add(context.ring.tables, reply.words, reply.words, zero.words, reply.mods);
    const bytes = writeReply({
      programId: offer.programId,
      nonce: message.nonce,
      ciphertexts: reply.toRoundedBytes(droppedBits(program, bucket)),
    });
    return { bytes, steps, peakBytes: peak };
  }

  #find(model: ModelName): OpenModel {
    const open = this.#models.get(model);
    if (open === undefined) throw new ProtocolError('no such model');
    return open;
  }

  [Symbol.dispose](): void {
    for (const model of this.#models.values()) {
      for (const owned of model.clients.values()) for (const keys of owned.values()) disposeKeys(keys);
      model.machine[Symbol.dispose]();
      model.context[Symbol.dispose]();
    }
    this.#models.clear();
    this.#memory[Symbol.dispose]();
  }
}

function disposeKeys({ publicKey, evaluationKeys }: ClientKeys): void {
  publicKey[Symbol.dispose]();
  evaluationKeys[Symbol.dispose]();
}
