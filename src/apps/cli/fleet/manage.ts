/** `subrosa fleet secret|publish|rollback|withdraw`. */
import { openFleet } from '../../fleet/open-fleet.ts';
import { writeFleetSecret } from '../../fleet/fleet-secret.ts';
import type { EngineParts } from '../parts.ts';
import { modelsNamed } from '../speech/serve.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { type FleetFlags, fleetPlace } from './fleet-place.ts';
import { programOf } from './fleet-programs.ts';

export function makeSecret(file: string, terminal: Terminal): void {
  writeFleetSecret(file);
  terminal.out(`${file} holds a new secret: copy it to every machine of the fleet, mode 0600\n`);
}

export async function publishPrograms(
  names: readonly string[],
  flags: FleetFlags & { readonly models: string; readonly network?: string; readonly grace: number },
  terminal: Terminal,
  parts: EngineParts,
): Promise<void> {
  await using fleet = await openFleet(fleetPlace(flags), 'publish');
  for (const model of await modelsNamed(names, flags, parts)) {
    const program = programOf(model);
    const id = await fleet.catalogue.publish(program, flags.grace * 1000);
    terminal.out(`${program.name} is ${id}\n`);
  }
}

export async function rollBackProgram(
  name: string,
  flags: FleetFlags & { readonly to?: string; readonly grace: number },
  terminal: Terminal,
): Promise<void> {
  await using fleet = await openFleet(fleetPlace(flags), 'rollback');
  const id = await fleet.catalogue.rollBack(name, flags.grace * 1000, flags.to);
  terminal.out(`${name} is ${id} again\n`);
}

export async function withdrawProgram(name: string, flags: FleetFlags, terminal: Terminal): Promise<void> {
  await using fleet = await openFleet(fleetPlace(flags), 'withdraw');
  await fleet.catalogue.withdraw(name);
  terminal.out(`${name} is offered no longer\n`);
}
