/** compile, inspect, infer and serve as a newcomer runs them, on a small network of ours, with the real engine. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { engineParts } from '../../src/apps/cli/parts.ts';
import { programsAt, readProgramFile } from '../../src/apps/server/program-files.ts';
import { runCommand } from '../../src/apps/cli/run.ts';
import { listen } from '../../src/apps/server/index.ts';
import { parseProgramText } from '../../src/compiler/program-text.ts';
import { randomInputs, randomNetwork } from '../protocols/random-network.ts';
import { RecordingTerminal } from './fake-engine.ts';

const network = randomNetwork([6, 5, 4, 3], 4, 1);
const SAMPLES = 40;
let directory = '';
let program = '';
let table = '';

async function run(...args: string[]) {
  const terminal = new RecordingTerminal({ SUBROSA_HOME: directory });
  const code = await runCommand(args, terminal, engineParts);
  return { code, out: terminal.output, err: terminal.errors };
}

function csv(values: Float32Array, columns: number): string {
  const rows = Array.from({ length: values.length / columns }, (_, i) =>
    values.subarray(i * columns, (i + 1) * columns).join(','),
  );
  return `${Array.from({ length: columns }, (_, i) => `x${i}`).join(',')}\n${rows.join('\n')}\n`;
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'subrosa-models-'));
  program = join(directory, 'small.subrosa');
  table = join(directory, 'samples.csv');
  const inputs = randomInputs(SAMPLES, 6, 3);
  const scores = network.run(inputs);
  const labels = Array.from({ length: SAMPLES }, (_, t) =>
    [0, 1, 2].reduce((best, o) => (scores[3 * t + o]! > scores[3 * t + best]! ? o : best), 0),
  );
  writeFileSync(table, csv(inputs, 6));
  writeFileSync(join(directory, 'labels.csv'), `${labels.join('\n')}\n`);
  writeFileSync(join(directory, 'network.bin'), network.toBytes());
  const { code, err } = await run(
    'compile',
    join(directory, 'network.bin'),
    '-o',
    program,
    '--name',
    'small',
    '--labels',
    'a,b,c',
    '--calibrate',
    table,
    '--calibrate-labels',
    join(directory, 'labels.csv'),
  );
  expect({ code, err }).toMatchObject({ code: 0 });
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('compile', () => {
  test('says what it costs and loses, and warns of few samples', async () => {
    const args = [
      'compile',
      join(directory, 'network.bin'),
      '-o',
      join(directory, 'again.subrosa'),
      '--calibrate',
      table,
    ];
    const { out, err } = await run(...args, '--json');
    const { program: made, accuracy, layers } = JSON.parse(out);
    expect(made.offer).toMatchObject({ model: 'network', inputs: 6, outputs: 3 });
    expect(accuracy.encryptedAgreement).toBeGreaterThan(0.9);
    expect(layers.map(({ steps }: { steps: string }) => steps)).toContain('multiply, relinearize, rescale');
    expect(err).toMatch(/samples/);
  });

  test.each([
    [['compile', 'nowhere.onnx', '-o', 'x.subrosa'], 1, /there is no file nowhere.onnx/],
    [['compile', 'PROGRAM', '-o', 'OTHER'], 1, /ONNX/],
    [['compile', 'NETWORK', '-o', 'PROGRAM'], 2, /is there already; --force replaces it/],
    [['compile', 'NETWORK', '-o', 'OTHER', '--image', '7x7'], 2, /--image 7x7 does not fit the 6 values/],
    [['compile', 'NETWORK', '-o', 'OTHER', '--precision', '2^-40'], 1, /precision: needed 2\^-40.0/],
    [['compile', 'NETWORK', '-o', 'OTHER', '--calibrate', 'NETWORK'], 1, /network.bin: /],
    [['inspect', 'NETWORK.subrosa'], 1, /there is no file/],
    [['infer', 'TABLE'], 2, /either --server URL or --local/],
    [['infer', '--local', 'NETWORK', 'TABLE'], 1, /does not start with SRPROG/],
    [['infer', '--local', 'PROGRAM', 'NETWORK'], 1, /network.bin: /],
  ] as const)('%j is refused with a reason', async (words, code, reason) => {
    const names: Record<string, string> = {
      PROGRAM: program,
      NETWORK: join(directory, 'network.bin'),
      OTHER: join(directory, 'other.subrosa'),
      TABLE: table,
    };
    const result = await run(...words.map((word) => names[word] ?? word));
    expect(result).toMatchObject({ code });
    expect(result.err).toMatch(reason);
    expect(existsSync(join(directory, 'other.subrosa'))).toBe(false);
  });
});

test('inspect shows layers, steps that parse back, and draws', async () => {
  const { out } = await run('inspect', program);
  expect(out).toMatch(/6 inputs within ±[\d.]+, 3 outputs/);
  expect(out).toMatch(/multiply, relinearize, rescale/);
  const steps = await run('inspect', program, '--steps');
  expect(parseProgramText(steps.out)).toEqual({
    values: programsAt(program)![0]!.program.values,
    steps: programsAt(program)![0]!.program.steps,
  });
  const picture = join(directory, 'program.svg');
  expect((await run('inspect', program, '--svg', picture)).code).toBe(0);
  const svg = readFileSync(picture, 'utf8');
  expect(svg).toMatch(/^<svg .*<\/svg>\n$/s);
  expect(svg.length).toBeLessThan(60_000);
});

test('an exact program answers with the integers of the network, in one process and over HTTP', async () => {
  const folder = join(directory, 'exact');
  mkdirSync(folder);
  const exact = join(folder, 'exact.subrosa');
  const made = await run(
    'compile',
    join(directory, 'network.bin'),
    '-o',
    exact,
    '--name',
    'exact',
    '--exact',
    '--input-range=-2,2',
    '--calibrate',
    table,
  );
  expect(made.code).toBe(0);
  expect(made.out).toMatch(/exact integers: at most 2\^[\d.]+ \(.*\), \d plaintext moduli hold 2\^[\d.]+/);
  expect(made.out).toMatch(/inputs within -2 \.\. 2, rounded to -7 \.\. 8/);
  expect((await run('inspect', exact)).out).toMatch(/integers +noise +of/);
  const local = JSON.parse((await run('infer', '--local', exact, table, '--json')).out);
  expect(local).toMatchObject({ model: 'exact', clearAgreement: 1 });
  const { program: read } = readProgramFile(exact);
  await using service = await engineParts.startService([{ program: read }]);
  const server = await listen(service);
  try {
    const { code, out } = await run('infer', '--server', server.url, table, '--json');
    expect(code).toBe(0);
    const remote = JSON.parse(out);
    // No noise: what two encryptions give is the same to the last bit.
    expect(remote.files).toEqual(local.files);
  } finally {
    await server.close();
  }
  const refused = await run('compile', join(directory, 'network.bin'), '-o', `${exact}2`, '--exact');
  expect(refused).toMatchObject({ code: 2 });
  expect(refused.err).toMatch(/--input-range LOW,HIGH/);
  const mixed = await run('compile', join(directory, 'network.bin'), '-o', `${exact}2`, '--input-bits', '3');
  expect(mixed.err).toMatch(/belong to --exact/);
});

test('infer answers encrypted, in one process and over HTTP, as the network does', async () => {
  const labels = join(directory, 'labels.csv');
  const local = JSON.parse((await run('infer', '--local', program, table, '--labels', labels, '--json')).out);
  expect(local).toMatchObject({ model: 'small', accuracy: 1, clearAgreement: 1 });
  expect(local.files).toHaveLength(SAMPLES);
  expect(['a', 'b', 'c']).toContain(local.files[0].label);
  await using service = await engineParts.startService(programsAt(directory)!.slice(-1));
  const server = await listen(service);
  try {
    const { code, out } = await run('infer', '--server', server.url, table, '--labels', labels, '--json');
    expect(code).toBe(0);
    const remote = JSON.parse(out);
    expect(remote).toMatchObject({ model: 'small', accuracy: 1 });
    expect(remote.stats.upBytes).toBe(local.stats.upBytes);
  } finally {
    await server.close();
  }
});
