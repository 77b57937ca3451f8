/** Encrypted inference within somebody else's application, which stays as it is outside of the prefix. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fastify from 'fastify';
import { afterEach, expect, test } from 'vitest';
import { connect } from '../../../src/client.ts';
import { compile } from '../../../src/compiler/compile.ts';
import { writeProgram } from '../../../src/compiler/program-file.ts';
import { createService } from '../../../src/apps/server/index.ts';
import { largestError } from '../../protocols/exchange.ts';
import { randomInputs, randomNetwork } from '../../protocols/random-network.ts';

const close: (() => unknown)[] = [];
afterEach(async () => {
  for (const each of close.splice(0).reverse()) await each();
});

const network = randomNetwork([5, 4, 3], 4, 5);
const other = randomNetwork([5, 4, 3], 4, 6);

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), 'subrosa-plugin-'));
  close.push(() => rmSync(directory, { recursive: true }));
  return directory;
}

/** An application with a body parser, request properties and error pages of its own. */
function application() {
  const app = fastify();
  app.decorateRequest('tenant', 'the host');
  app.decorateRequest('principal', 'the host');
  app.post('/orders', (request) => ({
    got: request.body,
    tenant: (request as unknown as { tenant: string }).tenant,
  }));
  app.get('/broken', () => {
    throw new Error('of the host');
  });
  return app;
}

async function listening(app: ReturnType<typeof application>): Promise<string> {
  close.push(() => app.close());
  return app.listen({ host: '127.0.0.1', port: 0 });
}

test('a client that connects to the prefix is answered, the application is not changed', async () => {
  const directory = temporary();
  writeFileSync(join(directory, 'net.subrosa'), writeProgram({ program: compile(network, { name: 'net' }) }));
  const keys = { directory: join(directory, 'keys') };
  const service = await createService({ models: [join(directory, 'net.subrosa')], keys });
  const app = application();
  await app.register(service.plugin, { prefix: '/private' });
  const url = await listening(app);

  using model = await connect(`${url}/private`);
  const inputs = randomInputs(3, 5, 1);
  expect(largestError((await model.infer(inputs)).output, network.run(inputs))).toBeLessThan(0.01);
  // Models are replaced between two queries of one client, which notices nothing; a new client gets the new model with its own keys.
  await service.replace([{ name: 'net', network: other }]);
  expect(largestError((await model.infer(inputs)).output, network.run(inputs))).toBeLessThan(0.01);
  using newer = await connect(`${url}/private`);
  expect(largestError((await newer.infer(inputs)).output, other.run(inputs))).toBeLessThan(0.01);

  const json = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"a":1}' } as const;
  expect(await (await fetch(`${url}/orders`, json)).json()).toEqual({ got: { a: 1 }, tenant: 'the host' });
  expect(await (await fetch(`${url}/broken`)).json()).toMatchObject({ message: 'of the host' });
  expect(await (await fetch(`${url}/nowhere`)).json()).toMatchObject({ error: 'Not Found' });
  expect((await fetch(`${url}/v1/health`)).status).toBe(404);
  expect(await (await fetch(`${url}/private/v1/health`)).json()).toEqual({ status: 'ok', models: ['net'] });
  const refused = await fetch(`${url}/private/v1/models/net/keys`, json);
  expect(refused.status).toBe(404);
  const asJson = await fetch(`${url}/private/v1/models/net/keys`, { ...json, method: 'PUT' });
  expect([asJson.status, ((await asJson.json()) as { code: string }).code]).toEqual([401, 'unauthorized']);
});

test('two of them side by side keep their models, and a path that is no program is named', async () => {
  const [one, two] = await Promise.all([
    createService({ models: [{ name: 'net', network }] }),
    createService({ models: [{ name: 'net', network: other }] }),
  ]);
  const app = application();
  await app.register(one.plugin, { prefix: '/one' });
  await app.register(two.plugin, { prefix: '/two' });
  const url = await listening(app);
  const inputs = randomInputs(2, 5, 3);
  for (const [path, truth] of [
    ['one', network],
    ['two', other],
  ] as const) {
    using model = await connect(`${url}/${path}`);
    expect(largestError((await model.infer(inputs)).output, truth.run(inputs))).toBeLessThan(0.01);
  }
  await expect(createService({ models: ['no/such/folder'] })).rejects.toThrow(
    /no\/such\/folder is no program/,
  );
});
