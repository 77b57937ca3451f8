/**
 * The server of encrypted inference: an {@link InferenceResponder} in a thread of its own, so that the event loop never runs a
 * homomorphic operation. Requests are served one after another; each uses every core.
 */
import { Worker } from 'node:worker_threads';
import { type ErrorCode, KernelError, ProtocolError, SubrosaError } from '../../base/errors.ts';
import type { Offer } from '../../compiler/program.ts';
import type { KernelOptions } from '../../kernel/kernel.ts';
import type { InferenceAnswer, ServedModel } from './responder.ts';
import {
  CANCEL,
  type KernelFacts,
  type ThreadReply,
  type ThreadRequest,
  type ThreadSetup,
} from './thread-messages.ts';

/** An error of the evaluation thread, with the code it had there. */
export class EvaluationError extends SubrosaError<object> {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string) {
    super(message, {});
    this.code = code;
  }
}

interface Pending {
  readonly resolve: (reply: ThreadReply) => void;
  readonly reject: (error: Error) => void;
}

type Ready = Extract<ThreadReply, { kind: 'ready' }>;
type Call<T = ThreadRequest> = T extends ThreadRequest ? Omit<T, 'id'> : never;

export class InferenceServer implements AsyncDisposable {
  readonly kernel: KernelFacts;
  readonly #ready: Ready;
  readonly #worker: Worker;
  readonly #cancelled: Int32Array;
  readonly #pending = new Map<number, Pending>();
  readonly #keys = new Set<string>();
  #nextId = 1;
  #failure: Error | undefined;

  private constructor(worker: Worker, ready: Ready, cancelled: Int32Array) {
    this.#worker = worker;
    this.#ready = ready;
    this.kernel = ready.kernel;
    this.#cancelled = cancelled;
    worker.on('message', (reply: ThreadReply) => this.#settle(reply));
    worker.on('error', (cause) =>
      this.#fail(new KernelError(ready.kernel.name, 'the evaluation thread failed', { cause })),
    );
    worker.on('exit', () => this.#fail(new KernelError(ready.kernel.name, 'the evaluation thread ended')));
  }

  /** Compiles the models in the evaluation thread. @throws what compiling throws, {@link KernelError} when no kernel loads. */
  static async start(
    models: readonly ServedModel[],
    options: { readonly kernel?: KernelOptions } = {},
  ): Promise<InferenceServer> {
    const cancelled = new SharedArrayBuffer(4 * CANCEL);
    const setup: ThreadSetup = {
      models: models.map(({ name, network }) => ({ name, network: network.toBytes() })),
      kernel: options.kernel ?? {},
      cancelled,
    };
    const worker = startThread(setup);
    const ready = await new Promise<Ready>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    return new InferenceServer(worker, ready, new Int32Array(cancelled));
  }

  offers(): readonly Offer[] {
    return this.#ready.models.map((model) => model.offer);
  }

  /** Exact length of an enrolment. @throws {ProtocolError} for an unknown model. */
  keyLimit(model: string): number {
    return this.#find(model).enrolmentBytes;
  }

  /** Length of the longest legal query. @throws {ProtocolError} for an unknown model. */
  queryLimit(model: string): number {
    return this.#find(model).queryBytes;
  }

  /** Keeps a client's keys; returns their id. @throws {EvaluationError} with the code of what was wrong. */
  async enrol(tenant: string, model: string, message: Uint8Array): Promise<string> {
    const reply = await this.#call({ kind: 'enrol', model, tenant, message });
    if (reply.kind !== 'done') throw new ProtocolError('the evaluation thread answered something else');
    this.#keys.add(`${tenant}:${model}:${reply.value}`);
    return reply.value;
  }

  hasKey(tenant: string, model: string, keyId: string): boolean {
    return this.#keys.has(`${tenant}:${model}:${keyId}`);
  }

  /** Evaluates a query; `signal` stops it at the next tile. @throws {EvaluationError} with the code of what was wrong. */
  async answer(
    tenant: string,
    model: string,
    keyId: string,
    query: Uint8Array,
    signal?: AbortSignal,
  ): Promise<InferenceAnswer> {
    const reply = await this.#call({ kind: 'answer', model, tenant, keyId, query }, signal);
    if (reply.kind !== 'answered') throw new ProtocolError('the evaluation thread answered something else');
    return reply.answer;
  }

  /** Drops the keys of this id for every model. */
  forget(tenant: string, keyId: string): void {
    for (const { offer } of this.#ready.models) {
      if (!this.#keys.delete(`${tenant}:${offer.model}:${keyId}`)) continue;
      // Nobody waits for it; a thread that ended has forgotten anyway.
      this.#call({ kind: 'forget', model: offer.model, tenant, keyId }).catch(() => undefined);
    }
  }

  #call(call: Call, signal?: AbortSignal): Promise<ThreadReply> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    signal?.throwIfAborted();
    const id = this.#nextId++;
    const cancel = () => Atomics.store(this.#cancelled, id % CANCEL, id);
    signal?.addEventListener('abort', cancel, { once: true });
    return new Promise<ThreadReply>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#worker.postMessage({ ...call, id } as ThreadRequest);
    }).finally(() => signal?.removeEventListener('abort', cancel));
  }

  #settle(reply: ThreadReply): void {
    if (reply.kind === 'ready') return;
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (reply.kind === 'failed') pending?.reject(new EvaluationError(reply.code as ErrorCode, reply.message));
    else pending?.resolve(reply);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    this.#keys.clear();
  }

  #find(model: string): Ready['models'][number] {
    const found = this.#ready.models.find(({ offer }) => offer.model === model);
    if (found === undefined) throw new ProtocolError('no such model');
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#fail(new ProtocolError('the server is closed'));
    await this.#worker.terminate();
  }
}

/**
 * The thread is a file of the build, also for tests that run the sources: Node 20 cannot load TypeScript in a worker. Every npm
 * script builds first.
 */
function startThread(setup: ThreadSetup): Worker {
  const isSource = import.meta.url.endsWith('.ts');
  const file = isSource
    ? '../../../dist/src/protocols/inference/responder-thread.js'
    : './responder-thread.js';
  return new Worker(new URL(file, import.meta.url), { workerData: setup });
}
