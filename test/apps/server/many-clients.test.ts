/** Many clients, several models, less memory than their keys need, and models that are replaced meanwhile: nobody notices. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { installation } from '../../../src/apps/cli/installation.ts';
import { connect } from '../../../src/client.ts';
import { compile } from '../../../src/compiler/compile.ts';
import { writeProgram } from '../../../src/compiler/program-file.ts';
import type { PolynomialNetwork } from '../../../src/nn/index.ts';
import { largestError } from '../../protocols/exchange.ts';
import { randomInputs, randomNetwork } from '../../protocols/random-network.ts';
import { askAll } from './many-clients.ts';

let directory = '';
const children: ChildProcess[] = [];
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'subrosa-many-'));
});
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(directory, { recursive: true });
});

const networks = { one: randomNetwork([5, 4, 3], 4, 5), two: randomNetwork([8, 6, 2], 4, 6) };
const replacement = randomNetwork([5, 4, 3], 4, 7);

function writeModel(name: string, network: PolynomialNetwork): void {
  writeFileSync(join(directory, `${name}.subrosa`), writeProgram({ program: compile(network, { name }) }));
}

/** `subrosa serve` with what it prints, line by line. */
async function startServer(port: string) {
  const main = join(installation.root, 'src', 'apps', 'cli', 'main.ts');
  const args = ['serve', directory, '--port', port, '--keys', join(directory, 'keys'), '--key-memory', '1'];
  const command = ['--import', 'tsx', main, ...args, '--json', '--metrics-port', '0'];
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const lines: Record<string, unknown>[] = [];
  createInterface({ input: child.stdout! }).on('line', (line) => lines.push(JSON.parse(line)));
  await expect.poll(() => lines.length, { timeout: 60_000 }).toBe(1);
  const { url, metrics } = lines[0] as { url: string; metrics: string };
  /** How many requests were answered with statuses that match. */
  const answered = async (status: RegExp, method = /./): Promise<number> => {
    const text = await (await fetch(metrics)).text();
    let sum = 0;
    for (const [, labels = '', value] of text.matchAll(/^subrosa_requests_total\{(.*)\} (\d+)$/gm)) {
      const found = /method="(.*?)",status="(\d+)"/.exec(labels);
      if (found && method.test(found[1]!) && status.test(found[2]!)) sum += Number(value);
    }
    return sum;
  };
  return { child, url, lines, answered };
}

test('no question is lost or wrong while models are replaced twice; a killed server has forgotten no keys', async () => {
  for (const name of ['one', 'two'] as const) writeModel(name, networks[name]);
  const server = await startServer('0');
  const models = (['one', 'two'] as const).map((name) => ({
    ...{ name, inputs: networks[name].inputs, tolerance: 0.01 },
    run: (inputs: Float32Array) => networks[name].run(inputs),
  }));
  using early = await connect(server.url, { model: 'one' });
  let signals = 0;
  const tally = await askAll(server.url, models, {
    count: 12,
    rounds: 4,
    after: (done) => {
      // The second time something has changed that no early client can know of.
      if (done === 10 || done === 25) {
        if (++signals === 2) writeModel('two', networks.two);
        server.child.kill('SIGHUP');
      }
    },
  });
  expect(tally).toEqual({ asked: 48, right: 48, wrong: 0, lost: [] });
  expect(signals).toBe(2);
  writeModel('one', replacement);
  const replaced = () => server.lines.filter((line) => line.replaced === true).length;
  await expect.poll(replaced, { timeout: 30_000 }).toBe(2);
  server.child.kill('SIGHUP');
  await expect.poll(replaced, { timeout: 30_000 }).toBe(3);
  const inputs = randomInputs(2, 5, 77);
  // Who came before gets the model that was offered, who comes now the new one.
  expect(largestError((await early.infer(inputs)).output, networks.one.run(inputs))).toBeLessThan(0.01);
  using late = await connect(server.url, { model: 'one' });
  expect(largestError((await late.infer(inputs)).output, replacement.run(inputs))).toBeLessThan(0.01);
  expect(await server.answered(/^[45]/)).toBe(0);
  // The count can see a refusal.
  expect((await fetch(`${server.url}/v1/nothing`)).status).toBe(404);
  expect(await server.answered(/^[45]/)).toBe(1);
  // A file that is none changes nothing, which is said.
  writeFileSync(join(directory, 'one.subrosa'), 'no program');
  server.child.kill('SIGHUP');
  await expect.poll(() => server.lines.at(-1), { timeout: 30_000 }).toMatchObject({ replaced: false });
  writeModel('one', replacement);

  const files = readdirSync(join(directory, 'keys')).filter((name) => name.endsWith('.keys'));
  expect(files).toHaveLength(14);
  server.child.kill('SIGKILL');
  await new Promise((resolve) => server.child.once('exit', resolve));
  const again = await startServer(new URL(server.url).port);
  expect(largestError((await late.infer(inputs)).output, replacement.run(inputs))).toBeLessThan(0.01);
  expect([await again.answered(/^2/, /PUT/), await again.answered(/^[45]/)]).toEqual([0, 0]);
}, 120_000);
