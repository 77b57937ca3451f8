/** Several gateways of one fleet, over HTTP: what one knows, all know; what one refuses, all refuse. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FleetCatalogue } from '../../../src/apps/fleet/catalogue.ts';
import { type Gateway, type GatewayOptions, startGateway } from '../../../src/apps/fleet/gateway/gateway.ts';
import { startWorker } from '../../../src/apps/fleet/worker/worker-server.ts';
import { HttpTransport } from '../../../src/apps/transport/http.ts';
import { KEY_PART_BYTES, routes } from '../../../src/apps/transport/wire.ts';
import { sha256Digest } from '../../../src/base/sha256.ts';
import { BlankClient, EchoRunner, echoOf } from './echo-runner.ts';
import { eventually, noBroker, PROGRAM, SECRET, SmallFleet } from './small-fleet.ts';

describe.skipIf(noBroker)(`gateways of a fleet${noBroker ? ` (skipped: ${noBroker})` : ''}`, () => {
  let fleet: SmallFleet;
  const gateways: Gateway[] = [];
  beforeAll(async () => {
    fleet = await SmallFleet.start({ maxJobs: 12 });
  });
  afterAll(async () => {
    for (const gateway of gateways) await gateway.close();
    await fleet[Symbol.asyncDispose]();
  });

  async function open() {
    const broker = await fleet.broker();
    const catalogue = new FleetCatalogue(broker, fleet.store);
    return { broker, catalogue, store: fleet.store, secret: SECRET, async [Symbol.asyncDispose]() {} };
  }

  async function gateway(options: GatewayOptions = {}): Promise<Gateway> {
    const started = await startGateway(await open(), { publish: [PROGRAM], ...options });
    gateways.push(started);
    return started;
  }

  /** The same client at several gateways. */
  class Visitor {
    readonly token = Uint8Array.from(randomBytes(32));
    readonly blank: BlankClient;
    keyId = '';
    constructor(at: Gateway) {
      this.blank = new BlankClient(at.service.offers()[0]!);
    }
    at({ url }: Gateway) {
      return new HttpTransport(url, { token: this.token, retries: 0 });
    }
    async enrol(at: Gateway): Promise<this> {
      this.keyId = (await this.at(at).enrol('net', this.blank.enrolment())).keyId;
      return this;
    }
    ask(at: Gateway, query = this.blank.query()) {
      return this.at(at).query('net', this.keyId, query);
    }
    async status(at: Gateway): Promise<number> {
      const response = await fetch(at.url + routes.queries('net', this.keyId), {
        method: 'POST',
        headers: {
          authorization: `Bearer ${Buffer.from(this.token).toString('base64url')}`,
          'content-type': 'application/octet-stream',
        },
        body: this.blank.query() as Uint8Array<ArrayBuffer>,
      });
      await response.arrayBuffer();
      return response.status;
    }
  }

  it('are ready when a worker has every program open, and say so; workers, too', async () => {
    const one = await gateway();
    const ready = async (url: string | undefined) => (await fetch(`${url}/v1/ready`)).status;
    expect(await ready(one.url)).toBe(503);
    expect((await fetch(one.url + routes.health)).status).toBe(200);
    const echo = new EchoRunner();
    const facts = { release: '0', kernel: 'test', threads: 1 };
    const worker = await startWorker(await open(), { start: echo.start, keyBytes: 2 ** 30, facts, port: 0 });
    await eventually(async () => (await ready(one.url)) === 200);
    expect(await ready(worker.url)).toBe(200);
    expect(await (await fetch(`${worker.url}/metrics`)).text()).toContain('subrosa_worker_jobs 0');
    await worker.close();
    await eventually(async () => (await ready(one.url)) === 503);
    // Nobody would answer: told before a body is read.
    const visitor = await new Visitor(one).enrol(one);
    expect(await visitor.status(one)).toBe(503);
    await one.close();
    gateways.pop();
  });

  it('know keys that came to another one, whole or in parts, and forget them together', async () => {
    const [one, two] = [await gateway(), await gateway()];
    await fleet.worker(new EchoRunner());
    await eventually(() => one.service.isReady() && two.service.isReady());
    const visitor = await new Visitor(one).enrol(one);
    const query = visitor.blank.query();
    expect(Uint8Array.from((await visitor.ask(two, query))!.bytes)).toEqual(echoOf(query));
    expect(await visitor.at(two).hasKey('net', visitor.keyId)).toBe(true);
    const stranger = new Visitor(one);
    expect(await stranger.at(two).hasKey('net', visitor.keyId)).toBe(false);
    expect(await visitor.at(one).forget('net', visitor.keyId)).toBe(true);
    expect(await one.service.holdsKeys(visitor.blank.tenant, 'net' as never, visitor.keyId as never)).toBe(
      false,
    );
    expect(await visitor.at(one).hasKey('net', visitor.keyId)).toBe(false);

    // Parts in turn to both.
    const message = visitor.blank.enrolment();
    const hash = Buffer.from(sha256Digest(message)).toString('hex');
    const headers = {
      authorization: `Bearer ${Buffer.from(visitor.token).toString('base64url')}`,
      'content-type': 'application/octet-stream',
    };
    const count = Math.ceil(message.length / KEY_PART_BYTES);
    const put = (at: Gateway, i: number) =>
      fetch(at.url + routes.uploadPart('net', hash, i), {
        ...{ method: 'PUT', headers },
        body: message.slice(i * KEY_PART_BYTES, (i + 1) * KEY_PART_BYTES),
      });
    const complete = (at: Gateway) =>
      fetch(at.url + routes.completeUpload('net', hash), {
        method: 'POST',
        headers: { authorization: headers.authorization },
      });
    expect((await complete(two)).status).toBe(409);
    for (let i = 0; i < count; i++) expect((await put([one, two][i % 2]!, i)).status).toBe(201);
    const held = await fetch(two.url + routes.upload('net', hash), {
      headers: { authorization: headers.authorization },
    });
    expect(((await held.json()) as { parts: number[] }).parts).toHaveLength(count);
    const done = await complete(two);
    expect(done.status).toBe(201);
    visitor.keyId = ((await done.json()) as { keyId: string }).keyId;
    expect((await visitor.ask(one))!.bytes.length).toBe(32);
  });

  it('count a budget together', async () => {
    const limits = { samplesPerPrincipal: 0 };
    const block = (await gateway()).service.offers()[0]!.buckets[0]!.block;
    limits.samplesPerPrincipal = 3 * block;
    const [one, two] = [await gateway({ limits }), await gateway({ limits })];
    // Each has to hear of the worker.
    await eventually(() => one.service.isReady() && two.service.isReady());
    const visitor = await new Visitor(one).enrol(one);
    expect(await visitor.status(one)).toBe(200);
    expect(await visitor.status(two)).toBe(200);
    expect(await visitor.status(one)).toBe(200);
    expect(await visitor.status(two)).toBe(429);
    // Another token of the same principal has not more.
    const other = await new Visitor(two).enrol(two);
    expect(await other.status(one)).toBe(429);
    // Those without a limit do not count.
    expect(await visitor.status(gateways[1]!)).toBe(200);
  });

  it("replace a tenant's oldest keys, and keep a principal within its share", async () => {
    const size = new BlankClient((await gateway()).service.offers()[0]!).enrolment().length;
    const limits = { maxKeysPerTenant: 2, principalShare: 1, keyCapacityBytes: 4 * size * 10 };
    const [one, two] = [await gateway({ limits }), await gateway({ limits })];
    const visitor = new Visitor(one);
    const ids: string[] = [];
    for (const at of [one, two, one]) ids.push((await visitor.enrol(at)).keyId);
    const held = await Promise.all(ids.map((id) => visitor.at(two).hasKey('net', id)));
    expect(held).toEqual([false, true, true]);
    const tight = await gateway({ limits: { ...limits, keyCapacityBytes: 4 * size * 2 } });
    // What the principal has already, and one set more.
    await expect(new Visitor(tight).enrol(tight)).rejects.toThrow(/busy|503/i);
    await new Visitor(one).enrol(one);
  });

  it('show neither tokens nor their hashes to the broker and the store', async () => {
    const one = gateways[0]!;
    const watch = await fleet.broker();
    const heard: Buffer[] = [];
    const stop = watch.listen('>', (message, subject) =>
      heard.push(Buffer.from(subject), Buffer.from(message)),
    );
    await watch.flush();
    const visitor = await new Visitor(one).enrol(one);
    await visitor.ask(one);
    stop();
    const names: string[] = [];
    for await (const { name } of fleet.store.list('')) names.push(name);
    const seen = Buffer.concat([...heard, Buffer.from(names.join('\n'))]);
    const hash = Buffer.from(sha256Digest(visitor.token));
    const forms = [visitor.token, hash].flatMap((bytes) => [
      Buffer.from(bytes),
      Buffer.from(Buffer.from(bytes).toString('hex')),
      Buffer.from(Buffer.from(bytes).toString('base64url')),
      Buffer.from(Buffer.from(bytes).toString('hex').slice(0, 16)),
    ]);
    expect(forms.map((form) => seen.includes(form))).toEqual(forms.map(() => false));
    expect(seen.includes(Buffer.from('127.0.0.1'))).toBe(false);
    // Control: what is said of this job was heard.
    expect(seen.includes(Buffer.from(visitor.keyId))).toBe(true);
  });

  it('refuse while there is no broker, and go on by themselves when it is back', async () => {
    const one = gateways[0]!;
    const visitor = await new Visitor(one).enrol(one);
    expect(await visitor.status(one)).toBe(200);
    await fleet.nats.kill();
    await eventually(() => !one.service.isReady());
    expect(await visitor.status(one)).toBe(503);
    expect((await fetch(one.url + routes.ready)).status).toBe(503);
    expect((await fetch(one.url + routes.health)).status).toBe(200);
    await fleet.nats.revive();
    await eventually(() => one.service.isReady());
    await eventually(async () => (await visitor.status(one)) === 200);
  });
});
