/** The commands of training on encrypted data as a user runs them: authority in a process of its own, real lattices, small pictures. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect } from 'vitest';
import { installation } from '../../../src/apps/cli/installation.ts';
import { engineParts } from '../../../src/apps/cli/parts.ts';
import { runCommand } from '../../../src/apps/cli/run.ts';
import { readLabelKey } from '../../../src/apps/cryptonn/owner-session.ts';
import { plainMatrixMultiply, SeededGenerator, Sequential } from '../../../src/nn/index.ts';
import { RecordingTerminal } from '../fake-engine.ts';

const directory = mkdtempSync(join(tmpdir(), 'subrosa-cryptonn-'));
export const at = (name: string) => join(directory, name);
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(directory, { recursive: true });
});

/** Ledgers of owners stay in the test's folder. */
const PASSPHRASE = { SUBROSA_PASSPHRASE: 'correct horse', SUBROSA_HOME: at('home') };

export async function run(...args: string[]) {
  const terminal = new RecordingTerminal(PASSPHRASE);
  const code = await runCommand(args, terminal, engineParts);
  return { code, out: terminal.output, err: terminal.errors };
}

/** The output of a command that must succeed. */
export async function done(...args: string[]): Promise<string> {
  const { code, out, err } = await run(...args);
  expect({ args, code, err }).toEqual({ args, code: 0, err: '' });
  return out;
}

/** Loopback authority in a process; resolves when it listens. */
export function startAuthority(name: string, port = '0'): Promise<{ url: string; child: ChildProcess }> {
  const main = join(installation.root, 'src', 'apps', 'cli', 'main.ts');
  const args = [
    'authority',
    '--state',
    at(`${name}.state`),
    '--policy',
    at(`${name}.json`),
    '--port',
    port,
    '--json',
  ];
  const child = spawn(process.execPath, ['--import', 'tsx', main, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...PASSPHRASE },
  });
  children.push(child);
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the authority ended with ${code}`)));
    child.stdout.once('data', (line) => resolve({ url: JSON.parse(String(line)).url, child }));
  });
}

const [WIDTH, CLASSES] = [6, 3];
const FEATURES = WIDTH * WIDTH;

function barPictures(seed: number, count: number): { pixels: Uint8Array; labels: Uint8Array } {
  const generator = new SeededGenerator(seed);
  const labels = Uint8Array.from({ length: count }, () => generator.below(CLASSES));
  const pixels = Uint8Array.from({ length: count * FEATURES }, (_, i) => {
    const isBar = Math.floor((i % FEATURES) / 12) === labels[Math.floor(i / FEATURES)];
    return generator.below(100) + (isBar ? 150 : 0);
  });
  return { pixels, labels };
}

/** Square pictures as MNIST files in a folder of the test's own. */
export function writeImages(
  folder: string,
  name: string,
  { pixels, labels }: ReturnType<typeof barPictures>,
): void {
  const side = Math.sqrt(pixels.length / labels.length);
  const idx = (shape: number[], bytes: Uint8Array) => {
    const header = Buffer.alloc(4 + 4 * shape.length);
    header.set([0, 0, 8, shape.length]);
    for (const [i, size] of shape.entries()) header.writeUInt32BE(size, 4 + 4 * i);
    return gzipSync(Buffer.concat([header, bytes]));
  };
  const target = join(directory, folder, 'mnist');
  mkdirSync(target, { recursive: true });
  writeFileSync(join(target, `${name}-images-idx3-ubyte.gz`), idx([labels.length, side, side], pixels));
  writeFileSync(join(target, `${name}-labels-idx1-ubyte.gz`), idx([labels.length], labels));
}

const trainSet = barPictures(1, 200);
const testSet = barPictures(2, 70);
beforeAll(() => {
  writeImages('data', 'train', trainSet);
  writeImages('data', 't10k', testSet);
});

/** Four dimensions drawn anew may lose what tells the classes apart; these keep it. */
function fixProjection(policyFile: string): void {
  const text = readFileSync(policyFile, 'utf8');
  writeFileSync(policyFile, text.replace(/"seed": *"[0-9a-f]{64}"/, `"seed":"${'5b'.repeat(32)}"`));
}

/** Policy, tokens and a running authority. */
export async function opened(name: string, ...policy: string[]) {
  const file = at(`${name}.json`);
  const sizes = [
    '--features',
    String(FEATURES),
    '--classes',
    String(CLASSES),
    '--batch',
    '64',
    '--rank',
    '4',
  ];
  await done('authority', 'policy', '--out', file, '--dataset', name, ...sizes, ...policy);
  fixProjection(file);
  for (const [party, role] of [
    ['tom', 'trainer'],
    ['ann', 'owner'],
    ['bob', 'owner'],
  ] as const) {
    const out = at(`${name}-${party}.token`);
    await done('authority', 'invite', '--policy', file, '--name', party, '--role', role, '--out', out);
    expect(statSync(out).mode & 0o777).toBe(0o600);
  }
  const { url, child } = await startAuthority(name);
  const consent = policy.filter((flag) => flag === '--i-understand-what-leaks');
  const encrypt = (owner: string, out: string, ...more: string[]) => [
    ...['encrypt-data', '--authority', url, '--token-file', at(`${name}-${owner}.token`), '--dataset', name],
    ...[
      '--owner',
      owner,
      '--label-key',
      at(`${name}.labels`),
      '--data',
      at('data'),
      '--out',
      at(out),
      ...consent,
      ...more,
    ],
  ];
  const train = (out: string, ...more: string[]) => [
    ...['train', 'cryptonn', '--authority', url, '--token-file', at(`${name}-tom.token`), '--units', '12'],
    ...['--out', at(out), '--json', ...more, at(`${name}-ann.enc`), at(`${name}-bob.enc`)],
  ];
  return { url, child, encrypt, train };
}

/** The same with two owners' files: 128 and 64 samples. */
export async function prepared(name: string, ...policy: string[]) {
  const world = await opened(name, ...policy);
  await done(...world.encrypt('ann', `${name}-ann.enc`, '--samples', '128'));
  await done(...world.encrypt('bob', `${name}-bob.enc`, '--skip', '128'));
  return world;
}

/** Share of test pictures that the model and the owners' names get right. */
export function testAccuracy(model: string, labels: string): number {
  const network = Sequential.fromBytes(new Uint8Array(readFileSync(at(model))), plainMatrixMultiply);
  const inputs = Float32Array.from(testSet.pixels, (value) => value / 255);
  const scores = network.infer(inputs);
  const best = Array.from({ length: testSet.labels.length }, (_, s) => {
    const row = [...scores.subarray(s * CLASSES, (s + 1) * CLASSES)];
    return row.indexOf(Math.max(...row));
  });
  const restored = readLabelKey(at(labels), CLASSES).restore(best);
  return restored.filter((label, s) => label === testSet.labels[s]).length / testSet.labels.length;
}
