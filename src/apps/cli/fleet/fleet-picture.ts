/** The state of a fleet as text. */
import type { FleetState } from '../../fleet/fleet-state.ts';
import { meanJobMs } from '../../fleet/worker/worker-beat.ts';
import { formatBar, formatBytes, formatMs, formatTable, plural } from '../terminal/table.ts';
import type { Paint } from '../terminal/terminal.ts';

const HISTORY = 60;
const HEIGHTS = '▁▂▃▄▅▆▇█';

/** The last numbers of jobs in the queue, as a line of bars. */
export class QueueHistory {
  readonly #counts: number[] = [];

  add(count: number): void {
    this.#counts.push(count);
    if (this.#counts.length > HISTORY) this.#counts.shift();
  }

  line(): string {
    const most = Math.max(1, ...this.#counts);
    return this.#counts
      .map((count) =>
        count === 0 ? ' ' : (HEIGHTS[Math.ceil((count / most) * HEIGHTS.length) - 1] as string),
      )
      .join('');
  }
}

/** What `keyBytes` of each worker is a share of. */
export function fleetPicture(
  state: FleetState,
  history: QueueHistory | null,
  keyMemory: number,
  paint: Paint,
): string {
  const { waitingMsPerWorker: waiting } = state;
  const work = waiting === null ? '' : `, ${formatMs(waiting)} ms of work per worker`;
  const lines = [
    `${paint.bold('queue')}    ${plural(state.jobs, 'job')} of ${plural(state.tenants, 'tenant')}${work}; ${plural(state.blocks, 'block')} of batches\n`,
  ];
  if (history !== null) lines.push(`  ${paint.cyan(history.line())}\n`);
  lines.push(`${paint.bold('programs')}\n`);
  const programs = state.models.map(({ name, current, accepted, open }) => [
    name,
    current.slice(0, 12),
    open === 0 ? paint.red('open at no worker') : `open at ${plural(open, 'worker')}`,
    accepted === 0 ? '' : `and ${plural(accepted, 'earlier program')} answered`,
  ]);
  lines.push(programs.length === 0 ? '  none\n' : formatTable(programs, [{}, {}, {}, {}]));
  lines.push(`${paint.bold('workers')}\n`);
  if (state.workers.length === 0) return `${lines.join('')}  ${paint.red('none')}\n`;
  const right = { align: 'right' } as const;
  const head = ['', 'state', 'kernel', 'jobs', 'failed', 'ms/job', 'keys', 'memory of keys', 'loads', 'hits'];
  const rows = state.workers.map((each) => {
    const ms = meanJobMs([each]);
    const colour = { working: paint.green, idle: paint.dim, draining: paint.yellow, gone: paint.red }[
      each.state
    ];
    return [
      each.worker.slice(0, 8),
      colour(each.state),
      `${each.kernel} x${each.threads}`,
      String(each.jobs),
      each.failures + each.divergent > 0 ? paint.red(String(each.failures)) : '0',
      ms === null ? '' : formatMs(ms),
      String(each.keys),
      `${formatBar(each.keyBytes / keyMemory, 8).padEnd(8, '·')} ${formatBytes(each.keyBytes)}`,
      String(each.keyLoads),
      String(each.keyHits),
    ];
  });
  const columns = [{}, {}, {}, right, right, right, right, {}, right, right];
  lines.push(formatTable([head.map((each) => paint.dim(each)), ...rows], columns));
  const divergent = state.workers.reduce((sum, each) => sum + each.divergent, 0);
  if (divergent > 0)
    lines.push(paint.red(`divergent replies: ${divergent}. Find out why before anything else.\n`));
  return lines.join('');
}
