/** The processes of a fleet on one machine, servers beside them, and clients that ask them with queries made beforehand. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installation } from '../../src/apps/cli/installation.ts';
import { CommandProcess, type ServerReady } from '../../src/apps/cli/server-process.ts';
import { LocalBroker } from '../../src/apps/fleet/broker/local-broker.ts';
import { writeFleetSecret } from '../../src/apps/fleet/fleet-secret.ts';
import { partitionOf, tenantTag } from '../../src/apps/fleet/fleet-names.ts';
import { tenantOf } from '../../src/apps/server/index.ts';
import { HttpTransport } from '../../src/apps/transport/http.ts';
import { BINARY, parseTimings, routes, TIMING_HEADER } from '../../src/apps/transport/wire.ts';
import { systemRandom } from '../../src/base/random.ts';
import { compile } from '../../src/compiler/compile.ts';
import { writeProgram } from '../../src/compiler/program-file.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { PolynomialNetwork, SeededGenerator } from '../../src/nn/index.ts';
import { InferenceClient } from '../../src/protocols/inference/client.ts';
import { parseOffer } from '../../src/protocols/inference/offer.ts';
import { modelBytes } from '../images/image-batch.ts';

/** Speech: queries of megabytes, which go through the store. */
export const SPEECH = 'digits';
/** One picture: a query that goes with its job, and a short evaluation. */
export const PICTURE = 'picture';
const ONE_THREAD: NodeJS.ProcessEnv = { ...process.env, SUBROSA_THREADS: '1' };

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

export function round(value: number, digits = 1): number {
  return Number(value.toFixed(digits));
}

const TICKS_PER_SECOND = 100;

/** User and system time of a process, as Linux counts it, milliseconds. */
function processorMs(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
}

/** Resident memory now and at most, bytes. */
export function memoryOf(pid: number): { readonly now: number; readonly most: number } {
  const text = readFileSync(`/proc/${pid}/status`, 'latin1');
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) * 1024;
  return { now: bytes('VmRSS'), most: bytes('VmHWM') };
}

/** A client with keys at several servers, and queries that it asks again and again, each time as another job. */
export class BenchClient {
  readonly tenant: Uint8Array = systemRandom.seed();
  readonly model: string;
  readonly #queries: Uint8Array[] = [];
  readonly #keyIds = new Map<string, string>();
  keyBytes = 0;
  #next = 0;

  constructor(model: string) {
    this.model = model;
  }

  /** `block`: samples of a query; the smallest bucket that holds them is asked. */
  async prepare(
    kernel: Kernel,
    queries: number,
    servers: readonly string[],
    block = 1,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<this> {
    const offers = await new HttpTransport(servers[0] as string, { token: this.tenant }).models();
    const offer = offers.map(parseOffer).find(({ model }) => model === this.model)!;
    using client = await InferenceClient.create(offer, kernel);
    const enrolment = client.enrolment();
    this.keyBytes = enrolment.length;
    for (const server of servers) {
      const response = await fetch(server + routes.keys(this.model), {
        method: 'PUT',
        headers: { ...headers, authorization: this.#authorization, 'content-type': BINARY },
        body: Uint8Array.from(enrolment),
      });
      if (response.status !== 201) throw new Error(`keys: HTTP ${response.status}`);
      this.#keyIds.set(server, ((await response.json()) as { keyId: string }).keyId);
    }
    const random = new SeededGenerator(5);
    const samples = offer.buckets.map((bucket) => bucket.block).find((each) => each >= block)!;
    const inputs = Float32Array.from({ length: samples * offer.inputs }, () => random.uniform());
    for (let i = 0; i < queries; i++) this.#queries.push(client.query(inputs, samples).bytes);
    return this;
  }

  get #authorization(): string {
    return `Bearer ${Buffer.from(this.tenant).toString('base64url')}`;
  }

  get queryBytes(): number {
    return this.#queries[0]!.length;
  }

  /** Where queries go, and with what. */
  address(server: string): { readonly path: string; readonly authorization: string } {
    return {
      path: routes.queries(this.model, this.#keyIds.get(server) as string),
      authorization: this.#authorization,
    };
  }

  body(): Uint8Array<ArrayBuffer> {
    // Another nonce makes another job of the same ciphertexts.
    const own = Uint8Array.from(this.#queries[this.#next++ % this.#queries.length]!);
    own.set(systemRandom.seed(), 36);
    return own;
  }

  /** One attempt. */
  async ask(server: string) {
    const { path, authorization } = this.address(server);
    const body = this.body();
    const started = performance.now();
    const headers = { authorization, 'content-type': BINARY };
    const response = await fetch(server + path, { method: 'POST', headers, body });
    const replyBytes = (await response.arrayBuffer()).byteLength;
    const totalMs = performance.now() - started;
    const evaluateMs = parseTimings(response.headers.get(TIMING_HEADER))
      .filter(({ name }) => name !== 'receive' && name !== 'queue')
      .reduce((sum, { ms }) => sum + ms, 0);
    return { status: response.status, totalMs, evaluateMs, replyBytes };
  }

  /** The same, which must be answered. */
  async answered(server: string) {
    const answer = await this.ask(server);
    if (answer.status !== 200) throw new Error(`HTTP ${answer.status}`);
    return answer;
  }
}

/** Processor time of the parts of a fleet, and of the servers beside it, milliseconds. */
export interface Spent {
  readonly gateway: number;
  readonly workers: number;
  readonly broker: number;
  readonly servers: number;
}

export interface BenchProcess {
  readonly pid: number;
}

export interface BenchServer extends BenchProcess {
  readonly url: string;
}

export interface BenchWorker extends BenchProcess {
  /** Its name. */
  readonly worker: string;
}

export class BenchFleet implements AsyncDisposable {
  readonly folder: string;
  readonly #nats: LocalBroker;
  readonly #note: (line: string) => void;
  readonly #place: readonly string[];
  readonly #models: readonly string[];
  readonly #ends: AsyncDisposable[] = [];
  gateway!: BenchServer;
  readonly workers: BenchWorker[] = [];
  readonly servers: BenchServer[] = [];

  private constructor(folder: string, nats: LocalBroker, note: (line: string) => void) {
    this.folder = folder;
    this.#nats = nats;
    this.#note = note;
    const secret = join(folder, 'secret');
    writeFleetSecret(secret);
    const blobs = `file:${join(folder, 'blobs')}`;
    this.#place = ['--fleet', nats.url, '--blobs', blobs, '--fleet-secret', secret];
    const picture = compile(PolynomialNetwork.fromBytes(modelBytes('cryptonets-polynomial-8bit')), {
      ...{ name: PICTURE, inputBound: 1, layout: 'packed' },
    });
    writeFileSync(join(folder, `${PICTURE}.subrosa`), writeProgram({ program: picture }));
    this.#models = [join(installation.models, SPEECH), join(folder, `${PICTURE}.subrosa`)];
  }

  /** A broker, a folder for blobs, a gateway with `gatewayArgs`, workers and servers of one thread each. */
  static async start(
    counts: { readonly workers: number; readonly servers: number },
    note: (line: string) => void,
    gatewayArgs: readonly string[] = [],
  ): Promise<BenchFleet> {
    const folder = mkdtempSync(join(tmpdir(), 'subrosa-fleet-bench-'));
    mkdirSync(join(folder, 'broker'));
    const nats = await LocalBroker.start(join(folder, 'broker'));
    const fleet = new BenchFleet(folder, nats, note);
    note(`starting a gateway, ${counts.workers} workers and ${counts.servers} servers`);
    try {
      const args = ['serve', ...fleet.#models, ...fleet.#place, ...gatewayArgs];
      fleet.gateway = await fleet.#server(args);
      for (let i = 0; i < counts.workers; i++) await fleet.addWorker();
      for (let i = 0; i < counts.servers; i++)
        fleet.servers.push(await fleet.#server(['serve', ...fleet.#models]));
      return fleet;
    } catch (error) {
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #server(args: readonly string[]): Promise<BenchServer> {
    const started = await CommandProcess.start<ServerReady>(args, this.#note, { env: ONE_THREAD });
    this.#ends.push(started);
    return started.ready;
  }

  async addWorker(args: readonly string[] = []): Promise<void> {
    const surroundings = { port: [], env: ONE_THREAD };
    const command = ['work', ...this.#place, ...args];
    const started = await CommandProcess.start<BenchWorker>(command, this.#note, surroundings);
    this.#ends.push(started);
    this.workers.push(started.ready);
  }

  /** Which queue a client's jobs go into. */
  partitionOf({ tenant }: BenchClient): number {
    const secret = Buffer.from(readFileSync(join(this.folder, 'secret'), 'utf8').trim(), 'hex');
    const name = tenantOf(`Bearer ${Buffer.from(tenant).toString('base64url')}`);
    return partitionOf(tenantTag(secret, name as string));
  }

  spent(): Spent {
    const sum = (all: readonly BenchProcess[]) => all.reduce((total, { pid }) => total + processorMs(pid), 0);
    return {
      ...{ gateway: sum([this.gateway]), workers: sum(this.workers), servers: sum(this.servers) },
      broker: processorMs(this.#nats.pid as number),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end[Symbol.asyncDispose]();
    await this.#nats[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What was spent between two readings, for each of `count`. */
export function spentPer(before: Spent, after: Spent, count: number): Spent {
  const per = (name: keyof Spent) => (after[name] - before[name]) / count;
  return { gateway: per('gateway'), workers: per('workers'), broker: per('broker'), servers: per('servers') };
}
