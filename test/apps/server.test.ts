import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { Writable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  type AppOptions,
  buildApp,
  isLoopback,
  KEY_MEMORY_FACTOR,
  listen,
  type RunningServer,
  ServerLog,
} from '../../src/apps/server/index.ts';
import { parseTimings, routes } from '../../src/apps/transport/wire.ts';
import {
  FakeInference,
  fakeEnrolment,
  fakeQuery,
  KEY_BYTES,
  QUERY_BYTES,
  SAMPLES,
} from './fake-inference.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

function app(service = new FakeInference(), options: AppOptions = {}): FastifyInstance {
  const built = buildApp(service, options);
  open.push(built);
  return built;
}

async function running(service: FakeInference, limits: AppOptions['limits'] = {}): Promise<RunningServer> {
  const server = await listen(service, { limits });
  open.push(server);
  return server;
}

const bearer = () => ({ authorization: `Bearer ${randomBytes(32).toString('base64url')}` });
const octets = { 'content-type': 'application/octet-stream' };

async function enrol(
  on: FastifyInstance,
  headers: Record<string, string>,
  fill = 1,
  model = 'digits',
): Promise<string> {
  const payload = Buffer.from(fakeEnrolment(fill));
  const reply = await on.inject({
    method: 'PUT',
    url: routes.keys(model),
    headers: { ...headers, ...octets },
    payload,
  });
  expect(reply.statusCode).toBe(201);
  return reply.json().keyId;
}

const post = (
  on: FastifyInstance,
  headers: Record<string, string>,
  keyId: string,
  payload = Buffer.from(fakeQuery(7)),
) =>
  on.inject({
    method: 'POST',
    url: routes.queries('digits', keyId),
    headers: { ...headers, ...octets },
    payload,
  });

describe('the whole exchange', () => {
  test('enrols, answers with timings, deletes', async () => {
    const service = new FakeInference();
    const on = app(service);
    const me = bearer();
    expect((await on.inject(routes.health)).json()).toEqual({
      status: 'ok',
      models: ['digits', 'sentences'],
    });
    expect((await on.inject(routes.models)).json().models[0]).toMatchObject({
      keyBytes: KEY_BYTES,
      queryBytes: QUERY_BYTES,
    });
    const keyId = await enrol(on, me);
    const reply = await post(on, me, keyId);
    expect(reply.statusCode).toBe(200);
    expect(reply.rawPayload).toEqual(Buffer.from(fakeQuery(7).map((byte) => byte + 1)));
    expect(parseTimings(reply.headers['server-timing'] as string).map(({ name }) => name)).toEqual([
      'receive',
      'queue',
      'expand',
      'linear 0',
    ]);
    expect(reply.headers['subrosa-peak-bytes']).toBe('12345');
    expect(
      (await on.inject({ method: 'HEAD', url: routes.key('digits', keyId), headers: me })).statusCode,
    ).toBe(200);
    expect(
      (await on.inject({ method: 'DELETE', url: routes.key('digits', keyId), headers: me })).statusCode,
    ).toBe(204);
    expect(service.keys.size).toBe(0);
    expect((await post(on, me, keyId)).json().code).toBe('unknown-key');
  });

  test('the same query twice gives the same bytes', async () => {
    const on = app();
    const me = bearer();
    const keyId = await enrol(on, me);
    expect((await post(on, me, keyId)).rawPayload).toEqual((await post(on, me, keyId)).rawPayload);
  });
});

describe('who may do what', () => {
  test('a missing, short or foreign token', async () => {
    const on = app();
    const me = bearer();
    const keyId = await enrol(on, me);
    for (const authorization of [undefined, 'Bearer abc', 'Basic AAAA', `Bearer ${'!'.repeat(43)}`]) {
      const reply = await post(on, authorization === undefined ? {} : { authorization }, keyId);
      expect(reply.statusCode).toBe(401);
      expect(reply.json().code).toBe('unauthorized');
    }
    expect((await post(on, me, keyId)).statusCode).toBe(200);
  });

  test('"not yours" and "no such key" are one answer, byte for byte, on every method', async () => {
    const on = app();
    const keyId = await enrol(on, bearer());
    const stranger = bearer();
    for (const method of ['GET', 'DELETE'] as const) {
      const foreign = await on.inject({ method, url: routes.key('digits', keyId), headers: stranger });
      const absent = await on.inject({
        method,
        url: routes.key('digits', 'ab'.repeat(32)),
        headers: stranger,
      });
      expect(foreign.body).toBe(absent.body);
      expect(foreign.statusCode).toBe(404);
    }
    expect((await post(on, stranger, keyId)).body).toBe((await post(on, stranger, 'ab'.repeat(32))).body);
  });

  test('keys of one model are not keys of another', async () => {
    const on = app();
    const me = bearer();
    const keyId = await enrol(on, me, 1, 'sentences');
    expect((await post(on, me, keyId)).statusCode).toBe(404);
  });
});

describe('hostile requests', () => {
  test('garbage bodies and foreign parameters have fixed answers', async () => {
    const on = app();
    const me = bearer();
    const keyId = await enrol(on, me);
    const garbage = await post(on, me, keyId, randomBytes(100).fill(0, 0, 1));
    expect([garbage.statusCode, garbage.json().code]).toEqual([400, 'bad-request']);
    const truncated = await post(on, me, keyId, Buffer.from(fakeQuery(1).subarray(1)));
    expect(truncated.body).toBe(garbage.body);
    const foreign = await post(on, me, keyId, Buffer.from(fakeEnrolment(1).subarray(0, 10)));
    expect([foreign.statusCode, foreign.json().code]).toEqual([409, 'params-mismatch']);
    const empty = await post(on, me, keyId, Buffer.alloc(0));
    expect(empty.statusCode).toBeGreaterThanOrEqual(400);
  });

  test('other media types, paths and methods', async () => {
    const on = app();
    const me = bearer();
    const json = await on.inject({
      method: 'PUT',
      url: routes.keys('digits'),
      headers: me,
      payload: { a: 1 },
    });
    expect([json.statusCode, json.json().code]).toEqual([415, 'media-type']);
    for (const url of [
      '/',
      '/v1/models/../../etc/passwd/keys',
      '/v1/models/nope/keys',
      '/v1/models/__proto__/keys',
    ]) {
      const reply = await on.inject({
        method: 'PUT',
        url,
        headers: { ...me, ...octets },
        payload: Buffer.alloc(4),
      });
      expect([reply.statusCode, Object.keys(reply.json())]).toEqual([404, ['code', 'message']]);
    }
    const odd = await on.inject({ method: 'GET', url: routes.key('digits', '..%2f..%2fetc'), headers: me });
    expect(odd.statusCode).toBe(404);
  });

  test('an oversize body is refused by its declared length, before it is read', async () => {
    const service = new FakeInference();
    const server = await running(service);
    const reply = await new Promise<string>((resolve) => {
      const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
      let text = '';
      socket.on('data', (data) => {
        text += data;
        socket.destroy();
      });
      socket.on('close', () => resolve(text));
      const head = [
        `PUT ${routes.keys('digits')} HTTP/1.1`,
        'host: x',
        `authorization: ${bearer().authorization}`,
      ];
      socket.write(
        `${[...head, 'content-type: application/octet-stream', 'content-length: 1000000000'].join('\r\n')}\r\n\r\n`,
      );
    });
    expect(reply).toMatch(/^HTTP\/1\.1 413 /);
    expect(reply).toContain('"code":"limit"');
  });

  const chunked = (parts: readonly Uint8Array[]) =>
    ({
      method: 'PUT',
      headers: { ...bearer(), ...octets },
      body: new ReadableStream({
        start: (controller) => {
          for (const part of parts) controller.enqueue(part);
          controller.close();
        },
      }),
      duplex: 'half',
    }) as RequestInit;

  test('a chunked body without a length is taken, up to the limit of the model', async () => {
    const server = await running(new FakeInference());
    const whole = fakeEnrolment(1);
    const url = server.url + routes.keys('digits');
    expect((await fetch(url, chunked([whole.slice(0, 300), whole.slice(300)]))).status).toBe(201);
    const larger = await fetch(url, chunked([whole, whole]));
    expect([larger.status, ((await larger.json()) as { code: string }).code]).toEqual([413, 'limit']);
  });

  test('an unexpected failure shows nothing of itself', async () => {
    const service = new FakeInference();
    service.answer = async () => {
      throw new Error('secret detail 4711');
    };
    const on = app(service);
    const me = bearer();
    const reply = await post(on, me, await enrol(on, me));
    expect(reply.statusCode).toBe(500);
    expect(reply.body).not.toContain('4711');
  });
});

describe('bounded work', () => {
  test('the queue overflows into 503 with Retry-After and recovers', async () => {
    const service = new FakeInference();
    const on = app(service, { limits: { maxPending: 2 } });
    const me = bearer();
    const keyId = await enrol(on, me);
    service.delayMs = 100;
    const replies = await Promise.all([1, 2, 3, 4, 5].map(() => post(on, me, keyId)));
    expect(replies.map((reply) => reply.statusCode).sort()).toEqual([200, 200, 503, 503, 503]);
    const busy = replies.find((reply) => reply.statusCode === 503);
    expect(Number(busy?.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect((await post(on, me, keyId)).statusCode).toBe(200);
  });

  test('one client cannot take the whole queue', async () => {
    const service = new FakeInference();
    const on = app(service, { limits: { maxPending: 8, maxPendingPerTenant: 1 } });
    const [me, other] = [bearer(), bearer()];
    const [mine, theirs] = [await enrol(on, me), await enrol(on, other)];
    service.delayMs = 50;
    const [first, second, third] = await Promise.all([
      post(on, me, mine),
      post(on, me, mine),
      post(on, other, theirs),
    ]);
    expect([first.statusCode, second.statusCode].sort()).toEqual([200, 503]);
    expect(third.statusCode).toBe(200);
  });

  test('the least recently used keys make room', async () => {
    const service = new FakeInference();
    const on = app(service, {
      limits: { keyCapacityBytes: 2 * KEY_MEMORY_FACTOR * KEY_BYTES, keyIdleMs: 0, principalShare: 1 },
    });
    const [a, b, c] = [bearer(), bearer(), bearer()];
    const keyA = await enrol(on, a, 1);
    const keyB = await enrol(on, b, 2);
    await post(on, a, keyA);
    const keyC = await enrol(on, c, 3);
    const statuses = [(await post(on, a, keyA)).statusCode, (await post(on, b, keyB)).statusCode];
    expect([...statuses, (await post(on, c, keyC)).statusCode]).toEqual([200, 404, 200]);
    expect(service.keys.size).toBe(2);
  });

  test('keys in use are not dropped; who finds no room is told to come back', async () => {
    const service = new FakeInference();
    const on = app(service, { limits: { keyCapacityBytes: KEY_MEMORY_FACTOR * KEY_BYTES } });
    const me = bearer();
    const keyId = await enrol(on, me);
    service.delayMs = 100;
    const payload = Buffer.from(fakeEnrolment(2));
    const [mine, theirs] = await Promise.all([
      post(on, me, keyId),
      new Promise((resolve) => setTimeout(resolve, 30)).then(() =>
        on.inject({
          method: 'PUT',
          url: routes.keys('digits'),
          headers: { ...bearer(), ...octets },
          payload,
        }),
      ),
    ]);
    expect([mine.statusCode, theirs.statusCode]).toEqual([200, 503]);
  });

  test('keys that the service has lost are unknown at once, also to a query that waits', async () => {
    const service = new FakeInference();
    const on = app(service, { limits: { maxPendingPerTenant: 4 } });
    const me = bearer();
    const keyId = await enrol(on, me);
    service.delayMs = 100;
    const [running, waiting] = [post(on, me, keyId), post(on, me, keyId)];
    await vi.waitFor(() => expect(service.waiting).toBe(1));
    service.loseKeys();
    expect((await on.inject({ url: routes.key('digits', keyId), headers: me })).statusCode).toBe(404);
    expect((await running).statusCode).toBe(200);
    expect((await waiting).json().code).toBe('unknown-key');
    expect(service.answered).toBe(1);
    expect(await enrol(on, me)).toBe(keyId);
    expect((await post(on, me, keyId)).statusCode).toBe(200);
  });

  test('a principal has as many samples evaluated as its budget says, with whatever keys', async () => {
    const service = new FakeInference();
    const on = app(service, { limits: { samplesPerPrincipal: 2 * SAMPLES, maxPendingPerTenant: 4 } });
    const [me, other] = [bearer(), bearer()];
    const keyId = await enrol(on, me);
    const malformed = await post(on, me, keyId.slice(0, 8));
    expect(malformed.statusCode).toBe(404);
    const statuses = (await Promise.all([1, 2, 3].map(() => post(on, me, keyId)))).map((r) => r.statusCode);
    expect(statuses.sort()).toEqual([200, 200, 429]);
    expect((await post(on, me, keyId)).json()).toMatchObject({ code: 'query-budget' });
    await on.inject({ method: 'DELETE', url: routes.key('digits', keyId), headers: me });
    expect(await enrol(on, me)).toBe(keyId);
    expect((await post(on, me, keyId)).statusCode).toBe(429);
    // New keys and a new token are the same principal; the other model has a count of its own.
    expect((await post(on, other, await enrol(on, other, 2))).statusCode).toBe(429);
    const sentences = await enrol(on, other, 3, 'sentences');
    const elsewhere = { method: 'POST', url: routes.queries('sentences', sentences) } as const;
    const asked = { ...elsewhere, headers: { ...other, ...octets }, payload: Buffer.from(fakeQuery(7)) };
    expect((await on.inject(asked)).statusCode).toBe(200);
    expect(service.answered).toBe(3);
  });

  test('a client that leaves stops its evaluation', async () => {
    const service = new FakeInference();
    const server = await running(service);
    const me = bearer();
    const put = { method: 'PUT', headers: { ...me, ...octets }, body: Buffer.from(fakeEnrolment(1)) };
    const { keyId } = (await (await fetch(server.url + routes.keys('digits'), put)).json()) as {
      keyId: string;
    };
    service.delayMs = 5000;
    const leaving = new AbortController();
    const sent = fetch(server.url + routes.queries('digits', keyId), {
      method: 'POST',
      headers: { ...me, ...octets },
      body: Buffer.from(fakeQuery(1)),
      signal: leaving.signal,
    });
    await expect.poll(() => service.waiting, { timeout: 60_000 }).toBe(1);
    leaving.abort();
    await expect(sent).rejects.toThrow();
    await expect.poll(() => service.aborted, { timeout: 60_000 }).toBe(1);
    service.delayMs = 0;
    expect(service.answered).toBe(0);
  });
});

describe('listening', () => {
  test('plaintext off loopback needs a word', async () => {
    await expect(listen(new FakeInference(), { host: '0.0.0.0' })).rejects.toMatchObject({ code: 'usage' });
    const server = await listen(new FakeInference(), { host: '0.0.0.0', insecureListen: true });
    await server.close();
    expect(['127.0.0.1', '127.8.9.1', 'localhost', '::1', '[::1]'].every(isLoopback)).toBe(true);
    expect(['0.0.0.0', '10.0.0.1', '127.example.org', '::', '1270.0.0.1'].some(isLoopback)).toBe(false);
  });

  test('a taken port is a usage error that names it', async () => {
    const server = await running(new FakeInference());
    const port = Number(new URL(server.url).port);
    await expect(listen(new FakeInference(), { port })).rejects.toThrow(/EADDRINUSE/);
  });
});

describe('the log', () => {
  test('holds no token, key id or body, and the check would see one', async () => {
    let text = '';
    const sink = new Writable({
      write(chunk, _encoding, done) {
        text += chunk;
        done();
      },
    });
    const on = app(new FakeInference(), { log: new ServerLog('info', sink) });
    const me = bearer();
    const keyId = await enrol(on, me);
    await post(on, me, keyId);
    await post(on, me, keyId, Buffer.from('canary-in-a-body'));
    expect(text).toContain('"msg":"answered"');
    const token = me.authorization.slice(7);
    const secrets = [token, keyId, 'canary-in-a-body', Buffer.from(token, 'base64url').toString('hex')];
    expect(secrets.filter((secret) => text.includes(secret))).toEqual([]);
    expect(secrets.some((secret) => `${text}${keyId}`.includes(secret))).toBe(true);
  });

  test('drops fields that are not on the list', () => {
    let text = '';
    const log = new ServerLog('info', { write: (line: string) => void (text += line) });
    log.info('x', { status: 200, body: 'leak', token: 'leak' } as object);
    expect(text).toContain('"status":200');
    expect(text).not.toContain('leak');
  });
});
