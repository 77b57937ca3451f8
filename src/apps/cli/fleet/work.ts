/** `subrosa work`: one worker of a fleet. */
import { availableParallelism } from 'node:os';
import { openFleet } from '../../fleet/open-fleet.ts';
import { startWorker } from '../../fleet/worker/worker-server.ts';
import { installation } from '../installation.ts';
import type { EngineParts, RunningService } from '../parts.ts';
import { closeWhen, stopRequest } from '../speech/serve.ts';
import { paintFor, type Terminal } from '../terminal/terminal.ts';
import { type FleetFlags, fleetPlace } from './fleet-place.ts';

export interface WorkFlags extends FleetFlags {
  readonly keyMemory: number;
  readonly tries: number;
  readonly healthPort?: number;
  readonly healthHost: string;
  readonly json?: boolean;
  readonly whileStdinOpen?: boolean;
}

/** Works until SIGTERM or SIGINT, then finishes the job that it has. */
export async function work(flags: WorkFlags, terminal: Terminal, parts: EngineParts): Promise<void> {
  await using fleet = await openFleet(fleetPlace(flags), 'worker');
  const stopped = stopRequest(flags.whileStdinOpen === true);
  const kernel = await parts.openKernel((reason) => terminal.err(`${reason}\n`));
  const facts = {
    release: installation.version,
    kernel: `${kernel.name} ${kernel.isa}`.slice(0, 64),
    threads: Math.max(1, Math.min(kernel.threads, availableParallelism())),
  };
  kernel[Symbol.dispose]();
  const server = await startWorker(fleet, {
    start: (program, replySecret): Promise<RunningService> =>
      parts.startService([{ program }], { replySecret }),
    keyBytes: flags.keyMemory * 2 ** 20,
    ...{ facts, maxTries: flags.tries, host: flags.healthHost },
    ...(flags.healthPort !== undefined && { port: flags.healthPort }),
    note: (event, reason) => terminal.err(`${event}: ${reason}\n`),
  });
  await server.worker.keepUp();
  const { id } = server.worker;
  if (flags.json === true) {
    const ready = { ready: true, worker: id, url: server.url, ...facts, pid: process.pid };
    terminal.out(`${JSON.stringify(ready)}\n`);
  } else {
    const paint = paintFor(terminal.outIsTerminal, terminal.env);
    terminal.out(`${paint.green('ready')} worker ${paint.bold(id)}  ${paint.dim(facts.kernel)}\n`);
    if (server.url !== undefined) terminal.out(`${paint.dim('health')} ${server.url}\n`);
  }
  await closeWhen(stopped, server, flags.json === true, terminal);
}
