/** The shipped model that decides, over HTTP by the commands: a recording goes in, one word comes out, no scores leave. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { installation } from '../../src/apps/cli/installation.ts';
import { engineParts } from '../../src/apps/cli/parts.ts';
import { runCommand } from '../../src/apps/cli/run.ts';
import { InferenceServer } from '../../src/apps/server/inference-server.ts';
import { listen, type RunningServer } from '../../src/apps/server/index.ts';
import { programsAt } from '../../src/apps/server/program-files.ts';
import { recogniserOf } from '../../src/apps/speech-client/recogniser.ts';
import {
  clearLevels,
  decidedPlace,
  type DecidingProgram,
  decisionFactsOf,
  meanScores,
} from '../../src/compiler/decision/decision-facts.ts';
import { spreadOver } from '../../src/protocols/inference/decision-cipher.ts';
import { runClear } from '../../src/runtime/clear-machine.ts';
import { writeWav } from '../../src/speech/audio/wav-writer.ts';
import { readWav } from '../../src/speech/index.ts';
import { RecordingTerminal } from './fake-engine.ts';

const MODEL = join(installation.models, 'digits-keyword');
/** The first word of a string of digits. */
const STRING = join(installation.recordings, 'digits-2.wav');
const SECONDS = 0.6;

let directory = '';
let recording = '';
let service: InferenceServer;
let server: RunningServer;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'subrosa-keyword-'));
  recording = join(directory, 'word.wav');
  const { samples, rate } = readWav(readFileSync(STRING));
  writeFileSync(recording, writeWav({ samples: samples.subarray(0, SECONDS * rate), rate }));
  service = await InferenceServer.start(programsAt(MODEL)!);
  server = await listen(service, {});
}, 120_000);
afterAll(async () => {
  await server.close();
  await service[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

async function run(...args: readonly string[]) {
  const terminal = new RecordingTerminal({});
  const code = await runCommand(args, terminal, engineParts);
  return { code, out: terminal.output, err: terminal.errors };
}

/** Levels of the recording in the clear. */
function levelsInTheClear(): number[] {
  const { program } = programsAt(MODEL)![0] as { program: DecidingProgram };
  const recogniser = recogniserOf(readFileSync(join(MODEL, 'client.bin')));
  const { data, frames } = recogniser.inputsOf(recogniser.spokenPart(readWav(readFileSync(recording))));
  const { block } = program.buckets.find((bucket) => bucket.block >= frames)!;
  const scores = runClear(program, spreadOver(data, frames, program.inputs, block));
  return clearLevels(decisionFactsOf(program), meanScores(scores, program.outputs));
}

test('transcribe --decoder server gives the word that the clear model decides on', async () => {
  const levels = levelsInTheClear();
  const [first, second] = [...levels].sort((a, b) => b - a);
  // So far apart that no noise changes who wins: a level is off by one at most.
  expect(first! - second!).toBeGreaterThan(2);
  const { code, out, err } = await run(
    ...['transcribe', '--server', server.url, '--decoder', 'server', '--no-key-file', '--json', recording],
  );
  expect({ code, err }).toEqual({ code: 0, err: '' });
  const { model, keys, files } = JSON.parse(out);
  const { words } = recogniserOf(readFileSync(join(MODEL, 'client.bin')));
  expect([model, files[0].text]).toEqual(['digits-keyword', words[decidedPlace(levels)]]);
  expect(files[0].text).toBe('TWO');
  // Keys of both schemes; one ciphertext back.
  expect(keys.keyBytes).toBeGreaterThan(28e6);
  expect(files[0].bytesDown).toBeLessThan(14_000);
}, 120_000);

test('commands that would show scores say that they stay; so does the decoder that would want them', async () => {
  const client = await run('transcribe', '--server', server.url, '--no-key-file', recording);
  expect([client.code === 0, client.err]).toEqual([false, expect.stringContaining('--decoder server')]);
  const { code, err } = await run('infer', '--server', server.url, recording);
  expect([code === 0, err]).toEqual([false, expect.stringMatching(/stay at the server/)]);
});

test('inspect says what a decision costs and how sure it is', async () => {
  const { code, out } = await run('inspect', join(MODEL, 'digits-keyword.subrosa'));
  expect(code).toBe(0);
  expect(out).toMatch(/66 lookups; an answer is wrong with probability 2\^-12\d\.\d at most/);
});
