/** The package on Bun, Deno and workerd: quick starts with both kernels, schemes without dynamic code, and clients of a real server. */
import { execFile, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
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

const edge = fixture('workerd');

/** As the tools of such networks bundle: modules of WebAssembly stay files, which the runtime compiles before it starts. */
describe.skipIf(!isBuilt || 'missing' in edge)(
  `workerd, which compiles no code at run time ${'missing' in edge ? edge.missing : ''}`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'subrosa-workerd-'));
    let url = '';
    let stop = () => {};

    beforeAll(async () => {
      writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
      installPackage(folder);
      cpSync(join(root, 'test/packaging/programs/edge-worker.js'), join(folder, 'edge-worker.js'));
      await build({
        absWorkingDir: folder,
        entryPoints: ['edge-worker.js'],
        bundle: true,
        format: 'esm',
        conditions: ['workerd', 'worker', 'browser'],
        external: ['*.wasm'],
        outfile: join(folder, 'bundle.mjs'),
        logLevel: 'error',
      });
      writeFileSync(
        join(folder, 'config.capnp'),
        `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [
        (name = "bundle.mjs", esModule = embed "bundle.mjs"),
        (name = "subrosa/wasm/simd128.wasm", wasm = embed "node_modules/subrosa/build/wasm/simd128.wasm"),
      ],
      compatibilityDate = "2026-11-01",
    )),
    (name = "internet", network = (allow = ["local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
`,
      );
      const installed = 'folder' in edge ? edge.folder : '';
      const workerd = join(installed, 'node_modules/@cloudflare/workerd-linux-64/bin/workerd');
      // It says on descriptor 3 where it listens.
      const child = spawn(workerd, ['serve', '--control-fd=3', 'config.capnp'], {
        cwd: folder,
        stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
      });
      stop = () => void child.kill();
      const port = await new Promise<number>((resolve, reject) => {
        child.stdio[3]!.on('data', (line: Buffer) => {
          const found = /"port":(\d+)/.exec(line.toString());
          if (found !== null) resolve(Number(found[1]));
        });
        child.once('exit', () => reject(new Error('workerd ended')));
      });
      url = `http://127.0.0.1:${port}/`;
    }, 300_000);

    afterAll(() => {
      stop();
      rmSync(folder, { recursive: true, force: true });
    });

    const answer = async (query: string): Promise<string> => (await fetch(`${url}${query}`)).text();

    test('it runs CKKS and BGV on a module that came compiled', async () => {
      expect(await answer('')).toBe('compiles nothing; wasm simd128; 1 4 9; 16 25');
    }, 120_000);

    test('it asks a server', async () => {
      const network = randomNetwork([5, 4, 3], 4, 5);
      await using service = await InferenceServer.start([{ name: 'net', network }]);
      const server = await listen(service);
      try {
        const told = await answer(`?server=${encodeURIComponent(server.url)}`);
        const inputs = Float32Array.from({ length: 5 }, (_, i) => i / 4);
        expect(largestError(Float32Array.from(JSON.parse(told)), network.run(inputs))).toBeLessThan(0.01);
      } finally {
        await server.close();
      }
    }, 300_000);
  },
);
