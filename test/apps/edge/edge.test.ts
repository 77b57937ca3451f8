/** The two-edge mode over loopback sockets: the files that the owner makes, servers, links, the device's counter. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { counterFile } from '../../../src/apps/edge/counter-file.ts';
import { listenEdge } from '../../../src/apps/edge/edge-server.ts';
import { provision, readDevice, readEdge } from '../../../src/apps/edge/provisioning.ts';
import { connectEdge } from '../../../src/apps/edge/websocket-link.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { type ApplyLinear, evaluateIntegerNetwork } from '../../../src/nn/integer/integer-evaluate.ts';
import { EdgeDevice } from '../../../src/protocols/edge/device.ts';
import { EdgeService } from '../../../src/protocols/edge/edge-service.ts';
import { RequestCounter } from '../../../src/protocols/edge/request-counter.ts';
import { denseNetwork, mixedNetwork, plainApply, randomInt8 } from '../../protocols/edge/edge-pair.ts';

const directory = mkdtempSync(join(tmpdir(), 'subrosa-edge-'));
const kernel = await openKernel();
afterAll(() => {
  kernel[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});

const OPERATORS = { a: 'operator one', b: 'operator two' };
const LIMITS = { maxMessageBytes: 2 ** 20, timeoutMs: 30_000 };
let files = 0;

async function running(network = mixedNetwork(3), applyB: ApplyLinear = plainApply) {
  const parts = await provision(network, { operators: OPERATORS, devices: 1, kernel });
  const [a, b] = [
    await listenEdge(new EdgeService({ ...(await readEdge(parts.edgeA)), apply: plainApply })),
    await listenEdge(new EdgeService({ ...(await readEdge(parts.edgeB)), apply: applyB })),
  ];
  const identity = await readDevice(parts.devices[0]!);
  const path = join(directory, `counter-${files++}`);
  const counter = await RequestCounter.open(counterFile(path), 4);
  const connect = async (urlA = a.url, urlB = b.url) =>
    EdgeDevice.connect(await connectEdge(urlA, LIMITS), await connectEdge(urlB, LIMITS), {
      ...identity,
      counter,
    });
  return { network, parts, a, b, connect, path, stop: () => Promise.all([a.close(), b.close()]) };
}

function inputFor(inputs: number, batch: number): Int32Array {
  return Int32Array.from(randomInt8(new SeededGenerator(9), batch * inputs));
}

test('two servers on sockets give the result of clear inference, again and again, also after a restart of one', async () => {
  const { network, parts, a, b, connect, stop } = await running();
  const input = inputFor(network.inputs, 3);
  const clear = evaluateIntegerNetwork(network, input, plainApply);
  expect(new Set(clear).size).toBeGreaterThan(1);
  const device = await connect();
  expect((await device.infer(input)).outputs).toEqual(clear);
  expect((await device.infer(input)).outputs).toEqual(clear);
  await a.close();
  await expect(device.infer(input)).rejects.toMatchObject({ code: 'transport' });
  const again = await listenEdge(new EdgeService({ ...(await readEdge(parts.edgeA)), apply: plainApply }));
  const second = await connect(again.url, b.url);
  expect((await second.infer(input)).outputs).toEqual(clear);
  second.close();
  await again.close();
  await stop();
});

test('64 devices at once', async () => {
  const network = denseNetwork(5, 40, 7);
  const parts = await provision(network, { operators: OPERATORS, devices: 64, kernel });
  const [a, b] = await Promise.all(
    [parts.edgeA, parts.edgeB].map(async (file) =>
      listenEdge(new EdgeService({ ...(await readEdge(file)), apply: plainApply })),
    ),
  );
  const input = inputFor(40, 1);
  const outputs = await Promise.all(
    parts.devices.map(async (file) => {
      const counter = await RequestCounter.open({ load: async () => 0, save: async () => undefined });
      const patient = { ...LIMITS, timeoutMs: 120_000 };
      const links = [await connectEdge(a!.url, patient), await connectEdge(b!.url, patient)] as const;
      const device = await EdgeDevice.connect(...links, { ...(await readDevice(file)), counter });
      const result = await device.infer(input);
      device.close();
      return result.outputs;
    }),
  );
  const clear = evaluateIntegerNetwork(network, input, plainApply);
  for (const output of outputs) expect(output).toEqual(clear);
  await Promise.all([a!.close(), b!.close()]);
});

test('a server that lies in one element is named', async () => {
  const lie: ApplyLinear = (layer, map, x, batch) => {
    const y = plainApply(layer, map, x, batch);
    if (layer === 1) y[2]! ^= 1;
    return y;
  };
  const { network, connect, stop } = await running(mixedNetwork(3), lie);
  const device = await connect();
  await expect(device.infer(inputFor(network.inputs, 1))).rejects.toMatchObject({
    code: 'integrity',
    details: { edge: 'b', layer: 1 },
  });
  await stop();
});

test('a device of another owner is refused, and the server goes on', async () => {
  const { network, a, b, connect, path, stop } = await running();
  const stranger = await readDevice(
    (await provision(network, { operators: OPERATORS, devices: 1, kernel })).devices[0]!,
  );
  const counter = await RequestCounter.open(counterFile(path));
  const links = [await connectEdge(a.url, LIMITS), await connectEdge(b.url, LIMITS)] as const;
  await expect(EdgeDevice.connect(...links, { ...stranger, counter })).rejects.toMatchObject({
    code: 'protocol',
  });
  const device = await connect();
  expect((await device.infer(inputFor(network.inputs, 1))).outputs).toHaveLength(network.outputs);
  device.close();
  await stop();
});

test('other machines need TLS on both sides', async () => {
  const parts = await provision(denseNetwork(5, 40, 7), { operators: OPERATORS, devices: 1, kernel });
  const service = new EdgeService({ ...(await readEdge(parts.edgeA)), apply: plainApply });
  await expect(listenEdge(service, { host: '0.0.0.0' })).rejects.toMatchObject({ code: 'usage' });
  await expect(connectEdge('ws://192.0.2.1:1', LIMITS)).rejects.toMatchObject({ code: 'usage' });
  await expect(connectEdge('http://127.0.0.1:1', LIMITS)).rejects.toMatchObject({ code: 'usage' });
  await expect(connectEdge('ws://127.0.0.1:1', LIMITS)).rejects.toMatchObject({ code: 'transport' });
});

test('request numbers go on behind the stored block after a restart; the file is private', async () => {
  const path = join(directory, 'counter');
  const first = await RequestCounter.open(counterFile(path), 4);
  const before = [await first.next(), await first.next()];
  const second = await RequestCounter.open(counterFile(path), 4);
  expect(await second.next()).toBeGreaterThan(Math.max(...before));
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readFileSync(path)).toHaveLength(8);
  expect(readdirSync(directory).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  writeFileSync(path, 'short');
  await expect(RequestCounter.open(counterFile(path))).rejects.toMatchObject({ code: 'key-file' });
});

test('damaged files of edges and devices are refused with a typed error', async () => {
  const parts = await provision(denseNetwork(5, 6, 3), { operators: OPERATORS, devices: 2, kernel });
  expect(await readEdge(parts.edgeB)).toMatchObject({ role: 'b', operator: 'operator two' });
  expect((await readEdge(parts.edgeA)).deviceKeys.size).toBe(2);
  for (const [file, read] of [
    [parts.edgeA, readEdge],
    [parts.devices[0]!, readDevice],
  ] as const) {
    for (let length = 0; length < file.length; length++) {
      await expect(read(file.subarray(0, length))).rejects.toMatchObject({ code: 'decode' });
    }
    await expect(read(Uint8Array.of(...file, 0))).rejects.toMatchObject({ code: 'decode' });
  }
});
