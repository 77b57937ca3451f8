/**
 * What a fleet of other sizes would do: constants measured with two workers on this machine, a simulation that is fitted to one load of
 * theirs and held against others, and what it says of a thousand, a million and a thousand million utterances a day.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { KEY_MEMORY_FACTOR } from '../../src/apps/server/index.ts';
import { lineChart } from '../line-chart.ts';
import { type BenchOptions, type BenchReport, type BenchRow, reportFor } from '../report.ts';
import { BenchClient, BenchFleet, median, PICTURE, round, SPEECH, spentPer } from './processes.ts';
import { scale, scaleMarkdown } from './scale.ts';
import { type Constants, type SimulatedFleet, simulate } from './simulation.ts';
import { HELP_AFTER_MS } from '../../src/apps/fleet/worker/preference.ts';

type Note = (line: string) => void;

const ROUNDS = 5;
/** Runs of which the mean is taken. */
const SIMULATED = 100;

interface Load {
  readonly name: string;
  readonly clients: number;
  /** In multiples of an evaluation. */
  readonly pause: number;
}
/** The first is what the simulation is fitted to. */
const LOADS: readonly Load[] = [
  { name: '3 clients', clients: 3, pause: 0 },
  { name: '6 clients', clients: 6, pause: 0 },
  { name: '12 clients', clients: 12, pause: 0 },
  { name: '6 clients that pause', clients: 6, pause: 4 },
];

interface Measured {
  readonly perSecond: number[];
  readonly meanMs: number[];
  /** By round. */
  readonly evaluationMs: number[][];
}

type Options = Pick<BenchOptions, 'samples' | 'quick' | 'checkpoint'>;

export async function simulated(
  kernel: Kernel,
  { samples, quick, checkpoint }: Options,
  note: Note,
): Promise<BenchReport> {
  const { checks, constants } = await measured(kernel, { samples, quick, checkpoint }, note);
  const { rows, lines } = scale(constants, note);
  const machine = { name: kernel.name, isa: kernel.isa, threads: 1 };
  const report = reportFor('fleet', machine, [...checks, { part: 'constants', ...constants }, ...rows]);
  const panel = {
    title: 'one cell',
    axis: 'load, % of what the workers have time for',
    lines,
  };
  return {
    ...report,
    markdown: scaleMarkdown(report, constants, rows, checks),
    svg: lineChart([panel], 'ms, 95 of 100 answers'),
  };
}

interface Measurements {
  readonly checks: readonly BenchRow[];
  readonly constants: Constants;
}

/** Takes them, or what a run before left in the folder `checkpoint`. */
async function measured(
  kernel: Kernel,
  { samples, quick, checkpoint }: Options,
  note: Note,
): Promise<Measurements> {
  const file = checkpoint === undefined ? undefined : join(checkpoint, 'fleet-measurements.json');
  if (file !== undefined && existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Measurements;
  await using fleet = await BenchFleet.start({ workers: 2, servers: 0 }, note);
  const checks = await checked(fleet, kernel, samples ?? (quick ? 40 : 150), note);
  const constants = await measuredConstants(fleet, kernel, quick ? 4 : 12, note);
  if (file !== undefined) writeFileSync(file, `${JSON.stringify({ checks, constants })}\n`);
  return { checks, constants };
}

/** Loads of two workers, measured in turn, and what the simulation makes of them. */
async function checked(fleet: BenchFleet, kernel: Kernel, queries: number, note: Note): Promise<BenchRow[]> {
  const { url } = fleet.gateway;
  const clients: BenchClient[] = [];
  const most = Math.max(...LOADS.map((load) => load.clients));
  for (let i = 0; i < most; i++) clients.push(await new BenchClient(PICTURE).prepare(kernel, 2, [url]));
  for (const client of clients) for (let i = 0; i < 3; i++) await client.answered(url);
  const rest: number[] = [];
  const aloneMs: number[] = [];
  const loads = LOADS.map((): Measured => ({ perSecond: [], meanMs: [], evaluationMs: [] }));
  for (let turn = 0; turn < ROUNDS; turn++) {
    note(`two workers under ${LOADS.length} loads, round ${turn + 1} of ${ROUNDS}`);
    const alone: number[] = [];
    for (let i = 0; i < queries / 5; i++) {
      const { totalMs, evaluateMs } = await clients[0]!.answered(url);
      rest.push(totalMs - evaluateMs);
      alone.push(evaluateMs);
    }
    aloneMs.push(median(alone));
    for (const [i, load] of LOADS.entries()) {
      const one = await ran(clients.slice(0, load.clients), url, queries, load.pause * median(alone));
      loads[i]!.perSecond.push(one.perSecond);
      loads[i]!.meanMs.push(one.meanMs);
      loads[i]!.evaluationMs.push(one.evaluationMs);
    }
  }
  const partitions = clients.map((client) => fleet.partitionOf(client));
  const restMs = mean(rest);
  /** From the evaluation times of a round of the load itself: how long a client waits, and the rate, are what is told. */
  const predict = (busyMs: number, i: number, turn: number) => {
    const { clients: count, pause } = LOADS[i]!;
    const like: SimulatedFleet = {
      workers: fleet.workers.map(({ worker }) => worker),
      evaluationMs: loads[i]!.evaluationMs[turn]!,
      ...{ busyMs, wayMs: Math.max(0, restMs - busyMs), keyLoadMs: 0, keySets: 1000 },
      helpAfterMs: HELP_AFTER_MS,
    };
    const own = partitions.slice(0, count);
    const load = { kind: 'closed', partitions: own, pauseMs: pause * aloneMs[turn]!, queries } as const;
    const runs = Array.from({ length: SIMULATED }, (_, seed) => simulate(like, load, queries, seed));
    return {
      perSecond: mean(runs.map((run) => run.perSecond)),
      meanMs: mean(runs.map((run) => run.meanMs)),
    };
  };
  const turns = Array.from({ length: ROUNDS }, (_, turn) => turn);
  const busyMs = median(
    turns.map((turn) =>
      fitted((value) => predict(value, 0, turn).perSecond, loads[0]!.perSecond[turn]!, 4 * restMs),
    ),
  );
  return LOADS.map((load, i) => {
    const { perSecond, meanMs } = loads[i]!;
    const told = turns.map((turn) => predict(busyMs, i, turn));
    return {
      ...{ part: i === 0 ? 'fitted' : 'checked', load: load.name },
      perSecond: round(median(perSecond), 2),
      simulatedPerSecond: round(median(told.map((each) => each.perSecond)), 2),
      perSecondRatio: round(median(told.map((each, turn) => each.perSecond / perSecond[turn]!)), 3),
      meanMs: round(median(meanMs)),
      simulatedMeanMs: round(median(told.map((each) => each.meanMs))),
      meanRatio: round(median(told.map((each, turn) => each.meanMs / meanMs[turn]!)), 3),
      ...{ busyMs: round(busyMs, 2), restMs: round(restMs, 2) },
    };
  });
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

async function ran(clients: readonly BenchClient[], url: string, queries: number, pauseMs: number) {
  let left = queries;
  const times: number[] = [];
  const evaluationMs: number[] = [];
  const started = performance.now();
  const ask = async (client: BenchClient) => {
    while (left-- > 0) {
      const { totalMs, evaluateMs } = await client.answered(url);
      times.push(totalMs);
      evaluationMs.push(evaluateMs);
      if (pauseMs > 0)
        await new Promise((resolve) => setTimeout(resolve, -pauseMs * Math.log(1 - Math.random())));
    }
  };
  await Promise.all(clients.map(ask));
  const perSecond = (1000 * queries) / (performance.now() - started);
  return { perSecond, meanMs: mean(times), evaluationMs };
}

/** The share of what is not evaluation that keeps a worker busy, so that the simulation has the measured rate; milliseconds. */
function fitted(rateOf: (busyMs: number) => number, rate: number, mostMs: number): number {
  let [low, high] = [0, mostMs];
  for (let i = 0; i < 20; i++) {
    const middle = (low + high) / 2;
    if (rateOf(middle) > rate) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Frames of four seconds. */
const FRAMES = 400;

async function measuredConstants(
  fleet: BenchFleet,
  kernel: Kernel,
  queries: number,
  note: Note,
): Promise<Constants> {
  note('constants of an utterance');
  const { url } = fleet.gateway;
  const first: number[] = [];
  const clients: BenchClient[] = [];
  for (let i = 0; i < 4; i++) {
    const client = await new BenchClient(SPEECH).prepare(kernel, 2, [url], FRAMES);
    const before = fleet.spent();
    await client.answered(url);
    first.push(spentPer(before, fleet.spent(), 1).workers);
    clients.push(client);
  }
  const [client] = clients as [BenchClient];
  const [atRest, seconds] = [fleet.spent(), 10];
  await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  const idle = spentPer(atRest, fleet.spent(), seconds);
  let replyBytes = 0;
  const evaluated: number[] = [];
  const before = fleet.spent();
  const startedAt = performance.now();
  for (let i = 0; i < queries; i++) {
    const answer = await client.answered(url);
    replyBytes = answer.replyBytes;
    evaluated.push(answer.evaluateMs);
  }
  const per = spentPer(before, fleet.spent(), queries);
  // What processes take that have nothing to do is no cost of a query.
  const secondsPerQuery = (performance.now() - startedAt) / 1000 / queries;
  const ofQuery = (name: 'workers' | 'gateway' | 'broker') =>
    round(Math.max(0, per[name] - secondsPerQuery * idle[name]));
  return {
    ...{ samples: FRAMES, evaluationMs: round(median(evaluated)) },
    ...{ workerMs: ofQuery('workers'), gatewayMs: ofQuery('gateway'), brokerMs: ofQuery('broker') },
    ...{ idleWorkerMsPerSecond: round(idle.workers / 2), idleGatewayMsPerSecond: round(idle.gateway) },
    idleBrokerMsPerSecond: round(idle.broker),
    // The first one has more to do than fetching keys, so this is an upper bound.
    keyLoadMs: round(Math.max(0, median(first) - per.workers)),
    ...{ queryBytes: client.queryBytes, replyBytes, keyBytes: client.keyBytes },
    keyMemoryBytes: KEY_MEMORY_FACTOR * client.keyBytes,
  };
}
