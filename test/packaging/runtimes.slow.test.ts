/** The package on Bun and Deno: four quick starts with both kernels, and a client of a real server. */
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InferenceServer } from '../../src/apps/server/inference-server.ts';
import { listen } from '../../src/apps/server/index.ts';
import { largestError } from '../protocols/exchange.ts';
import { randomInputs, randomNetwork } from '../protocols/random-network.ts';
import { isBuilt } from '../setup/built.ts';
import { fixture, installPackage, root } from './installed.ts';

const runtimes = fixture('runtimes');
const why = 'missing' in runtimes ? runtimes.missing : '';
/** Those of edges and speech were not seen to end there. */
const QUICK = ['bgv.mjs', 'ckks.mjs', 'fe.mjs', 'nn.mjs'];
const run = promisify(execFile);

/** What the last comment of a quick start says that it prints. */
function promised(name: string): string {
  const text = readFileSync(join(root, 'examples/quick', name), 'utf8');
  return (
    /^console\.log\(.*\); \/\/ (.*)$/m.exec(text)?.[1] ?? 'no comment that says what is printed'
  ).trim();
}

describe.skipIf(!isBuilt || why !== '')(`Bun and Deno ${why}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'subrosa-runtimes-'));
  const bin = (path: string) => join('folder' in runtimes ? runtimes.folder : '', 'node_modules', path);
  const commands: Readonly<Record<string, readonly string[]>> = {
    // Bun's own package is a script that would fetch this one.
    bun: [bin('@oven/bun-linux-x64/bin/bun')],
    deno: [bin('.bin/deno'), 'run', '-A', '--node-modules-dir=manual'],
  };

  async function output(runtime: string, args: readonly string[], kernel: string): Promise<string> {
    const [command = '', ...before] = commands[runtime] ?? [];
    const env = { ...process.env, NODE_OPTIONS: '', SUBROSA_KERNEL: kernel };
    return (await run(command, [...before, ...args], { cwd: folder, env })).stdout.trim();
  }

  beforeAll(() => {
    writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
    installPackage(folder);
    cpSync(join(root, 'test/packaging/programs/ask.mjs'), join(folder, 'ask.mjs'));
    for (const name of QUICK) cpSync(join(root, 'examples/quick', name), join(folder, name));
  }, 120_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.each(['bun', 'deno'].flatMap((runtime) => QUICK.map((name) => [runtime, name] as const)))(
    '%s runs %s on both kernels',
    async (runtime, name) => {
      for (const kernel of ['wasm', 'native'])
        expect(await output(runtime, [name], kernel), kernel).toBe(promised(name));
    },
    300_000,
  );

  test.each(['bun', 'deno'])(
    '%s asks a server',
    async (runtime) => {
      const network = randomNetwork([5, 4, 3], 4, 5);
      await using service = await InferenceServer.start([{ name: 'net', network }]);
      const server = await listen(service);
      try {
        const inputs = randomInputs(2, 5, 1);
        const told = await output(runtime, ['ask.mjs', server.url, JSON.stringify([...inputs])], 'wasm');
        expect(largestError(Float32Array.from(JSON.parse(told)), network.run(inputs))).toBeLessThan(0.01);
      } finally {
        await server.close();
      }
    },
    300_000,
  );
});
