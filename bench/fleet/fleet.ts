/**
 * What a fleet costs on one machine, every part in a process of its own: broker, folder for blobs, gateway, workers of one thread.
 *
 *   overhead     milliseconds of a query that are not its evaluation, through a fleet and through `subrosa serve`, one after another
 *   idle         what processes take that have nothing to do
 *   throughput   two workers against two servers of one thread that share the same queries, in turn
 *   overload     far more clients than there is room for: how fast refusals come, what is left of the throughput, who starves
 *   clients      memory of a gateway under a thousand slow clients
 *   blocks       a batch while workers are killed: every block once
 *   simulate     what more machines would do, by a simulation that is held against two workers (`--simulate`)
 *
 * Speech has queries of megabytes, which go through the store; a picture's goes with its job, and its evaluation is short.
 */
import { openKernel } from '../../src/kernel/open.ts';
import { type Bench, type BenchRow, reportFor } from '../report.ts';
import { BLOCKS, blocks } from './blocks.ts';
import { idle, overhead, overload, throughput } from './load.ts';
import { BenchFleet, PICTURE, SPEECH } from './processes.ts';
import { simulated } from './simulate.ts';
import { slowClients } from './slow-clients.ts';

export const fleet: Bench = async ({ quick, part, samples, checkpoint }, note) => {
  using kernel = await openKernel();
  if (part === 'simulate') return simulated(kernel, { samples, quick, checkpoint }, note);
  const rows: BenchRow[] = [];
  const isAsked = (...names: string[]) => part === undefined || names.includes(part);
  if (isAsked('overhead', 'idle', 'throughput', 'overload')) {
    await using running = await BenchFleet.start({ workers: 2, servers: 2 }, note);
    if (isAsked('idle')) rows.push(await idle(running, quick ? 5 : 20, note));
    for (const model of [PICTURE, SPEECH]) {
      const queries = samples ?? (model === PICTURE ? 200 : 40);
      if (isAsked('overhead')) rows.push(...(await overhead(running, kernel, model, queries, note)));
    }
    for (const model of [SPEECH, PICTURE])
      if (isAsked('throughput'))
        rows.push(await throughput(running, kernel, model, samples ?? (model === PICTURE ? 300 : 30), note));
    for (const model of [SPEECH, PICTURE])
      if (isAsked('overload')) rows.push(await overload(running, kernel, model, quick ? 8 : 30, note));
  }
  if (isAsked('clients')) rows.push(await slowClients(kernel, quick ? 15 : 60, note));
  if (isAsked('blocks')) rows.push(await blocks(samples ?? (quick ? 30 : BLOCKS), note));
  return reportFor('fleet', { name: kernel.name, isa: kernel.isa, threads: 1 }, rows);
};
