/** What a fleet is doing at a moment, for people and for programs that scale it. */
import type { FleetBroker } from './broker/broker.ts';
import { catalogueEntries } from './catalogue.ts';
import { type LiveWorkers, meanJobMs, type WorkerBeat } from './worker/worker-beat.ts';

export interface FleetState {
  readonly broker: string;
  /** Jobs of clients that wait or run, blocks of batches, and how many tenants they are of. */
  readonly jobs: number;
  readonly blocks: number;
  readonly tenants: number;
  /** Predicted milliseconds of work in the queue over the workers that take jobs; null while no job was timed. */
  readonly waitingMsPerWorker: number | null;
  readonly workers: readonly WorkerBeat[];
  readonly models: readonly {
    readonly name: string;
    readonly current: string;
    readonly accepted: number;
    /** Workers that have it open. */
    readonly open: number;
  }[];
}

/** @throws {BrokerError} {@link DecodeError} */
export async function fleetState(
  broker: FleetBroker,
  workers: LiveWorkers,
  now = Date.now(),
): Promise<FleetState> {
  const [jobs, blocks, entries] = await Promise.all([
    broker.queueState('jobs'),
    broker.queueState('blocks'),
    catalogueEntries(broker),
  ]);
  const all = workers.all();
  const models = [...entries].map(([name, { current, accepted }]) => ({
    ...{ name, current, accepted: accepted.filter(({ until }) => until > now).length },
    open: all.filter(({ programs }) => programs.includes(current)).length,
  }));
  const jobMs = meanJobMs(all);
  const active = Math.max(1, workers.working().length);
  return {
    broker: broker.place,
    jobs: jobs.messages,
    blocks: blocks.messages,
    tenants: Object.keys(jobs.bySubject).length,
    waitingMsPerWorker: jobMs === null ? null : Math.round((jobs.messages * jobMs) / active),
    workers: all,
    models,
  };
}
