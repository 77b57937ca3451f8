/** `subrosa edge`: the owner's files, two server processes, a device; the result is that of clear inference. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { installation } from '../../../src/apps/cli/installation.ts';
import { engineParts } from '../../../src/apps/cli/parts.ts';
import { runCommand } from '../../../src/apps/cli/run.ts';
import { edgeReport } from '../../../src/apps/cli/edge/edge-report.ts';
import { displayWidth } from '../../../src/apps/cli/terminal/table.ts';
import { paintFor } from '../../../src/apps/cli/terminal/terminal.ts';
import { readDevice } from '../../../src/apps/edge/provisioning.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { writeIntegerNetwork } from '../../../src/nn/integer/integer-bytes.ts';
import { evaluateIntegerNetwork } from '../../../src/nn/integer/integer-evaluate.ts';
import { canariesIn, plantedCanaries } from '../../protocols/edge/canaries.ts';
import { mixedNetwork, plainApply, randomInt8 } from '../../protocols/edge/edge-pair.ts';
import { RecordingTerminal } from '../fake-engine.ts';

const directory = mkdtempSync(join(tmpdir(), 'subrosa-edge-cli-'));
const children: ChildProcess[] = [];
/** Everything that edge processes wrote anywhere. */
const said: Buffer[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(directory, { recursive: true });
});
const at = (name: string) => join(directory, name);

async function run(...args: string[]) {
  const terminal = new RecordingTerminal();
  const code = await runCommand(args, terminal, engineParts);
  return { code, out: terminal.output, err: terminal.errors };
}

function startEdge(role: string, ...more: string[]): Promise<string> {
  const main = join(installation.root, 'src', 'apps', 'cli', 'main.ts');
  const args = ['edge', 'serve', '--role', role, '--file', at(`parties/edge-${role}.bin`), '--json', ...more];
  const child = spawn(process.execPath, ['--import', 'tsx', main, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, SUBROSA_DEBUG: '1' },
  });
  children.push(child);
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => said.push(bytes as Buffer));
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the edge ended with ${code}`)));
    child.stdout.once('data', (line) => resolve(JSON.parse(String(line)).url));
  });
}

test('owner, two server processes and a device compute what clear inference computes', async () => {
  const network = mixedNetwork(8);
  const input = randomInt8(new SeededGenerator(2), 2 * network.inputs);
  writeFileSync(at('network.srin'), writeIntegerNetwork(network));
  writeFileSync(at('input.bin'), input);
  const owner = ['edge', 'owner', '--network', at('network.srin'), '--out', at('parties'), '--paired'];
  const operators = ['--operator-a', 'one', '--operator-b', 'two'];
  expect(await run(...owner, ...operators)).toMatchObject({ code: 0, err: '' });
  expect(statSync(at('parties/device-1.bin')).mode & 0o777).toBe(0o600);
  expect((await run(...owner, ...operators)).code).toBe(2);
  const a = await startEdge('a');
  const b = await startEdge('b', '--relay-to', a);
  const device = ['edge', 'run', '--device', at('parties/device-1.bin'), '--a', a, '--b', b, at('input.bin')];
  const clear = evaluateIntegerNetwork(network, Int32Array.from(input), plainApply);
  for (const how of [
    [],
    ['--relay', '--check', 'both', '--wrong-fraction', '0.5', '--detection', '0.9'],
    ['--construction', 'paired', '--check', 'none'],
  ]) {
    const { code, out, err } = await run(...device, ...how, '--json');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const { outputs, layers, bytesDown } = JSON.parse(out);
    expect(outputs.flat()).toEqual([...clear]);
    expect(layers).toHaveLength(4);
    expect(layers[0].edgeMs.b).toBeGreaterThan(0);
    expect(bytesDown).toBeGreaterThan(0);
  }
  expect((await run(...device, '--construction', 'paired', '--relay')).code).toBe(2);
  expect((await run(...device, '--check', 'sampling', '--detection', '2')).code).toBe(2);
  // More inputs than an edge takes at once.
  const many = await run(...device, ...Array.from({ length: 33 }, () => at('input.bin')), '--json');
  expect(JSON.parse(many.out).outputs).toHaveLength(68);
  expect(JSON.parse(many.out).outputs.slice(-2).flat()).toEqual([...clear]);
  const best = [...clear.slice(0, network.outputs)].reduce(
    (high, value, i, all) => (value > all[high]! ? i : high),
    0,
  );
  writeFileSync(at('labels'), Array.from({ length: network.outputs }, (_, i) => `name-${i}`).join('\n'));
  expect((await run(...device, '--labels', at('labels'))).out).toContain(`highest ${best} name-${best}`);
  const report = await run(...device);
  expect(report.out).toMatch(/input 2 +numbers/);
  expect(report.out).toContain('4 dense');
  expect((await run('edge', 'serve', '--role', 'a', '--file', at('parties/edge-b.bin'))).code).toBe(2);

  // Names in the device's file need no flag where it runs.
  const named = [...owner, '--labels', at('labels')].map((word) =>
    word === at('parties') ? at('named') : word,
  );
  expect(await run(...named, ...operators)).toMatchObject({ code: 0 });
  const identity = await readDevice(readFileSync(at('named/device-1.bin')));
  identity.root[Symbol.dispose]();
  expect(identity.network.output.labels).toContain(`name-${best}`);
  const paint = paintFor(false, {});
  const timed = { outputs: clear, layers: [], activationMs: 0, ms: 1, traffic: { up: 0, down: 0 } };
  expect(edgeReport(identity.network, timed, paint)).toContain(`highest ${best} name-${best}`);
  writeFileSync(at('labels'), 'one');
  const few = named.map((word) => (word === at('named') ? at('few') : word));
  expect((await run(...few, ...operators)).err).toContain('one per output');

  // What the edges wrote, and what the device keeps beside its file, is nobody's value.
  const seen = [...said, Buffer.from(report.err), readFileSync(at('parties/device-1.bin.counter'))];
  const activations: Int32Array[] = [];
  evaluateIntegerNetwork(network, Int32Array.from(input), (layer, map, x, batch) => {
    const y = plainApply(layer, map, x, batch);
    activations.push(x.slice(), y.slice());
    return y;
  });
  expect(activations).toHaveLength(8);
  for (const values of [Int32Array.from(input), ...activations, clear]) {
    expect(canariesIn(Buffer.concat(seen), values)).toBe(0);
    for (const form of plantedCanaries(values))
      expect(canariesIn(Buffer.concat([...seen, form]), values)).toBeGreaterThan(0);
  }
});

test('the demonstration starts both edges itself and compares with clear inference', async () => {
  const { code, out, err } = await run('edge', 'demo', '--network', at('network.srin'), '--relay');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  for (const party of ['edge a  process', 'edge b  process', 'device', 'sharing with relay'])
    expect(out).toContain(party);
  expect(out).toMatch(/1 convolution .*M/);
  expect(out).toContain('Clear inference on this machine gives the same integers');
  expect(
    Math.max(
      ...out
        .split('\n')
        .map(displayWidth)
        .filter((_, i) => i < 6),
    ),
  ).toBeLessThanOrEqual(100);
});
