/** 64 devices at once on edge processes whose memory is watched; a thousand requests of one device whose storage is watched. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { counterFile } from '../../../src/apps/edge/counter-file.ts';
import { provision, readDevice, readEdge } from '../../../src/apps/edge/provisioning.ts';
import { connectEdge } from '../../../src/apps/edge/websocket-link.ts';
import type { EdgeReady } from '../../../src/apps/cli/edge/edge-serve.ts';
import { engineParts } from '../../../src/apps/cli/parts.ts';
import { runCommand } from '../../../src/apps/cli/run.ts';
import { CommandProcess } from '../../../src/apps/cli/server-process.ts';
import { integerConvolution } from '../../../src/kernel/integer-linear-map.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { INT8_INPUT, IntegerNetwork } from '../../../src/nn/integer/integer-network.ts';
import { IntegerRunner } from '../../../src/nn/integer/integer-runner.ts';
import { EdgeDevice } from '../../../src/protocols/edge/device.ts';
import { EdgeService } from '../../../src/protocols/edge/edge-service.ts';
import { longestMessage } from '../../../src/protocols/edge/layer-plan.ts';
import { RequestCounter } from '../../../src/protocols/edge/request-counter.ts';
import { RecordingTerminal } from '../fake-engine.ts';
import { denseNetwork, memoryLink, plainApply, randomInt8 } from '../../protocols/edge/edge-pair.ts';

const directory = mkdtempSync(join(tmpdir(), 'subrosa-edge-load-'));
afterAll(() => rmSync(directory, { recursive: true }));

const DEVICES = 64;
const ROUNDS = 2;

/** Two convolutions on 3 x 32 x 32: a hundred kilobytes of shares a layer. */
function imageNetwork(): IntegerNetwork {
  const generator = new SeededGenerator(3);
  const first = integerConvolution(
    { channels: 3, height: 32, width: 32 },
    32,
    [3, 3],
    randomInt8(generator, 864),
    {
      padding: [1, 1],
    },
  );
  const second = integerConvolution(first.output, 8, [3, 3], randomInt8(generator, 32 * 72), {
    stride: [2, 2],
  });
  return new IntegerNetwork(
    { shape: [3, 32, 32], scale: 1, ...INT8_INPUT },
    [
      { kind: 'linear', map: first, bias: new Int32Array(32) },
      { kind: 'relu' },
      { kind: 'requantise', multipliers: Float64Array.of(3), shift: 9 },
      { kind: 'linear', map: second, bias: new Int32Array(8) },
    ],
    { scale: 1, softmax: false },
  );
}

/** Largest resident memory of a process so far. */
function peakBytes(pid: number): number {
  const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return 1024 * Number(line?.[1]);
}

test('64 devices at once get exact results; the memory of an edge grows by less than their messages and words', async () => {
  using kernel = await openKernel();
  const network = imageNetwork();
  const parts = await provision(network, {
    operators: { a: 'one', b: 'two' },
    devices: DEVICES,
    kernel,
  });
  const start = async (role: 'a' | 'b', file: Uint8Array) => {
    const path = join(directory, `edge-${role}.bin`);
    writeFileSync(path, file);
    return await CommandProcess.start<EdgeReady>(
      ['edge', 'serve', '--role', role, '--file', path],
      () => undefined,
    );
  };
  await using a = await start('a', parts.edgeA);
  await using b = await start('b', parts.edgeB);
  const input = Int32Array.from(randomInt8(new SeededGenerator(9), network.inputs));
  using runner = new IntegerRunner(network, kernel);
  const clear = runner.run(input);
  const idle = [peakBytes(a.ready.pid), peakBytes(b.ready.pid)];
  await Promise.all(
    parts.devices.map(async (file) => {
      const identity = await readDevice(file);
      const link = { maxMessageBytes: longestMessage(identity.plan, 1), timeoutMs: 300_000 };
      const counter = await RequestCounter.open({ load: async () => 0, save: async () => undefined });
      const links = [await connectEdge(a.ready.url, link), await connectEdge(b.ready.url, link)] as const;
      const device = await EdgeDevice.connect(...links, { ...identity, counter });
      for (let round = 0; round < ROUNDS; round++) expect((await device.infer(input)).outputs).toEqual(clear);
      device.close();
    }),
  );
  const { plan } = await readDevice(parts.devices[0]!);
  const words = Math.max(...plan.layers.map(({ inputs, outputs }) => 4 * (inputs + outputs)));
  // Per device its layer as message and as words, twice over for copies; and what the collector leaves lying about.
  const allowed = DEVICES * 2 * (2 * longestMessage(plan, 1) + words) + 128 * 2 ** 20;
  const grown = [peakBytes(a.ready.pid) - idle[0]!, peakBytes(b.ready.pid) - idle[1]!];
  const mb = (bytes: number) => (bytes / 2 ** 20).toFixed(0);
  const text = grown.map((bytes, i) => `${mb(idle[i]!)} + ${mb(bytes)} MiB`).join(', ');
  process.stderr.write(
    `${DEVICES} devices at once: resident memory of edge a and b ${text}, allowed + ${mb(allowed)}\n`,
  );
  for (const bytes of grown) expect(bytes).toBeLessThan(allowed);
}, 600_000);

test('`demo --mode edge` runs AlexNet with both checks on', async () => {
  const terminal = new RecordingTerminal();
  expect(await runCommand(['demo', '--mode', 'edge', '--json'], terminal, engineParts)).toBe(0);
  const { outputs, layers, equal, bytesUp, bytesDown } = JSON.parse(terminal.output);
  expect([outputs[0].length, layers.length, equal]).toEqual([1000, 8, true]);
  expect(bytesUp + bytesDown).toBeLessThan(6.9e6);
}, 600_000);

test('after 1,000 requests the device stores what it stored after one', async () => {
  using kernel = await openKernel();
  const network = denseNetwork(5, 30, 8);
  const parts = await provision(network, { operators: { a: 'one', b: 'two' }, devices: 1, kernel });
  const [a, b] = [parts.edgeA, parts.edgeB].map(async (file) => {
    return new EdgeService({ ...(await readEdge(file)), apply: plainApply });
  });
  const identity = await readDevice(parts.devices[0]!);
  const place = mkdtempSync(join(directory, 'device-'));
  const counter = await RequestCounter.open(counterFile(join(place, 'counter')));
  const options = { ...identity, counter };
  const device = await EdgeDevice.connect(
    memoryLink(await a!, undefined, 60_000),
    memoryLink(await b!, undefined, 60_000),
    options,
  );
  const stored = () => readdirSync(place).map((name) => [name, statSync(join(place, name)).size]);
  const input = Int32Array.from(randomInt8(new SeededGenerator(1), 30));
  const { outputs } = await device.infer(input);
  const afterOne = stored();
  expect(afterOne).toEqual([['counter', 8]]);
  for (let request = 1; request < 1000; request++) {
    const again = await device.infer(input);
    if (request % 100 === 0) expect(again.outputs).toEqual(outputs);
  }
  expect(stored()).toEqual(afterOne);
}, 600_000);
