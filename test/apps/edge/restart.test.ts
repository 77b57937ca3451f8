/** `subrosa edge run` while edges come late and restart: it connects again, goes on with the batch that was not finished, and loses nothing. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { engineParts } from '../../../src/apps/cli/parts.ts';
import { runCommand } from '../../../src/apps/cli/run.ts';
import { listenEdge } from '../../../src/apps/edge/edge-server.ts';
import { provision, readEdge } from '../../../src/apps/edge/provisioning.ts';
import type { RunningServer } from '../../../src/apps/server/index.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { type ApplyLinear, evaluateIntegerNetwork } from '../../../src/nn/integer/integer-evaluate.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { EdgeService, MAX_BATCH } from '../../../src/protocols/edge/edge-service.ts';
import { mixedNetwork, plainApply, randomInt8 } from '../../protocols/edge/edge-pair.ts';
import { RecordingTerminal } from '../fake-engine.ts';

const directory = mkdtempSync(join(tmpdir(), 'subrosa-edge-restart-'));
const kernel = await openKernel();
afterAll(() => {
  kernel[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});
const at = (name: string) => join(directory, name);

test('an edge that comes late, and one that restarts within the second batch', async () => {
  const network = mixedNetwork(3);
  const parts = await provision(network, { operators: { a: 'one', b: 'two' }, devices: 1, kernel });
  const count = MAX_BATCH + 3;
  const input = randomInt8(new SeededGenerator(2), count * network.inputs);
  writeFileSync(at('device.bin'), parts.devices[0]!, { mode: 0o600 });
  writeFileSync(at('input.bin'), input);
  chmodSync(at('input.bin'), 0o600);

  /** Of the first layer: sizes of the batches that an edge was asked for. */
  const batches: number[] = [];
  let restarting: Promise<RunningServer> | undefined;
  const applyA: ApplyLinear = (layer, map, x, batch) => {
    if (layer === 0) batches.push(batch);
    if (batch < MAX_BATCH && layer === 1) restarting ??= restart();
    return plainApply(layer, map, x, batch);
  };
  const start = async (file: Uint8Array, apply: ApplyLinear, port = 0) =>
    await listenEdge(new EdgeService({ ...(await readEdge(file)), apply }), { port });
  let a = await start(parts.edgeA, applyA);
  const portA = Number(new URL(a.url).port);
  const restart = async () => {
    await a.close();
    return await start(parts.edgeA, applyA, portA);
  };
  const early = await start(parts.edgeB, plainApply);
  const urlB = early.url;
  await early.close();

  const terminal = new RecordingTerminal();
  const running = runCommand(
    ['edge', 'run', at('input.bin'), '--device', at('device.bin'), '--a', a.url, '--b', urlB, '--json'],
    terminal,
    engineParts,
  );
  await expect.poll(() => terminal.errors, { timeout: 20_000 }).toContain('trying again in');
  const b = await start(parts.edgeB, plainApply, Number(new URL(urlB).port));
  expect({ code: await running, err: terminal.errors }).toMatchObject({ code: 0 });
  const clear = evaluateIntegerNetwork(network, Int32Array.from(input), plainApply);
  expect(JSON.parse(terminal.output).outputs.flat()).toEqual([...clear]);
  // The first batch once, the second once more after the restart.
  expect(batches).toEqual([MAX_BATCH, 3, 3]);
  expect(terminal.errors).toMatch(/edge A: .*trying again in/);
  a = await restarting!;
  for (const server of [a, b]) await server.close();
});

test('--retries 0 gives up at once, and says what is missing', async () => {
  const terminal = new RecordingTerminal();
  const nobody = ['--a', 'ws://127.0.0.1:1', '--b', 'ws://127.0.0.1:1'];
  const args = ['edge', 'run', at('input.bin'), '--device', at('device.bin'), ...nobody, '--retries', '0'];
  expect(await runCommand(args, terminal, engineParts)).toBe(1);
  expect(terminal.errors).toContain(
    'cannot connect to ws://127.0.0.1:1 (ECONNREFUSED): does the edge run there?',
  );
});
