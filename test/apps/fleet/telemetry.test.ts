/** What leaves a server and a fleet for those who watch them: spans, metrics, and the dashboard that asks for these. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FleetCatalogue } from '../../../src/apps/fleet/catalogue.ts';
import { blobs, type JobId, jobIdOf, principalTag, tenantTag } from '../../../src/apps/fleet/fleet-names.ts';
import { type Gateway, startGateway } from '../../../src/apps/fleet/gateway/gateway.ts';
import { readJob, writeJob } from '../../../src/apps/fleet/job-message.ts';
import { startWorker, type WorkerServer } from '../../../src/apps/fleet/worker/worker-server.ts';
import { InferenceServer } from '../../../src/apps/server/inference-server.ts';
import { listen, type RunningServer, tenantOf } from '../../../src/apps/server/index.ts';
import { startSpan } from '../../../src/apps/server/tracing/tracing.ts';
import { METRIC_NAMES } from '../../../src/apps/server/metrics.ts';
import { HttpTransport } from '../../../src/apps/transport/http.ts';
import { BINARY, routes } from '../../../src/apps/transport/wire.ts';
import { systemRandom } from '../../../src/base/random.ts';
import { fuseSteps } from '../../../src/compiler/memory-plan.ts';
import { offerOf } from '../../../src/compiler/program-facts.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { InferenceClient } from '../../../src/protocols/inference/client.ts';
import { readQuery } from '../../../src/protocols/inference/messages.ts';
import type { KeyId, TenantId } from '../../../src/protocols/inference/names.ts';
import { deployText, deployYaml, type Parsed } from '../../deploy/files.ts';
import { randomInputs } from '../../protocols/random-network.ts';
import { RecordedSpans } from '../server/recorded-spans.ts';
import { BlankClient } from './echo-runner.ts';
import {
  eventually,
  NETWORK,
  noBroker,
  PROGRAM,
  queueAgain,
  SECRET,
  SmallFleet,
  startServer,
} from './small-fleet.ts';

/** What a client may write into its headers for whoever records them. */
const MARK = 'c0ffee5ee4';
const HEADERS = {
  traceparent: `00-${MARK.padEnd(32, '1')}-${MARK.slice(0, 10).padEnd(16, '2')}-01`,
  tracestate: `vendor=${MARK}`,
  baggage: `word=${MARK}`,
};

let spans: RecordedSpans;
let kernel: Kernel;
beforeAll(async () => {
  spans = new RecordedSpans();
  kernel = await openKernel();
});
afterAll(() => {
  spans[Symbol.dispose]();
  kernel[Symbol.dispose]();
});

/** A client that sends everything that must not be found afterwards. */
class MarkedClient {
  readonly token = systemRandom.seed();
  readonly inputs = randomInputs(3, 5, 77);
  keyId = '';
  query: Uint8Array = new Uint8Array(0);
  scores: Float32Array = new Float32Array(0);

  async ask(url: string): Promise<void> {
    const offer = offerOf(PROGRAM);
    using client = await InferenceClient.create(offer, kernel);
    const enrolled = await new HttpTransport(url, { token: this.token }).enrol('net', client.enrolment());
    this.keyId = enrolled.keyId;
    const query = client.query(this.inputs, 3);
    this.query = query.bytes;
    const response = await this.send(url, this.query);
    expect(response.status).toBe(200);
    this.scores = Float32Array.from(client.open(query, new Uint8Array(await response.arrayBuffer())));
    expect(Math.abs(this.scores[0]! - NETWORK.run(this.inputs)[0]!)).toBeLessThan(0.01);
  }

  send(url: string, body: Uint8Array): Promise<Response> {
    const authorization = `Bearer ${Buffer.from(this.token).toString('base64url')}`;
    return fetch(url + routes.queries('net', this.keyId), {
      method: 'POST',
      headers: { ...HEADERS, authorization, 'content-type': BINARY },
      body: Buffer.from(body),
    });
  }

  /** In every form that could stand in a text. */
  marks(): Record<string, string> {
    const tenant = tenantOf(`Bearer ${Buffer.from(this.token).toString('base64url')}`) as string;
    const tag = tenantTag(SECRET, tenant);
    const { ciphertexts, nonce } = readQuery(this.query);
    const piece = Buffer.from(ciphertexts.subarray(200, 230));
    return {
      ...{ header: MARK, tenant, tag, keyId: this.keyId, nonce, address: '127.0.0.1' },
      token: Buffer.from(this.token).toString('base64url').slice(0, 20),
      tokenHex: Buffer.from(this.token).toString('hex').slice(0, 20),
      principal: principalTag(SECRET, '127.0.0.1'),
      job: jobIdOf(tag, this.keyId as KeyId, offerOf(PROGRAM).programId, this.query),
      queryHash: createHash('sha256').update(this.query).digest('hex').slice(0, 20),
      ...{ bytes: piece.toString('hex'), bytes64: piece.toString('base64') },
      input: String(this.inputs[1]).slice(0, 9),
      score: String(this.scores[1]).slice(0, 7),
    };
  }
}

/** Names of what stands in a text. */
function found(text: string, marks: Readonly<Record<string, string>>): string[] {
  return Object.entries(marks)
    .filter(([, mark]) => text.includes(mark))
    .map(([name]) => name);
}

/** One span of a step per group of steps that run as one, with what the program says of its result. */
function expectSteps(evaluation: Parameters<RecordedSpans['below']>[0]): void {
  const steps = spans.below(evaluation).map(({ attributes }) => attributes);
  const groups = fuseSteps(PROGRAM);
  expect(steps.map((each) => each['subrosa.op'])).toEqual(
    groups.map(({ first, last }) =>
      PROGRAM.steps
        .slice(first, last + 1)
        .map(({ op }) => op)
        .join('+'),
    ),
  );
  groups.forEach(({ last }, i) => {
    const { level, scale, parts } = PROGRAM.values[last + 1]!;
    const attributes = steps[i]!;
    expect(attributes['subrosa.level']).toBe(level);
    expect(attributes['subrosa.scale_bits']).toBeCloseTo(Math.log2(scale), 1);
    const each = parts * (level + 1) * 2 ** PROGRAM.params.logN * 8;
    expect(attributes['subrosa.bytes']).toBe((attributes['subrosa.ciphertexts'] as number) * each);
  });
}

describe('a single server', () => {
  let service: InferenceServer;
  let server: RunningServer;
  beforeAll(async () => {
    service = await InferenceServer.start([{ program: PROGRAM }]);
    server = await listen(service, { metricsPort: 0 });
  });
  afterAll(async () => {
    await server.close();
    await service[Symbol.asyncDispose]();
  });

  it('records a query, its evaluation and every step with level, scale, ciphertexts and bytes', async () => {
    const client = new MarkedClient();
    await client.ask(server.url);
    await eventually(() => spans.named('subrosa.query').length === 1);
    const [query] = spans.named('subrosa.query');
    expect(query!.attributes).toMatchObject({
      'subrosa.model': 'net',
      'subrosa.bytes_in': client.query.length,
    });
    expect(query!.parentSpanContext).toBeUndefined();
    const below = spans.below(query!);
    expect(below.map(({ name }) => name).sort()).toEqual(['subrosa.evaluation', 'subrosa.queue']);
    expectSteps(below.find(({ name }) => name === 'subrosa.evaluation')!);

    const metrics = await (await fetch(server.metricsUrl as string)).text();
    expect(metrics).toContain('subrosa_step_seconds_count{step="linear');
    expect(found(spans.text() + metrics, client.marks())).toEqual([]);
    // Control: the scan finds what somebody records.
    startSpan('subrosa.query', { 'subrosa.model': client.keyId }).end(new Error(String(client.scores[1])));
    expect(found(spans.text(), client.marks())).toEqual(['keyId']);
    spans.clear();
  });

  it('says of a query that failed its code alone', async () => {
    const client = new MarkedClient();
    await client.ask(server.url);
    spans.clear();
    expect((await client.send(server.url, client.query.subarray(0, 200))).status).toBe(400);
    await eventually(() => spans.named('subrosa.query').length === 1);
    expect(spans.named('subrosa.query')[0]!.attributes['subrosa.code']).toMatch(/^[a-z-]+$/);
    expect(found(spans.text(), client.marks())).toEqual([]);
    spans.clear();
  });

  it('says of a query that it refused the code of the refusal', async () => {
    const client = new MarkedClient();
    await client.ask(server.url);
    spans.clear();
    const refusal = await client.send(server.url, new Uint8Array(0));
    const { code } = (await refusal.json()) as { code: string };
    expect(code).toMatch(/^[a-z-]+$/);
    await eventually(() => spans.named('subrosa.query').length === 1);
    expect(spans.named('subrosa.query')[0]!.attributes['subrosa.code']).toBe(code);
    spans.clear();
  });
});

it('reads no trace that is none', () => {
  const job = {
    ...{ v: 2, id: 'a'.repeat(64), tenant: 'b'.repeat(32), keyId: 'c'.repeat(32), keysId: 'd'.repeat(32) },
    ...{ programId: 'e'.repeat(64), model: 'net', bytes: 0, isInline: true, sentAt: 0 },
  } as unknown as Parameters<typeof writeJob>[0]['job'];
  const read = (trace: string) =>
    readJob(writeJob({ job: { ...job, trace }, query: new Uint8Array(0) })).job.trace;
  const good = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`;
  expect(read(good)).toBe(good);
  for (const bad of [
    ...['', MARK, `${good} `, `${good}-x`, good.replace('00-', 'ff-')],
    ...[`00-${'0'.repeat(32)}-${'cd'.repeat(8)}-01`, good.toUpperCase()],
  ])
    expect(() => read(bad), bad).toThrow('trace');
});

describe.skipIf(noBroker)(`a fleet${noBroker ? ` (skipped: ${noBroker})` : ''}`, () => {
  let fleet: SmallFleet;
  let gateway: Gateway;
  let worker: WorkerServer;
  beforeAll(async () => {
    fleet = await SmallFleet.start();
    const place = async () => {
      const broker = await fleet.broker();
      const catalogue = new FleetCatalogue(broker, fleet.store);
      return { broker, catalogue, store: fleet.store, secret: SECRET, async [Symbol.asyncDispose]() {} };
    };
    gateway = await startGateway(await place(), { publish: [PROGRAM], metricsPort: 0 });
    const facts = { release: '0', kernel: 'test', threads: 1 };
    worker = await startWorker(await place(), { start: startServer, keyBytes: 2 ** 28, port: 0, facts });
    await worker.worker.keepUp();
    await eventually(() => gateway.service.isReady());
  });
  afterAll(async () => {
    await worker?.close();
    await gateway?.close();
    await fleet?.[Symbol.asyncDispose]();
  });

  const pages = async () => {
    const urls = [gateway.metricsUrl as string, `${worker.url}/metrics`];
    return (await Promise.all(urls.map(async (url) => (await fetch(url)).text()))).join('');
  };

  it('goes on with the trace of a query where it is evaluated, and says nothing of whose it is', async () => {
    spans.clear();
    const client = new MarkedClient();
    await client.ask(gateway.url);
    await eventually(
      () => spans.named('subrosa.job').length === 1 && spans.named('subrosa.query').length === 1,
    );
    const [query] = spans.named('subrosa.query');
    const [job] = spans.named('subrosa.job');
    expect(job!.parentSpanContext).toMatchObject({ spanId: query!.spanContext().spanId, isRemote: true });
    expect(job!.spanContext().traceId).toBe(query!.spanContext().traceId);
    const below = spans.below(job!);
    expect(below.map(({ name }) => name).sort()).toEqual([
      'subrosa.evaluation',
      'subrosa.keys',
      'subrosa.reply',
    ]);
    expect(below.find(({ name }) => name === 'subrosa.keys')!.attributes).toEqual({
      'subrosa.keys_ready': false,
    });
    expectSteps(below.find(({ name }) => name === 'subrosa.evaluation')!);
    expect(found(spans.text() + (await pages()), client.marks())).toEqual([]);

    // A query that is none, for the counters of faults.
    const broken = Uint8Array.from(client.query);
    broken.fill(255, 100, 160);
    expect((await client.send(gateway.url, broken)).status).toBe(409);
    await eventually(() => spans.named('subrosa.job').length === 2);
    expect(spans.named('subrosa.job')[1]!.attributes['subrosa.code']).toMatch(/^[a-z-]+$/);
    expect(found(spans.text() + (await pages()), client.marks())).toEqual([]);
  });

  it('ends the spans of a reply that differs from the one in the store, with the code of that', async () => {
    const client = new MarkedClient();
    await client.ask(gateway.url);
    spans.clear();
    const reply = blobs.reply(client.marks().job as JobId);
    await fleet.store.remove(reply);
    await fleet.store.putOnce(reply, Uint8Array.of(1, 2, 3));
    const { tenant, keyId } = client.marks();
    const asker = { tenant: tenant as TenantId, keyId: keyId as KeyId, offer: offerOf(PROGRAM) };
    await queueAgain(await fleet.broker(), gateway.service, asker, client.query);
    await eventually(() => spans.named('subrosa.job').length === 1);
    const [job] = spans.named('subrosa.job');
    expect(job!.attributes['subrosa.code']).toBe('divergent-reply');
    expect(spans.below(job!).map(({ name }) => name)).toContain('subrosa.reply');
  });

  it('sends no trace to a worker of a release that knows none', async () => {
    const old = await fleet.worker({ jobVersions: [1] });
    try {
      await eventually(() => gateway.service.workers.all().length === 2);
      spans.clear();
      const blank = await new BlankClient(offerOf(PROGRAM)).enrol(gateway.service);
      const span = startSpan('subrosa.query', {});
      const asked = gateway.service.answer(
        blank.tenant,
        'net' as never,
        blank.keyId,
        blank.query(),
        undefined,
        span,
      );
      await expect(asked).rejects.toThrow();
      await eventually(() => spans.named('subrosa.job').length === 1);
      expect(spans.named('subrosa.job')[0]!.parentSpanContext).toBeUndefined();
    } finally {
      await old[Symbol.asyncDispose]();
    }
  });

  it('has every metric and label that the dashboard, the alerts and the scaling ask for', async () => {
    const page = await pages();
    const labelsOf = new Map<string, Set<string>>(METRIC_NAMES.map((name) => [name, new Set()]));
    for (const [, name] of page.matchAll(/^# TYPE (\w+)/gm))
      if (!labelsOf.has(name!)) labelsOf.set(name!, new Set());
    const family = (sample: string) =>
      labelsOf.has(sample) ? sample : sample.replace(/_(?:bucket|sum|count)$/, '');
    for (const [, sample, labels = ''] of page.matchAll(/^(\w+)\{(.*)\} /gm))
      for (const [, label] of labels.matchAll(/(\w+)="/g)) labelsOf.get(family(sample!))!.add(label!);

    const dashboard = JSON.parse(deployText('grafana/fleet.json'));
    const queries: string[] = dashboard.panels.flatMap((panel: Parsed) =>
      panel.targets.map((target: Parsed) => target.expr),
    );
    const alerts = deployYaml('prometheus/alerts.yaml').groups.flatMap((group: Parsed) => group.rules);
    queries.push(...alerts.map((rule: Parsed) => rule.expr));
    const [rule] = deployYaml('prometheus/adapter.yaml').rules.external;
    queries.push(rule.seriesQuery, rule.metricsQuery.replace('<<.LabelMatchers>>', ''));
    expect(queries.length).toBeGreaterThan(30);
    for (const query of queries) {
      const asked = [...query.matchAll(/\b(?:subrosa|process)_\w+\b/g)].map((match) => match[0]);
      expect(asked.length, query).toBeGreaterThan(0);
      for (const name of asked) expect(labelsOf.has(family(name)), `${name} in ${query}`).toBe(true);
      const labels = [...query.matchAll(/by \(([^)]*)\)/g)].flatMap((match) => match[1]!.split(', '));
      labels.push(...[...query.matchAll(/(\w+)=~?"/g)].map((match) => match[1]!));
      for (const label of labels)
        expect([...labelsOf.get(family(asked[0]!))!], `${label} in ${query}`).toContain(label);
    }
    // What workers are scaled by.
    const scaled = deployText('kubernetes/autoscaling.yaml').match(/metric: \{ name: (\w+) \}/)?.[1];
    expect(rule.name.as).toBe(scaled);
    expect(labelsOf.has(scaled!)).toBe(true);
  });
});

it('records nothing, and sends no trace, where nobody asked for it', () => {
  spans[Symbol.dispose]();
  expect(startSpan('subrosa.query', {}).parent).toBeUndefined();
});
