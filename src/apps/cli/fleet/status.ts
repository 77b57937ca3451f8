/** `subrosa fleet status`: queues, workers and programs, once or as they change. */
import type { FleetBroker } from '../../fleet/broker/broker.ts';
import { fleetState } from '../../fleet/fleet-state.ts';
import { openFleet } from '../../fleet/open-fleet.ts';
import { LiveWorkers } from '../../fleet/worker/worker-beat.ts';
import { SERVE_DEFAULTS, stopRequest } from '../speech/serve.ts';
import { paintFor, type Terminal } from '../terminal/terminal.ts';
import { type FleetFlags, fleetPlace } from './fleet-place.ts';
import { fleetPicture, QueueHistory } from './fleet-picture.ts';

/** Workers say what they do every second. */
const LISTEN_MS = 1300;
const REDRAW_MS = 500;
const HOME_AND_CLEAR = '\u001b[H\u001b[J';

export async function fleetStatus(
  flags: FleetFlags & { readonly watch?: boolean; readonly json?: boolean },
  terminal: Terminal,
): Promise<void> {
  await using fleet = await openFleet(fleetPlace(flags), 'status');
  using workers = new LiveWorkers(fleet.broker);
  await new Promise((resolve) => setTimeout(resolve, LISTEN_MS));
  if (flags.watch === true) return await watchFleet(fleet.broker, workers, stopRequest(false), terminal);
  const state = await fleetState(fleet.broker, workers);
  const paint = paintFor(terminal.outIsTerminal, terminal.env);
  const memory = SERVE_DEFAULTS.keyMemory * 2 ** 20;
  terminal.out(flags.json === true ? `${JSON.stringify(state)}\n` : fleetPicture(state, null, memory, paint));
}

/** Draws the state twice a second; where there is no terminal, one line of JSON instead. `lines` stand above the picture. */
export async function watchFleet(
  broker: FleetBroker,
  workers: LiveWorkers,
  stopped: Promise<string>,
  terminal: Terminal,
  lines = '',
  everyMs = REDRAW_MS,
): Promise<void> {
  const history = new QueueHistory();
  const paint = paintFor(terminal.outIsTerminal, terminal.env);
  const over = stopped.then(() => true);
  for (;;) {
    const state = await fleetState(broker, workers).catch(() => null);
    if (state === null) terminal.out(`${terminal.outIsTerminal ? HOME_AND_CLEAR : ''}the broker is away\n`);
    else if (terminal.outIsTerminal) {
      history.add(state.jobs);
      const picture = fleetPicture(state, history, SERVE_DEFAULTS.keyMemory * 2 ** 20, paint);
      terminal.out(`${HOME_AND_CLEAR}${lines}${picture}`);
    } else terminal.out(`${JSON.stringify(state)}\n`);
    const timer = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), everyMs).unref());
    if (await Promise.race([over, timer])) return;
  }
}
