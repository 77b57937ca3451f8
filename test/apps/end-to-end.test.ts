/** The product with nothing left out but the training: real processes, real sockets, real ciphertexts, random weights. */
import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { installation } from '../../src/apps/cli/installation.ts';
import { engineParts } from '../../src/apps/cli/parts.ts';
import { runCommand } from '../../src/apps/cli/run.ts';
import { CLIENT_FILE } from '../../src/apps/speech/speech-model.ts';
import { RecordingTerminal } from './fake-engine.ts';
import { writeToyModel } from './toy-model.ts';

let directory = '';
const children: ChildProcess[] = [];
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'subrosa-e2e-'));
  writeToyModel(join(directory, 'digits'), 'digits', [16, 16], 1);
  writeToyModel(join(directory, 'sentences'), 'sentences', [24], 2);
  // What a client gets of a model: no network.
  mkdirSync(join(directory, 'client', 'digits'), { recursive: true });
  copyFileSync(join(directory, 'digits', CLIENT_FILE), join(directory, 'client', 'digits', CLIENT_FILE));
});
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(directory, { recursive: true });
});

async function run(args: readonly string[]) {
  const terminal = new RecordingTerminal({ SUBROSA_HOME: directory, SUBROSA_PASSPHRASE: 'correct horse' });
  const code = await runCommand(args, terminal, engineParts);
  return { code, out: terminal.output, err: terminal.errors };
}

/** A server process on `port`; resolves with its address when it listens. */
function startServer(port: string): Promise<{ child: ChildProcess; url: string }> {
  const main = join(installation.root, 'src', 'apps', 'cli', 'main.ts');
  const args = ['--import', 'tsx', main, 'serve', 'digits', '--models', directory, '--port', port, '--json'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
    child.stdout?.once('data', (line) => resolve({ child, url: JSON.parse(String(line)).url }));
  });
}

const recording = (name: string) => join(installation.recordings, name);

test('the demo: encrypted transcripts equal the clear ones', async () => {
  const { code, out, err } = await run(['demo', '--models', directory, '--json']);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  const { recordings, keys } = JSON.parse(out);
  expect(recordings).toHaveLength(6);
  for (const { transcripts, phases, bytesUp } of recordings) {
    expect(transcripts.encrypted).toBe(transcripts.polynomial);
    expect(bytesUp).toBeGreaterThan(10_000);
    expect(phases.filter(({ side }: { side: string }) => side === 'server').length).toBeGreaterThan(2);
  }
  expect(
    new Set(
      recordings.map(({ transcripts }: { transcripts: { encrypted: string } }) => transcripts.encrypted),
    ).size,
  ).toBeGreaterThan(1);
  expect(keys.map(({ model }: { model: string }) => model)).toEqual(['digits', 'sentences']);
});

test('transcribe across processes: keys go up once, a killed server that comes back gets them again', async () => {
  const first = await startServer('0');
  const ask = async () => {
    const { code, out } = await run([
      'transcribe',
      '--models',
      join(directory, 'client'),
      '--server',
      first.url,
      '--json',
      recording('digits-1.wav'),
    ]);
    return { code, ...JSON.parse(out) };
  };
  const made = await ask();
  expect([made.code, made.keys.source, made.keys.keyBytes > 1e5]).toEqual([0, 'made', true]);
  const again = await ask();
  expect([again.keys.source, again.keys.keyBytes]).toEqual(['key file', 0]);
  expect(again.files[0].text).toBe(made.files[0].text);
  first.child.removeAllListeners('exit');
  first.child.kill('SIGKILL');
  await new Promise((resolve) => first.child.once('exit', resolve));
  await startServer(new URL(first.url).port);
  const after = await ask();
  expect([after.keys.source, after.keys.keyBytes > 1e5, after.files[0].text]).toEqual([
    'key file',
    true,
    made.files[0].text,
  ]);
}, 120_000);
