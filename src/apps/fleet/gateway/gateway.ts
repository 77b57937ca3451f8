/** A gateway: the HTTP server of encrypted inference in front of a fleet. Any number of them serve the same clients. */
import type { AnyProgram } from '../../../compiler/exact/exact-program.ts';
import {
  DEFAULT_LIMITS,
  type ListenOptions,
  listen,
  type RunningServer,
  ServerMetrics,
} from '../../server/index.ts';
import { FleetService } from './fleet-service.ts';
import { gatewayMemory } from './gateway-memory.ts';
import type { OpenFleet } from '../open-fleet.ts';
import { sweep } from '../blobs/sweeper.ts';

export interface GatewayOptions extends ListenOptions {
  /** Offered from now on, in place of others of their names. */
  readonly publish?: readonly AnyProgram[];
  /** How long programs that were replaced are answered. */
  readonly graceMs?: number;
  /** Predicted waiting above which queries are refused. */
  readonly maxWaitMs?: number;
  readonly note?: (event: string, reason: string) => void;
}

export interface Gateway extends RunningServer {
  readonly service: FleetService;
}

const SWEEP_EVERY_MS = 60_000;
export const DEFAULT_GRACE_MS = 3_600_000;
export const DEFAULT_MAX_WAIT_MS = 30_000;

/** @throws {UsageError} when it cannot listen, {@link BrokerError} {@link BlobStoreError} */
export async function startGateway(fleet: OpenFleet, options: GatewayOptions = {}): Promise<Gateway> {
  const { broker, store, catalogue, secret } = fleet;
  const {
    publish = [],
    graceMs = DEFAULT_GRACE_MS,
    maxWaitMs = DEFAULT_MAX_WAIT_MS,
    note,
    ...listening
  } = options;
  for (const program of publish) await catalogue.publish(program, graceMs);
  await catalogue.refresh();
  const service = new FleetService({ broker, store, catalogue, secret });
  const limits = { ...DEFAULT_LIMITS, ...listening.limits };
  const memory = gatewayMemory({ broker, store, service, secret, limits, maxWaitMs });
  const metrics = listening.metrics ?? new ServerMetrics();
  metrics.gauge('subrosa_fleet_jobs', 'Jobs that wait or run, over all gateways.', () => memory.turns.queued);
  metrics.gauge(
    'subrosa_fleet_waiting_ms_per_worker',
    'Predicted work in the queue over the workers there are: what to scale by.',
    () => Math.round(memory.turns.waitingMsPerWorker),
  );
  metrics.gauge('subrosa_fleet_workers', 'Workers that take jobs.', () => service.workers.working().length);
  metrics.gauge(
    'subrosa_fleet_divergent_replies',
    'Queries whose replies differed, by what live workers say.',
    () => service.workers.all().reduce((sum, { divergent }) => sum + divergent, 0),
  );
  const watch = setInterval(() => void memory.turns.refresh(), 1000);
  const sweeper = setInterval(() => {
    sweep(store).catch((error: Error) => note?.('blobs not swept', error.message));
  }, SWEEP_EVERY_MS);
  const end = async () => {
    clearInterval(watch);
    clearInterval(sweeper);
    await service[Symbol.asyncDispose]();
  };
  try {
    const server = await listen(service, { ...listening, metrics, memory });
    return {
      ...server,
      service,
      close: async () => {
        await server.close();
        await end();
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}
