/** Models that are replaced while they answer, and keys that outlive threads, memory and processes. */
import { randomBytes } from 'node:crypto';
import { open as openFile, rename, unlink } from 'node:fs/promises';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import type { ServedModel } from '../../../src/protocols/inference/responder.ts';
import { modelName, tenantId } from '../../../src/protocols/inference/names.ts';
import { buildApp, KEY_MEMORY_FACTOR, LiveModels, openLiveModels } from '../../../src/apps/server/index.ts';
import { KeyFolder } from '../../../src/apps/server/keys/key-folder.ts';
import type { FileCalls } from '../../../src/apps/keystore/atomic-file.ts';
import { routes } from '../../../src/apps/transport/wire.ts';
import { type FakeModel, FakeThread, KEY_BYTES, keysFor, programOf, queryFor } from './fake-thread.ts';

const open: { (): unknown }[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

const [A, B] = [programOf('a'), programOf('b')];
const MODEL = modelName('net');
const ONE = tenantId(randomBytes(32).toString('hex'));
const TWO = tenantId(randomBytes(32).toString('hex'));
const net = (program: string, params = 1): FakeModel => ({ name: 'net', program, params });
const served = (...models: FakeModel[]) => models as unknown as ServedModel[];

async function live(
  models: readonly FakeModel[],
  options: Partial<Parameters<typeof LiveModels.start>[1]> = {},
): Promise<{ models: LiveModels; threads: FakeThread[] }> {
  const threads: FakeThread[] = [];
  const start = async (each: readonly ServedModel[]) => {
    const thread = new FakeThread(each);
    threads.push(thread);
    return thread;
  };
  const started = await LiveModels.start(served(...models), { start, ...options });
  open.push(() => started[Symbol.asyncDispose]());
  return { models: started, threads };
}

const text = (answer: { bytes: Uint8Array }) => new TextDecoder().decode(answer.bytes);

function folder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'subrosa-live-'));
  open.push(() => rmSync(directory, { recursive: true }));
  return join(directory, 'keys');
}

describe('models that are replaced', () => {
  test('queries for the earlier program are answered, those for the new one too, with the same keys', async () => {
    const { models, threads } = await live([net(A)]);
    const message = keysFor(1, 7);
    const keyId = await models.enrol(ONE, MODEL, message);
    await models.replace(served(net(B)));
    expect(models.offers()[0]?.programId).toBe(B);
    expect(text(await models.answer(ONE, MODEL, keyId, queryFor(A)))).toBe(A);
    expect(text(await models.answer(ONE, MODEL, keyId, queryFor(B)))).toBe(B);
    expect(threads.map(({ prepared }) => prepared)).toEqual([1, 1]);
    await expect(models.answer(ONE, MODEL, keyId, queryFor(programOf('c')))).rejects.toMatchObject({
      code: 'protocol',
    });
  });

  test('an evaluation that runs when its thread is retired ends first', async () => {
    const { models, threads } = await live([net(A)], { replacedMs: 10 });
    const keyId = await models.enrol(ONE, MODEL, keysFor(1, 7));
    let finish = () => {};
    threads[0]!.gate = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const running = models.answer(ONE, MODEL, keyId, queryFor(A));
    await models.replace(served(net(B)));
    await expect.poll(() => models.serves(MODEL) && threads.length).toBe(2);
    await delay(50);
    // Retired: it takes nothing new, but has not ended.
    await expect(models.answer(ONE, MODEL, keyId, queryFor(A))).rejects.toThrow(/another program/);
    expect(threads[0]!.isEnded).toBe(false);
    finish();
    expect(text(await running)).toBe(A);
    await expect.poll(() => threads[0]!.isEnded).toBe(true);
  });

  test('models that cannot be started leave the others as they are', async () => {
    let isBroken = false;
    const started = await LiveModels.start(served(net(A)), {
      start: async (each) => {
        if (isBroken) throw new Error('does not compile');
        return new FakeThread(each);
      },
    });
    open.push(() => started[Symbol.asyncDispose]());
    isBroken = true;
    await expect(started.replace(served(net(B)))).rejects.toThrow(/does not compile/);
    expect(started.offers()[0]?.programId).toBe(A);
    isBroken = false;
    await started.replace(served(net(B)));
    expect(started.offers()[0]?.programId).toBe(B);
  });

  test('the same models again need no second thread for long', async () => {
    const { models, threads } = await live([net(A)]);
    await models.replace(served(net(A)));
    await expect.poll(() => threads.map(({ isEnded }) => isEnded)).toEqual([true, false]);
  });

  test('a model with other parameters takes new keys, from latecomers the earlier ones too', async () => {
    const { models } = await live([net(A, 1)]);
    const old = await models.enrol(ONE, MODEL, keysFor(1, 7));
    await models.replace(served(net(B, 2)));
    const late = await models.enrol(TWO, MODEL, keysFor(1, 8));
    expect(text(await models.answer(TWO, MODEL, late, queryFor(A)))).toBe(A);
    const fresh = await models.enrol(ONE, MODEL, keysFor(2, 9));
    expect(text(await models.answer(ONE, MODEL, fresh, queryFor(B)))).toBe(B);
    const lost: string[] = [];
    models.onKeysLost((keys) => lost.push(keys?.keyId ?? 'all'));
    await expect(models.answer(ONE, MODEL, old, queryFor(B))).rejects.toMatchObject({ code: 'missing-key' });
    expect(lost).toEqual([old]);
    await expect(models.enrol(ONE, MODEL, keysFor(3, 7))).rejects.toMatchObject({ code: 'params-mismatch' });
  });
});

describe('keys that are not ready', () => {
  test('memory for one set serves two clients in turn, and never holds more', async () => {
    const start = async (each: readonly ServedModel[]) => new FakeThread(each);
    const models = await openLiveModels(served(net(A)), {
      start,
      keys: { directory: folder() },
      keyMemoryBytes: KEY_MEMORY_FACTOR * KEY_BYTES,
    });
    open.push(() => models[Symbol.asyncDispose]());
    const ids = [
      await models.enrol(ONE, MODEL, keysFor(1, 1)),
      await models.enrol(TWO, MODEL, keysFor(1, 2)),
    ];
    for (let i = 0; i < 3; i++) {
      expect(text(await models.answer(ONE, MODEL, ids[0]!, queryFor(A)))).toBe(A);
      expect(text(await models.answer(TWO, MODEL, ids[1]!, queryFor(A)))).toBe(A);
      expect(models.readyKeys.bytes).toBe(KEY_MEMORY_FACTOR * KEY_BYTES);
    }
    expect(models.readyKeys).toMatchObject({ hits: 0, misses: 6 });
    await models.answer(TWO, MODEL, ids[1]!, queryFor(A));
    expect(models.readyKeys).toMatchObject({ hits: 1, misses: 6 });
  });

  test('two queries at once make keys ready once', async () => {
    const { models, threads } = await live([net(A)]);
    const keyId = await models.enrol(ONE, MODEL, keysFor(1, 7));
    threads[0]!.loseKeys();
    const both = [1, 2].map(() => models.answer(ONE, MODEL, keyId, queryFor(A)));
    expect((await Promise.all(both)).map(text)).toEqual([A, A]);
    expect(threads[0]!.prepared).toBe(2);
  });

  test('a thread that died has lost nothing, with a folder or without one', async () => {
    const { models, threads } = await live([net(A)]);
    let losses = 0;
    models.onKeysLost(() => losses++);
    const keyId = await models.enrol(ONE, MODEL, keysFor(1, 7));
    threads[0]!.loseKeys();
    expect(text(await models.answer(ONE, MODEL, keyId, queryFor(A)))).toBe(A);
    expect(losses).toBe(0);
    models.forget(ONE, MODEL, keyId);
    expect(threads[0]!.ready.size).toBe(0);
    await expect(models.answer(ONE, MODEL, keyId, queryFor(A))).rejects.toMatchObject({
      code: 'missing-key',
    });
  });
});

describe('over HTTP', () => {
  const octets = { 'content-type': 'application/octet-stream' };
  const bearer = () => ({ authorization: `Bearer ${randomBytes(32).toString('base64url')}`, ...octets });

  async function server(directory: string, options: Parameters<typeof buildApp>[1] = {}, calls?: FileCalls) {
    const threads: FakeThread[] = [];
    const start = async (each: readonly ServedModel[]) => {
      const thread = new FakeThread(each);
      threads.push(thread);
      return thread;
    };
    const shelf = await KeyFolder.open(directory, { keptDays: 90, ...(calls !== undefined && { calls }) });
    const models = await LiveModels.start(served(net(A)), { start, shelf, shelfBytes: 3000 });
    const app = buildApp(models, options);
    const close = async () => {
      await app.close();
      await models[Symbol.asyncDispose]();
    };
    open.push(close);
    return { app, models, close, thread: threads[0]! };
  }
  type Running = Awaited<ReturnType<typeof server>>;

  const enrol = ({ app }: Running, headers: Record<string, string>, fill: number) =>
    app.inject({
      method: 'PUT',
      url: routes.keys('net'),
      headers,
      payload: Buffer.from(keysFor(1, fill)),
    });
  const ask = async ({ app }: Running, headers: Record<string, string>, keyId: string) => {
    const payload = Buffer.from(queryFor(A));
    return await app.inject({ method: 'POST', url: routes.queries('net', keyId), headers, payload });
  };

  test('a restart forgets no keys, and not whose they are', async () => {
    const directory = folder();
    const before = await server(directory);
    const me = bearer();
    const keyId = (await enrol(before, me, 7)).json().keyId;
    expect((await ask(before, me, keyId)).statusCode).toBe(200);
    await before.close();
    const after = await server(directory);
    expect((await after.app.inject({ url: routes.key('net', keyId), headers: me })).statusCode).toBe(200);
    expect((await ask(after, me, keyId)).statusCode).toBe(200);
    expect((await ask(after, bearer(), keyId)).json().code).toBe('unknown-key');
    const gone = await after.app.inject({ method: 'DELETE', url: routes.key('net', keyId), headers: me });
    expect(gone.statusCode).toBe(204);
    await after.close();
    expect((await ask(await server(directory), me, keyId)).json().code).toBe('unknown-key');
  });

  test('keys that were changed on disk are unknown keys; the client enrols again', async () => {
    const directory = folder();
    const before = await server(directory);
    const me = bearer();
    const keyId = (await enrol(before, me, 7)).json().keyId;
    await before.close();
    const file = join(directory, readdirSync(directory).find((name) => name.endsWith('.keys'))!);
    const bytes = readFileSync(file);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(file, bytes);
    const after = await server(directory);
    expect((await ask(after, me, keyId)).json().code).toBe('unknown-key');
    expect((await after.app.inject({ url: routes.key('net', keyId), headers: me })).statusCode).toBe(404);
    expect((await enrol(after, me, 7)).json().keyId).toBe(keyId);
    expect((await ask(after, me, keyId)).statusCode).toBe(200);
  });

  test('a folder that is full drops the keys that were not used for longest', async () => {
    const directory = folder();
    const running = await server(directory, { limits: { keyIdleMs: 0, principalShare: 1 } });
    const clients = [1, 2, 3, 4].map((fill) => ({ fill, headers: bearer(), keyId: '' }));
    for (const each of clients) each.keyId = (await enrol(running, each.headers, each.fill)).json().keyId;
    const statuses = await Promise.all(
      clients.map(async (each) => (await ask(running, each.headers, each.keyId)).statusCode),
    );
    expect(statuses).toEqual([404, 200, 200, 200]);
    await expect.poll(() => readdirSync(directory).filter((name) => name.endsWith('.keys')).length).toBe(3);
  });

  test('a disk that is full is 503 storage, holds no memory, and is over when it is over', async () => {
    let isFull = true;
    const full = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
    const calls: FileCalls = {
      ...{ rename, unlink },
      open: async (path, flags, mode) => {
        if (isFull && flags === 'wx') throw full;
        return openFile(path, flags, mode);
      },
    };
    const running = await server(folder(), {}, calls);
    const me = bearer();
    const refused = await enrol(running, me, 7);
    expect([refused.statusCode, refused.json().code]).toEqual([503, 'storage']);
    expect([running.models.readyKeys.bytes, running.thread.ready.size]).toEqual([0, 0]);
    isFull = false;
    const keyId = (await enrol(running, me, 7)).json().keyId;
    expect((await ask(running, me, keyId)).statusCode).toBe(200);
  });

  test('work is admitted by the time that it should take', async () => {
    const limits = { maxPendingMs: 1000, maxPendingPerTenant: 10, maxPending: 10 };
    const running = await server(folder(), { limits });
    const me = bearer();
    const keyId = (await enrol(running, me, 7)).json().keyId;
    let finish = () => {};
    running.thread.gate = new Promise<void>((resolve) => (finish = resolve));
    // 400 ms each are predicted: two fit into a second, though ten may wait.
    const replies = [1, 2, 3, 4].map(() => ask(running, me, keyId));
    const refused = await Promise.all(replies.slice(2));
    expect(refused.map(({ statusCode, headers }) => [statusCode, headers['retry-after']])).toEqual([
      [503, '1'],
      [503, '1'],
    ]);
    finish();
    expect((await Promise.all(replies)).map(({ statusCode }) => statusCode)).toEqual([200, 200, 503, 503]);
  });
});
