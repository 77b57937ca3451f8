/**
 * The server of encrypted inference: an {@link InferenceResponder} in a thread of its own, so that the event loop never runs a
 * homomorphic operation. Requests are served one after another; each uses every core.
 */
import { Worker, type WorkerOptions } from 'node:worker_threads';
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { type ErrorCode, KernelError, ProtocolError, SubrosaError } from '../../base/errors.ts';
import type { Offer } from '../../compiler/offer.ts';
import { seedFromBytes, systemRandom } from '../../base/random.ts';
import { writeProgram } from '../../compiler/program-file.ts';
import type { KernelOptions } from '../../kernel/kernel.ts';
import { offeredQuerySamples } from '../../protocols/inference/message-sizes.ts';
import type { InferenceAnswer, ServedModel } from '../../protocols/inference/responder.ts';
import type { KeyId, ModelName, TenantId } from '../../protocols/inference/names.ts';
import { keyModelIn } from '../../protocols/inference/shared-keys.ts';
import {
  CANCEL,
  type KernelFacts,
  type ThreadReply,
  type ThreadRequest,
  type ThreadSetup,
} from './thread-messages.ts';

/** One day. */
const ROTATION_MS = 86_400_000;

/** An error of the evaluation thread, with the code it had there. */
export class EvaluationError extends SubrosaError<object> {
  override readonly name = 'EvaluationError';
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string) {
    super(message, {});
    this.code = code;
  }
}

export interface InferenceServerOptions {
  readonly kernel?: KernelOptions;
  /**
   * 32 bytes that replies are derived from, besides the queries, for servers that must answer alike. Random when absent, and then replaced
   * every day: see {@link InferenceServer.rotateReplySecret}.
   */
  readonly replySecret?: Uint8Array;
}

interface Pending {
  readonly resolve: (reply: ThreadReply) => void;
  readonly reject: (error: Error) => void;
}

type Ready = Extract<ThreadReply, { kind: 'ready' }>;
type Call<T = Exclude<ThreadRequest, { kind: 'rotate' }>> = T extends ThreadRequest ? Omit<T, 'id'> : never;

export class InferenceServer implements AsyncDisposable {
  readonly kernel: KernelFacts;
  #setup: ThreadSetup;
  readonly #ready: Ready;
  readonly #cancelled: Int32Array;
  readonly #pending = new Map<number, Pending>();
  readonly #lossListeners: (() => void)[] = [];
  /** Undefined after the thread died, until the next call has started another. */
  #worker: Worker | undefined;
  #starting: Promise<void> | undefined;
  #isClosed = false;
  #rotation: NodeJS.Timeout | undefined;
  #nextId = 1;

  private constructor(setup: ThreadSetup, worker: Worker, ready: Ready) {
    this.#setup = setup;
    this.#ready = ready;
    this.kernel = ready.kernel;
    this.#cancelled = new Int32Array(setup.cancelled);
    this.#adopt(worker);
  }

  /** Compiles the models in the evaluation thread. @throws what compiling throws, {@link KernelError} when no kernel loads. */
  static async start(
    models: readonly ServedModel[],
    options: InferenceServerOptions = {},
  ): Promise<InferenceServer> {
    const setup: ThreadSetup = {
      models: models.map((model) =>
        'program' in model
          ? { program: writeProgram({ program: model.program }) }
          : { name: model.name, network: model.network.toBytes() },
      ),
      kernel: options.kernel ?? {},
      cancelled: new SharedArrayBuffer(4 * CANCEL),
      replySecret:
        options.replySecret === undefined ? systemRandom.seed() : seedFromBytes(options.replySecret),
    };
    const { worker, ready } = await startThread(setup);
    const server = new InferenceServer(setup, worker, ready);
    if (options.replySecret === undefined) server.#rotateDaily();
    return server;
  }

  offers(): readonly Offer[] {
    return this.#ready.models.map((model) => model.offer);
  }

  /** Exact length of an enrolment. @throws {ProtocolError} for an unknown model. */
  enrolmentBytes(model: ModelName): number {
    return this.#find(model).enrolmentBytes;
  }

  /** Length of the longest legal query. @throws {ProtocolError} for an unknown model. */
  queryBytes(model: ModelName): number {
    return this.#find(model).queryBytes;
  }

  /** How many samples a query is at most, by its bucket. @throws {DecodeError} {@link ProtocolError} */
  querySamples(model: ModelName, query: Uint8Array): number {
    return offeredQuerySamples(this.#find(model).offer, query);
  }

  /** What an evaluation of `block` samples should take on a reference processor; undefined for a size that it does not take. */
  predictedMs(model: ModelName, block: number): number | undefined {
    const { offer, predictedMs } = this.#find(model);
    return predictedMs[offer.buckets.findIndex((bucket) => bucket.block === block)];
  }

  /** Models of one key plan share their keys: {@link keyModelIn}. */
  keyModel(model: ModelName): ModelName {
    return keyModelIn(this.offers(), model);
  }

  /** False while there is no evaluation thread; asking starts one. */
  isReady(): boolean {
    if (this.#isClosed) return false;
    // A start that fails is reported to the next call.
    if (this.#worker === undefined) this.#restart().catch(() => undefined);
    return this.#worker !== undefined;
  }

  /** Keeps a client's keys; returns their id. @throws {EvaluationError} with the code of what was wrong. */
  async enrol(tenant: TenantId, model: ModelName, message: Uint8Array): Promise<KeyId> {
    const reply = await this.#call({ kind: 'enrol', tenant, model, message });
    if (reply.kind !== 'enrolled') throw new ProtocolError('the evaluation thread answered something else');
    return reply.keyId;
  }

  /**
   * Calls `listener` whenever the evaluation thread has ended, and all clients' keys with it; they enrol them again. Who holds keys
   * is for the listener to remember: the server asks nobody and keeps no list.
   */
  onKeysLost(listener: () => void): void {
    this.#lossListeners.push(listener);
  }

  /** Evaluates a query; `signal` stops it at the next tile. @throws {EvaluationError} with the code of what was wrong. */
  async answer(
    tenant: TenantId,
    model: ModelName,
    keyId: KeyId,
    query: Uint8Array,
    signal?: AbortSignal,
  ): Promise<InferenceAnswer> {
    const reply = await this.#call({ kind: 'answer', tenant, model, keyId, query }, signal);
    if (reply.kind !== 'answered') throw new ProtocolError('the evaluation thread answered something else');
    return reply.answer;
  }

  /**
   * Replies are derived from another secret from now on, random when absent, and the old one is wiped: who steals it later cannot
   * strip the noise from replies that were recorded. A query that is repeated across it gets another reply.
   */
  rotateReplySecret(replySecret: Uint8Array = systemRandom.seed()): void {
    const secret = seedFromBytes(replySecret);
    this.#setup.replySecret.fill(0);
    this.#setup = { ...this.#setup, replySecret: secret };
    // A thread that starts later has it from its setup.
    this.#worker?.postMessage({ kind: 'rotate', id: 0, replySecret: secret } satisfies ThreadRequest);
  }

  #rotateDaily(): void {
    this.#rotation = setInterval(() => this.rotateReplySecret(), ROTATION_MS);
    this.#rotation.unref();
  }

  /** Drops keys; unknown ones are fine. */
  forget(tenant: TenantId, model: ModelName, keyId: KeyId): void {
    if (this.#worker === undefined) return;
    // Nobody waits for it; a thread that ends meanwhile has forgotten anyway.
    this.#call({ kind: 'forget', tenant, model, keyId }).catch(() => undefined);
  }

  /** A thread that died is replaced first; it compiles the same models and has no keys. */
  async #call(call: Call, signal?: AbortSignal): Promise<ThreadReply> {
    if (this.#isClosed) throw new ProtocolError('the server is closed');
    if (this.#worker === undefined) await this.#restart();
    signal?.throwIfAborted();
    const worker = this.#worker;
    if (worker === undefined) throw new KernelError(this.kernel.name, 'the evaluation thread ended again');
    const id = this.#nextId++;
    const cancel = () => Atomics.store(this.#cancelled, id % CANCEL, id);
    signal?.addEventListener('abort', cancel, { once: true });
    return new Promise<ThreadReply>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      worker.postMessage({ ...call, id } as ThreadRequest);
    }).finally(() => signal?.removeEventListener('abort', cancel));
  }

  /** Calls that find no thread wait for the same new one. */
  #restart(): Promise<void> {
    this.#starting ??= this.#replaceThread().finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  async #replaceThread(): Promise<void> {
    const { worker } = await startThread(this.#setup);
    if (this.#isClosed) await worker.terminate();
    else this.#adopt(worker);
  }

  #adopt(worker: Worker): void {
    this.#worker = worker;
    worker.on('message', (reply: ThreadReply) => this.#settle(reply));
    const lost = (reason: string, cause?: unknown) => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      this.#fail(new KernelError(this.kernel.name, reason, { cause }));
    };
    worker.on('error', (cause) => lost('the evaluation thread failed', cause));
    worker.on('exit', () => lost('the evaluation thread ended'));
  }

  #settle(reply: ThreadReply): void {
    if (reply.kind === 'ready') return;
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (reply.kind === 'failed') pending?.reject(new EvaluationError(reply.code as ErrorCode, reply.message));
    else pending?.resolve(reply);
  }

  /** Rejects all that wait. The keys were the thread's. */
  #fail(error: Error): void {
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    for (const listener of this.#lossListeners) listener();
  }

  #find(model: ModelName): Ready['models'][number] {
    const found = this.#ready.models.find(({ offer }) => offer.model === model);
    if (found === undefined) throw new ProtocolError('no such model');
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#rotation);
    this.#setup.replySecret.fill(0);
    const worker = this.#worker;
    this.#worker = undefined;
    this.#fail(new ProtocolError('the server is closed'));
    await this.#starting?.catch(() => undefined);
    await worker?.terminate();
  }
}

/** Resolves when the thread has compiled its models. */
async function startThread(setup: ThreadSetup): Promise<{ worker: Worker; ready: Ready }> {
  const worker = openThread({ workerData: setup });
  const ready = await new Promise<Ready>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () =>
      reject(new KernelError('any', 'the evaluation thread ended before it was ready')),
    );
  });
  return { worker, ready };
}

/**
 * The thread runs what this file was loaded from: the build, or else the sources, which Node 20 cannot load in a thread by itself.
 * A loader named on the thread's command line is not heeded there, so a line of code registers it; it is found from the working
 * directory, which is the repository's for whoever runs sources.
 */
function openThread(options: WorkerOptions): Worker {
  if (!import.meta.url.endsWith('.ts'))
    return new Worker(new URL('./responder-thread.js', import.meta.url), options);
  const thread = JSON.stringify(new URL('./responder-thread.ts', import.meta.url).href);
  const code = `import('tsx/esm/api').then(({ register }) => { register(); return import(${thread}); });`;
  return new Worker(code, { ...options, eval: true });
}

printOnOneLine(InferenceServer);
arg.guard('InferenceServer', InferenceServer, {
  start: { models: arg.list, options: arg.optional(arg.options) },
});
arg.guard('InferenceServer', InferenceServer.prototype, {
  enrolmentBytes: { model: arg.text },
  queryBytes: { model: arg.text },
  querySamples: { model: arg.text, query: arg.bytes },
  keyModel: { model: arg.text },
  predictedMs: { model: arg.text, block: arg.number },
  enrol: { tenant: arg.text, model: arg.text, message: arg.bytes },
  onKeysLost: { listener: arg.callback },
  answer: {
    tenant: arg.text,
    model: arg.text,
    keyId: arg.text,
    query: arg.bytes,
    signal: arg.optional(arg.like('an AbortSignal', 'throwIfAborted', 'addEventListener')),
  },
  rotateReplySecret: { replySecret: arg.optional(arg.bytes) },
  forget: { tenant: arg.text, model: arg.text, keyId: arg.text },
});
