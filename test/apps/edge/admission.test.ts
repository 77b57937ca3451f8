/** What strangers can do to an edge: nothing that costs it more than a few hundred bytes and a few seconds each. */
import { connect as connectTcp } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type EdgeListenOptions, listenEdge } from '../../../src/apps/edge/edge-server.ts';
import { type DeviceIdentity, provision, readDevice, readEdge } from '../../../src/apps/edge/provisioning.ts';
import { connectEdge } from '../../../src/apps/edge/websocket-link.ts';
import type { RunningServer } from '../../../src/apps/server/index.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { EdgeLink } from '../../../src/protocols/edge/edge-link.ts';
import { EdgeService } from '../../../src/protocols/edge/edge-service.ts';
import { HandshakeInitiator } from '../../../src/protocols/channel/secure-channel.ts';
import { denseNetwork, plainApply } from '../../protocols/edge/edge-pair.ts';

const LIMITS = { maxMessageBytes: 2 ** 20, timeoutMs: 30_000 };
/** A layer of 400 kB, so that the limits of strangers and of devices are far apart. */
const network = denseNetwork(5, 100_000, 2);
let service: EdgeService;
let device: DeviceIdentity;
const open: RunningServer[] = [];

beforeAll(async () => {
  using kernel = await openKernel();
  const operators = { a: 'one', b: 'two' };
  const parts = await provision(network, { operators, devices: 1, kernel });
  service = new EdgeService({ ...(await readEdge(parts.edgeA)), apply: plainApply });
  device = await readDevice(parts.devices[0]!);
});
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});
afterAll(() => device.root[Symbol.dispose]());

async function listening(options: EdgeListenOptions = {}): Promise<RunningServer> {
  const server = await listenEdge(service, options);
  open.push(server);
  return server;
}

function hello(key = device.root.derive('edge a', device.deviceId)): HandshakeInitiator {
  return new HandshakeInitiator(key, device.plan.modelId, device.deviceId);
}

async function authenticated(url: string): Promise<EdgeLink> {
  const key = device.root.derive('edge a', device.deviceId);
  const identity = { key, modelId: device.plan.modelId, partyId: device.deviceId };
  return await EdgeLink.open('edge A', await connectEdge(url, LIMITS), identity);
}

/** A WebSocket whose close code is waited for. */
async function stranger(url: string) {
  const socket = new WebSocket(url);
  socket.on('error', () => undefined);
  const closed = new Promise<number>((resolve) => socket.once('close', resolve));
  await new Promise<void>((resolve) => socket.once('open', resolve));
  return { socket, closed };
}

/** A connection after the upgrade, without a library that keeps to the rules. */
async function upgraded(url: string) {
  const raw = connectTcp({ port: Number(new URL(url).port), host: '127.0.0.1' });
  raw.on('error', () => undefined);
  const gone = new Promise<void>((resolve) => raw.once('close', () => resolve()));
  raw.write(
    'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  await new Promise((resolve) => raw.once('data', resolve));
  return { raw, gone };
}

/** Of a final binary frame that is masked with zeros [RFC 6455, 5.2]. */
function frameHead(length: number): Uint8Array {
  const size = new Uint8Array(8);
  new DataView(size.buffer).setBigUint64(0, BigInt(length));
  return length < 126
    ? Uint8Array.of(0x82, 0x80 | length, 0, 0, 0, 0)
    : Uint8Array.of(0x82, 0xff, ...size, 0, 0, 0, 0);
}

/** No close code of the other side's: the connection was cut. */
const CUT = 1006;

test('a big frame is cut off after its first bytes, whole or announced, and the server goes on', async () => {
  const { url } = await listening();
  const heap = () => process.memoryUsage().arrayBuffers;
  const whole = await stranger(url);
  whole.socket.send(new Uint8Array(service.maxMessageBytes - 1));
  expect(await whole.closed).toBe(CUT);
  const announcing = await Promise.all(Array.from({ length: 50 }, () => upgraded(url)));
  const before = heap();
  for (const { raw } of announcing) {
    // The head of a frame of a whole layer and 2 kB of it; the rest never comes.
    raw.write(frameHead(service.maxMessageBytes - 1));
    raw.write(new Uint8Array(2048));
  }
  await Promise.all(announcing.map(({ gone }) => gone));
  expect(heap() - before).toBeLessThan(50 * 2 ** 16);
  (await authenticated(url)).close();
});

test('a message too long for a handshake, text, and what is no hello end the connection with a reason', async () => {
  const { url } = await listening();
  for (const message of [new Uint8Array(600), new Uint8Array(490), 'hello', new Uint8Array(12)]) {
    const { socket, closed } = await stranger(url);
    socket.send(message);
    // The reason of the first may be cut off with the rest.
    expect([1008, ...(message.length === 600 ? [CUT] : [])]).toContain(await closed);
  }
  const { socket, closed } = await stranger(url);
  socket.send(hello().hello);
  await new Promise((resolve) => socket.once('message', resolve));
  socket.send(new Uint8Array(36));
  expect(await closed).toBe(1008);
  (await authenticated(url)).close();
});

test('who is refused and goes on sending is cut off', async () => {
  const { url } = await listening({ handshakeMs: 60_000 });
  const { raw, gone } = await upgraded(url);
  raw.write(frameHead(12));
  raw.write(new Uint8Array(12));
  // The other side's close frame stays unanswered; frames of no length count as nothing else.
  const sending = setInterval(() => raw.write(frameHead(0)), 2);
  await gone;
  clearInterval(sending);
});

test('who is silent, before or after the hello or before the upgrade, is cut off after the time for handshakes', async () => {
  const { url } = await listening({ handshakeMs: 150 });
  const silent = await stranger(url);
  const half = await stranger(url);
  half.socket.send(hello().hello);
  const raw = connectTcp({ port: Number(new URL(url).port), host: '127.0.0.1' });
  raw.on('error', () => undefined);
  raw.write('GET / HTTP/1.1\r\nHost: x\r\n');
  const rawGone = new Promise<void>((resolve) => raw.once('close', () => resolve()));
  raw.resume();
  expect(await silent.closed).toBe(CUT);
  expect(await half.closed).toBe(CUT);
  await rawGone;
  // Who is known may be silent for longer.
  const link = await authenticated(url);
  await new Promise((resolve) => setTimeout(resolve, 400));
  await link.send({
    ...{ kind: 'begin', request: 1, batch: 1, mode: 'vector' },
    ...{ inputSeed: new Uint8Array(32), outputSeed: new Uint8Array(32), nonce: new Uint8Array() },
  });
  await link.send({ kind: 'end', request: 1 });
  link.close();
});

test('of many strangers the oldest go, and a device still gets in', async () => {
  const { url } = await listening({ maxStrangers: 3 });
  const crowd = [];
  for (let i = 0; i < 10; i++) crowd.push(await stranger(url));
  const gone = await Promise.all(crowd.slice(0, 7).map(({ closed }) => closed));
  expect(gone).toEqual(Array(7).fill(CUT));
  expect(crowd.slice(7).every(({ socket }) => socket.readyState === WebSocket.OPEN)).toBe(true);
  (await authenticated(url)).close();
  for (const { socket } of crowd) socket.terminate();
});

test('strangers do not take the places of devices; more devices than places are refused', async () => {
  const { url } = await listening({ maxConnections: 1 });
  const waiting = [await stranger(url), await stranger(url)];
  const first = await authenticated(url);
  const late = await stranger(url);
  expect(await late.closed).toBe(1013);
  // Who was let in before the last place was taken learns it at the end of the handshake.
  const [{ socket, closed }] = waiting as [Awaited<ReturnType<typeof stranger>>];
  const handshake = hello();
  socket.send(handshake.hello);
  const welcome = await new Promise<Uint8Array>((resolve) =>
    socket.once('message', (data) => resolve(new Uint8Array(data as Buffer))),
  );
  socket.send((await handshake.finish(welcome)).proof);
  expect(await closed).toBe(1013);
  first.close();
  for (const each of waiting) each.socket.terminate();
});
