/** A worker as a process: the worker itself, and a port for probes and metrics. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AnyProgram } from '../../../compiler/exact/exact-program.ts';
import { UsageError } from '../../../base/errors.ts';
import { ServerMetrics } from '../../server/index.ts';
import { replySecretOf } from '../fleet-names.ts';
import { FleetWorker, type WorkerOptions } from './fleet-worker.ts';
import type { OpenFleet } from '../open-fleet.ts';
import { ProgramRunners, type StartRunner } from './program-runners.ts';

export interface WorkerServerOptions
  extends Omit<WorkerOptions, 'broker' | 'store' | 'catalogue' | 'runners' | 'isDeterministic' | 'metrics'> {
  readonly start: StartRunner;
  /** Memory for prepared keys. */
  readonly keyBytes: number;
  /** Health, readiness and metrics at this port; none without it, 0 for any free one. */
  readonly port?: number;
  readonly host?: string;
}

export interface WorkerServer {
  readonly worker: FleetWorker;
  readonly url: string | undefined;
  /** Takes nothing more, finishes what it has, ends. */
  close(): Promise<void>;
}

/** @throws {UsageError} when the port cannot be bound. */
export async function startWorker(fleet: OpenFleet, options: WorkerServerOptions): Promise<WorkerServer> {
  const { start, keyBytes, port, host = '127.0.0.1', ...rest } = options;
  const { broker, store, catalogue, secret } = fleet;
  const replySecret = replySecretOf(secret);
  const metrics = new ServerMetrics();
  const opened = (program: AnyProgram) => start(program, replySecret);
  const runners = new ProgramRunners(catalogue, store, opened, keyBytes, metrics);
  const parts = { broker, store, catalogue, runners, metrics };
  const worker = new FleetWorker({ ...parts, isDeterministic: true, ...rest });
  const end = async () => {
    await worker[Symbol.asyncDispose]();
    await runners[Symbol.asyncDispose]();
  };
  try {
    const page = port === undefined ? undefined : await listenProbes(worker, metrics, host, port);
    return {
      ...{ worker, url: page?.url },
      close: async () => {
        await end();
        await page?.close();
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}

async function listenProbes(worker: FleetWorker, metrics: ServerMetrics, host: string, port: number) {
  const numbers = ['jobs', 'failures', 'divergent', 'keys', 'keyBytes', 'keyLoads', 'keyHits'] as const;
  for (const name of numbers) {
    const label = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    metrics.gauge(`subrosa_worker_${label}`, HELP[name], () => worker.beat()[name]);
  }
  metrics.gauge('subrosa_ready', '1 when it takes work.', () => (worker.isReady ? 1 : 0));
  metrics.gauge('process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss());
  const pages: Readonly<Record<string, () => readonly [number, string]>> = {
    '/v1/health': () => [200, '{"status":"ok"}'],
    '/v1/ready': () => (worker.isReady ? [200, '{"status":"ready"}'] : [503, '{"status":"not ready"}']),
    '/metrics': () => [200, metrics.text()],
  };
  const server = createServer((request, response) => {
    const [status, text] = pages[request.url ?? '']?.() ?? [
      404,
      '/v1/health, /v1/ready and /metrics are here\n',
    ];
    response.writeHead(status, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
    response.end(text);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', ({ code }: NodeJS.ErrnoException) =>
      reject(new UsageError(`cannot listen on ${host}:${port} (${code}): choose another --health-port`)),
    );
    server.listen(port, host, resolve);
  });
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const HELP = {
  jobs: 'Jobs answered.',
  failures: 'Jobs that ended without a reply.',
  divergent: 'Queries whose replies differed between workers: find out why before anything else.',
  keys: 'Sets of keys prepared.',
  keyBytes: 'Memory of these, estimated.',
  keyLoads: 'Times that keys were fetched and prepared.',
  keyHits: 'Times that keys were there.',
} as const;
