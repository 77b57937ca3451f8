/** Queries through a fleet against queries to servers alone, in turn: what a job costs, how many go through, what becomes of too many. */
import type { Kernel } from '../../src/kernel/kernel.ts';
import type { BenchRow } from '../report.ts';
import { BenchClient, type BenchFleet, median, quantile, round, spentPer } from './processes.ts';

type Note = (line: string) => void;

/** Milliseconds of a query that are not its evaluation, through a fleet and at one server, one after another. */
export async function overhead(
  fleet: BenchFleet,
  kernel: Kernel,
  model: string,
  queries: number,
  note: Note,
): Promise<BenchRow[]> {
  note(`overhead of a job: ${model}`);
  const [{ url: gateway }, { url: server }] = [fleet.gateway, fleet.servers[0]!];
  const client = await new BenchClient(model).prepare(kernel, 4, [gateway, server]);
  const rest: Record<'fleet' | 'server', number[]> = { fleet: [], server: [] };
  const evaluated: number[] = [];
  let before = fleet.spent();
  for (let i = -3; i < queries; i++) {
    if (i === 0) before = fleet.spent();
    for (const [name, url] of [
      ['fleet', gateway],
      ['server', server],
    ] as const) {
      const { totalMs, evaluateMs } = await client.answered(url);
      // The first ones fetch keys and warm everything.
      if (i < 0) continue;
      rest[name].push(totalMs - evaluateMs);
      evaluated.push(evaluateMs);
    }
  }
  const per = spentPer(before, fleet.spent(), queries);
  const [through, alone] = [median(rest.fleet), median(rest.server)];
  return [
    {
      ...{ part: 'overhead', model, queries, queryBytes: client.queryBytes },
      evaluationMs: round(median(evaluated)),
      fleetRestMs: round(through),
      serverRestMs: round(alone),
      overheadMs: round(through - alone),
      overheadP95Ms: round(quantile(rest.fleet, 0.95) - alone),
    },
    {
      ...{ part: 'overhead, processor time of a query', model, queries },
      workerMs: round(per.workers),
      gatewayMs: round(per.gateway),
      brokerMs: round(per.broker),
      serverMs: round(per.servers),
      fleetOverServer: round((per.workers + per.gateway + per.broker) / per.servers, 3),
    },
  ];
}

/** What processes take that have nothing to do, milliseconds of processor time a second. */
export async function idle(fleet: BenchFleet, seconds: number, note: Note): Promise<BenchRow> {
  note('a fleet at rest');
  const before = fleet.spent();
  await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  const per = spentPer(before, fleet.spent(), seconds);
  return {
    ...{
      part: 'idle',
      seconds,
      gatewayMsPerSecond: round(per.gateway),
      brokerMsPerSecond: round(per.broker),
    },
    workerMsPerSecond: round(per.workers / fleet.workers.length),
    serverMsPerSecond: round(per.servers / fleet.servers.length),
  };
}

const CLIENTS = 6;
const ROUNDS = 5;

/** As many tenants as keep two workers busy, each with one query on its way; fleet and servers in turn. */
export async function throughput(
  fleet: BenchFleet,
  kernel: Kernel,
  model: string,
  queries: number,
  note: Note,
): Promise<BenchRow> {
  note(`throughput of two workers against two servers: ${model}`);
  const gateway = fleet.gateway.url;
  const bare = fleet.servers.map(({ url }) => url);
  const clients: BenchClient[] = [];
  for (let i = 0; i < CLIENTS; i++)
    clients.push(await new BenchClient(model).prepare(kernel, 2, [gateway, ...bare]));
  const run = async (serverOf: (client: number) => string): Promise<number> => {
    let left = queries;
    const started = performance.now();
    const ask = async (client: BenchClient, server: string) => {
      while (left-- > 0) await client.answered(server);
    };
    await Promise.all(clients.map((client, i) => ask(client, serverOf(i))));
    return queries / ((performance.now() - started) / 1000);
  };
  await run(() => gateway);
  await run((i) => bare[i % bare.length]!);
  const before = fleet.spent();
  const rates: [number[], number[]] = [[], []];
  const ratios: number[] = [];
  for (let turn = 0; turn < ROUNDS; turn++) {
    const through = await run(() => gateway);
    const alone = await run((i) => bare[i % bare.length]!);
    rates[0].push(through);
    rates[1].push(alone);
    ratios.push(through / alone);
  }
  const per = spentPer(before, fleet.spent(), queries * ROUNDS);
  return {
    ...{ part: 'throughput', model, queries, rounds: ROUNDS, ratio: round(median(ratios), 3) },
    ratios: ratios.map((each) => round(each, 2)).join(' '),
    fleetPerSecond: round(median(rates[0]), 2),
    serversPerSecond: round(median(rates[1]), 2),
    // What the ratio is when nothing else runs and both cores are busy.
    processorRatio: round(per.servers / (per.workers + per.gateway + per.broker), 3),
    ...{ workerMs: round(per.workers), gatewayMs: round(per.gateway), brokerMs: round(per.broker) },
    serverMs: round(per.servers),
  };
}

/** Peak: as many clients as two workers serve without anybody being refused. Then 32 times as many, who ask again at once. */
export async function overload(
  fleet: BenchFleet,
  kernel: Kernel,
  model: string,
  seconds: number,
  note: Note,
): Promise<BenchRow> {
  note(`overload: ${model}`);
  const gateway = fleet.gateway.url;
  const clients: BenchClient[] = [];
  for (let i = 0; i < 16; i++) clients.push(await new BenchClient(model).prepare(kernel, 1, [gateway]));
  const run = async (perClient: number, active: readonly BenchClient[]) => {
    const until = performance.now() + 1000 * seconds;
    const refusals: number[] = [];
    const answers = active.map(() => 0);
    const ask = async (client: BenchClient, i: number) => {
      while (performance.now() < until) {
        const { status, totalMs } = await client.ask(gateway);
        if (status === 200) answers[i]!++;
        else if (status === 503) {
          refusals.push(totalMs);
          await new Promise((resolve) => setTimeout(resolve, 250));
        } else throw new Error(`HTTP ${status}`);
      }
    };
    const started = performance.now();
    await Promise.all(active.flatMap((client, i) => Array.from({ length: perClient }, () => ask(client, i))));
    const tookSeconds = (performance.now() - started) / 1000;
    return { refusals, answers, perSecond: answers.reduce((sum, each) => sum + each, 0) / tookSeconds };
  };
  const peak = await run(1, clients.slice(0, 4));
  const over = await run(8, clients);
  return {
    ...{ part: 'overload', model, tenants: clients.length, inFlight: 8 * clients.length, seconds },
    ofPeak: round(over.perSecond / peak.perSecond, 3),
    refused: over.refusals.length,
    refusalMedianMs: round(median(over.refusals)),
    refusalP95Ms: round(quantile(over.refusals, 0.95)),
    leastAnswers: Math.min(...over.answers),
    mostAnswers: Math.max(...over.answers),
  };
}
