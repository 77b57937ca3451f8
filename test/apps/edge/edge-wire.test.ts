/** The device's connections over TLS with a third party on the wire. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect as connectTcp, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { counterFile } from '../../../src/apps/edge/counter-file.ts';
import { listenEdge } from '../../../src/apps/edge/edge-server.ts';
import { provision, readDevice, readEdge } from '../../../src/apps/edge/provisioning.ts';
import { connectEdge } from '../../../src/apps/edge/websocket-link.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { evaluateIntegerNetwork } from '../../../src/nn/integer/integer-evaluate.ts';
import { EdgeDevice } from '../../../src/protocols/edge/device.ts';
import { EdgeService } from '../../../src/protocols/edge/edge-service.ts';
import { longestMessage } from '../../../src/protocols/edge/layer-plan.ts';
import { RequestCounter } from '../../../src/protocols/edge/request-counter.ts';
import { mixedNetwork, plainApply, randomInt8 } from '../../protocols/edge/edge-pair.ts';

const directory = mkdtempSync(join(tmpdir(), 'subrosa-edge-wire-'));
afterAll(() => rmSync(directory, { recursive: true }));
const OPERATORS = { a: 'operator one', b: 'operator two' };

/** A self-signed certificate for 127.0.0.1; null where there is no openssl. */
function certificate(name: string): { cert: Buffer; key: Buffer } | null {
  const [cert, key] = [join(directory, `${name}.pem`), join(directory, `${name}.key`)];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  try {
    execFileSync('openssl', ['req', '-x509', ...made, ...subject, '-keyout', key, '-out', cert], {
      stdio: 'ignore',
    });
    return { cert: readFileSync(cert), key: readFileSync(key) };
  } catch {
    return null;
  }
}

const [own, others] = [certificate('own'), certificate('others')];

/** Somebody between device and edge, who sees and may change every byte. */
async function wiretap(target: number, change: (chunk: Buffer, index: number) => Buffer) {
  const seen: Buffer[] = [];
  const server = createServer((device) => {
    const edge = connectTcp({ port: target, host: '127.0.0.1' });
    let index = 0;
    const pass = (from: typeof device, to: typeof device) => {
      from.on('data', (chunk) => {
        seen.push(chunk as Buffer);
        to.write(change(chunk as Buffer, index++));
      });
      from.on('error', () => undefined);
      from.on('close', () => to.destroy());
    };
    pass(device, edge);
    pass(edge, device);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, seen, close: () => server.close() };
}

/** As it is, or under the four bytes that a WebSocket client adds to everything again and again [RFC 6455, 5.3]. */
function isIn(bytes: Uint8Array, secret: Uint8Array): boolean {
  const under = (at: number, i: number): number => bytes[at + i]! ^ secret[i]!;
  for (let at = 0; at + secret.length <= bytes.length; at++) {
    let i = 4;
    while (i < secret.length && under(at, i) === under(at, i - 4)) i++;
    if (i >= secret.length) return true;
  }
  return false;
}

describe.skipIf(own === null || others === null)('with TLS (needs openssl)', () => {
  test('a third party sees nothing it knows, changes nothing unnoticed, and cannot take the place of an edge', async () => {
    using kernel = await openKernel();
    const network = mixedNetwork(3);
    const input = Int32Array.from(randomInt8(new SeededGenerator(9), network.inputs));
    const clear = evaluateIntegerNetwork(network, input, plainApply);
    const parts = await provision(network, { operators: OPERATORS, devices: 1, kernel });
    const serve = async (file: Uint8Array, tls: { cert: Buffer; key: Buffer }) =>
      await listenEdge(new EdgeService({ ...(await readEdge(file)), apply: plainApply }), { tls });
    const [a, b] = [await serve(parts.edgeA, own!), await serve(parts.edgeB, own!)];
    const identity = await readDevice(parts.devices[0]!);
    const counter = await RequestCounter.open(counterFile(join(directory, 'tls-counter')));
    const link = { maxMessageBytes: longestMessage(identity.plan, 1), timeoutMs: 5000, ca: own!.cert };
    const connect = async (portB: number) =>
      EdgeDevice.connect(
        await connectEdge(a.url, link),
        await connectEdge(`wss://127.0.0.1:${portB}`, link),
        {
          ...identity,
          counter,
        },
      );
    const portB = Number(new URL(b.url).port);

    const listener = await wiretap(portB, (chunk) => chunk);
    const device = await connect(listener.port);
    expect((await device.infer(input)).outputs).toEqual(clear);
    device.close();
    const bytes = Buffer.concat(listener.seen);
    expect(bytes.length).toBeGreaterThan(1000);
    // TLS hides even what our own records show: who asks. The id is in the hello of a connection without TLS.
    expect(isIn(bytes, identity.deviceId)).toBe(false);
    expect(isIn(bytes, Uint8Array.from(input))).toBe(false);
    const [plainA, plainB] = await Promise.all(
      [parts.edgeA, parts.edgeB].map(async (file) =>
        listenEdge(new EdgeService({ ...(await readEdge(file)), apply: plainApply })),
      ),
    );
    const tap = await wiretap(Number(new URL(plainB!.url).port), (chunk) => chunk);
    const exposed = await EdgeDevice.connect(
      await connectEdge(plainA!.url, link),
      await connectEdge(`ws://127.0.0.1:${tap.port}`, link),
      { ...identity, counter },
    );
    expect((await exposed.infer(input)).outputs).toEqual(clear);
    exposed.close();
    const open = Buffer.concat(tap.seen);
    expect(isIn(open, identity.deviceId)).toBe(true);
    // The input is hidden by its masks there, too.
    expect(isIn(open, Uint8Array.from(input))).toBe(false);
    expect(isIn(Buffer.concat([open, Uint8Array.from(input)]), Uint8Array.from(input))).toBe(true);
    tap.close();
    await Promise.all([plainA!.close(), plainB!.close()]);

    const meddler = await wiretap(portB, (chunk, index) => {
      if (index < 8) return chunk;
      chunk[chunk.length - 1]! ^= 1;
      return chunk;
    });
    const meddled = connect(meddler.port).then((changed) => changed.infer(input));
    await expect(meddled).rejects.toMatchObject({ code: 'transport' });

    // The owner's file alone is not enough: the address must show a certificate that the device trusts.
    const impostor = await serve(parts.edgeB, others!);
    const toImpostor = connect(Number(new URL(impostor.url).port));
    await expect(toImpostor).rejects.toMatchObject({ code: 'transport' });
    for (const each of [listener, meddler]) each.close();
    await Promise.all([a, b, impostor].map((server) => server.close()));
  });
});
