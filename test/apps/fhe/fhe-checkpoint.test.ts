/** Runs that are stopped and go on, the curve of a run, and the flags of the other method. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { engineParts } from '../../../src/apps/cli/parts.ts';
import { runCommand } from '../../../src/apps/cli/run.ts';
import { csvText } from '../../../src/apps/fhe/csv-table.ts';
import { logisticCurve, trainingCurveSvg } from '../../../src/apps/fhe/training-curve.ts';
import {
  areaUnderCurve,
  generatedTable,
  LogisticProgram,
  mirrorLogistic,
  scoresOf,
  standardised,
  tableStandardisation,
  tuneLogistic,
} from '../../../src/runtime/training/index.ts';
import { CkksParams } from '../../../src/schemes/ckks/params.ts';
import { RecordingTerminal } from '../fake-engine.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const TABLE = generatedTable({ rows: 300, columns: 5, seed: 3, causal: 2 });
const PASSPHRASE = { SUBROSA_PASSPHRASE: 'correct horse battery' };
let directory = '';
const at = (name: string): string => join(directory, name);
const DATA = () => ['--data', at('data.csv')];
const OWNER = () => ['--keys', at('owner')];

async function fhe(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const terminal = new RecordingTerminal(env);
  const code = await runCommand(['fhe', ...args], terminal, engineParts);
  return { code, out: terminal.output, err: terminal.errors };
}

function runArgs(out: string, ...more: string[]): string[] {
  return ['run', '--keys', at('owner/public'), '--rows', at('rows.enc'), '--out', at(out), ...more];
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'subrosa-fhe-'));
  writeFileSync(at('data.csv'), csvText(TABLE, 'ill'));
  const keys = ['keys', ...DATA(), '--label', 'ill', '--iterations', '2', '--out', at('owner')];
  expect(await fhe(keys, PASSPHRASE)).toMatchObject({ code: 0 });
  const rows = ['encrypt', ...OWNER(), ...DATA(), '--out', at('rows.enc')];
  expect(await fhe(rows, PASSPHRASE)).toMatchObject({ code: 0 });
  expect(await fhe(runArgs('weights.enc'))).toMatchObject({ code: 0 });
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('a run that goes on', () => {
  const whole = () => readFileSync(at('weights.enc'));

  test('stopped after a step, then told again: the bytes of a run that was not stopped', async () => {
    const checkpoint = ['--checkpoint', at('state')];
    const stopped = await fhe(runArgs('second.enc', ...checkpoint, '--stop-after', '1'));
    expect([stopped.code, stopped.out]).toEqual([0, expect.stringMatching(/stopped after 1 of 2 steps/)]);
    expect(existsSync(at('second.enc'))).toBe(false);
    expect(readdirSync(at('state'))).toEqual(['state.checkpoint']);
    const rest = await fhe(runArgs('second.enc', ...checkpoint, '--json'));
    const told = JSON.parse(rest.out);
    expect([told.wentOnFrom, told.steps.length]).toEqual([1, 1]);
    expect(readFileSync(at('second.enc')).equals(whole())).toBe(true);
    // Done: nothing is left to go on from.
    expect(readdirSync(at('state'))).toEqual([]);
  });

  test('killed after a step, the lock still there: the same', async () => {
    const main = fileURLToPath(new URL('../../../src/apps/cli/main.ts', import.meta.url));
    const args = ['fhe', ...runArgs('killed.enc', '--checkpoint', at('killed'))];
    const child = spawn(process.execPath, ['--import', 'tsx', main, ...args], { stdio: 'ignore' });
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    while (!existsSync(at('killed/state.checkpoint')) && child.exitCode === null) await pause(2);
    child.kill('SIGKILL');
    await ended;
    expect(await fhe(runArgs('killed.enc', '--checkpoint', at('killed')))).toMatchObject({ code: 0 });
    expect(readFileSync(at('killed.enc')).equals(whole())).toBe(true);
  });

  test('checkpoints that are cut off, damaged or of other rows are refused; stopping needs one', async () => {
    const checkpoint = ['--checkpoint', at('bad')];
    expect(await fhe(runArgs('bad.enc', ...checkpoint, '--stop-after', '1'))).toMatchObject({ code: 0 });
    const path = at('bad/state.checkpoint');
    const bytes = readFileSync(path);
    for (const position of [0, 5, 20, 41, 100, bytes.length - 1]) {
      const damaged = Uint8Array.from(bytes);
      damaged[position]! ^= 1;
      writeFileSync(path, damaged);
      const { code, err } = await fhe(runArgs('bad.enc', ...checkpoint));
      expect([code, err]).toEqual([1, expect.stringMatching(/cannot be gone on from/)]);
    }
    writeFileSync(path, bytes.subarray(0, -1));
    expect((await fhe(runArgs('bad.enc', ...checkpoint))).code).toBe(1);
    writeFileSync(path, bytes);
    const again = ['encrypt', ...OWNER(), ...DATA(), '--out', at('other.enc')];
    expect(await fhe(again, PASSPHRASE)).toMatchObject({ code: 0 });
    const other = runArgs('bad.enc', ...checkpoint).map((arg) =>
      arg === at('rows.enc') ? at('other.enc') : arg,
    );
    const { code, err } = await fhe(other);
    expect([code, err]).toEqual([1, expect.stringMatching(/of another program/)]);
    expect((await fhe(runArgs('bad.enc', '--stop-after', '1'))).code).toBe(2);
  });
});

test('the points of a curve are those of as many steps, in batches where the program has them', () => {
  const table = standardised(TABLE, tableStandardisation(TABLE));
  const { spec } = tuneLogistic(table, { iterations: 6, rule: 'keep', bootstrapping: true });
  const params = CkksParams.bootstrapping({ logN: 9, security: 'insecure-for-tests' });
  for (const batchRows of [300, 96]) {
    const rows = batchRows === 96 ? 288 : 300;
    const train = {
      ...table,
      values: table.values.subarray(0, rows * 5),
      labels: table.labels.subarray(0, rows),
    };
    const program = new LogisticProgram({ ...spec, rows, ...(rows === 288 && { batchRows }) }, params);
    const { auc, accuracy } = logisticCurve(program, train, table);
    expect([auc.length, accuracy.length]).toEqual([6, 6]);
    program.steps.forEach((_, t) => {
      const { weights } = mirrorLogistic(train, program.steps.slice(0, t + 1), batchRows);
      expect(auc[t]).toBe(areaUnderCurve(scoresOf(table, weights), table.labels));
    });
  }
});

test('the curve of a run is a picture with the AUC of the mirror and of the encrypted result', async () => {
  const open = ['open', at('weights.enc'), ...OWNER(), ...DATA(), '--curve', at('curve.svg'), '--json'];
  const { code, out } = await fhe(open, PASSPHRASE);
  expect(code).toBe(0);
  const svg = readFileSync(at('curve.svg'), 'utf8');
  expect(svg).toContain(`AUC of the encrypted result, ${JSON.parse(out).auc.toFixed(3)}`);
  expect(svg.match(/<polyline/g)).toHaveLength(2);
  // One iteration and held-out rows of one class are pictures as well.
  const small = trainingCurveSvg({ auc: [null], accuracy: [1], encryptedAuc: null });
  expect(small).not.toMatch(/NaN|Infinity|null/);
});

describe('the method of categories', () => {
  const category = (...more: string[]): string[] => [
    'tune',
    ...DATA(),
    '--label',
    'ill',
    '--method',
    'category',
    ...more,
  ];

  test('tells columns, keys, memory and who learns what, without a key', async () => {
    const told = JSON.parse((await fhe(category('--choose', '2', '--json'))).out);
    expect(told.columns).toHaveLength(2);
    expect(told.program).toEqual({ kind: 'category', version: 1, rows: 241, features: 5, chosen: 2 });
    expect(told.bootstraps).toBe(10);
    expect(told.memory).toBeGreaterThan(10e9);
    const people = (await fhe(category('--choose', '2'))).out;
    expect(people).toMatch(/2 columns chosen, 4 categories/);
    expect(people).toMatch(/the owner learns: which 2 columns were chosen, and 3 weights/);
    writeFileSync(at('program.json'), JSON.stringify(told.program));
    expect((await fhe(['inspect', at('program.json')])).out).toMatch(/regression by categories/);
  });

  test('values other than 0 and 1, impossible sizes and flags of the other method are refused', async () => {
    const age = { ...TABLE, values: TABLE.values.map((value, i) => (i === 7 ? 41 : value)) };
    writeFileSync(at('age.csv'), csvText(age, 'ill'));
    const refused = async (args: readonly string[], code: number, message: RegExp) => {
      const result = await fhe(args);
      expect([result.code, result.err]).toEqual([code, expect.stringMatching(message)]);
    };
    const ages = category('--choose', '2').map((arg) => (arg === at('data.csv') ? at('age.csv') : arg));
    await refused(ages, 1, /row \d+, column gene3: the method of categories takes columns of 0 and 1/);
    await refused(category('--choose', '6'), 1, /features/);
    await refused(category('--choose', '7'), 2, /choose/);
    await refused(category('--iterations', '3'), 2, /--method logistic/);
    await refused(category('--curve', at('no.svg')), 2, /--method logistic/);
    await refused(['tune', ...DATA(), '--label', 'ill', '--choose', '2'], 2, /--method category/);
  });
});
