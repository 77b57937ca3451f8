/**
 * What a fleet costs on one machine, every part in a process of its own: broker, folder for blobs, gateway, workers of one thread.
 *
 *   overhead     milliseconds of a query that are not its evaluation, through a fleet and through `subrosa serve`, one after another
 *   throughput   two workers against two servers of one thread that share the same queries, in turn
 *   overload     four times as many clients as there is room for: how fast refusals come, what is left of the throughput, who starves
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installation } from '../../src/apps/cli/installation.ts';
import { CommandProcess, type ServerReady } from '../../src/apps/cli/server-process.ts';
import { writeFleetSecret } from '../../src/apps/fleet/fleet-secret.ts';
import { LocalBroker } from '../../src/apps/fleet/broker/local-broker.ts';
import { HttpTransport } from '../../src/apps/transport/http.ts';
import { BINARY, parseTimings, routes, TIMING_HEADER } from '../../src/apps/transport/wire.ts';
import { systemRandom } from '../../src/base/random.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { SeededGenerator } from '../../src/nn/index.ts';
import { InferenceClient } from '../../src/protocols/inference/client.ts';
import { parseOffer } from '../../src/protocols/inference/offer.ts';
import { type Bench, type BenchRow, reportFor } from '../report.ts';

const MODEL = 'digits';
const ONE_THREAD = { ...process.env, SUBROSA_THREADS: '1' };

/** A client with keys at several servers, and a query that it asks again and again, each time as another job. */
class BenchClient {
  readonly tenant: Uint8Array = systemRandom.seed();
  readonly #queries: Uint8Array[] = [];
  readonly #keyIds = new Map<string, string>();
  #next = 0;

  async prepare(url: string, kernel: Kernel, queries: number, servers: readonly string[]): Promise<this> {
    const [found] = await new HttpTransport(url, { token: this.tenant }).models();
    const offer = parseOffer(found);
    using client = await InferenceClient.create(offer, kernel);
    const enrolment = client.enrolment();
    for (const server of servers) {
      const { keyId } = await new HttpTransport(server, { token: this.tenant }).enrol(MODEL, enrolment);
      this.#keyIds.set(server, keyId);
    }
    const random = new SeededGenerator(5);
    const samples = offer.buckets[0]!.block;
    const inputs = Float32Array.from({ length: samples * offer.inputs }, () => 2 * random.uniform() - 1);
    for (let i = 0; i < queries; i++) this.#queries.push(client.query(inputs, samples).bytes);
    return this;
  }

  /** One attempt. */
  async ask(server: string) {
    const body = this.#queries[this.#next++ % this.#queries.length]!;
    // Another nonce makes another job of the same ciphertexts.
    const own = Uint8Array.from(body);
    own.set(systemRandom.seed(), 36);
    const started = performance.now();
    const response = await fetch(server + routes.queries(MODEL, this.#keyIds.get(server) as string), {
      method: 'POST',
      headers: {
        authorization: `Bearer ${Buffer.from(this.tenant).toString('base64url')}`,
        'content-type': BINARY,
      },
      body: own,
    });
    await response.arrayBuffer();
    const totalMs = performance.now() - started;
    const steps = parseTimings(response.headers.get(TIMING_HEADER));
    const evaluateMs = steps
      .filter(({ name }) => name.startsWith('layer') || name === 'expand')
      .reduce((sum, { ms }) => sum + ms, 0);
    return { status: response.status, totalMs, evaluateMs, retryAfter: response.headers.get('retry-after') };
  }
}

interface Places {
  readonly gateway: string;
  /** Two servers of one thread each. */
  readonly bare: readonly [string, string];
  /** Processor time of all processes of the fleet, and of both servers, since they began; milliseconds. */
  readonly processor: () => { readonly fleet: number; readonly bare: number };
}

const TICKS_PER_SECOND = 100;

/** User and system time of a process, as Linux counts it. */
function processorMs(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
}

export const fleet: Bench = async ({ quick, part, samples }, note) => {
  const folder = mkdtempSync(join(tmpdir(), 'subrosa-fleet-bench-'));
  try {
    using kernel = await openKernel();
    mkdirSync(join(folder, 'broker'));
    await using nats = await LocalBroker.start(join(folder, 'broker'));
    const secret = join(folder, 'secret');
    writeFleetSecret(secret);
    const place = ['--fleet', nats.url, '--blobs', `file:${join(folder, 'blobs')}`, '--fleet-secret', secret];
    const model = join(installation.models, MODEL);
    note('starting a gateway, two workers and two servers');
    const surroundings = { env: ONE_THREAD };
    const gatewayArgs = ['serve', model, ...place];
    await using gateway = await CommandProcess.start<ServerReady>(gatewayArgs, note, surroundings);
    const work = { port: [], env: ONE_THREAD };
    await using one = await CommandProcess.start<{ pid: number }>(['work', ...place], note, work);
    await using two = await CommandProcess.start<{ pid: number }>(['work', ...place], note, work);
    await using left = await CommandProcess.start<ServerReady>(['serve', model], note, surroundings);
    await using right = await CommandProcess.start<ServerReady>(['serve', model], note, surroundings);
    const sum = (...pids: number[]) => pids.reduce((all, pid) => all + processorMs(pid), 0);
    const places: Places = {
      gateway: gateway.ready.url,
      bare: [left.ready.url, right.ready.url],
      processor: () => ({
        fleet: sum(gateway.ready.pid, one.ready.pid, two.ready.pid, nats.pid as number),
        bare: sum(left.ready.pid, right.ready.pid),
      }),
    };
    const rows: BenchRow[] = [];
    const isAsked = (name: string) => part === undefined || part === name;
    if (isAsked('overhead'))
      rows.push(...(await overhead(places, kernel, samples ?? (quick ? 10 : 60), note)));
    if (isAsked('throughput'))
      rows.push(await throughput(places, kernel, samples ?? (quick ? 16 : 48), note));
    if (isAsked('overload')) rows.push(await overload(places, kernel, quick ? 8 : 30, note));
    return reportFor('fleet', { ...kernel, name: kernel.name, isa: kernel.isa, threads: 1 }, rows);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

async function overhead(
  { gateway, bare, processor }: Places,
  kernel: Kernel,
  queries: number,
  note: (line: string) => void,
): Promise<BenchRow[]> {
  note('overhead of a job');
  const client = await new BenchClient().prepare(gateway, kernel, 4, [gateway, bare[0]]);
  const spent: Record<'fleet' | 'server', number[]> = { fleet: [], server: [] };
  const evaluated: number[] = [];
  let before = processor();
  for (let i = -2; i < queries; i++) {
    if (i === 0) before = processor();
    for (const [name, url] of [
      ['fleet', gateway],
      ['server', bare[0]],
    ] as const) {
      const { status, totalMs, evaluateMs } = await client.ask(url);
      if (status !== 200) throw new Error(`HTTP ${status}`);
      // The first two fetch keys and warm everything.
      if (i < 0) continue;
      spent[name].push(totalMs - evaluateMs);
      evaluated.push(evaluateMs);
    }
  }
  const after = processor();
  const [through, alone] = [median(spent.fleet), median(spent.server)];
  const perJob = {
    fleet: (after.fleet - before.fleet) / queries,
    bare: (after.bare - before.bare) / queries,
  };
  return [
    { part: 'overhead', of: 'evaluation', medianMs: round(median(evaluated)), queries },
    { part: 'overhead', of: 'the rest, through a fleet', medianMs: round(through), queries },
    { part: 'overhead', of: 'the rest, one server', medianMs: round(alone), queries },
    { part: 'overhead', of: 'the fleet itself', medianMs: round(through - alone), queries },
    { part: 'overhead', of: 'processor time through a fleet', processorMs: round(perJob.fleet), queries },
    { part: 'overhead', of: 'processor time of one server', processorMs: round(perJob.bare), queries },
  ];
}

/** As many tenants as keep two workers busy, each with one query on its way. */
async function throughput(
  { gateway, bare, processor }: Places,
  kernel: Kernel,
  queries: number,
  note: (line: string) => void,
): Promise<BenchRow> {
  note('throughput of two workers against two servers');
  const clients: BenchClient[] = [];
  for (let i = 0; i < 6; i++)
    clients.push(await new BenchClient().prepare(gateway, kernel, 2, [gateway, ...bare]));
  const run = async (serverOf: (client: number) => string): Promise<number> => {
    let left = queries;
    const started = performance.now();
    await Promise.all(
      clients.map(async (client, i) => {
        while (left-- > 0) {
          const { status } = await client.ask(serverOf(i));
          if (status !== 200) throw new Error(`HTTP ${status}`);
        }
      }),
    );
    return queries / ((performance.now() - started) / 1000);
  };
  await run(() => gateway);
  await run((i) => bare[i % 2]!);
  const ratios: number[] = [];
  const before = processor();
  const rates: [number[], number[]] = [[], []];
  for (let round = 0; round < 3; round++) {
    const through = await run(() => gateway);
    const alone = await run((i) => bare[i % 2]!);
    rates[0].push(through);
    rates[1].push(alone);
    ratios.push(through / alone);
  }
  const after = processor();
  return {
    ...{ part: 'throughput', queries, rounds: 3 },
    // What the ratio is when nothing else runs and both cores are busy.
    processorRatio: round((after.bare - before.bare) / (after.fleet - before.fleet), 3),
    fleetPerSecond: round(median(rates[0])),
    serversPerSecond: round(median(rates[1])),
    ratio: round(median(ratios), 3),
    ratios: ratios.map((each) => round(each, 2)).join(' '),
  };
}

/** Peak: as many clients as two workers serve without anybody being refused. Then four times as many as may wait, who ask again at once. */
async function overload(
  { gateway }: Places,
  kernel: Kernel,
  seconds: number,
  note: (line: string) => void,
): Promise<BenchRow> {
  note('overload');
  const clients: BenchClient[] = [];
  for (let i = 0; i < 16; i++) clients.push(await new BenchClient().prepare(gateway, kernel, 1, [gateway]));
  const run = async (perClient: number, active: readonly BenchClient[]) => {
    const until = performance.now() + 1000 * seconds;
    const refusals: number[] = [];
    const answers = active.map(() => 0);
    await Promise.all(
      active.flatMap((client, i) =>
        Array.from({ length: perClient }, async () => {
          while (performance.now() < until) {
            const { status, totalMs } = await client.ask(gateway);
            if (status === 200) answers[i]!++;
            else if (status === 503) {
              refusals.push(totalMs);
              await new Promise((resolve) => setTimeout(resolve, 250));
            } else throw new Error(`HTTP ${status}`);
          }
        }),
      ),
    );
    return { refusals, answers, perSecond: answers.reduce((sum, each) => sum + each, 0) / seconds };
  };
  const peak = await run(1, clients.slice(0, 4));
  const over = await run(8, clients);
  return {
    ...{ part: 'overload', tenants: clients.length, inFlight: 8 * clients.length, seconds },
    ofPeak: round(over.perSecond / peak.perSecond, 3),
    refused: over.refusals.length,
    refusalMedianMs: round(median(over.refusals)),
    refusalP95Ms: round(
      over.refusals.toSorted((a, b) => a - b)[Math.floor(0.95 * over.refusals.length)] ?? 0,
    ),
    leastAnswers: Math.min(...over.answers),
    mostAnswers: Math.max(...over.answers),
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function round(value: number, digits = 1): number {
  return Number(value.toFixed(digits));
}
