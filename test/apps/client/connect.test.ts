/** `connect` in Node against a real server with a small network. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  DisposedError,
  LimitError,
  QueryBudgetError,
  ShapeError,
  UsageError,
} from '../../../src/base/errors.ts';
import {
  type ClientProgress,
  type ClientTraffic,
  type ConnectedModel,
  connect,
} from '../../../src/client.ts';
import { receivedError, sentError } from '../../../src/apps/client/worker-messages.ts';
import { engineParts, type RunningService } from '../../../src/apps/cli/parts.ts';
import { listen, type RunningServer } from '../../../src/apps/server/index.ts';
import { PolynomialRunner, plainMatrixMultiply } from '../../../src/nn/index.ts';
import { randomInputs, randomNetwork } from '../../protocols/random-network.ts';

const WIDTH = 6;
const networks = { net: randomNetwork([WIDTH, 5, 4], 4, 11), other: randomNetwork([WIDTH, 5, 4], 4, 12) };
const clear = (inputs: Float32Array) => new PolynomialRunner(networks.net, plainMatrixMultiply).run(inputs);

let service: RunningService;
let server: RunningServer;
let net: ConnectedModel;
const progress: ClientProgress[] = [];
const traffic: ClientTraffic[] = [];

beforeAll(async () => {
  service = await engineParts.startService(
    Object.entries(networks).map(([name, network]) => ({ name, network })),
  );
  server = await listen(service);
  net = await connect(server.url, {
    model: 'net',
    onProgress: (each) => progress.push(each),
    onTraffic: (each) => traffic.push(each),
  });
}, 120_000);

afterAll(async () => {
  net?.[Symbol.dispose]();
  await server?.close();
  await service?.[Symbol.asyncDispose]();
});

function expectNear(output: Float32Array, expected: Float32Array): void {
  expect(output).toHaveLength(expected.length);
  const most = 8 * net.describes.error;
  for (const [i, value] of expected.entries())
    expect(Math.abs((output[i] as number) - value)).toBeLessThan(most);
}

describe('a connected model', () => {
  test('describes what the offer says, in sizes that are those on the wire', async () => {
    const { describes } = net;
    expect(describes).toMatchObject({ model: 'net', inputs: WIDTH, outputs: 4, interval: [-8, 8] });
    expect(describes.learns.join()).toMatch(/rounded up to a power of two from 128 to 4096/);
    traffic.length = 0;
    await net.infer(randomInputs(200, WIDTH, 1));
    const query = describes.bytes.queries.find(({ samples }) => samples === 256);
    expect(traffic.map(({ what, direction }) => `${what} ${direction}`)).toEqual(['query up', 'reply down']);
    expect(traffic[0]).toMatchObject({ bytes: query?.bytes, head: expect.any(Uint8Array) });
    expect(net.keys).toMatchObject({ source: 'made', bytes: describes.bytes.keys });
    expect(net.warnings).toEqual([]);
  });

  test('infers what the network gives in the clear, one sample or many', async () => {
    const inputs = randomInputs(3, WIDTH, 2);
    const expected = clear(inputs);
    const { output, labels, stats, warnings } = await net.infer(inputs);
    expectNear(output, expected);
    expect(labels).toHaveLength(3);
    expect(warnings).toEqual([]);
    expect(stats.bytesUp).toBeGreaterThan(stats.bytesDown);
    expect(stats.steps.length).toBeGreaterThan(2);
    const samples = [0, 1, 2].map((i) => inputs.subarray(i * WIDTH, (i + 1) * WIDTH));
    const results = await net.inferMany(samples);
    expectNear(Float32Array.from(results.flatMap((result) => [...result.output])), expected);
    expect(results.map(({ label }) => label)).toEqual([...labels]);
    expect(await net.inferMany([])).toEqual([]);
  });

  test('goes on over several queries where one does not hold all samples', async () => {
    const count = net.describes.maxSamples + 3;
    const inputs = randomInputs(count, WIDTH, 3);
    const samples = Array.from({ length: count }, (_, i) => inputs.subarray(i * WIDTH, (i + 1) * WIDTH));
    traffic.length = 0;
    const results = await net.inferMany(samples);
    expect(traffic.map(({ what }) => what)).toEqual(['query', 'reply', 'query', 'reply']);
    expectNear(Float32Array.from(results.flatMap((result) => [...result.output])), clear(inputs));
    await expect(net.infer(inputs)).rejects.toThrow(LimitError);
  });

  test('says which inputs it moved', async () => {
    const { warnings } = await net.infer(new Float32Array(WIDTH).fill(9));
    expect(warnings[0]).toBe(`${WIDTH} inputs lay outside of ±8 and were moved there`);
  });

  test('tells how far it is, phase by phase', () => {
    const phases = progress.map(({ phase }) => phase);
    const order = phases.filter((phase, i) => phases.indexOf(phase) === i);
    expect(order).toEqual(['offer', 'keygen', 'upload', 'encrypt', 'wait', 'decrypt']);
    for (const { done, total } of progress) expect(done).toBeLessThanOrEqual(total);
  });

  test('refuses inputs of another size, and ends when it is told to', async () => {
    await expect(net.infer([1, 2, 3])).rejects.toThrow(ShapeError);
    await expect(net.infer([])).rejects.toThrow(ShapeError);
    await expect(net.inferMany([[1]])).rejects.toThrow(/sample 0/);
    const stop = new AbortController();
    const asked = net.infer(randomInputs(1, WIDTH, 4), { signal: stop.signal });
    stop.abort(new Error('enough'));
    await expect(asked).rejects.toThrow('enough');
    expectNear((await net.infer(randomInputs(1, WIDTH, 4))).output, clear(randomInputs(1, WIDTH, 4)));
  });
});

describe('connecting', () => {
  test('needs a model where there are several, and one that there is', async () => {
    await expect(connect(server.url)).rejects.toThrow(/offers net, other: say which/);
    await expect(connect(server.url, { model: 'none' })).rejects.toThrow(/offers net, other, not none/);
    await expect(connect('ftp://x')).rejects.toThrow(UsageError);
    await expect(connect('http://example.org')).rejects.toThrow(/another machine/);
    await expect(connect('http://127.0.0.1:59999', { retries: 0 })).rejects.toThrow(/ECONNREFUSED/);
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(connect(server.url, { model: 'net', signal })).rejects.toThrow('enough');
  });

  test('takes a token that the caller chose, as bytes or as text, and nothing that is none', async () => {
    const token = randomBytes(32);
    using a = await connect(server.url, { model: 'net', token });
    using b = await connect(server.url, { model: 'net', token: token.toString('base64url') });
    expect([a.keys.source, b.keys.source]).toEqual(['made', 'made']);
    for (const wrong of ['short', new Uint8Array(31), '!'.repeat(43)])
      await expect(connect(server.url, { model: 'net', token: wrong })).rejects.toThrow(UsageError);
  });

  test('keys that the server dropped are sent again; keys that the client forgets are gone', async () => {
    const uploads: number[] = [];
    const model = await connect(server.url, {
      model: 'net',
      onTraffic: ({ what, bytes }) => what === 'keys' && uploads.push(bytes),
    });
    const before = await model.infer(randomInputs(1, WIDTH, 5));
    await server.close();
    await service[Symbol.asyncDispose]();
    const port = Number(new URL(server.url).port);
    service = await engineParts.startService([{ name: 'net', network: networks.net }]);
    server = await listen(service, { port });
    const after = await model.infer(randomInputs(1, WIDTH, 5));
    expectNear(after.output, before.output);
    expect(uploads).toEqual([model.describes.bytes.keys, model.describes.bytes.keys]);
    await model.forget();
    await expect(model.infer(randomInputs(1, WIDTH, 5))).rejects.toThrow(DisposedError);
  }, 60_000);
});

test('an error keeps its class, code and details between worker and page', () => {
  const original = new LimitError('the samples', 4, 5);
  const received = receivedError(structuredClone(sentError(original)));
  expect(received).toBeInstanceOf(LimitError);
  expect(received).toMatchObject({ name: 'LimitError', code: 'limit', details: original.details });
  expect(received.message).toBe(original.message);
  expect(receivedError(structuredClone(sentError(new QueryBudgetError())))).toBeInstanceOf(QueryBudgetError);
  const foreign = receivedError(structuredClone(sentError(new RangeError('x'))));
  expect(foreign).toMatchObject({ name: 'RangeError', message: 'x' });
  // A name that is no error's says nothing.
  expect(receivedError({ name: 'isLoopback', message: 'x', code: 'usage' })).toBeInstanceOf(Error);
});
