/** A broker, a folder of blobs, a gateway and workers in this process, on a small network. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compile } from '../../../src/compiler/compile.ts';
import type { Offer } from '../../../src/compiler/offer.ts';
import type { Program } from '../../../src/compiler/program.ts';
import type { BlobStore } from '../../../src/apps/fleet/blobs/blob-store.ts';
import { FleetBroker } from '../../../src/apps/fleet/broker/broker.ts';
import type { QueueRules } from '../../../src/apps/fleet/broker/broker-settings.ts';
import { FleetCatalogue } from '../../../src/apps/fleet/catalogue.ts';
import { FileBlobs } from '../../../src/apps/fleet/blobs/file-blobs.ts';
import { type JobId, jobIdOf, replySecretOf, subjects } from '../../../src/apps/fleet/fleet-names.ts';
import { writeJob } from '../../../src/apps/fleet/job-message.ts';
import type { KeyId, TenantId } from '../../../src/protocols/inference/names.ts';
import { FleetService } from '../../../src/apps/fleet/gateway/fleet-service.ts';
import { FleetWorker, type WorkerOptions } from '../../../src/apps/fleet/worker/fleet-worker.ts';
import { findBrokerProgram, LocalBroker } from '../../../src/apps/fleet/broker/local-broker.ts';
import { ProgramRunners, type StartRunner } from '../../../src/apps/fleet/worker/program-runners.ts';
import { InferenceServer } from '../../../src/apps/server/inference-server.ts';
import { randomNetwork } from '../../protocols/random-network.ts';

/** Continuous integration must have one. */
export const noBroker =
  findBrokerProgram() === undefined && process.env.CI !== 'true' ? 'there is no nats-server here' : false;

export const NETWORK = randomNetwork([5, 4, 3], 4, 5);
export const PROGRAM: Program = compile(NETWORK, { name: 'net' });
export const SECRET = new Uint8Array(32).fill(7);

export const startServer: StartRunner = (program, replySecret) =>
  InferenceServer.start([{ program }], { replySecret });

export class SmallFleet implements AsyncDisposable {
  readonly folder: string;
  readonly nats: LocalBroker;
  readonly store: BlobStore;
  readonly #rules: Partial<QueueRules>;
  readonly #ends: (() => Promise<unknown>)[] = [];

  private constructor(folder: string, nats: LocalBroker, store: BlobStore, rules: Partial<QueueRules>) {
    this.folder = folder;
    this.nats = nats;
    this.store = store;
    this.#rules = rules;
  }

  static async start(rules: Partial<QueueRules> = {}): Promise<SmallFleet> {
    const folder = mkdtempSync(join(tmpdir(), 'subrosa-fleet-'));
    const nats = await LocalBroker.start(join(folder, 'nats'));
    const store = await FileBlobs.open(join(folder, 'blobs'));
    return new SmallFleet(folder, nats, store, { ackWaitMs: 2000, ...rules });
  }

  async broker(name = 'test'): Promise<FleetBroker> {
    const broker = await FleetBroker.open({ url: this.nats.url, name, rules: this.#rules });
    this.#ends.push(() => broker[Symbol.asyncDispose]());
    return broker;
  }

  /** What a command that manages the fleet opens. */
  async place(): Promise<{ readonly broker: FleetBroker; readonly catalogue: FleetCatalogue }> {
    const broker = await this.broker('manage');
    return { broker, catalogue: new FleetCatalogue(broker, this.store) };
  }

  async gateway(programs: readonly Program[] = [PROGRAM]): Promise<FleetService> {
    const broker = await this.broker('gateway');
    const catalogue = new FleetCatalogue(broker, this.store);
    for (const program of programs) await catalogue.publish(program, 60_000);
    await catalogue.refresh();
    const service = new FleetService({ broker, catalogue, store: this.store, secret: SECRET });
    this.#ends.push(() => service[Symbol.asyncDispose]());
    return service;
  }

  async worker(
    options: Partial<WorkerOptions> & { readonly start?: StartRunner; readonly keyBytes?: number } = {},
  ): Promise<FleetWorker> {
    const { start = startServer, keyBytes = 2 ** 30 } = options;
    const { broker = await this.broker('worker'), store = this.store } = options;
    const { maxTries, isDeterministic, helpAfterMs, jobVersions, note } = options;
    const catalogue = new FleetCatalogue(broker, store);
    const replySecret = replySecretOf(SECRET);
    const runners = new ProgramRunners(catalogue, store, (each) => start(each, replySecret), keyBytes);
    const worker = new FleetWorker({
      ...{ broker, store, catalogue, runners },
      facts: { release: '0', kernel: 'test', threads: 1 },
      ...(maxTries !== undefined && { maxTries }),
      ...(isDeterministic !== undefined && { isDeterministic }),
      ...(helpAfterMs !== undefined && { helpAfterMs }),
      ...(jobVersions !== undefined && { jobVersions }),
      ...(note !== undefined && { note }),
    });
    this.#ends.push(async () => {
      await worker[Symbol.asyncDispose]();
      await runners[Symbol.asyncDispose]();
    });
    return worker;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end().catch(() => undefined);
    await this.nats[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

interface Asker {
  readonly tenant: TenantId;
  readonly keyId: KeyId;
  readonly offer: Offer;
}

/** Queues the job of a query once more, as when the first worker died between its reply and its acknowledgement. */
export async function queueAgain(
  broker: FleetBroker,
  gateway: FleetService,
  { tenant, keyId, offer: { programId } }: Asker,
  query: Uint8Array,
): Promise<JobId> {
  const tag = gateway.tagOf(tenant);
  const id = jobIdOf(tag, keyId, programId, query);
  const job = {
    ...{ v: 1, id, tenant: tag, keyId, programId, model: 'net' },
    ...{ keysId: '0'.repeat(32) as never, bytes: query.length, isInline: true, sentAt: 0 },
  };
  await broker.publish(subjects.job(tag), `${id} ${randomTenant()}`, writeJob({ job, query }));
  return id;
}

export function randomTenant(): string {
  return randomBytes(32).toString('hex');
}

/** Until it holds, or half a minute. */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  const until = performance.now() + 30_000;
  while (!(await holds())) {
    if (performance.now() > until) throw new Error('it did not come true in half a minute');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
