/** `subrosa serve --fleet`: a gateway. It evaluates nothing, and offers what the fleet's catalogue says. */
import { UsageError } from '../../../base/errors.ts';
import { startGateway } from '../../fleet/gateway/gateway.ts';
import { ServerLog } from '../../server/index.ts';
import { openFleet } from '../../fleet/open-fleet.ts';
import type { EngineParts } from '../parts.ts';
import {
  closeWhen,
  listenOptions,
  modelsNamed,
  sayReady,
  type ServeFlags,
  stopRequest,
} from '../speech/serve.ts';
import { withSpinner } from '../terminal/spinner.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { fleetPlace } from './fleet-place.ts';
import { programOf } from './fleet-programs.ts';

/** Puts the named models into the catalogue, then serves until SIGTERM or SIGINT and lets running requests finish. */
export async function serveFleet(
  names: readonly string[],
  flags: ServeFlags,
  terminal: Terminal,
  parts: EngineParts,
): Promise<void> {
  if (flags.budgetFile !== undefined)
    throw new UsageError('a fleet keeps the query budget in its broker: leave --budget-file out');
  const log = new ServerLog(flags.logLevel);
  const options = listenOptions(flags, log);
  await using fleet = await openFleet(fleetPlace(flags), 'gateway');
  const models = await withSpinner(terminal, `compiling ${names.join(', ')}`, () =>
    modelsNamed(names, flags, parts),
  );
  const stopped = stopRequest(flags.whileStdinOpen === true);
  const server = await startGateway(fleet, {
    ...options,
    publish: models.map(programOf),
    graceMs: flags.grace * 1000,
    maxWaitMs: flags.maxPendingSeconds * 1000,
    note: (event, reason) => log.warn(event, { reason }),
  });
  const offered = server.service.offers().map((offer) => offer.model);
  sayReady(server, offered, { name: 'fleet', isa: fleet.broker.place, threads: 0 }, flags, terminal);
  await closeWhen(stopped, server, flags.json === true, terminal);
}
