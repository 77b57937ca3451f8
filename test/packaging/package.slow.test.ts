/** What npm would publish: it holds what it names, runs from outside the repository, and asks for no newer Node than it says. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fixture, installPackage, npm, root } from './installed.ts';
import { isBuilt } from '../setup/built.ts';

const nodes = fixture('nodes');
const OWN = process.version.split('.')[0]?.slice(1);
/** Every Node that is supported; this one without a download. */
const NODES = [20, 22, 24, 26].map((major) => {
  if (`${major}` === OWN) return [major, process.execPath] as const;
  return [
    major,
    'folder' in nodes ? join(nodes.folder, `node_modules/node${major}/bin/node`) : undefined,
  ] as const;
});

const QUICK = readdirSync(join(root, 'examples/quick')).filter((name) => name.endsWith('.mjs'));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  exports: Record<string, unknown>;
  dependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
};

/** What the last comment of a quick start says that it prints. */
function promised(name: string): string {
  const text = readFileSync(join(root, 'examples/quick', name), 'utf8');
  return (
    /^console\.log\(.*\); \/\/ (.*)$/m.exec(text)?.[1] ?? 'no comment that says what is printed'
  ).trim();
}

describe.skipIf(!isBuilt)('the installed package', () => {
  const folder = mkdtempSync(join(tmpdir(), 'subrosa-package-'));
  const installed = join(folder, 'node_modules/subrosa');
  const main = join(installed, 'dist/src/apps/cli/main.js');

  beforeAll(() => {
    writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
    installPackage(folder);
  }, 120_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const run = (node: string, args: readonly string[]) =>
    spawnSync(node, args, { cwd: folder, encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } });

  test('has a file behind every export', () => {
    const paths = (value: unknown): string[] =>
      typeof value === 'string' ? [value] : Object.values(value as object).flatMap(paths);
    const named = Object.values(manifest.exports).flatMap(paths);
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((path) => !existsSync(join(installed, path)))).toEqual([]);
  });

  test('brings no server along, and says how to get one', () => {
    for (const name of Object.keys(manifest.peerDependencies))
      expect(existsSync(join(folder, 'node_modules', name))).toBe(false);
    const { status, stderr } = run(process.execPath, [main, 'serve', 'digits', '--port', '0']);
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/needs the package \w+, which subrosa does not bring along: npm install \w+@\^/);
  }, 60_000);

  test('bench says what it needs or runs', () => {
    const { status, stdout } = run(process.execPath, [main, 'bench', '--help']);
    expect([status, stdout.length > 0]).toEqual([0, true]);
  }, 60_000);

  describe.each(NODES)('Node %i', (major, node) => {
    test.skipIf(node === undefined).each(QUICK)(
      'examples/quick/%s',
      (name) => {
        const path = join(installed, 'examples/quick', name);
        const { stdout, stderr, status } = run(node!, [path]);
        expect({ stdout: stdout.trim(), stderr, status }).toEqual({
          stdout: promised(name),
          stderr: '',
          status: 0,
        });
      },
      120_000,
    );

    test.skipIf(node === undefined)(
      'doctor names it, without a warning',
      () => {
        const { stdout, stderr } = run(node!, [main, 'doctor', '--json']);
        expect(JSON.parse(stdout)).toMatchObject({
          node: expect.stringContaining(`v${major}.`),
          selfTest: 'passed',
        });
        expect(stderr).toBe('');
      },
      60_000,
    );
  });

  test.skipIf('missing' in nodes)(
    'its dependencies, and those of a server, install where engines are strict',
    () => {
      const strict = mkdtempSync(join(tmpdir(), 'subrosa-engines-'));
      try {
        // As docs/dependencies.md tells those on Node 20: the server's dependencies with the last release for it.
        const server = { ...manifest.peerDependencies, 'light-my-request': '6.6.0' };
        const dependencies = { ...manifest.dependencies, ...server };
        writeFileSync(join(strict, 'package.json'), JSON.stringify({ private: true, dependencies }));
        npm(['install', '--engine-strict', '--package-lock-only'], strict);
        expect(existsSync(join(strict, 'package-lock.json'))).toBe(true);
      } finally {
        rmSync(strict, { recursive: true, force: true });
      }
    },
    120_000,
  );
});

test('nothing that git does not track goes into the package but what is built', () => {
  const [{ files }] = JSON.parse(npm(['pack', '--dry-run', '--json'], root)) as [
    { files: { path: string }[] },
  ];
  const tracked = new Set(
    existsSync(join(root, '.git'))
      ? execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }).split('\n')
      : files.map(({ path }) => path),
  );
  const built = /^(dist|build)\//;
  expect(files.filter(({ path }) => !tracked.has(path) && !built.test(path)).map(({ path }) => path)).toEqual(
    [],
  );
}, 60_000);

describe.skipIf(!existsSync(join(root, '.git')))('npm install from a git repository', () => {
  const folder = mkdtempSync(join(tmpdir(), 'subrosa-git-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('builds a package that computes', () => {
    // A bare copy, as a host has it; npm clones it and runs `prepare`, which needs its own scripts.
    const repository = join(folder, 'subrosa.git');
    execFileSync('git', ['clone', '--quiet', '--bare', root, repository]);
    writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
    const started = Date.now();
    execFileSync(
      'npm',
      ['install', `git+file://${repository}`, '--no-audit', '--no-fund', '--loglevel=error'],
      {
        cwd: folder,
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    const installed = join(folder, 'node_modules/subrosa');
    const bytes = readdirSync(installed, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
    console.log(
      `npm install git+file: ${((Date.now() - started) / 1000).toFixed(0)} s, ${(bytes / 1e6).toFixed(1)} MB`,
    );
    const main = join(installed, 'dist/src/apps/cli/main.js');
    const told = JSON.parse(
      execFileSync(process.execPath, [main, 'doctor', '--json'], { cwd: folder, encoding: 'utf8' }),
    );
    expect(told).toMatchObject({ kernel: expect.anything() });
    const quick = join(installed, 'examples/quick/ckks.mjs');
    expect(execFileSync(process.execPath, [quick], { cwd: folder, encoding: 'utf8' }).trim()).toBe(
      promised('ckks.mjs'),
    );
    // Nothing of the development is in it.
    expect(existsSync(join(installed, 'test'))).toBe(false);
    expect(bytes).toBeLessThan(60e6);
  }, 1_200_000);
});
