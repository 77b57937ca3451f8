import { randomBytes } from 'node:crypto';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { ProtocolError, QueryBudgetError, TransportError, UsageError } from '../../src/base/errors.ts';
import { type ListenOptions, listen, type RunningServer } from '../../src/apps/server/index.ts';
import type { HttpOptions } from '../../src/apps/transport/exchange.ts';
import { HttpTransport } from '../../src/apps/transport/http.ts';
import { RemoteModel } from '../../src/apps/transport/remote-model.ts';
import { formatTimings, parseTimings } from '../../src/apps/transport/wire.ts';
import { FakeInference, fakeEnrolment, fakeQuery, QUERY_BYTES } from './fake-inference.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

async function running(service: FakeInference, options: ListenOptions = {}): Promise<RunningServer> {
  const server = await listen(service, options);
  open.push(server);
  return server;
}

/** A hand-made server for what a correct one never does. */
async function crooked(handler: RequestListener): Promise<string> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function client(url: string, options: Partial<HttpOptions> = {}): HttpTransport {
  return new HttpTransport(url, {
    token: randomBytes(32),
    timeoutMs: 2000,
    retries: 3,
    backoffMs: 5,
    ...options,
  });
}

const KEY = 'ab'.repeat(32);

describe('the good case', () => {
  test('enrols once, asks twice, and measures both directions', async () => {
    const server = await running(new FakeInference());
    let made = 0;
    const model = new RemoteModel(client(server.url), 'digits', () => {
      made++;
      return fakeEnrolment(1);
    });
    await model.ready();
    const answer = await model.ask(fakeQuery(5));
    await model.ask(fakeQuery(6));
    expect(made).toBe(1);
    expect(answer.bytes).toEqual(fakeQuery(5).map((byte) => byte + 1));
    expect(answer.steps).toEqual([
      { name: 'expand', ms: 1.25 },
      { name: 'linear 0', ms: 2.5 },
    ]);
    expect(answer.exchange).toMatchObject({ attempts: 1, bytesUp: QUERY_BYTES, bytesDown: QUERY_BYTES });
    expect(answer.peakBytes).toBe(12345);
  });

  test('a later session with the key id uploads nothing', async () => {
    const server = await running(new FakeInference());
    const token = randomBytes(32);
    const first = new RemoteModel(client(server.url, { token }), 'digits', () => fakeEnrolment(1));
    await first.ready();
    const later = new RemoteModel(
      client(server.url, { token }),
      'digits',
      () => expect.unreachable(),
      first.keyId,
    );
    await later.ready();
    await later.ask(fakeQuery(1));
    expect(later.enrolled).toBeNull();
    await later.forget();
    expect(await client(server.url, { token }).hasKey('digits', first.keyId as string)).toBe(false);
  });

  test('two clients at once keep their own keys and answers', async () => {
    const service = new FakeInference();
    const server = await running(service, { limits: { maxPendingPerTenant: 20, maxPending: 40 } });
    service.delayMs = 2;
    const all = await Promise.all(
      [1, 2].map(async (fill) => {
        const model = new RemoteModel(client(server.url), 'digits', () => fakeEnrolment(fill));
        const answers = await Promise.all(
          Array.from({ length: 10 }, (_, i) => model.ask(fakeQuery(10 * fill + i))),
        );
        return answers.every((answer, i) => answer.bytes[5] === 10 * fill + i + 1);
      }),
    );
    expect(all).toEqual([true, true]);
  });
});

describe('servers in trouble', () => {
  test('a used up query budget is said at once, not waited for', async () => {
    const server = await running(new FakeInference(), { limits: { queriesPerKeySet: 1 } });
    const model = new RemoteModel(client(server.url), 'digits', () => fakeEnrolment(1));
    expect((await model.ask(fakeQuery(1))).exchange.attempts).toBe(1);
    await expect(model.ask(fakeQuery(1))).rejects.toThrow(QueryBudgetError);
  });

  test('an absent server: bounded attempts, then one clear error', async () => {
    const server = await listen(new FakeInference());
    await server.close();
    const sent = client(server.url).models();
    await expect(sent).rejects.toThrow(TransportError);
    await expect(sent).rejects.toThrow(/ECONNREFUSED.*is the server running/);
  });

  test('a slow server: time limit, named', async () => {
    const service = new FakeInference();
    const server = await running(service, { limits: { graceMs: 50 } });
    const model = new RemoteModel(client(server.url, { timeoutMs: 600, retries: 1 }), 'digits', () =>
      fakeEnrolment(1),
    );
    await model.ready();
    service.delayMs = 5000;
    await expect(model.ask(fakeQuery(1))).rejects.toThrow(/within 0.6 s/);
    await expect.poll(() => service.aborted, { timeout: 5000 }).toBe(2);
  });

  test('a server that dies mid-request and comes back empty: the same bytes, keys enrolled again', async () => {
    const seen: Buffer[] = [];
    const service = new FakeInference();
    const first = await running(service, { limits: { graceMs: 0 } });
    const port = Number(new URL(first.url).port);
    let uploads = 0;
    const model = new RemoteModel(client(first.url, { retries: 8, backoffMs: 20 }), 'digits', () => {
      uploads++;
      return fakeEnrolment(1);
    });
    await model.ready();
    service.delayMs = 5000;
    const asked = model.ask(fakeQuery(9));
    await new Promise((resolve) => setTimeout(resolve, 40));
    await first.close();
    const empty = new FakeInference();
    const answer = empty.answer.bind(empty);
    empty.answer = (tenant, name, keyId, query, signal) => {
      seen.push(Buffer.from(query));
      return answer(tenant, name, keyId, query, signal);
    };
    await running(empty, { port });
    expect((await asked).bytes).toEqual(fakeQuery(9).map((byte) => byte + 1));
    expect(uploads).toBe(2);
    expect(seen).toEqual([Buffer.from(fakeQuery(9))]);
  });

  test('a busy server is asked again after Retry-After, and given up on in the end', async () => {
    let calls = 0;
    const url = await crooked((_request, response) => {
      calls++;
      response.writeHead(503, { 'retry-after': '0' }).end('{"code":"busy","message":"x"}');
    });
    await expect(client(url, { retries: 2 }).models()).rejects.toThrow(/busy over 3 attempts/);
    expect(calls).toBe(3);
  });

  test('a server that drops keys at once is not fed them for ever', async () => {
    const service = new FakeInference();
    service.hasKey = () => false;
    const server = await running(service);
    let uploads = 0;
    const model = new RemoteModel(client(server.url), 'digits', () => {
      uploads++;
      return fakeEnrolment(1);
    });
    await expect(model.ask(fakeQuery(1))).rejects.toThrow(ProtocolError);
    expect(uploads).toBe(2);
  });

  test('a reply cut off half-way is fetched again', async () => {
    let calls = 0;
    const url = await crooked((_request, response) => {
      calls++;
      response.writeHead(200, { 'content-length': '100' });
      if (calls === 1) {
        response.write('x'.repeat(10));
        setTimeout(() => response.destroy(), 10);
      } else response.end('y'.repeat(100));
    });
    const answer = await client(url).query('digits', KEY, fakeQuery(1));
    expect([answer?.bytes.length, answer?.exchange.attempts]).toEqual([100, 2]);
  });
});

describe('crooked servers', () => {
  test('a refusal is final, is not repeated, and its text is not shown', async () => {
    let calls = 0;
    const url = await crooked((_request, response) => {
      calls++;
      response.writeHead(400).end('{"code":"bad-request","message":"\\u001b[31mobey"}');
    });
    const sent = client(url).query('digits', KEY, fakeQuery(1));
    await expect(sent).rejects.toThrow(/bad-request \(HTTP 400\)/);
    await expect(sent).rejects.not.toThrow(/obey/);
    expect(calls).toBe(1);
  });

  test('redirects, endless replies, non-JSON and malformed names', async () => {
    const away = await crooked((_request, response) =>
      response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
    );
    await expect(client(away, { retries: 0 }).models()).rejects.toThrow(TransportError);
    const endless = await crooked((_request, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write(Buffer.alloc(1000)), 1);
      response.on('close', () => clearInterval(timer));
    });
    await expect(client(endless, { maxReplyBytes: 5000 }).models()).rejects.toThrow(/more than 5000 bytes/);
    const other = await crooked((_request, response) => response.end('<html>'));
    await expect(client(other).models()).rejects.toThrow(/not a subrosa server/);
    await expect(client(other).enrol('../x', fakeEnrolment(1))).rejects.toThrow(ProtocolError);
  });

  test('a caller that gives up is heard at once', async () => {
    const url = await crooked(() => {});
    const leaving = new AbortController();
    setTimeout(() => leaving.abort(new Error('enough')), 20);
    await expect(client(url).query('digits', KEY, fakeQuery(1), leaving.signal)).rejects.toThrow('enough');
  });
});

test('addresses: only http(s), plain HTTP only to this machine unless said otherwise', () => {
  for (const address of ['127.0.0.1:80', 'ftp://x', '', 'http://example.org', 'http://10.1.2.3:8414']) {
    expect(() => client(address)).toThrow(UsageError);
  }
  for (const address of ['http://localhost:1', 'http://[::1]:1', 'https://example.org/base/'])
    client(address);
  client('http://example.org', { insecure: true });
});

test('property: timings survive the header', () => {
  const step = fc.record({
    name: fc.stringMatching(/^[\w .:+*/()-]{1,20}$/),
    ms: fc.integer({ min: 0, max: 1e9 }).map((value) => value / 1000),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      expect(parseTimings(formatTimings(steps))).toEqual(steps);
    }),
  );
  expect(parseTimings('garbage; s0;desc="x')).toEqual([]);
});
