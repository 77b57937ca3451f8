/** Blocks of batches through a fleet: the query lies in the store, its job in a queue that workers look at when nobody waits. */
import { ProtocolError } from '../../../base/errors.ts';
import { readQuery } from '../../../protocols/inference/messages.ts';
import type { KeyId, ModelName, TenantId } from '../../../protocols/inference/names.ts';
import type { BlockQueue } from '../../server/service.ts';
import type { BlockState } from '../../transport/wire.ts';
import { type BlobStore, MOST_MESSAGE_BYTES, withBlobRetries } from '../blobs/blob-store.ts';
import type { FleetBroker } from '../broker/broker.ts';
import { outcomeOf } from '../broker/outcomes.ts';
import type { FleetCatalogue } from '../catalogue.ts';
import { blobs, type JobId, jobIdOf, subjects, type TenantTag } from '../fleet-names.ts';
import { JOB_VERSIONS, type Job, writeJob } from '../job-message.ts';

export class FleetBlocks implements BlockQueue {
  readonly #broker: FleetBroker;
  readonly #store: BlobStore;
  readonly #catalogue: FleetCatalogue;
  readonly #tagOf: (tenant: TenantId) => TenantTag;

  constructor(
    broker: FleetBroker,
    store: BlobStore,
    catalogue: FleetCatalogue,
    tagOf: (tenant: TenantId) => TenantTag,
  ) {
    this.#broker = broker;
    this.#store = store;
    this.#catalogue = catalogue;
    this.#tagOf = tagOf;
  }

  /** A block that is queued again is queued again: whether an earlier job of it is still there, nobody knows; workers look before they begin. */
  async queue(
    tenant: TenantId,
    model: ModelName,
    keyId: KeyId,
    query: Uint8Array,
  ): Promise<{ readonly job: string; readonly isNew: boolean } | null> {
    const programId = readQuery(query).programId;
    const program = this.#catalogue.models.get(model)?.accepted.get(programId);
    if (program === undefined) throw new ProtocolError('the query was made for another program');
    const tag = this.#tagOf(tenant);
    const id = jobIdOf(tag, keyId, programId, query);
    const state = await this.state(tenant, id);
    if (state === 'done' || state === 'failed') return { job: id, isNew: false };
    const isNew = await withBlobRetries(() => this.#store.putOnce(blobs.blockQuery(tag, id), query));
    const job: Job = {
      ...{ v: Math.max(...JOB_VERSIONS), id, tenant: tag, keyId, keysId: program.keysId, programId, model },
      ...{ bytes: query.length, isInline: false, sentAt: Date.now() },
    };
    const published = await this.#broker.publish(subjects.block(tag), id, writeJob({ job, query: null }));
    if (published === 'full' || published === 'tenant-full') return null;
    this.#broker.signal(subjects.wake('blocks'));
    return { job: id, isNew };
  }

  async state(tenant: TenantId, job: string): Promise<BlockState | null> {
    const [tag, id] = [this.#tagOf(tenant), job as JobId];
    if (await withBlobRetries(() => this.#store.has(blobs.blockReply(tag, id)))) return 'done';
    if ((await outcomeOf(this.#broker, id, 'blocks')) !== null) return 'failed';
    return (await withBlobRetries(() => this.#store.has(blobs.blockQuery(tag, id)))) ? 'waiting' : null;
  }

  reply(tenant: TenantId, job: string): Promise<Uint8Array | null> {
    const name = blobs.blockReply(this.#tagOf(tenant), job as JobId);
    return withBlobRetries(() => this.#store.get(name, MOST_MESSAGE_BYTES));
  }
}
