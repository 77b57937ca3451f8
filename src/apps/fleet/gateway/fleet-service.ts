/**
 * A gateway's half of a fleet: what the HTTP server asks of an inference service, answered by workers elsewhere. It keeps nothing that
 * another gateway could not find: keys, queries and replies are blobs, jobs are the broker's.
 */
import { createHash } from 'node:crypto';
import { type ErrorCode, LimitError, MissingKeyError, ProtocolError } from '../../../base/errors.ts';
import type { Offer } from '../../../compiler/offer.ts';
import { offeredQuerySamples } from '../../../protocols/inference/message-sizes.ts';
import { readEnrolment, readQuery } from '../../../protocols/inference/messages.ts';
import { type KeyId, keyId, type ModelName, type TenantId } from '../../../protocols/inference/names.ts';
import { EvaluationError } from '../../server/inference-server.ts';
import type { InferenceService, ServiceAnswer } from '../../server/index.ts';
import { NO_SPAN, type TraceSpan } from '../../server/tracing/tracing.ts';
import { type BlobStore, MOST_MESSAGE_BYTES, withBlobRetries } from '../blobs/blob-store.ts';
import { BrokerError, type FleetBroker } from '../broker/broker.ts';
import type { FleetCatalogue, FleetModel, FleetProgram } from '../catalogue.ts';
import {
  blobs,
  type JobId,
  jobIdOf,
  partitionOf,
  subjects,
  type TenantTag,
  tenantTag,
} from '../fleet-names.ts';
import {
  type Done,
  INLINE_BYTES,
  JOB_VERSIONS,
  type Job,
  readDone,
  TRACED_JOB_VERSION,
  writeJob,
} from '../job-message.ts';
import { outcomeOf, QUERY_FAULTS } from '../broker/outcomes.ts';
import { FleetBlocks } from './fleet-blocks.ts';
import { LiveWorkers } from '../worker/worker-beat.ts';

/** The queue of all, or that of one tenant, is full. */
export class QueueFullError extends ProtocolError {
  readonly isOfTenant: boolean;
  constructor(isOfTenant: boolean) {
    super(
      isOfTenant ? 'this tenant has as many jobs as it may' : 'there are as many jobs as the queue takes',
    );
    this.isOfTenant = isOfTenant;
  }
}

export interface FleetServiceOptions {
  readonly broker: FleetBroker;
  readonly store: BlobStore;
  readonly catalogue: FleetCatalogue;
  /** 32 bytes, the same in all processes of the fleet. */
  readonly secret: Uint8Array;
  /** How long a gateway waits for an answer. */
  readonly waitMs?: number;
}

export type FleetAnswer = ServiceAnswer;

const REFRESH_MS = 1000;
/** Signals get lost: so often the store is looked at instead. */
const LOOK_MS = 1000;
/** The broker keeps jobs for as long. */
const WAIT_MS = 600_000;
/** How long a job is offered to a broker that does not answer. */
const PUBLISH_MS = 15_000;

export class FleetService implements InferenceService, AsyncDisposable {
  readonly #options: FleetServiceOptions;
  readonly #broker: FleetBroker;
  readonly #store: BlobStore;
  readonly #catalogue: FleetCatalogue;
  readonly #timer: NodeJS.Timeout;
  readonly workers: LiveWorkers;
  readonly blocks: FleetBlocks;

  constructor(options: FleetServiceOptions) {
    this.#options = options;
    this.#broker = options.broker;
    this.#store = options.store;
    this.#catalogue = options.catalogue;
    this.workers = new LiveWorkers(options.broker);
    const { broker, store, catalogue } = options;
    this.blocks = new FleetBlocks(broker, store, catalogue, (tenant) => this.tagOf(tenant));
    // While the broker or the store is away, what was known stands.
    this.#timer = setInterval(() => void this.#catalogue.refresh().catch(() => undefined), REFRESH_MS);
  }

  offers(): readonly Offer[] {
    return [...this.#catalogue.models.values()].map(({ current }) => current.offer);
  }

  /** The broker answers, and for every program that is offered there is a worker that has it open. */
  isReady(): boolean {
    const open = new Set(this.workers.working().flatMap(({ programs }) => programs));
    const offered = this.offers();
    return (
      this.#broker.isConnected && offered.length > 0 && offered.every(({ programId }) => open.has(programId))
    );
  }

  enrolmentBytes(model: ModelName): number {
    return Math.max(...this.#programsOf(model).map((each) => each.enrolmentBytes));
  }

  queryBytes(model: ModelName): number {
    return Math.max(...this.#programsOf(model).map((each) => each.queryBytes));
  }

  querySamples(model: ModelName, query: Uint8Array): number {
    return offeredQuerySamples(this.#programOf(model, query).offer, query);
  }

  /** Keeps keys, whole and unread: a worker refuses those that do not fit when it prepares them. */
  async enrol(tenant: TenantId, model: ModelName, message: Uint8Array): Promise<KeyId> {
    const program = this.#programsOf(model).find((each) => each.enrolmentBytes === message.length);
    if (program === undefined)
      throw new LimitError('an enrolment', `${this.enrolmentBytes(model)} bytes`, `${message.length} bytes`);
    readEnrolment(message);
    const id = keyId(createHash('sha256').update(message).digest('hex').slice(0, 32));
    const blob = blobs.keys(this.tagOf(tenant), program.keysId, id);
    await withBlobRetries(() => this.#store.putOnce(blob, message));
    return id;
  }

  async holdsKeys(tenant: TenantId, model: ModelName, id: KeyId): Promise<boolean> {
    const tag = this.tagOf(tenant);
    for (const keysId of this.#keysIdsOf(model))
      if (await withBlobRetries(() => this.#store.has(blobs.keys(tag, keysId, id)))) return true;
    return false;
  }

  async removeKeys(tenant: TenantId, model: ModelName, id: KeyId): Promise<void> {
    const tag = this.tagOf(tenant);
    for (const keysId of this.#keysIdsOf(model))
      await withBlobRetries(() => this.#store.remove(blobs.keys(tag, keysId, id)));
  }

  forget(tenant: TenantId, model: ModelName, id: KeyId): void {
    this.removeKeys(tenant, model, id).catch(() => undefined);
  }

  /** Keys are not this process's to lose. */
  onKeysLost(): void {}

  tagOf(tenant: TenantId): TenantTag {
    return tenantTag(this.#options.secret, tenant);
  }

  /**
   * Has a query evaluated by a worker. The same query again, here or at another gateway, is the same job with the same reply.
   * @throws {QueueFullError} {@link MissingKeyError} {@link BrokerError} {@link BlobStoreError}, {@link EvaluationError} with the code of
   * what was wrong, and the signal's reason; the job then goes on, so that its reply is there when the client comes back
   */
  async answer(
    tenant: TenantId,
    model: ModelName,
    id: KeyId,
    query: Uint8Array,
    signal?: AbortSignal,
    span: TraceSpan = NO_SPAN,
  ): Promise<FleetAnswer> {
    const { offer, keysId } = this.#programOf(model, query);
    const tag = this.tagOf(tenant);
    const v = this.#jobVersion();
    const job: Job = {
      ...{ v, id: jobIdOf(tag, id, offer.programId, query), tenant: tag },
      ...{ keyId: id, keysId, programId: offer.programId, model },
      ...{ bytes: query.length, isInline: query.length <= INLINE_BYTES, sentAt: Date.now() },
      ...(v >= TRACED_JOB_VERSION && span.parent !== undefined && { trace: span.parent }),
    };
    const done = this.#waitFor(job.id, signal);
    try {
      await this.#queue(job, query, signal);
      return await done.answer();
    } finally {
      done.stop();
    }
  }

  /** The newest that all workers understand. */
  #jobVersion(): number {
    const workers = this.workers.working();
    const known = JOB_VERSIONS.filter((v) => workers.every(({ jobVersions }) => jobVersions.includes(v)));
    return Math.max(...(known.length > 0 ? known : JOB_VERSIONS));
  }

  /** A broker that is away for a moment gets the job again: it knows it by its id. */
  async #queue(job: Job, query: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    if (!job.isInline) await withBlobRetries(() => this.#store.putOnce(blobs.query(job.id), query));
    const message = writeJob({ job, query: job.isInline ? query : null });
    const until = performance.now() + PUBLISH_MS;
    for (;;) {
      try {
        const published = await this.#broker.publish(subjects.job(job.tenant), job.id, message);
        if (published === 'full' || published === 'tenant-full')
          throw new QueueFullError(published === 'tenant-full');
        if (published === 'queued') this.#broker.signal(subjects.wake(partitionOf(job.tenant)));
        return;
      } catch (error) {
        if (!(error instanceof BrokerError) || performance.now() > until) throw error;
      }
      signal?.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  /** Listens from before the job is queued, so that no signal comes too early; and looks into the store, too. */
  #waitFor(id: JobId, signal: AbortSignal | undefined) {
    let settle: (done: { readonly done: Done | null; readonly reply: Uint8Array | null }) => void;
    let fail: (reason: unknown) => void;
    const ended = new Promise<{ readonly done: Done | null; readonly reply: Uint8Array | null }>(
      (resolve, reject) => {
        [settle, fail] = [resolve, reject];
      },
    );
    ended.catch(() => undefined);
    const unlisten = this.#broker.listen(subjects.done(id), (message) => {
      try {
        settle(readDone(message));
      } catch {
        // Of a release that says it in another way: the store has it, too.
      }
    });
    const abort = () => fail(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted === true) abort();
    const look = async () => {
      try {
        const failure = await outcomeOf(this.#broker, id);
        if (failure !== null || (await this.#store.has(blobs.reply(id)))) settle({ done: null, reply: null });
      } catch {
        // Broker or store are away; the next look may find them.
      }
    };
    const looks = setInterval(() => void look(), LOOK_MS);
    const limit = setTimeout(
      () => fail(new BrokerError('gave no answer in time')),
      this.#options.waitMs ?? WAIT_MS,
    );
    return {
      answer: async (): Promise<FleetAnswer> => {
        void look();
        const { done, reply } = await ended;
        return await this.#replyOf(id, done, reply);
      },
      stop: () => {
        unlisten();
        clearInterval(looks);
        clearTimeout(limit);
        signal?.removeEventListener('abort', abort);
      },
    };
  }

  async #replyOf(id: JobId, done: Done | null, reply: Uint8Array | null): Promise<FleetAnswer> {
    const failure = done === null ? await outcomeOf(this.#broker, id) : done.failure;
    if (failure !== null) throw faultOf(failure);
    const bytes =
      reply ?? (await withBlobRetries(() => this.#store.get(blobs.reply(id), MOST_MESSAGE_BYTES)));
    if (bytes === null) throw new BrokerError('announced a reply that is not there');
    return { bytes, steps: done?.steps ?? [], peakBytes: done?.peakBytes ?? 0 };
  }

  #programsOf(model: ModelName): FleetProgram[] {
    return [...this.#modelOf(model).accepted.values()];
  }

  #keysIdsOf(model: ModelName): Set<FleetProgram['keysId']> {
    return new Set(this.#programsOf(model).map(({ keysId }) => keysId));
  }

  #modelOf(model: ModelName): FleetModel {
    const found = this.#catalogue.models.get(model);
    if (found === undefined) throw new ProtocolError('no such model');
    return found;
  }

  /** Of those that are answered under the name, the one that the query was made for. */
  #programOf(model: ModelName, query: Uint8Array): FleetProgram {
    const program = this.#modelOf(model).accepted.get(readQuery(query).programId);
    if (program === undefined) throw new ProtocolError('the query was made for another program');
    return program;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.workers[Symbol.dispose]();
  }
}

function faultOf(failure: string): Error {
  if (failure === 'missing-key') return new MissingKeyError('the keys of this client');
  const code = QUERY_FAULTS.has(failure) ? (failure as ErrorCode) : 'kernel';
  return new EvaluationError(code, `the job ended with ${failure}`);
}
