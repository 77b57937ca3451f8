/** 64 clients at once on one server with the shipped models: nothing lost, nothing wrong, memory within what it was given. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { installation } from '../../../src/apps/cli/installation.ts';
import { CommandProcess, type ServerReady } from '../../../src/apps/cli/server-process.ts';
import { loadNetwork } from '../../../src/apps/cli/speech/model-files.ts';
import { compile } from '../../../src/compiler/compile.ts';
import { reportOf } from '../../../src/compiler/report.ts';
import { askAll } from './many-clients.ts';

const KEY_MEMORY_MIB = 256;
const CLIENTS = 64;
const ROUNDS = Number(process.env['ROUNDS'] ?? 2);

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'subrosa-64-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** The most memory that a process has had. */
function peakMiB(pid: number): number {
  const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kibibytes) / 1024;
}

test('64 clients, two speech models', async () => {
  const names = ['digits', 'sentences'];
  const networks = await Promise.all(names.map((name) => loadNetwork(join(installation.models, name))));
  const args = ['serve', ...names, '--keys', join(directory, 'keys'), '--key-memory', String(KEY_MEMORY_MIB)];
  const notes: string[] = [];
  await using server = await CommandProcess.start<ServerReady>(args, (line) => notes.push(line));
  const { url, pid } = server.ready;
  const idleMiB = peakMiB(pid);
  const models = names.map((name, i) => ({
    ...{ name, inputs: networks[i]!.inputs, tolerance: 0.5 },
    run: (inputs: Float32Array) => networks[i]!.run(inputs),
  }));
  const tally = await askAll(url, models, { count: CLIENTS, rounds: ROUNDS });
  expect(tally).toEqual({ asked: CLIENTS * ROUNDS, right: CLIENTS * ROUNDS, wrong: 0, lost: [] });
  // Keys of all of them would take far more than the keys that may be ready.
  const keyBytes = networks.map((network, i) => reportOf(compile(network, { name: names[i]! })).keyBytes);
  const allMiB = (32 * 4 * keyBytes.reduce((a, b) => a + b, 0)) / 2 ** 20;
  expect(allMiB).toBeGreaterThan(4 * KEY_MEMORY_MIB);
  console.log({ idleMiB, peakMiB: peakMiB(pid), allMiB, notes: notes.length });
  // Keys that are ready, one evaluation, and bodies of 64 uploads.
  expect(peakMiB(pid)).toBeLessThan(idleMiB + KEY_MEMORY_MIB + 600 + 512);
}, 3_600_000);
