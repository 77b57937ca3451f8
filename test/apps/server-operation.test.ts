/** What operators rely on: bodies that come slowly, not whole or not at all, connections that do nothing, quotas, and what can be watched. */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import {
  addressClass,
  type AppOptions,
  checkOrigin,
  KEY_MEMORY_FACTOR,
  type ListenOptions,
  listen,
  parsePrincipalRule,
  type RunningServer,
  ServerLog,
  ServerMetrics,
  tokenHash,
} from '../../src/apps/server/index.ts';
import { HttpTransport } from '../../src/apps/transport/http.ts';
import { RemoteModel } from '../../src/apps/transport/remote-model.ts';
import { routes } from '../../src/apps/transport/wire.ts';
import { FakeInference, fakeEnrolment, fakeQuery, KEY_BYTES } from './fake-inference.ts';

const open: { close(): unknown }[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const each of open.splice(0)) await each.close();
});

async function running(
  service: FakeInference,
  limits: AppOptions['limits'] = {},
  options: Partial<ListenOptions> = {},
): Promise<RunningServer> {
  const server = await listen(service, { ...options, limits: { graceMs: 50, ...limits } });
  open.push(server);
  return server;
}

const octets = { 'content-type': 'application/octet-stream' };
const bearer = () => ({ authorization: `Bearer ${randomBytes(32).toString('base64url')}` });

/** A busy machine takes its time; what is waited for comes at last. */
const POLL = { timeout: 60_000 };

/** A raw connection with what it has received so far. */
function dial({ url }: RunningServer): { socket: Socket; received: () => string; closed: Promise<void> } {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  sockets.push(socket);
  let text = '';
  socket.on('data', (data) => (text += data)).on('error', () => undefined);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  return { socket, received: () => text, closed };
}

function uploadHead(length: number | 'chunked', headers: Record<string, string> = bearer()): string {
  const size = length === 'chunked' ? 'transfer-encoding: chunked' : `content-length: ${length}`;
  const lines = [
    `PUT ${routes.keys('digits')} HTTP/1.1`,
    'host: x',
    `authorization: ${headers.authorization}`,
  ];
  const principal = headers['x-user'] === undefined ? [] : [`x-user: ${headers['x-user']}`];
  return `${[...lines, ...principal, 'content-type: application/octet-stream', size].join('\r\n')}\r\n\r\n`;
}

const upload = (server: RunningServer, headers: Record<string, string>, body: Uint8Array) =>
  fetch(server.url + routes.keys('digits'), {
    method: 'PUT',
    headers: { ...headers, ...octets },
    body: Buffer.from(body),
  });

async function keysOf(server: RunningServer, headers: Record<string, string>, fill: number): Promise<string> {
  const reply = await upload(server, headers, fakeEnrolment(fill));
  expect(reply.status).toBe(201);
  return ((await reply.json()) as { keyId: string }).keyId;
}

const ask = async (server: RunningServer, headers: Record<string, string>, keyId: string) => {
  const init = { method: 'POST', headers: { ...headers, ...octets }, body: Buffer.from(fakeQuery(7)) };
  return (await fetch(server.url + routes.queries('digits', keyId), init)).status;
};

/** A value of the metrics page, 0 when it is not on it. */
function valueOf(metrics: ServerMetrics, sample: string): number {
  const line = metrics
    .text()
    .split('\n')
    .find((each) => each.startsWith(`${sample} `));
  return Number(line?.slice(sample.length + 1) ?? 0);
}

describe('bodies that do not come whole', () => {
  test('110 truncated uploads of mixed kinds leave the memory for bodies whole', async () => {
    const metrics = new ServerMetrics();
    const limits = { maxReceivingBytes: 20 * KEY_BYTES, stallTimeoutMs: 300 };
    const server = await running(new FakeInference(), limits, { metrics });
    const part = Buffer.from(fakeEnrolment(1)).subarray(0, 400);
    const kinds: ((socket: Socket) => void)[] = [
      (socket) => socket.write(uploadHead(KEY_BYTES), () => socket.destroy()),
      (socket) => socket.write(uploadHead(KEY_BYTES), () => socket.end()),
      (socket) =>
        socket.write(Buffer.concat([Buffer.from(uploadHead(KEY_BYTES)), part]), () => socket.destroy()),
      (socket) => socket.write(Buffer.concat([Buffer.from(uploadHead(KEY_BYTES)), part]), () => socket.end()),
      (socket) =>
        socket.write(Buffer.concat([Buffer.from(uploadHead(KEY_BYTES)), part]), () =>
          socket.resetAndDestroy(),
        ),
      // Those that stay and say nothing more are cut by the server.
      (socket) => socket.write(uploadHead(KEY_BYTES)),
      (socket) => socket.write(Buffer.concat([Buffer.from(uploadHead(KEY_BYTES)), part])),
      (socket) => socket.write(`${uploadHead('chunked')}190\r\n${part.toString('latin1')}`, 'latin1'),
      (socket) => socket.write(`${uploadHead('chunked')}zz\r\n`, () => socket.end()),
      (socket) => socket.write(uploadHead(KEY_BYTES).slice(0, 60), () => socket.destroy()),
      (socket) => socket.write(`${uploadHead(KEY_BYTES, { authorization: 'none' })}abc`),
    ];
    const dialled = Array.from({ length: 110 }, (_, i) => {
      const each = dial(server);
      each.socket.once('connect', () => kinds[i % kinds.length]!(each.socket));
      return each;
    });
    await Promise.all(dialled.map(({ closed }) => closed));
    await expect.poll(() => valueOf(metrics, 'subrosa_receiving_bytes'), POLL).toBe(0);
    const timedOut = dialled.filter(({ received }) => received().startsWith('HTTP/1.1 408 '));
    expect(timedOut.length).toBeGreaterThan(0);
    expect((await upload(server, bearer(), fakeEnrolment(2))).status).toBe(201);
    // The check can fail: bodies that are there do count.
    const held = dial(server);
    held.socket.write(Buffer.concat([Buffer.from(uploadHead(KEY_BYTES)), part]));
    await expect.poll(() => valueOf(metrics, 'subrosa_receiving_bytes'), POLL).toBe(400);
  });

  test('a body gets the time that its progress needs; one that only drips is cut', async () => {
    const limits = { stallTimeoutMs: 1000, minBytesPerSecond: 300, requestTimeoutMs: 60_000 };
    const server = await running(new FakeInference(), limits);
    const send = async (bytesPerStep: number) => {
      const { socket, received } = dial(server);
      const body = Buffer.from(fakeEnrolment(1));
      socket.write(uploadHead(KEY_BYTES));
      for (let at = 0; at < KEY_BYTES && received() === ''; at += bytesPerStep) {
        socket.write(body.subarray(at, at + bytesPerStep));
        await delay(100);
      }
      await expect.poll(received, POLL).not.toBe('');
      return received().slice(9, 12);
    };
    // Two seconds in all, longer than any silence that is allowed; and ten bytes at a time, never silent.
    expect(await Promise.all([send(50), send(10)])).toEqual(['201', '408']);
  });

  test('memory for bodies is shared: one principal alone cannot take it all', async () => {
    const limits = { maxReceivingBytes: 4 * KEY_BYTES, principalShare: 0.5, stallTimeoutMs: 5000 };
    const principal = parsePrincipalRule('header:X-User', () => '');
    const server = await running(new FakeInference(), limits, { principal });
    for (let i = 0; i < 6; i++) {
      const { socket } = dial(server);
      const greedy = { ...bearer(), 'x-user': 'greedy' };
      socket.write(Buffer.concat([Buffer.from(uploadHead(KEY_BYTES, greedy)), Buffer.alloc(KEY_BYTES - 1)]));
    }
    await expect
      .poll(async () => (await upload(server, { ...bearer(), 'x-user': 'greedy' }, fakeEnrolment(1))).status)
      .toBe(503);
    expect((await upload(server, { ...bearer(), 'x-user': 'other' }, fakeEnrolment(1))).status).toBe(201);
    expect((await upload(server, bearer(), fakeEnrolment(1))).status).toBe(403);
  });
});

describe('whose keys go', () => {
  const principal = parsePrincipalRule('header:x-user', () => '');
  const as = (user: string) => ({ ...bearer(), 'x-user': user });

  test('announcements and bodies that are no keys take none away', async () => {
    const limits = { keyCapacityBytes: KEY_MEMORY_FACTOR * KEY_BYTES, keyIdleMs: 0, stallTimeoutMs: 200 };
    const server = await running(new FakeInference(), limits, { principal });
    const me = as('me');
    const keyId = await keysOf(server, me, 1);
    const announced = Array.from({ length: 10 }, (_, i) =>
      dial(server).socket.write(uploadHead(KEY_BYTES, as(`u${i}`))),
    );
    expect(announced.length).toBe(10);
    const garbage = await upload(server, as('u'), new Uint8Array(KEY_BYTES));
    expect(garbage.status).toBe(400);
    await delay(300);
    expect(await ask(server, me, keyId)).toBe(200);
    // Keys that are keys do, of a principal within its share.
    await keysOf(server, as('another'), 2);
    expect(await ask(server, me, keyId)).toBe(404);
  });

  test('a principal over its share replaces its own keys, with however many tokens', async () => {
    const limits = { keyCapacityBytes: 4 * KEY_MEMORY_FACTOR * KEY_BYTES, keyIdleMs: 0, principalShare: 0.5 };
    const service = new FakeInference();
    const server = await running(service, limits, { principal });
    const [me, other] = [as('me'), as('other')];
    const [mine, theirs] = [await keysOf(server, me, 1), await keysOf(server, other, 2)];
    for (let i = 3; i < 9; i++) await keysOf(server, as('greedy'), i);
    expect([await ask(server, me, mine), await ask(server, other, theirs)]).toEqual([200, 200]);
    expect(service.keys.size).toBe(4);
  });

  test('keys that were used a moment ago are kept; who finds no room is told when to come back', async () => {
    const limits = { keyCapacityBytes: KEY_MEMORY_FACTOR * KEY_BYTES, keyIdleMs: 60_000 };
    const server = await running(new FakeInference(), limits, { principal });
    const me = as('me');
    const keyId = await keysOf(server, me, 1);
    const refused = await upload(server, as('other'), fakeEnrolment(2));
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '10']);
    expect(await ask(server, me, keyId)).toBe(200);
  });
});

describe('many at once', () => {
  test('connections that do nothing do not shut others out', async () => {
    const server = await running(new FakeInference(), { maxConnections: 10, headersTimeoutMs: 60_000 });
    const idle = Array.from({ length: 40 }, () => dial(server));
    await Promise.all(idle.map(({ socket }) => new Promise((resolve) => socket.once('connect', resolve))));
    idle[39]?.socket.write('GET /v1/health HTTP/1.1\r\nhost: x\r\n');
    const health = await fetch(server.url + routes.health, { headers: { connection: 'close' } });
    expect(health.status).toBe(200);
    const me = bearer();
    expect(await ask(server, me, await keysOf(server, me, 1))).toBe(200);
    await expect
      .poll(() => idle.filter(({ socket }) => socket.destroyed || socket.closed).length)
      .toBeGreaterThan(29);
  });

  test('64 clients that start at once all get their answers', async () => {
    const service = new FakeInference();
    service.delayMs = 5;
    const server = await running(service, { maxPending: 20 });
    const answers = await Promise.all(
      Array.from({ length: 64 }, async (_, i) => {
        const transport = new HttpTransport(server.url, {
          token: randomBytes(32),
          retries: 20,
          timeoutMs: 60_000,
        });
        const { bytes } = await new RemoteModel(transport, 'digits', () => fakeEnrolment(i)).ask(
          fakeQuery(i),
        );
        return bytes[5] === i + 1;
      }),
    );
    expect(answers.every((isRight) => isRight)).toBe(true);
    expect(service.answered).toBe(64);
  }, 60_000);
});

describe('what can be watched', () => {
  test('health, readiness and metrics, the latter apart from clients and without names', async () => {
    const service = new FakeInference();
    const server = await running(service, {}, { metricsPort: 0 });
    const me = bearer();
    const keyId = await keysOf(server, me, 1);
    expect(await ask(server, me, keyId)).toBe(200);
    expect(await ask(server, me, 'ab'.repeat(32))).toBe(404);
    expect((await fetch(server.url + routes.ready)).status).toBe(200);
    service.ready = false;
    const unready = await fetch(server.url + routes.ready);
    expect([unready.status, ((await unready.json()) as { code: string }).code]).toEqual([503, 'starting']);
    expect((await fetch(server.url + routes.health)).status).toBe(200);
    expect((await fetch(`${server.url}/metrics`)).status).toBe(404);
    const page = await fetch(server.metricsUrl ?? '');
    expect(page.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const text = await page.text();
    for (const line of [
      'subrosa_requests_total{route="/v1/models/digits/keys",method="PUT",status="201"} 1',
      'subrosa_samples_total{model="digits"} 128',
      'subrosa_evaluation_seconds_count{model="digits"} 1',
      'subrosa_evaluation_seconds_bucket{model="digits",le="+Inf"} 1',
      'subrosa_keys 1',
      'subrosa_ready 0',
      '# TYPE subrosa_request_seconds histogram',
    ])
      expect(text).toContain(`${line}\n`);
    // Every line has the form of the format, and no token, key or address stands in one.
    for (const line of text.trim().split('\n'))
      expect(line).toMatch(
        /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[^"\\]*"(,[a-z]+="[^"\\]*")*\})? [\d.e+-]+)$/,
      );
    for (const secret of [keyId, me.authorization.slice(7), '127.0.0.1']) expect(text).not.toContain(secret);
  });

  test('a client that left is logged as that', async () => {
    let text = '';
    const log = new ServerLog('info', { write: (line: string) => void (text += line) });
    const service = new FakeInference();
    const metrics = new ServerMetrics();
    const server = await running(service, {}, { log, metrics });
    const me = bearer();
    const keyId = await keysOf(server, me, 1);
    service.delayMs = 5000;
    const leaving = new AbortController();
    const init = { method: 'POST', headers: { ...me, ...octets }, body: Buffer.from(fakeQuery(1)) };
    const sent = fetch(server.url + routes.queries('digits', keyId), { ...init, signal: leaving.signal });
    await expect.poll(() => valueOf(metrics, 'subrosa_pending_evaluations'), POLL).toBe(1);
    leaving.abort();
    await expect(sent).rejects.toThrow();
    const { socket } = dial(server);
    socket.write(`${uploadHead(KEY_BYTES)}half`, () => socket.destroy());
    await expect.poll(() => text.match(/"msg":"client left"/g)?.length, POLL).toBe(2);
    expect(text).toContain('before its answer');
    expect(text).toContain('within its body');
    expect(text).not.toContain('internal');
    const left =
      'subrosa_requests_total{route="/v1/models/digits/keys/:id/queries",method="POST",status="499"}';
    expect(valueOf(metrics, left)).toBe(1);
  });
});

describe('pages of other origins', () => {
  test('those on the list may ask, others get no permission', async () => {
    const corsOrigins = ['https://app.example.org'];
    const server = await running(new FakeInference(), {}, { corsOrigins });
    const preflight = (origin: string) =>
      fetch(server.url + routes.keys('digits'), {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'PUT',
          'access-control-request-headers': 'authorization,content-type',
        },
      });
    const allowed = await preflight('https://app.example.org');
    expect([allowed.status, allowed.headers.get('access-control-allow-origin')]).toEqual([
      204,
      corsOrigins[0],
    ]);
    expect(allowed.headers.get('access-control-allow-methods')).toContain('PUT');
    expect(allowed.headers.get('access-control-allow-headers')).toContain('authorization');
    for (const origin of ['https://app.example.org.evil.org', 'http://app.example.org', 'null']) {
      const refused = await preflight(origin);
      expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([404, null]);
    }
    const headers = { origin: corsOrigins[0] as string };
    const read = await fetch(server.url + routes.models, { headers });
    expect(read.headers.get('access-control-allow-origin')).toBe(corsOrigins[0]);
    expect(read.headers.get('vary')).toBe('origin');
    const silent = await running(new FakeInference());
    const without = await fetch(silent.url + routes.models, { headers });
    expect(without.headers.get('access-control-allow-origin')).toBe(null);
  });

  test('a list holds origins, no patterns', () => {
    for (const wrong of ['*', 'https://*.example.org', 'https://a.org/', 'a.org', 'null'])
      expect(() => checkOrigin(wrong), wrong).toThrow(/an origin is/);
  });
});

describe('principals', () => {
  test('addresses in classes', () => {
    expect(
      ['192.0.2.7', '::ffff:192.0.2.7', '2001:db8:1:2:3:4:5:6', '2001:0db8:1:2::1', '::1'].map(addressClass),
    ).toEqual(['192.0.2.7', '192.0.2.7', '2001:db8:1:2::/64', '2001:db8:1:2::/64', '0:0:0:0::/64']);
  });

  test('enrolled tokens: only they are served, under their names', async () => {
    const token = randomBytes(32);
    const list = `# partners\n${tokenHash(token)} partner\n`;
    const principal = parsePrincipalRule('token:list', () => list);
    const server = await running(new FakeInference(), { samplesPerPrincipal: 128 }, { principal });
    const partner = { authorization: `Bearer ${token.toString('base64url')}` };
    expect((await upload(server, bearer(), fakeEnrolment(1))).status).toBe(403);
    const keyId = await keysOf(server, partner, 1);
    expect([await ask(server, partner, keyId), await ask(server, partner, keyId)]).toEqual([200, 429]);
    expect(() => parsePrincipalRule('token:list', () => 'nonsense\n')).toThrow(/list, line 1/);
    expect(() => parsePrincipalRule('somebody', () => '')).toThrow(/address, header:NAME or token:FILE/);
  });

  test('what was spent outlives the server', async () => {
    let spent: readonly (readonly [string, number])[] = [];
    const keep = async (now: typeof spent) => void (spent = now);
    const statuses: number[] = [];
    for (let start = 0; start < 2; start++) {
      const server = await running(
        new FakeInference(),
        { samplesPerPrincipal: 256 },
        { kept: { spent, keep } },
      );
      const me = bearer();
      const keyId = await keysOf(server, me, 1);
      for (let i = 0; i < 2; i++) statuses.push(await ask(server, me, keyId));
    }
    expect(statuses).toEqual([200, 200, 429, 429]);
  });
});
