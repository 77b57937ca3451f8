/** After a failed check a device gets new check vectors: the edges keep their files, and nothing else of the device changes. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { engineParts } from '../../../src/apps/cli/parts.ts';
import { runCommand } from '../../../src/apps/cli/run.ts';
import { listenEdge } from '../../../src/apps/edge/edge-server.ts';
import { provision, readDevice, readEdge, renewDevice } from '../../../src/apps/edge/provisioning.ts';
import { retiredFile } from '../../../src/apps/edge/retired-file.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { type ApplyLinear, evaluateIntegerNetwork } from '../../../src/nn/integer/integer-evaluate.ts';
import { EdgeService } from '../../../src/protocols/edge/edge-service.ts';
import { mixedNetwork, plainApply, randomInt8 } from '../../protocols/edge/edge-pair.ts';
import { RecordingTerminal } from '../fake-engine.ts';

const directory = mkdtempSync(join(tmpdir(), 'subrosa-edge-renew-'));
const kernel = await openKernel();
afterAll(() => {
  kernel[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});
const at = (name: string) => join(directory, name);
const OPERATORS = { a: 'operator one', b: 'operator two' };

async function run(...args: string[]) {
  const terminal = new RecordingTerminal();
  const code = await runCommand(args, terminal, engineParts);
  return { code, out: terminal.output, err: terminal.errors };
}

test('a device whose check failed is refused until it is renewed; then it works with the same edges', async () => {
  const network = mixedNetwork(3);
  const input = randomInt8(new SeededGenerator(9), network.inputs);
  const clear = [...evaluateIntegerNetwork(network, Int32Array.from(input), plainApply)];
  const parts = await provision(network, { operators: OPERATORS, devices: 2, pairs: true, kernel });
  writeFileSync(at('device.bin'), parts.devices[0]!, { mode: 0o600 });
  writeFileSync(at('other.bin'), parts.devices[1]!, { mode: 0o600 });
  writeFileSync(at('input.bin'), input);
  let lies = true;
  const applyB: ApplyLinear = (layer, map, x, batch) => {
    const y = plainApply(layer, map, x, batch);
    if (lies && layer === 1) y[0]! += 1;
    return y;
  };
  const a = await listenEdge(new EdgeService({ ...(await readEdge(parts.edgeA)), apply: plainApply }));
  const b = await listenEdge(new EdgeService({ ...(await readEdge(parts.edgeB)), apply: applyB }));
  const ask = async (file: string, ...more: string[]) =>
    await run(
      'edge',
      'run',
      '--device',
      at(file),
      '--a',
      a.url,
      '--b',
      b.url,
      at('input.bin'),
      '--json',
      ...more,
    );

  const caught = await ask('device.bin');
  expect(caught).toMatchObject({ code: 1, out: '' });
  expect(caught.err).toContain('edge b returned a wrong result for layer 1');
  expect(caught.err).toContain('subrosa edge renew');
  lies = false;
  const refused = await ask('device.bin');
  expect(refused).toMatchObject({ code: 1, out: '', err: expect.stringContaining('subrosa edge renew') });
  const outputs = async (file: string, ...more: string[]) =>
    JSON.parse((await ask(file, ...more)).out).outputs.flat();
  expect(await outputs('other.bin')).toEqual(clear);

  const before = readFileSync(at('device.bin'));
  expect(await run('edge', 'renew', at('device.bin'))).toMatchObject({ code: 0, err: '' });
  const after = readFileSync(at('device.bin'));
  expect(await outputs('device.bin')).toEqual(clear);
  expect(await outputs('device.bin', '--construction', 'paired')).toEqual(clear);
  // Going back to the old vectors is refused, also with an older copy of the file.
  writeFileSync(at('device.bin'), before);
  expect((await ask('device.bin')).code).toBe(1);
  writeFileSync(at('device.bin'), after);
  lies = true;
  expect((await ask('device.bin')).err).toContain('edge b');
  lies = false;
  expect((await ask('device.bin')).code).toBe(1);
  await Promise.all([a.close(), b.close()]);
});

test('new vectors have nothing in common with the old ones; all else of the file stays', async () => {
  const network = mixedNetwork(3);
  const { devices } = await provision(network, { operators: OPERATORS, devices: 1, pairs: true, kernel });
  const old = await readDevice(devices[0]!);
  const { bytes, generation } = await renewDevice(devices[0]!, kernel);
  const renewed = await readDevice(bytes);
  expect([old.generation, generation, renewed.generation]).toEqual([0, 1, 1]);
  expect(renewed.deviceId).toEqual(old.deviceId);
  expect(renewed.root.exportBytes()).toEqual(old.root.exportBytes());
  expect(renewed.pairs).toEqual(old.pairs);
  expect(bytes.length).toBe(devices[0]!.length);
  // The two checks' words c of every layer lie behind the network: of those, almost none is the same.
  const words = 2 * old.plan.layers.reduce((sum, { inputs }) => sum + inputs, 0);
  const changed = bytes.reduce((sum, byte, i) => sum + (byte === devices[0]![i] ? 0 : 1), 0);
  expect(changed).toBeGreaterThan(4 * words * 0.97);
  expect(changed).toBeLessThanOrEqual(4 * words + 1);
});

test('a marker that nobody wrote is no permission', async () => {
  const retirement = retiredFile(at('marked.bin'));
  expect(await retirement.isRetired(0)).toBe(false);
  await retirement.retire(2);
  expect(await Promise.all([0, 2, 3].map((each) => retirement.isRetired(each)))).toEqual([true, true, false]);
  writeFileSync(at('marked.bin.retired'), '');
  await expect(retirement.isRetired(9)).rejects.toMatchObject({ code: 'key-file' });
});
