/** Keys in parts: over a link that breaks, out of order, from hostile clients, and under the memory limit. */
import { createHash, randomBytes } from 'node:crypto';
import { createServer, request as requestHttp } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { TransportError } from '../../src/base/errors.ts';
import { modelName, tenantId } from '../../src/protocols/inference/names.ts';
import { KeyUploads } from '../../src/apps/server/keys/key-uploads.ts';
import { type ListenOptions, listen, type RunningServer } from '../../src/apps/server/index.ts';
import { HttpTransport } from '../../src/apps/transport/http.ts';
import { KEY_PART_BYTES, routes } from '../../src/apps/transport/wire.ts';
import { FakeInference, fakeEnrolment } from './fake-inference.ts';

const TOTAL = 3 * KEY_PART_BYTES + 1000;
const MODEL = modelName('digits');

class LargeKeys extends FakeInference {
  override enrolmentBytes(): number {
    return TOTAL;
  }
}

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

async function running(service: FakeInference, options: ListenOptions = {}): Promise<RunningServer> {
  const server = await listen(service, options);
  open.push(server);
  return server;
}

function largeMessage(): Uint8Array {
  const message = new Uint8Array(randomBytes(TOTAL));
  message[0] = fakeEnrolment(0)[0]!;
  return message;
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const partOf = (message: Uint8Array, i: number) =>
  message.slice(i * KEY_PART_BYTES, (i + 1) * KEY_PART_BYTES);

/** Passes requests on to `target`; `breaks` may cut a connection instead. Lists what went through. */
async function breakingProxy(target: string, breaks: (line: string, nth: number) => boolean) {
  const lines: string[] = [];
  const server = createServer((request, response) => {
    const line = `${request.method} ${request.url?.replace(/[0-9a-f]{64}/, 'HASH')}`;
    const nth = lines.push(line);
    if (breaks(line, nth)) return request.socket.destroy();
    const { method, headers } = request;
    const onwards = requestHttp(new URL(request.url ?? '/', target), { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    onwards.on('error', () => response.destroy());
    request.pipe(onwards);
    return undefined;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({ close: () => server.close() });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, lines };
}

const transport = (url: string, retries = 3) =>
  new HttpTransport(url, { token: randomBytes(32), retries, backoffMs: 5, timeoutMs: 5000 });

describe('over a link that breaks', () => {
  test('only the part that broke is sent again, and all of them arrive', async () => {
    const service = new LargeKeys();
    const server = await running(service);
    const proxy = await breakingProxy(server.url, (line, nth) => line.endsWith('/parts/1') && nth < 4);
    const message = largeMessage();
    const seen: number[] = [];
    const { keyId } = await transport(proxy.url).enrol(MODEL, message, {
      onProgress: (done) => seen.push(done),
    });
    expect(keyId).toBe(sha256(message));
    expect([...service.keys.values()].map(sha256)).toEqual([keyId]);
    expect(seen).toEqual([0, 1, 2, 3].map((i) => i * KEY_PART_BYTES).concat(TOTAL));
    const parts = proxy.lines.filter((line) => line.startsWith('PUT')).map((line) => line.slice(-1));
    expect(parts).toEqual(['0', '1', '1', '2', '3']);
  });

  test('a later session goes on where an earlier one broke off', async () => {
    const server = await running(new LargeKeys());
    let isDown = true;
    const proxy = await breakingProxy(server.url, (line) => isDown && line.endsWith('/parts/2'));
    const message = largeMessage();
    const client = transport(proxy.url, 0);
    await expect(client.enrol(MODEL, message)).rejects.toThrow(TransportError);
    isDown = false;
    proxy.lines.length = 0;
    await client.enrol(MODEL, message);
    expect(proxy.lines.filter((line) => line.startsWith('PUT'))).toHaveLength(2);
  });

  test('an abort ends an upload between two parts', async () => {
    const server = await running(new LargeKeys());
    const stop = new AbortController();
    const enrolled = transport(server.url).enrol(MODEL, largeMessage(), {
      signal: stop.signal,
      onProgress: (done) => done > 0 && stop.abort(new Error('enough')),
    });
    await expect(enrolled).rejects.toThrow('enough');
  });
});

describe('what a client must not do', () => {
  const token = randomBytes(32).toString('base64url');
  const call = (url: string, method: string, path: string, body?: Uint8Array, bearer = token) =>
    fetch(url + path, {
      method,
      headers: {
        authorization: `Bearer ${bearer}`,
        ...(body && { 'content-type': 'application/octet-stream' }),
      },
      ...(body && { body: body as Uint8Array<ArrayBuffer> }),
    });
  const hash = 'ab'.repeat(32);
  const part = (i: number | string) => routes.uploadPart(MODEL, hash, i);

  test.each([
    ['a part that there is not', 'PUT', part(4), 1000, 400],
    ['a number that is none', 'PUT', part('x'), KEY_PART_BYTES, 400],
    ['a part of another length', 'PUT', part(0), 1000, 400],
    ['a part over the length', 'PUT', part(0), KEY_PART_BYTES + 1, 413],
    ['a name that is no hash', 'PUT', routes.uploadPart(MODEL, 'x', 0), KEY_PART_BYTES, 404],
    ['the end before the beginning', 'POST', routes.completeUpload(MODEL, hash), 0, 409],
  ])('%s', async (_what, method, path, bytes, status) => {
    const server = await running(new LargeKeys());
    const body = bytes === 0 ? undefined : new Uint8Array(bytes);
    expect((await call(server.url, method, path, body)).status).toBe(status);
  });

  test('a message that does not have the hash it was announced with is dropped', async () => {
    const service = new LargeKeys();
    const server = await running(service);
    const message = largeMessage();
    for (let i = 0; i < 4; i++)
      expect((await call(server.url, 'PUT', part(i), partOf(message, i))).status).toBe(201);
    expect((await call(server.url, 'POST', routes.completeUpload(MODEL, hash))).status).toBe(400);
    expect(service.keys.size).toBe(0);
    const held = await (await call(server.url, 'GET', routes.upload(MODEL, hash))).json();
    expect(held).toEqual({ partBytes: KEY_PART_BYTES, parts: [] });
  });

  test('a client that did not wait for the end of its enrolment asks again and gets the same keys, enrolled once', async () => {
    let [enrolments, finish] = [0, () => {}];
    class SlowKeys extends LargeKeys {
      override async enrol(...args: Parameters<FakeInference['enrol']>) {
        enrolments++;
        await new Promise<void>((resolve) => (finish = resolve));
        return super.enrol(...args);
      }
    }
    const server = await running(new SlowKeys());
    const message = largeMessage();
    const hash = sha256(message);
    for (let i = 0; i < 4; i++)
      expect(
        (await call(server.url, 'PUT', routes.uploadPart(MODEL, hash, i), partOf(message, i))).status,
      ).toBe(201);
    const complete = () => call(server.url, 'POST', routes.completeUpload(MODEL, hash));
    const [first, second] = [complete(), complete()];
    await expect.poll(() => enrolments).toBe(1);
    // The second is there before the first has ended.
    await new Promise((resolve) => setTimeout(resolve, 100));
    finish();
    const answers = await Promise.all([first, second]);
    expect(answers.map(({ status }) => status)).toEqual([201, 201]);
    // Much later, when the parts are gone, too.
    expect((await complete()).status).toBe(201);
    expect(enrolments).toBe(1);
    const other = sha256(largeMessage());
    expect((await call(server.url, 'POST', routes.completeUpload(MODEL, other))).status).toBe(409);
  });

  test('nobody sees or completes the upload of another', async () => {
    const server = await running(new LargeKeys());
    await call(server.url, 'PUT', part(0), new Uint8Array(KEY_PART_BYTES));
    const own = await (await call(server.url, 'GET', routes.upload(MODEL, hash))).json();
    expect(own).toMatchObject({ parts: [0] });
    const other = randomBytes(32).toString('base64url');
    const theirs = await (await call(server.url, 'GET', routes.upload(MODEL, hash), undefined, other)).json();
    expect(theirs).toMatchObject({ parts: [] });
    expect((await fetch(server.url + routes.upload(MODEL, hash))).status).toBe(401);
  });
});

describe('memory', () => {
  const owner = (name: string) => ({ tenant: tenantId(name.repeat(64)), principal: name });
  const part = new Uint8Array(KEY_PART_BYTES);
  const at = (now: () => number, parts: number) =>
    new KeyUploads({
      capacityBytes: parts * KEY_PART_BYTES,
      principalShare: 0.75,
      idleMs: 10,
      keptMs: 100,
      now,
    });

  test('one principal does not take all of it, whatever tokens it makes', () => {
    const uploads = at(() => 0, 8);
    const add = (tenant: string, principal: string) =>
      uploads.add({ tenant: tenantId(tenant.repeat(64)), principal }, MODEL, 'h', TOTAL, 0, part);
    expect(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => add(name, 'one'))).toEqual(new Array(6).fill(true));
    expect(add('0', 'one')).toBe(false);
    expect(add('1', 'two')).toBe(true);
    expect(uploads.bytes).toBe(7 * KEY_PART_BYTES);
  });

  test('resting uploads make room, moving ones do not, and all of them go in the end', () => {
    let now = 0;
    const uploads = at(() => now, 2);
    expect(uploads.add(owner('a'), MODEL, 'h', TOTAL, 0, part)).toBe(true);
    expect(uploads.add(owner('b'), MODEL, 'h', TOTAL, 0, part)).toBe(true);
    expect(uploads.add(owner('c'), MODEL, 'h', TOTAL, 0, part)).toBe(false);
    now = 20;
    expect(uploads.add(owner('c'), MODEL, 'h', TOTAL, 0, part)).toBe(true);
    expect(uploads.held(owner('a').tenant, MODEL, 'h')).toEqual([]);
    expect(uploads.held(owner('b').tenant, MODEL, 'h')).toEqual([0]);
    now = 200;
    expect(uploads.bytes).toBe(0);
  });

  test('a principal above its share makes nobody else lose parts, and leaves nothing behind', () => {
    let now = 0;
    const uploads = at(() => now, 4);
    const add = (tenant: string, principal: string): boolean =>
      uploads.add({ tenant: tenantId(tenant.repeat(64)), principal }, MODEL, 'h', TOTAL, 0, part);
    expect(add('a', 'two')).toBe(true);
    now = 20;
    expect(['b', 'c', 'd', 'e'].map((tenant) => add(tenant, 'one'))).toEqual([true, true, true, false]);
    expect(uploads.held(owner('a').tenant, MODEL, 'h')).toEqual([0]);
    now = 40;
    expect(add('e', 'one')).toBe(true);
    expect(uploads.held(owner('b').tenant, MODEL, 'h')).toEqual([]);
    expect(uploads.held(owner('a').tenant, MODEL, 'h')).toEqual([0]);
  });

  test('another message of the same client takes the place of an earlier one', () => {
    const uploads = at(() => 0, 8);
    uploads.add(owner('a'), MODEL, 'h', TOTAL, 0, part);
    uploads.add(owner('a'), MODEL, 'i', TOTAL, 1, part);
    expect(uploads.held(owner('a').tenant, MODEL, 'h')).toEqual([]);
    expect(uploads.held(owner('a').tenant, MODEL, 'i')).toEqual([1]);
    expect(uploads.bytes).toBe(KEY_PART_BYTES);
  });
});
