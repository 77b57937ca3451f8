import { randomBytes } from 'node:crypto';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { ProtocolError, QueryBudgetError, TransportError, UsageError } from '../../src/base/errors.ts';
import { type ListenOptions, listen, type RunningServer } from '../../src/apps/server/index.ts';
import { HttpExchange, type HttpOptions } from '../../src/apps/transport/exchange.ts';
import { HttpTransport } from '../../src/apps/transport/http.ts';
import { Patience, retryAfterMs } from '../../src/apps/transport/patience.ts';
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

describe('bodies that are made while they are sent', () => {
  const streamed = (fill: number, attempts: number[]) => ({
    byteLength: QUERY_BYTES,
    *pieces() {
      attempts.push(0);
      const bytes = fakeQuery(fill + attempts.length - 1);
      for (let at = 0; at < bytes.length; at += 7) {
        attempts[attempts.length - 1]!++;
        yield bytes.subarray(at, at + 7);
      }
    },
  });

  test('arrive as one body of the announced length', async () => {
    const server = await running(new FakeInference());
    const model = new RemoteModel(client(server.url), 'digits', () => fakeEnrolment(1));
    const attempts: number[] = [];
    const answer = await model.ask(streamed(5, attempts));
    expect(answer.bytes).toEqual(fakeQuery(5).map((byte) => byte + 1));
    expect(attempts).toEqual([Math.ceil(QUERY_BYTES / 7)]);
  });

  test("are made anew for another attempt, and a fault in the making is the caller's", async () => {
    const seen: Buffer[] = [];
    const url = await crooked((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part) => parts.push(part));
      request.on('end', () => {
        seen.push(Buffer.concat(parts));
        response.writeHead(seen.length === 1 ? 503 : 200, { 'retry-after': '0' });
        response.end(Buffer.of(1));
      });
    });
    const attempts: number[] = [];
    await client(url).query('digits', KEY, streamed(5, attempts));
    expect(seen.map((body) => [...body])).toEqual([[...fakeQuery(5)], [...fakeQuery(6)]]);
    const broken = {
      byteLength: 10,
      *pieces() {
        yield new Uint8Array(5);
        throw new RangeError('out of plaintexts');
      },
    };
    await expect(client(url, { retries: 0 }).query('digits', KEY, broken)).rejects.toThrow(
      'out of plaintexts',
    );
  });
});

describe('servers in trouble', () => {
  test('a used up query budget is said at once, not waited for', async () => {
    const server = await running(new FakeInference(), { limits: { samplesPerPrincipal: 128 } });
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

  test.each([408, 502, 504])(
    'HTTP %i says that the request did not get through: it is sent again',
    async (status) => {
      let calls = 0;
      const url = await crooked((_request, response) => {
        if (++calls < 3) response.writeHead(status).end('<html>');
        else response.end('{"models":[]}');
      });
      expect(await client(url).models()).toEqual([]);
      expect(calls).toBe(3);
    },
  );

  test('the default outlasts an outage of more than 30 s; Retry-After and the spread lengthen waits', async () => {
    let waits: number[] = [];
    const told = { onRetry: (_reason: string, ms: number) => waits.push(ms) };
    for (let i = 0; i < 20; i++) {
      waits = [];
      // A thousandth of everything but of the cap, which is scaled by hand.
      const patient = new Patience({ ...told, backoffMs: 0.01 }).turn();
      const error = new TransportError('gone', true);
      await expect(
        (async () => {
          for (;;) await patient.waitAfter(error);
        })(),
      ).rejects.toBe(error);
      expect(waits).toHaveLength(10);
      const planned = waits.map((ms, k) => (ms / (0.01 * 2 ** k)) * Math.min(10_000, 200 * 2 ** k));
      expect(planned.reduce((sum, ms) => sum + ms)).toBeGreaterThan(39_000);
    }
    expect(new Set(waits.map((ms, k) => ms / 2 ** k)).size).toBeGreaterThan(5);
    waits = [];
    await new Patience(told).turn().waitWhileBusy(250);
    expect(waits[0]).toBeGreaterThanOrEqual(150);
    const header = (value: string) => retryAfterMs(new Headers({ 'retry-after': value }));
    expect([header('3'), header('999999'), header('soon')]).toEqual([3000, 120_000, 0]);
    expect(header(new Date(Date.now() + 5000).toUTCString())).toBeGreaterThan(3000);
  });

  test('a server that is gone for good costs all waits twice, then one attempt a request', async () => {
    let calls = 0;
    const url = await crooked((request) => {
      calls++;
      request.socket.destroy();
    });
    const lost = client(url, { retries: 3 });
    const counts: number[] = [];
    for (let i = 0; i < 4; i++) {
      const before = calls;
      await expect(lost.models()).rejects.toThrow(TransportError);
      counts.push(calls - before);
    }
    expect(counts).toEqual([4, 4, 1, 1]);
  });

  test('64 clients that start at once all get their answers', async () => {
    const service = new FakeInference();
    service.delayMs = 2;
    const server = await running(service, { limits: { maxPending: 4 } });
    const answers = await Promise.all(
      Array.from({ length: 64 }, async (_, i) => {
        const model = new RemoteModel(
          new HttpTransport(server.url, { token: randomBytes(32), backoffMs: 20 }),
          'digits',
          () => fakeEnrolment(i),
        );
        return (await model.ask(fakeQuery(i))).bytes[5];
      }),
    );
    expect(answers).toEqual(Array.from({ length: 64 }, (_, i) => i + 1));
  }, 60_000);

  test('a server that drops keys at once is not fed them for ever', async () => {
    const service = new FakeInference();
    const enrol = service.enrol.bind(service);
    service.enrol = async (...keys) => {
      setImmediate(() => service.loseKeys());
      return enrol(...keys);
    };
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

describe('slow links', () => {
  /** Reads `bytesPerSecond`, nothing at all for 0; answers when all has come. */
  async function slow(bytesPerSecond: number): Promise<{ url: string; received: () => number }> {
    let received = 0;
    const server = createTcpServer({ highWaterMark: 2048 }, (socket) => {
      socket.on('error', () => undefined);
      socket.pause();
      let seen = Buffer.alloc(0);
      const timer = setInterval(() => {
        const piece = socket.read(Math.min(socket.readableLength, bytesPerSecond / 20)) as Buffer | null;
        if (piece === null) return;
        received += piece.length;
        if (seen.length < 2000) seen = Buffer.concat([seen, piece]);
        const head = seen.indexOf('\r\n\r\n');
        const length = Number(/content-length: (\d+)/i.exec(seen.toString('latin1'))?.[1]);
        if (head !== -1 && received >= head + 4 + length)
          socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}');
      }, 50);
      if (bytesPerSecond === 0) clearInterval(timer);
      socket.on('readable', () => undefined);
      socket.on('close', () => clearInterval(timer));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    open.push(server);
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received: () => received };
  }

  test('an upload that takes many times the limit arrives, because it moves', async () => {
    const { url, received } = await slow(200_000);
    const transport = new HttpExchange(url, { token: randomBytes(32), timeoutMs: 150, retries: 0 });
    const { status, exchange } = await transport.send('PUT', '/', new Uint8Array(600_000));
    expect(status).toBe(200);
    expect(received()).toBeGreaterThan(600_000);
    expect(exchange.uploadMs).toBeGreaterThan(10 * 150);
  }, 30_000);

  test('one that stands still is cut', async () => {
    const { url } = await slow(0);
    const transport = new HttpExchange(url, { token: randomBytes(32), timeoutMs: 100, retries: 0 });
    await expect(transport.send('PUT', '/', new Uint8Array(30_000))).rejects.toThrow(
      /nothing moved within 0.1 s/,
    );
  }, 30_000);

  test('a reply that comes a byte at a time is cut, one that comes slowly is not', async () => {
    const url = await crooked((request, response) => {
      response.writeHead(200);
      const bytes = request.url === '/drip' ? 1 : 2000;
      let left = 30;
      const timer = setInterval(() => {
        if (left-- > 0) response.write(Buffer.alloc(bytes));
        else response.end();
      }, 30);
      response.on('close', () => clearInterval(timer));
    });
    const transport = new HttpExchange(url, { token: randomBytes(32), timeoutMs: 300, retries: 0 });
    expect((await transport.send('GET', '/')).body.length).toBe(60_000);
    await expect(transport.send('GET', '/drip')).rejects.toThrow(/nothing moved/);
  });
});

describe('crooked servers', () => {
  test('a body that a proxy finds too large: what it must allow', async () => {
    const proxy = await crooked((request, response) => {
      request.resume();
      response.writeHead(413).end('<html>Request Entity Too Large</html>');
    });
    const sent = client(proxy).query('digits', KEY, new Uint8Array(5_400_000));
    await expect(sent).rejects.toThrow(
      /5400000 bytes \(HTTP 413\).*bodies of 6 MiB \(nginx: client_max_body_size\)/,
    );
    const own = await crooked((request, response) => {
      request.resume();
      response.writeHead(413).end('{"code":"limit","message":"x"}');
    });
    await expect(client(own).enrol('digits', new Uint8Array(10))).rejects.toThrow(/limit \(HTTP 413\)/);
  });

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
