/** `subrosa fleet demo`: a whole fleet on this machine, each part a process as it would be on machines of its own. */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeFleetSecret } from '../../fleet/fleet-secret.ts';
import { LocalBroker } from '../../fleet/broker/local-broker.ts';
import { openFleet } from '../../fleet/open-fleet.ts';
import { LiveWorkers } from '../../fleet/worker/worker-beat.ts';
import { CommandProcess, type ServerReady } from '../server-process.ts';
import { stopRequest } from '../speech/serve.ts';
import { plural } from '../terminal/table.ts';
import { paintFor, type Terminal } from '../terminal/terminal.ts';
import { watchFleet } from './status.ts';

export interface FleetDemoFlags {
  readonly workers: number;
  readonly threads: number;
  readonly port: number;
  readonly natsServer?: string;
  readonly folder?: string;
  readonly whileStdinOpen?: boolean;
}

interface WorkerReady {
  readonly worker: string;
  readonly pid: number;
}

/** Runs until it is interrupted; a worker that ends is started again, as a supervisor would. */
export async function fleetDemo(
  names: readonly string[],
  flags: FleetDemoFlags,
  terminal: Terminal,
): Promise<void> {
  const folder = flags.folder ?? mkdtempSync(join(tmpdir(), 'subrosa-fleet-'));
  const stopped = stopRequest(flags.whileStdinOpen === true);
  try {
    await using nats = await LocalBroker.start(makeFolder(join(folder, 'broker')), flags.natsServer);
    const secret = join(folder, 'fleet-secret');
    if (!existsSync(secret)) writeFleetSecret(secret);
    const place = { fleet: nats.url, blobs: `file:${join(folder, 'blobs')}`, fleetSecret: secret };
    const common = ['--fleet', place.fleet, '--blobs', place.blobs, '--fleet-secret', secret];
    const note = (line: string) => void terminal.err(`${line}\n`);
    await using gateway = await CommandProcess.start<ServerReady>(['serve', ...names, ...common], note, {
      port: ['--port', String(flags.port)],
    });
    await using _workers = await startWorkers(flags, ['work', ...common], note);
    await using fleet = await openFleet(place, 'status');
    using workers = new LiveWorkers(fleet.broker);
    const paint = paintFor(terminal.outIsTerminal, terminal.env);
    const { url, models } = gateway.ready;
    const lines = `${paint.green('ready')} ${paint.bold(url)}  ${models.join(', ')}\n${paint.dim(
      `broker ${nats.url}, blobs and queues in ${folder}, ${plural(flags.workers, 'worker')}; ask it with: subrosa transcribe --server ${url} FILE`,
    )}\n\n`;
    if (!terminal.outIsTerminal) terminal.out(lines);
    await watchFleet(fleet.broker, workers, stopped, terminal, lines, terminal.outIsTerminal ? 500 : 2000);
  } finally {
    if (flags.folder === undefined) rmSync(folder, { recursive: true, force: true });
  }
}

function makeFolder(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return path;
}

async function startWorkers(
  { workers, threads }: FleetDemoFlags,
  command: readonly string[],
  note: (line: string) => void,
): Promise<AsyncDisposable> {
  const running = new Set<CommandProcess<WorkerReady>>();
  let isOver = false;
  const env = { ...process.env, SUBROSA_THREADS: String(threads) };
  const start = async (): Promise<void> => {
    const worker = await CommandProcess.start<WorkerReady>(command, note, { port: [], env });
    running.add(worker);
    void keepAlive(worker);
  };
  const keepAlive = async (worker: CommandProcess<WorkerReady>): Promise<void> => {
    await worker.ended();
    running.delete(worker);
    if (isOver) return;
    try {
      await start();
    } catch (error) {
      note(`a worker could not be started again: ${(error as Error).message}`);
    }
  };
  await Promise.all(Array.from({ length: workers }, start));
  return {
    async [Symbol.asyncDispose]() {
      isOver = true;
      await Promise.all([...running].map((worker) => worker[Symbol.asyncDispose]()));
    },
  };
}
