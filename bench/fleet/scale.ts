/** Arithmetic for many machines, from constants of one utterance and simulated cells: cores, bytes and keys, and no money. */
import { PARTITIONS } from '../../src/apps/fleet/fleet-names.ts';
import type { ChartLine } from '../line-chart.ts';
import type { BenchReport, BenchRow } from '../report.ts';
import { round } from './processes.ts';
import { HELP_AFTER_MS } from '../../src/apps/fleet/worker/preference.ts';
import { type Constants, type SimulatedResult, simulate } from './simulation.ts';

const DAY_SECONDS = 86_400;
/** The busiest hour over the mean of the day. */
const PEAK = 3;
/** A client asks so often, a few seconds apart, and comes back another day. */
const [SESSION_QUERIES, SESSION_PAUSE_MS, QUERIES_PER_USER] = [5, 8000, 20];
const KEY_MEMORY_BYTES = 2 ** 31;
/** 95 of 100 answers come within so many evaluations. */
const PATIENCE = 2;
const CELL_WORKERS = [1, 4, PARTITIONS, 2 * PARTITIONS];
const SIMULATED = 6000;

function cell(constants: Constants, workers: number, perSecond: number): SimulatedResult {
  const load = { kind: 'open', perSecond, queries: SESSION_QUERIES, pauseMs: SESSION_PAUSE_MS } as const;
  const fleet = {
    workers: Array.from({ length: workers }, (_, i) => `worker ${i}`),
    // Of one thread on a core of its own.
    ...{ evaluationMs: [constants.workerMs], busyMs: 0, wayMs: constants.gatewayMs + constants.brokerMs },
    ...{ keyLoadMs: constants.keyLoadMs, helpAfterMs: HELP_AFTER_MS },
    keySets: Math.floor(KEY_MEMORY_BYTES / constants.keyMemoryBytes),
  };
  return simulate(fleet, load, SIMULATED, 7);
}

/** The most queries a second that a cell of so many workers answers in time, without a refusal. */
function capacity(constants: Constants, workers: number): number {
  const isInTime = (perSecond: number) => {
    const { p95Ms, refused } = cell(constants, workers, perSecond);
    return refused === 0 && p95Ms <= PATIENCE * constants.workerMs;
  };
  let [low, high] = [0, (1000 * workers) / constants.workerMs];
  for (let i = 0; i < 9; i++) {
    const middle = (low + high) / 2;
    if (isInTime(middle)) low = middle;
    else high = middle;
  }
  return low;
}

export function scale(
  constants: Constants,
  note: (line: string) => void,
): { readonly rows: BenchRow[]; readonly lines: ChartLine[] } {
  note('simulating cells');
  const capacities = CELL_WORKERS.map((workers) => ({ workers, perSecond: capacity(constants, workers) }));
  const cells: BenchRow[] = capacities.map(({ workers, perSecond }) => {
    const { busy, keyLoads, medianMs, p95Ms } = cell(constants, workers, perSecond);
    return {
      ...{ part: 'cell', workers, perSecond: round(perSecond, 2), busy: round(busy, 2) },
      ...{ keyLoadsPerQuery: round(keyLoads, 2), medianMs: round(medianMs, 0), p95Ms: round(p95Ms, 0) },
    };
  });
  const lines = CELL_WORKERS.map((workers): ChartLine => {
    const most = (1000 * workers) / constants.workerMs;
    const shares = [0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 0.95];
    const points = shares.map(
      (share) => [100 * share, cell(constants, workers, share * most).p95Ms] as const,
    );
    return { name: `${workers} ${workers === 1 ? 'worker' : 'workers'}`, points };
  });
  const whole = capacities.find(({ workers }) => workers === PARTITIONS)!;
  const rows = [1e3, 1e6, 1e9].map((perDay) => day(constants, capacities, whole.perSecond, perDay));
  return { rows: [...cells, ...rows], lines };
}

function day(
  constants: Constants,
  capacities: readonly { readonly workers: number; readonly perSecond: number }[],
  cellPerSecond: number,
  perDay: number,
): BenchRow {
  const peakPerSecond = (PEAK * perDay) / DAY_SECONDS;
  const cells = Math.ceil(peakPerSecond / cellPerSecond);
  // A fleet that fits into less than a cell has as many workers as it needs, and one more to lose.
  const small = capacities.find(({ perSecond }) => perSecond >= peakPerSecond);
  const workers = cells > 1 || small === undefined ? cells * PARTITIONS : small.workers + 1;
  const users = perDay / QUERIES_PER_USER;
  const { workerMs, gatewayMs, brokerMs, queryBytes, replyBytes, keyBytes, keyMemoryBytes, keyLoadMs } =
    constants;
  const coreHours = (ms: number) => (perDay * ms) / 3_600_000;
  const loads = perDay / SESSION_QUERIES;
  return {
    ...{ part: 'day', utterancesPerDay: perDay, peakPerSecond: round(peakPerSecond, 3) },
    ...{ cells, workerCores: workers },
    gatewayCores: Math.max(2, Math.ceil((2 * peakPerSecond * gatewayMs) / 1000)),
    brokerCores: cells,
    coreHoursPerDay: round(coreHours(workerMs + gatewayMs + brokerMs) + (loads * keyLoadMs) / 3_600_000, 1),
    upGB: round((perDay * queryBytes) / 1e9, 1),
    downGB: round((perDay * replyBytes) / 1e9, 1),
    peakUpGbitPerSecond: round((8 * peakPerSecond * queryBytes) / 1e9, 3),
    // Queries and replies for ten minutes at the peak.
    storeGB: round((600 * peakPerSecond * (queryBytes + replyBytes)) / 1e9, 1),
    storeWritesPerSecond: round(2 * peakPerSecond, 1),
    keysStoredGB: round((users * keyBytes) / 1e9, 1),
    // Of clients who are in a session at the peak.
    keysReadyGB: round((peakPerSecond * (SESSION_PAUSE_MS / 1000) * keyMemoryBytes) / 1e9, 1),
    brokerJobsPerSecondAndCell: round(peakPerSecond / cells, 1),
  };
}

/** The tables of docs/scale.md. */
export function scaleMarkdown(
  report: Pick<BenchReport, 'machine' | 'kernel'>,
  constants: Constants,
  rows: readonly BenchRow[],
  checks: readonly BenchRow[],
): string {
  const table = (all: readonly BenchRow[], columns: readonly (readonly [string, string])[]) => [
    `| ${columns.map(([title]) => title).join(' | ')} |`,
    `| ${columns.map(() => '---').join(' | ')} |`,
    ...all.map((row) => `| ${columns.map(([, name]) => shown(row[name])).join(' | ')} |`),
  ];
  const of = (part: string) => rows.filter((row) => row.part === part);
  const days = of('day');
  const lines = (names: readonly (readonly [string, string])[]) => [
    `| | ${days.map((row) => shown(row.utterancesPerDay)).join(' | ')} |`,
    `| --- | ${days.map(() => '---').join(' | ')} |`,
    ...names.map(([title, name]) => `| ${title} | ${days.map((row) => shown(row[name])).join(' | ')} |`),
  ];
  return [
    `Measured on ${report.machine}, ${report.kernel}, one thread, by \`npm run -s bench -- fleet --simulate --markdown\`.`,
    '',
    'The simulation against two workers; the first line is what it was fitted to:',
    '',
    ...table(checks, [
      ['load', 'load'],
      ['queries/s', 'perSecond'],
      ['simulated', 'simulatedPerSecond'],
      ['ratio', 'perSecondRatio'],
      ['mean answer, ms', 'meanMs'],
      ['simulated', 'simulatedMeanMs'],
      ['ratio', 'meanRatio'],
    ]),
    '',
    'An utterance of four seconds:',
    '',
    '| worker, ms | gateway, ms | broker, ms | loading keys, ms | query | reply | keys | keys ready |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    `| ${[constants.workerMs, constants.gatewayMs, constants.brokerMs, constants.keyLoadMs].map(shown).join(' | ')} | ${[
      ...[constants.queryBytes, constants.replyBytes, constants.keyBytes, constants.keyMemoryBytes],
    ]
      .map((bytes) => `${(bytes / 1e6).toFixed(2)} MB`)
      .join(' | ')} |`,
    '',
    'Cells, simulated:',
    '',
    ...table(of('cell'), [
      ['workers', 'workers'],
      ['utterances/s in time', 'perSecond'],
      ['workers busy', 'busy'],
      ['keys loaded per query', 'keyLoadsPerQuery'],
      ['median, ms', 'medianMs'],
      ['95 of 100 within, ms', 'p95Ms'],
    ]),
    '',
    'Utterances a day:',
    '',
    ...lines([
      ['at the peak, a second', 'peakPerSecond'],
      ['cells', 'cells'],
      ['cores of workers', 'workerCores'],
      ['cores of gateways', 'gatewayCores'],
      ['cores of brokers', 'brokerCores'],
      ['core-hours used', 'coreHoursPerDay'],
      ['up, GB', 'upGB'],
      ['down, GB', 'downGB'],
      ['up at the peak, Gbit/s', 'peakUpGbitPerSecond'],
      ['queries and replies in the store at the peak, GB', 'storeGB'],
      ['writes to the store at the peak, a second', 'storeWritesPerSecond'],
      ['keys in the store, GB', 'keysStoredGB'],
      ['keys ready in memory at the peak, GB', 'keysReadyGB'],
      ['jobs of a broker at the peak, a second', 'brokerJobsPerSecondAndCell'],
    ]),
  ].join('\n');
}

function shown(value: string | number | boolean | undefined): string {
  return typeof value === 'number'
    ? value.toLocaleString('en-US', { maximumFractionDigits: 3 })
    : String(value ?? '');
}
