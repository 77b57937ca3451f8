/**
 * The models that a server answers about, which can be replaced while it runs. Each set of models has an evaluation thread of its own.
 * A new set takes over when its thread has compiled it; the one before goes on answering queries that were made for its programs, for a
 * while, so that nobody who asks meanwhile is refused. Keys are made ready in each thread from the shelf, where they outlive both.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { MissingKeyError, ProtocolError } from '../../base/errors.ts';
import type { Offer } from '../../compiler/offer.ts';
import { readQuery } from '../../protocols/inference/messages.ts';
import { keyModelIn } from '../../protocols/inference/shared-keys.ts';
import type { ServedModel } from '../../protocols/inference/responder.ts';
import type { KeyId, ModelName, TenantId } from '../../protocols/inference/names.ts';
import { type HeldKeys, type KeyShelf, MemoryShelf } from './keys/key-shelf.ts';
import { ReadyKeys } from './keys/ready-keys.ts';
import { DEFAULT_LIMITS, KEY_MEMORY_FACTOR } from './limits.ts';
import type { InferenceService, KeyPlace, LostKeys, ServiceAnswer } from './service.ts';
import type { KernelFacts } from './thread-messages.ts';

/** A set of models in a thread: {@link InferenceServer}, or what stands in for it. */
export interface ModelThread extends InferenceService, AsyncDisposable {
  readonly kernel: KernelFacts;
}

export interface LiveModelsOptions {
  readonly start: (models: readonly ServedModel[]) => Promise<ModelThread>;
  /** Where enrolments are kept; default: in memory. It is closed with the models. */
  readonly shelf?: KeyShelf;
  /** Bytes of enrolments on the shelf, where it is not memory; 8 GiB by default. */
  readonly shelfBytes?: number;
  /** Memory of keys that are ready. */
  readonly keyMemoryBytes?: number;
  /** How long replaced models still answer, milliseconds. */
  readonly replacedMs?: number;
}

export const DEFAULT_SHELF_BYTES = 8 * 2 ** 30;
const DEFAULT_REPLACED_MS = 600_000;
const ENROLMENTS_AT_ONCE = 8;

interface Generation {
  readonly thread: ModelThread;
  /** Program by model. */
  readonly programs: ReadonlyMap<string, string>;
  /** Calls under way. */
  active: number;
  isRetired: boolean;
}

export class LiveModels implements InferenceService, AsyncDisposable {
  readonly keyPlace: KeyPlace;
  readonly #options: LiveModelsOptions;
  readonly #shelf: KeyShelf;
  readonly #prepared: ReadyKeys;
  readonly #lossListeners: ((lost?: LostKeys) => void)[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Newest first. */
  readonly #generations: Generation[] = [];
  #replacing: Promise<void> = Promise.resolve();
  /** The last enrolment of each lane. */
  readonly #lanes: Promise<unknown>[] = [];
  #nextLane = 0;

  private constructor(options: LiveModelsOptions) {
    const { shelf, shelfBytes = DEFAULT_SHELF_BYTES } = options;
    const memory = options.keyMemoryBytes ?? DEFAULT_LIMITS.keyCapacityBytes;
    this.#options = options;
    this.#shelf = shelf ?? new MemoryShelf();
    // In memory, what is held is also ready, and both are counted together.
    this.#prepared = new ReadyKeys(
      shelf === undefined ? Number.POSITIVE_INFINITY : memory,
      KEY_MEMORY_FACTOR,
    );
    this.keyPlace =
      shelf === undefined
        ? { held: [], factor: KEY_MEMORY_FACTOR + 1, capacityBytes: memory }
        : { held: this.#shelf.held, factor: 1, capacityBytes: shelfBytes };
  }

  /** @throws what starting a thread throws. */
  static async start(models: readonly ServedModel[], options: LiveModelsOptions): Promise<LiveModels> {
    const live = new LiveModels(options);
    try {
      live.#add(await options.start(models));
    } catch (error) {
      await live[Symbol.asyncDispose]();
      throw error;
    }
    return live;
  }

  get kernel(): KernelFacts {
    return this.#newest.thread.kernel;
  }

  /** Keys that were ready when they were needed, and those that had to be made ready. */
  get readyKeys(): { readonly hits: number; readonly misses: number; readonly bytes: number } {
    const { hits, misses, bytes } = this.#prepared;
    return { hits, misses, bytes };
  }

  /**
   * Puts other models in the place of these, when their thread is ready; the latest of several calls wins.
   * @throws what starting a thread throws; then nothing has changed.
   */
  replace(models: readonly ServedModel[]): Promise<void> {
    const replaced = this.#replacing.then(async () => this.#add(await this.#options.start(models)));
    this.#replacing = replaced.catch(() => undefined);
    return replaced;
  }

  #add(thread: ModelThread): void {
    const programs = new Map(thread.offers().map(({ model, programId }) => [model, programId] as const));
    // Keys are on the shelf: a thread that ends has only lost what was ready.
    thread.onKeysLost(() => this.#prepared.clear(thread));
    const before = this.#generations[0];
    this.#generations.unshift({ thread, programs, active: 0, isRetired: false });
    if (before === undefined) return;
    // Nothing needs the earlier thread when every program of its is also the new one's.
    if ([...before.programs].every(([model, id]) => programs.get(model) === id)) return this.#retire(before);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#retire(before);
    }, this.#options.replacedMs ?? DEFAULT_REPLACED_MS);
    this.#timers.add(timer.unref());
  }

  /** Takes no more calls; ends when those under way have ended. */
  #retire(generation: Generation): void {
    generation.isRetired = true;
    const index = this.#generations.indexOf(generation);
    if (index >= 0) this.#generations.splice(index, 1);
    if (generation.active === 0) void this.#end(generation);
  }

  async #end({ thread }: Generation): Promise<void> {
    this.#prepared.clear(thread);
    await thread[Symbol.asyncDispose]();
  }

  async #during<T>(generation: Generation, work: () => Promise<T>): Promise<T> {
    generation.active++;
    try {
      return await work();
    } finally {
      generation.active--;
      if (generation.isRetired && generation.active === 0) void this.#end(generation);
    }
  }

  offers(): readonly Offer[] {
    return this.#newest.thread.offers();
  }

  serves(model: ModelName): boolean {
    return this.#generations.some(({ programs }) => programs.has(model));
  }

  /** Models of one key plan share their keys: {@link keyModelIn}. */
  keyModel(model: ModelName): ModelName {
    return keyModelIn(this.#newest.thread.offers(), model);
  }

  isReady(): boolean {
    return this.#newest.thread.isReady();
  }

  enrolmentBytes(model: ModelName): number {
    return Math.max(...this.#with(model).map(({ thread }) => thread.enrolmentBytes(model)));
  }

  queryBytes(model: ModelName): number {
    return Math.max(...this.#with(model).map(({ thread }) => thread.queryBytes(model)));
  }

  predictedMs(model: ModelName, block: number): number | undefined {
    return this.#with(model)[0]?.thread.predictedMs?.(model, block);
  }

  querySamples(model: ModelName, query: Uint8Array): number {
    return this.#for(model, query).thread.querySamples(model, query);
  }

  /**
   * A client that looked before models were replaced may bring keys for the earlier ones. A few at a time: on their way into a thread
   * and onto the shelf keys are copied, and clients that come at once would have all their copies in memory at once.
   */
  enrol(tenant: TenantId, model: ModelName, message: Uint8Array, principal = ''): Promise<KeyId> {
    const lane = this.#nextLane++ % ENROLMENTS_AT_ONCE;
    const before = this.#lanes[lane] ?? Promise.resolve();
    const enrolled = before.then(() => this.#enrol(tenant, model, message, principal));
    this.#lanes[lane] = enrolled.catch(() => undefined);
    return enrolled;
  }

  async #enrol(tenant: TenantId, model: ModelName, message: Uint8Array, principal: string): Promise<KeyId> {
    let refusal: unknown;
    for (const generation of this.#with(model)) {
      const { thread } = generation;
      const ready = keyModelIn(thread.offers(), model);
      const { enrolled, error } = await this.#during(generation, () =>
        thread.enrol(tenant, ready, message).then(
          (id) => ({ enrolled: id, error: undefined }),
          (reason: unknown) => ({ enrolled: undefined, error: reason }),
        ),
      );
      refusal ??= error;
      if (enrolled === undefined) continue;
      const held = this.keyModel(model);
      const keys: HeldKeys = { principal, tenant, model: held, keyId: enrolled, bytes: message.length };
      try {
        await this.#shelf.put(keys, message);
      } catch (failure) {
        thread.forget(tenant, ready, enrolled);
        throw failure;
      }
      this.#prepared.add(thread, tenant, ready, enrolled, message.length);
      return enrolled;
    }
    throw refusal;
  }

  async answer(
    tenant: TenantId,
    model: ModelName,
    keyId: KeyId,
    query: Uint8Array,
    signal?: AbortSignal,
  ): Promise<ServiceAnswer> {
    const generation = this.#for(model, query);
    const { thread } = generation;
    const ready = [tenant, keyModelIn(thread.offers(), model), keyId] as const;
    const held = [tenant, this.keyModel(model), keyId] as const;
    const answer = await this.#during(generation, () =>
      this.#prepared.using(
        thread,
        ready,
        () => this.#shelf.read(...held),
        () => thread.answer(tenant, model, keyId, query, signal),
      ),
    );
    if (answer !== undefined) return answer;
    this.forget(...held);
    for (const listener of this.#lossListeners) listener({ tenant, model: held[1], keyId });
    throw new MissingKeyError('the keys of this client');
  }

  forget(tenant: TenantId, model: ModelName, keyId: KeyId): void {
    // Models that were there before may have kept the same keys under another name.
    for (const { thread } of this.#generations)
      this.#prepared.remove(tenant, keyModelIn(thread.offers(), model), keyId);
    this.#shelf.remove(tenant, keyModelIn(this.#generations[0]?.thread.offers() ?? [], model), keyId);
  }

  onKeysLost(listener: (lost?: LostKeys) => void): void {
    this.#lossListeners.push(listener);
  }

  get #newest(): Generation {
    const [newest] = this.#generations;
    if (newest === undefined) throw new ProtocolError('the server is closed');
    return newest;
  }

  /** Newest first. @throws {ProtocolError} for an unknown model. */
  #with(model: ModelName): readonly Generation[] {
    const found = this.#generations.filter(({ programs }) => programs.has(model));
    if (found.length === 0) throw new ProtocolError('no such model');
    return found;
  }

  /** The thread that has the program of a query. @throws {DecodeError} {@link ProtocolError} */
  #for(model: ModelName, query: Uint8Array): Generation {
    const { programId } = readQuery(query);
    const found = this.#with(model).find(({ programs }) => programs.get(model) === programId);
    if (found === undefined) throw new ProtocolError('the query was made for another program');
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#replacing;
    for (const timer of this.#timers) clearTimeout(timer);
    const generations = this.#generations.splice(0);
    await Promise.all(generations.map((generation) => this.#end(generation)));
    this.#shelf[Symbol.dispose]();
  }
}

printOnOneLine(LiveModels);
arg.guard('LiveModels', LiveModels, { start: { models: arg.list, options: arg.options } });
arg.guard('LiveModels', LiveModels.prototype, {
  replace: { models: arg.list },
  serves: { model: arg.text },
  keyModel: { model: arg.text },
  enrolmentBytes: { model: arg.text },
  queryBytes: { model: arg.text },
  predictedMs: { model: arg.text, block: arg.number },
  querySamples: { model: arg.text, query: arg.bytes },
  enrol: { tenant: arg.text, model: arg.text, message: arg.bytes, principal: arg.optional(arg.text) },
  answer: {
    tenant: arg.text,
    model: arg.text,
    keyId: arg.text,
    query: arg.bytes,
    signal: arg.optional(arg.like('an AbortSignal', 'throwIfAborted', 'addEventListener')),
  },
  forget: { tenant: arg.text, model: arg.text, keyId: arg.text },
  onKeysLost: { listener: arg.callback },
});
