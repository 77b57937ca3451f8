/** The page's side of a model whose cryptography runs in a worker. */
import { DisposedError, UsageError } from '../../base/errors.ts';
import type {
  ConnectedModel,
  ConnectOptions,
  InferenceResult,
  InferOptions,
  KeyOrigin,
  OfferDescription,
} from './client-types.ts';
import {
  type OpenedFacts,
  type PageMessage,
  receivedError,
  type WorkerCall,
  type WorkerMessage,
} from './worker-messages.ts';

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

/** Calls to a worker and their answers; progress and traffic go to whoever connected. */
class WorkerCalls implements Disposable {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #failure: Error | undefined;

  constructor(worker: Worker, { onProgress, onTraffic }: ConnectOptions) {
    this.#worker = worker;
    worker.addEventListener('message', ({ data }: MessageEvent<WorkerMessage>) => {
      if (data.kind === 'progress') onProgress?.(data.progress);
      else if (data.kind === 'traffic') onTraffic?.(data.traffic);
      else this.#settle(data);
    });
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      const why = event.message ? `: ${event.message}` : '';
      this.#fail(
        new UsageError(
          `the worker of subrosa/client does not run${why}: it must be deployed with the page and allowed by the Content-Security-Policy (worker-src, 'wasm-unsafe-eval' in script-src); { worker } makes another`,
        ),
      );
    });
  }

  /** @throws what the call threw in the worker, or the signal's reason. */
  async run<T>(call: WorkerCall, signal?: AbortSignal, transfer: Transferable[] = []): Promise<T> {
    signal?.throwIfAborted();
    if (this.#failure !== undefined) throw this.#failure;
    const id = this.#nextId++;
    const send = (message: PageMessage) => this.#worker.postMessage(message, transfer);
    const leave = () => {
      this.#worker.postMessage({ kind: 'abort', id } satisfies PageMessage);
      this.#waiting.get(id)?.reject(signal?.reason);
      this.#waiting.delete(id);
    };
    signal?.addEventListener('abort', leave, { once: true });
    try {
      return await new Promise<T>((resolve, reject) => {
        this.#waiting.set(id, { resolve: resolve as Waiting['resolve'], reject });
        send({ kind: 'call', id, call });
      });
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  }

  #settle(message: Extract<WorkerMessage, { id: number }>): void {
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.kind === 'failed') waiting?.reject(receivedError(message.error));
    else waiting?.resolve(message.value as never);
  }

  #fail(error: Error): void {
    this.#failure = error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  /** What the worker held, the key in its memory above all, goes with it. */
  [Symbol.dispose](): void {
    this.#worker.terminate();
    this.#fail(new DisposedError('a connected model'));
  }
}

export class WorkerModel implements ConnectedModel {
  readonly describes: OfferDescription;
  readonly keys: KeyOrigin;
  readonly warnings: readonly string[];
  readonly #calls: WorkerCalls;

  private constructor(calls: WorkerCalls, { describes, keys, warnings }: OpenedFacts) {
    this.#calls = calls;
    this.describes = describes;
    this.keys = keys;
    this.warnings = warnings;
  }

  /** @throws as `InferenceSession.open`; {@link UsageError} when the worker does not run. */
  static async open(url: string, options: ConnectOptions): Promise<WorkerModel> {
    const { onProgress: _, onTraffic, signal, worker, ...rest } = options;
    const calls = new WorkerCalls(worker === undefined ? ownWorker() : worker(), options);
    try {
      // Relative addresses are the page's.
      const address = new URL(url, document.baseURI).href;
      const sent = { ...rest, wantsTraffic: onTraffic !== undefined };
      const facts = await calls.run<OpenedFacts>({ kind: 'open', url: address, options: sent }, signal);
      return new WorkerModel(calls, facts);
    } catch (error) {
      calls[Symbol.dispose]();
      throw error;
    }
  }

  infer(inputs: ArrayLike<number>, { signal }: InferOptions = {}): Promise<InferenceResult> {
    const own = Float32Array.from(inputs);
    return this.#calls.run<InferenceResult>({ kind: 'infer', inputs: own }, signal, [own.buffer]);
  }

  inferMany(
    samples: readonly ArrayLike<number>[],
    { signal }: InferOptions = {},
  ): Promise<InferenceResult[]> {
    const own = samples.map((sample) => Float32Array.from(sample));
    const transfer = own.map(({ buffer }) => buffer);
    return this.#calls.run<InferenceResult[]>({ kind: 'infer-many', samples: own }, signal, transfer);
  }

  async forget(): Promise<void> {
    await this.#calls.run({ kind: 'forget' });
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#calls[Symbol.dispose]();
  }
}

/** Bundlers look for exactly this expression. @throws {UsageError} where the page must not start it. */
function ownWorker(): Worker {
  try {
    return new Worker(new URL('./client-worker.js', import.meta.url), { type: 'module' });
  } catch (cause) {
    throw new UsageError(
      `the worker of subrosa/client cannot be started (${(cause as Error).message}): give { worker }`,
    );
  }
}
