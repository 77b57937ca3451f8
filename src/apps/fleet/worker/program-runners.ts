/** The programs that a worker has open, each in an evaluation thread of its own, with the keys that are prepared for it. */
import { MissingKeyError } from '../../../base/errors.ts';
import { sha256Digest } from '../../../base/sha256.ts';
import type { AnyProgram } from '../../../compiler/exact/exact-program.ts';
import { bytesToHex } from '@noble/hashes/utils.js';
import { modelName, tenantId } from '../../../protocols/inference/names.ts';
import { type InferenceService, KEY_MEMORY_FACTOR, type ServerMetrics } from '../../server/index.ts';
import { observeSteps } from '../../server/model-routes.ts';
import { during, NO_SPAN, type TraceSpan } from '../../server/tracing/tracing.ts';
import { type BlobStore, withBlobRetries } from '../blobs/blob-store.ts';
import type { FleetCatalogue, FleetProgram } from '../catalogue.ts';
import { blobs } from '../fleet-names.ts';
import type { Job } from '../job-message.ts';
import { PreparedKeys } from './prepared-keys.ts';

/** What evaluates one program: an inference server, or what stands in for it in tests. */
export type ProgramRunner = Pick<InferenceService, 'enrol' | 'answer' | 'forget' | 'onKeysLost'> &
  AsyncDisposable;
/** `replySecret` is what replies are derived from, the same at every worker: two of them answer a query alike. */
export type StartRunner = (program: AnyProgram, replySecret: Uint8Array) => Promise<ProgramRunner>;

export type Answer = Awaited<ReturnType<ProgramRunner['answer']>>;

interface OpenProgram {
  readonly facts: FleetProgram;
  readonly runner: ProgramRunner;
  /** Jobs that it evaluates now. */
  users: number;
  /** When the last of them ended. */
  usedAt: number;
}

export class ProgramRunners implements AsyncDisposable {
  readonly #catalogue: FleetCatalogue;
  readonly #store: BlobStore;
  readonly #start: (program: AnyProgram) => Promise<ProgramRunner>;
  readonly #open = new Map<string, Promise<OpenProgram>>();
  readonly #ready = new Map<string, OpenProgram>();
  readonly #prepared: PreparedKeys;
  readonly #metrics: ServerMetrics | undefined;
  keyLoads = 0;
  keyHits = 0;

  constructor(
    catalogue: FleetCatalogue,
    store: BlobStore,
    start: (program: AnyProgram) => Promise<ProgramRunner>,
    keyCapacityBytes: number,
    metrics?: ServerMetrics,
  ) {
    this.#catalogue = catalogue;
    this.#store = store;
    this.#start = start;
    this.#metrics = metrics;
    this.#prepared = new PreparedKeys(keyCapacityBytes, (name) => this.#forget(name));
  }

  get programIds(): string[] {
    return [...this.#ready.keys()];
  }

  get keys(): number {
    return this.#prepared.size;
  }

  get keyBytes(): number {
    return this.#prepared.bytes;
  }

  /** Opens a program, once. @throws what reading and starting it throws */
  open(programId: string): Promise<OpenProgram> {
    const known = this.#open.get(programId);
    if (known !== undefined) return known;
    const opening = this.#openNow(programId);
    this.#open.set(programId, opening);
    // The next job tries again.
    opening.catch(() => this.#open.delete(programId));
    return opening;
  }

  async #openNow(programId: string): Promise<OpenProgram> {
    const facts = await this.#catalogue.program(programId);
    const runner = await this.#start(facts.program);
    runner.onKeysLost(() => this.#prepared.lose((name) => name.startsWith(`${programId} `)));
    const open = { facts, runner, users: 0, usedAt: performance.now() };
    this.#ready.set(programId, open);
    return open;
  }

  /**
   * Evaluates the query of a job with the keys that it names, which are fetched and prepared when they are not.
   * @throws {MissingKeyError} when the store has no such keys, or has changed them, {@link BlobStoreError}, and what the evaluation throws
   */
  async answer(job: Job, query: Uint8Array, span: TraceSpan = NO_SPAN): Promise<Answer> {
    const open = await this.open(job.programId);
    const [tenant, model] = [tenantId(job.tenant), modelName(open.facts.offer.model)];
    open.users++;
    try {
      await this.#prepare(job, open, span);
      const startedAt = performance.now();
      const answer = await open.runner.answer(tenant, model, job.keyId, query);
      const ms = performance.now() - startedAt;
      span.past('subrosa.evaluation', ms, ms).steps(answer.spans);
      this.#metrics?.observe('subrosa_evaluation_seconds', { model }, ms / 1000);
      if (this.#metrics !== undefined) observeSteps(this.#metrics, answer.spans ?? []);
      return answer;
    } finally {
      open.users--;
      open.usedAt = performance.now();
    }
  }

  /** @throws as {@link answer} */
  async #prepare(job: Job, open: OpenProgram, around: TraceSpan): Promise<void> {
    const span = around.child('subrosa.keys');
    const startedAt = performance.now();
    await during(span, async () => {
      const isReady = await this.#load(job, open);
      span.set({ 'subrosa.keys_ready': isReady });
      const seconds = (performance.now() - startedAt) / 1000;
      if (!isReady) this.#metrics?.observe('subrosa_key_load_seconds', {}, seconds);
    });
  }

  /** Whether they were ready. @throws as {@link answer} */
  async #load({ programId, tenant, keyId }: Job, { facts, runner }: OpenProgram): Promise<boolean> {
    const name = `${programId} ${tenant} ${keyId}`;
    if (this.#prepared.use(name)) {
      this.keyHits++;
      return true;
    }
    const blob = blobs.keys(tenant, facts.keysId, keyId);
    const message = await withBlobRetries(() => this.#store.get(blob, facts.enrolmentBytes));
    if (message === null) throw new MissingKeyError('the keys of this client');
    // The id is a hash of the keys: a store that has changed them is found out before they are used, and the client enrols again.
    if (bytesToHex(sha256Digest(message)).slice(0, keyId.length) !== keyId) {
      await withBlobRetries(() => this.#store.remove(blob));
      throw new MissingKeyError('the keys of this client as they were enrolled');
    }
    const bytes = KEY_MEMORY_FACTOR * message.length;
    this.#prepared.makeRoom(bytes);
    await runner.enrol(tenantId(tenant), modelName(facts.offer.model), message);
    this.#prepared.add(name, bytes);
    this.keyLoads++;
    return false;
  }

  #forget(name: string): void {
    const [programId = '', tenant = '', keyId = ''] = name.split(' ');
    const open = this.#ready.get(programId);
    open?.runner.forget(tenantId(tenant), modelName(open.facts.offer.model), keyId as Job['keyId']);
  }

  /** Closes programs that are not in `wanted`, are not in use and were not for `idleMs`. */
  async closeOthers(wanted: ReadonlySet<string>, idleMs: number): Promise<void> {
    const before = performance.now() - idleMs;
    for (const [programId, open] of this.#ready) {
      const isIdle = open.users === 0 && open.usedAt < before;
      if (!wanted.has(programId) && isIdle) await this.#close(programId, open);
    }
  }

  async #close(programId: string, open: OpenProgram): Promise<void> {
    this.#ready.delete(programId);
    this.#open.delete(programId);
    this.#prepared.lose((name) => name.startsWith(`${programId} `));
    await open.runner[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#open.values());
    for (const [programId, open] of this.#ready) await this.#close(programId, open);
  }
}
