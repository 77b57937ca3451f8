/** The commands of encrypted training from a CSV file to a report, and what each refuses. */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { engineParts } from '../../../src/apps/cli/parts.ts';
import { runCommand } from '../../../src/apps/cli/run.ts';
import { csvText, parseCsvTable } from '../../../src/apps/fhe/csv-table.ts';
import {
  loadProgram,
  loadTrainerKeys,
  openOwnerFolder,
  openOwnerKey,
} from '../../../src/apps/fhe/owner-folder.ts';
import { DataError } from '../../../src/base/errors.ts';
import {
  generatedTable,
  LogisticOwner,
  type LogisticProgram,
  readTrainingFile,
} from '../../../src/runtime/training/index.ts';
import { CkksContext } from '../../../src/schemes/ckks/context.ts';
import type { SecretKey } from '../../../src/schemes/rlwe/keys/secret-key.ts';
import { Canaries } from '../web/canary.ts';
import { RecordingTerminal } from '../fake-engine.ts';

// Passphrases cost 128 MiB and half a second each; a busy machine takes several times that.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const TABLE = generatedTable({ rows: 300, columns: 5, seed: 3, causal: 2 });
const PASSPHRASE = { SUBROSA_PASSPHRASE: 'correct horse battery' };
let directory = '';
const at = (name: string): string => join(directory, name);
const keysOf = (name: string): string[] => ['--keys', at(name)];
const DATA = () => ['--data', at('data.csv')];

async function fhe(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const terminal = new RecordingTerminal(env);
  const code = await runCommand(['fhe', ...args], terminal, engineParts);
  return { code, out: terminal.output, err: terminal.errors };
}

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'subrosa-fhe-'));
  writeFileSync(at('data.csv'), csvText(TABLE, 'ill'));
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('from a table to a model', () => {
  beforeAll(async () => {
    const made = await fhe(
      ['keys', ...DATA(), '--label', 'ill', '--iterations', '1', '--out', at('owner')],
      PASSPHRASE,
    );
    expect(made).toMatchObject({ code: 0 });
    expect(
      await fhe(['encrypt', ...keysOf('owner'), ...DATA(), '--out', at('rows.enc')], PASSPHRASE),
    ).toMatchObject({ code: 0 });
    // The trainer has no passphrase, and the public folder only.
    const run = await fhe([
      'run',
      ...keysOf('owner/public'),
      '--rows',
      at('rows.enc'),
      '--out',
      at('weights.enc'),
    ]);
    expect(run).toMatchObject({ code: 0 });
  });

  test('the owner gets the weights of the clear mirror and an AUC on rows that never left it', async () => {
    const opened = await fhe(
      ['open', at('weights.enc'), ...keysOf('owner'), ...DATA(), '--json'],
      PASSPHRASE,
    );
    expect(opened.code).toBe(0);
    const told = JSON.parse(opened.out);
    expect(Object.keys(told.weights)).toEqual(['(constant)', ...TABLE.columns]);
    expect(told.mirrorDifference).toBeLessThan(1e-4);
    expect(told.auc).toBeGreaterThan(0.6);
    expect(told.published).toBe(false);
    const people = await fhe(['open', at('weights.enc'), ...keysOf('owner'), ...DATA()], PASSPHRASE);
    expect(people.out).toMatch(/AUC on \d+ rows that never left/);
    expect(people.out).toMatch(/for you alone/);
  });

  test('inspect and tune tell levels, keys, bytes and who learns what, without a key', async () => {
    const { out } = await fhe(['inspect', at('owner/public'), '--json']);
    const told = JSON.parse(out);
    const sizes = readdirSync(at('owner/public/evaluation')).map(
      (name) => statSync(at(`owner/public/evaluation/${name}`)).size,
    );
    expect(sizes).toHaveLength(told.keys);
    const keyBytes = sizes.reduce((sum, size) => sum + size, 0);
    expect(Math.abs(told.keyBytes / keyBytes - 1)).toBeLessThan(1e-3);
    expect(statSync(at('rows.enc')).size).toBeLessThan(1.1 * told.rowBytes + 1000);
    expect((await fhe(['inspect', at('owner/public/program.json')])).out).toMatch(
      /the trainer learns: that there are 241 rows/,
    );
    const tuned = await fhe(['tune', ...DATA(), '--label', 'ill', '--iterations', '30', '--bootstrap']);
    expect(tuned.out).toMatch(/degree 2\^16, 1746\.5 bits/);
    expect(tuned.out).toMatch(/14 bootstraps/);
  });

  test('what the owner keeps is for the owner: modes, a sealed key, nothing of it in the public folder', () => {
    expect(readdirSync(at('owner/public')).sort()).toEqual(['evaluation', 'program.json']);
    for (const name of ['owner/owner.key', 'owner/owner.json'])
      expect(statSync(at(name)).mode & 0o077).toBe(0);
    const open = readFileSync(at('owner/public/program.json'), 'utf8');
    for (const word of ['ill', 'gene', 'mean', 'deviation']) expect(open).not.toContain(word);
  });

  test('attack: with everything that the trainer has, a key of its own opens noise; the owner opens weights', async () => {
    const program = loadProgram(at('owner/public')) as LogisticProgram;
    using context = await CkksContext.open(program.params);
    using arena = context.arena();
    using generator = context.keyGenerator();
    using guess = generator.secretKey();
    const bytes = readFileSync(at('weights.enc'));
    const [weights] = readTrainingFile('weights', program, context, bytes, arena);
    const seen = new LogisticOwner(context, program, guess).open(weights!);
    expect(Math.max(...seen.map(Math.abs))).toBeGreaterThan(8);
    const control = JSON.parse(
      (await fhe(['open', at('weights.enc'), ...keysOf('owner'), ...DATA(), '--json'], PASSPHRASE)).out,
    );
    expect(Math.max(...Object.values<number>(control.weights).map(Math.abs))).toBeLessThan(8);
  });

  test('attack on the rows: signs of labels by a key of its own are guesses; the files hold no value; the owner reads all', async () => {
    const program = loadProgram(at('owner/public')) as LogisticProgram;
    using context = await CkksContext.open(program.params);
    using generator = context.keyGenerator();
    using guess = generator.secretKey();
    using own = await openOwnerKey(openOwnerFolder(at('owner')), context, PASSPHRASE.SUBROSA_PASSPHRASE);
    const bytes = readFileSync(at('rows.enc'));
    /** What stands where the sign of a row's label does, with a key. */
    const labelsBy = (secret: SecretKey): number[] => {
      using arena = context.arena();
      const rows = readTrainingFile('rows', program, context, bytes, arena);
      const decryptor = context.decryptor(secret, arena);
      const encoder = context.encoder(arena);
      const slots = rows.map((row) => encoder.decode(decryptor.decrypt(row)));
      return Array.from({ length: program.spec.rows }, (_, r) => {
        const c = Math.floor(r / program.rowsPerCiphertext);
        return slots[c]![(r % program.rowsPerCiphertext) * program.width]!;
      });
    };
    const truth = labelsBy(own);
    expect(Math.max(...truth.map((value) => Math.abs(Math.abs(value) - 1)))).toBeLessThan(1e-3);
    const guessed = labelsBy(guess);
    const right = guessed.filter((value, r) => Math.sign(value) === Math.sign(truth[r]!)).length;
    const deviation = Math.sqrt(truth.length / 4);
    expect(Math.abs(right - truth.length / 2)).toBeLessThan(8 * deviation);
    // Neither do values, as they are or standardised, lie anywhere in what the trainer is given.
    const { means, deviations } = openOwnerFolder(at('owner')).notes;
    const width = TABLE.columns.length;
    const standardised = [...TABLE.values].map(
      (value, i) => (value - means[i % width]!) / deviations[i % width]!,
    );
    const canaries = new Canaries();
    canaries.addValues([...TABLE.values]);
    canaries.addValues(standardised);
    const keys = readdirSync(at('owner/public/evaluation')).map((name) => `owner/public/evaluation/${name}`);
    const files = ['rows.enc', 'weights.enc', ...keys, 'owner/public/program.json'];
    for (const name of files) expect(canaries.foundIn(readFileSync(at(name))), name).toBe(false);
    const planted = Buffer.concat([
      bytes.subarray(0, 9999),
      Buffer.from(Float64Array.from(standardised).buffer),
    ]);
    expect(canaries.foundIn(planted)).toBe(true);
  });

  test('a trainer that returns something else is told of', async () => {
    // Another run of the owner's on other labels: a well-formed answer of this program.
    const flipped = { ...TABLE, labels: TABLE.labels.map((label) => 1 - label) };
    writeFileSync(at('flipped.csv'), csvText(flipped, 'ill'));
    expect(
      await fhe(
        ['encrypt', ...keysOf('owner'), '--data', at('flipped.csv'), '--out', at('other.enc')],
        PASSPHRASE,
      ),
    ).toMatchObject({ code: 0 });
    await fhe(['run', ...keysOf('owner/public'), '--rows', at('other.enc'), '--out', at('wrong.enc')]);
    const { out } = await fhe(['open', at('wrong.enc'), ...keysOf('owner'), ...DATA()], PASSPHRASE);
    expect(out).toMatch(/DID NOT RUN THIS PROGRAM ON THESE ROWS/);
  });

  test('wrong passphrases, damaged and foreign files, open modes and used folders are refused', async () => {
    const open = (file: string, env = PASSPHRASE) => fhe(['open', file, ...keysOf('owner'), ...DATA()], env);
    const refused = async (result: Promise<{ code: number; err: string }>, message: RegExp) => {
      const { code, err } = await result;
      expect([code, err]).toEqual([1, expect.stringMatching(message)]);
    };
    await refused(open(at('weights.enc'), { SUBROSA_PASSPHRASE: 'another one' }), /passphrase is wrong/);
    await refused(open(at('rows.enc')), /another kind/);
    await refused(open(at('gone.enc')), /no such file/);
    const bytes = readFileSync(at('weights.enc'));
    writeFileSync(at('short.enc'), bytes.subarray(0, -1));
    await refused(open(at('short.enc')), /encrypted weights|ciphertext/);
    bytes[10] = bytes[10]! ^ 1;
    writeFileSync(at('foreign.enc'), bytes);
    await refused(open(at('foreign.enc')), /another program/);
    await refused(
      fhe(['keys', ...DATA(), '--label', 'ill', '--out', at('owner')], PASSPHRASE),
      /already holds keys/,
    );
    const run = () =>
      fhe(['run', ...keysOf('owner/public'), '--rows', at('rows.enc'), '--out', at('no.enc')]);
    const [name] = readdirSync(at('owner/public/evaluation'));
    const key = at(`owner/public/evaluation/${name}`);
    const whole = readFileSync(key);
    writeFileSync(key, whole.subarray(0, 1000));
    await refused(run(), /1 of \d+ keys are missing or cut off/);
    // Of another automorphism, of another plan.
    writeFileSync(
      key,
      readFileSync(at(`owner/public/evaluation/${readdirSync(at('owner/public/evaluation'))[1]}`)),
    );
    await refused(run(), /not the keys of the plan|missing or cut off/);
    writeFileSync(key, whole);
    writeFileSync(at('owner/public/evaluation/more.key'), whole);
    await refused(run(), /"more.key" is no key of this program/);
    rmSync(at('owner/public/evaluation/more.key'));
    chmodSync(at('owner/owner.json'), 0o644);
    await refused(open(at('weights.enc')), /chmod 600/);
    chmodSync(at('owner/owner.json'), 0o600);
    writeFileSync(at('renamed.csv'), csvText({ ...TABLE, columns: ['a', 'b', 'c', 'd', 'e'] }, 'ill'));
    await refused(
      fhe(['encrypt', ...keysOf('owner'), '--data', at('renamed.csv'), '--out', at('no.enc')], PASSPHRASE),
      /columns/,
    );
    const both = await fhe(['tune', ...DATA(), '--label', 'ill', '--bootstrap', '--publish']);
    expect(both.code).toBe(2);
  });
});

test('keys whose making was interrupted are gone on with, and a single file of an older folder is read', async () => {
  const args = ['keys', ...DATA(), '--label', 'ill', '--iterations', '1', '--out', at('parts')];
  expect(await fhe(args, PASSPHRASE)).toMatchObject({ code: 0 });
  const folder = at('parts/public/evaluation');
  const names = readdirSync(folder);
  const before = names.map((name) => readFileSync(join(folder, name)));
  // As a kill in the middle leaves it: some files are not there, and one that was being written.
  rmSync(join(folder, names[2]!));
  rmSync(join(folder, names[4]!));
  writeFileSync(join(folder, `${names[2]}.0123456789ab.tmp`), before[2]!.subarray(0, 1000));
  expect((await fhe(args, PASSPHRASE)).err).toMatch(/--resume/);
  expect(await fhe([...args, '--resume'], { SUBROSA_PASSPHRASE: 'another' })).toMatchObject({ code: 1 });
  const other = args.map((arg) => (arg === '1' ? '2' : arg));
  expect((await fhe([...other, '--resume'], PASSPHRASE)).err).toMatch(/for another program/);
  expect(await fhe([...args, '--resume'], PASSPHRASE)).toMatchObject({ code: 0 });
  expect(readdirSync(folder)).toEqual(names);
  names.forEach((name, i) => {
    expect(readFileSync(join(folder, name)).equals(before[i]!)).toBe(i !== 2 && i !== 4);
  });
  const rows = ['encrypt', ...keysOf('parts'), ...DATA(), '--out', at('parts.rows')];
  expect(await fhe(rows, PASSPHRASE)).toMatchObject({ code: 0 });
  const run = ['run', ...keysOf('parts/public'), '--rows', at('parts.rows'), '--out', at('parts.enc')];
  expect(await fhe(run)).toMatchObject({ code: 0 });
  const open = ['open', at('parts.enc'), ...keysOf('parts'), ...DATA(), '--json'];
  expect(JSON.parse((await fhe(open, PASSPHRASE)).out).mirrorDifference).toBeLessThan(1e-4);
  // The same keys in one file.
  const program = loadProgram(at('parts/public'));
  using context = await CkksContext.open(program.params);
  using keys = loadTrainerKeys(at('parts/public'), program, context).evaluation;
  writeFileSync(at('parts/public/evaluation.keys'), keys.toBytes(context));
  rmSync(folder, { recursive: true });
  const answer = readFileSync(at('parts.enc'));
  expect(await fhe(run)).toMatchObject({ code: 0 });
  expect(readFileSync(at('parts.enc')).equals(answer)).toBe(true);
});

test('weights to be published are computed again, hidden and given once', async () => {
  await fhe(
    ['keys', ...DATA(), '--label', 'ill', '--iterations', '1', '--publish', '--out', at('open')],
    PASSPHRASE,
  );
  await fhe(['encrypt', ...keysOf('open'), ...DATA(), '--out', at('open.rows')], PASSPHRASE);
  expect(
    await fhe(['run', ...keysOf('open/public'), '--rows', at('open.rows'), '--out', at('open.weights')]),
  ).toMatchObject({ code: 0 });
  const publish = [
    'open',
    at('open.weights'),
    ...keysOf('open'),
    ...DATA(),
    '--publish',
    '--rows',
    at('open.rows'),
    '--json',
  ];
  // Keys or rows that somebody exchanged in the meantime are not vouched for.
  const [someKey] = readdirSync(at('open/public/evaluation'));
  for (const name of [`open/public/evaluation/${someKey}`, 'open.rows']) {
    const whole = readFileSync(at(name));
    const changed = Uint8Array.from(whole);
    changed[changed.length - 1]! ^= 1;
    writeFileSync(at(name), changed);
    expect(await fhe(publish, PASSPHRASE)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/nothing is published/),
    });
    writeFileSync(at(name), whole);
  }
  const published = await fhe(publish, PASSPHRASE);
  expect(published).toMatchObject({ code: 0, err: '' });
  const told = JSON.parse(published.out);
  expect(told.published).toBe(true);
  expect(told.mirrorDifference).toBeGreaterThan(2 ** -40);
  expect(told.mirrorDifference).toBeLessThan(2 ** -7);
  const again = await fhe(publish, PASSPHRASE);
  expect([again.code, again.err]).toEqual([1, expect.stringMatching(/releases of this key are spent/)]);
});

describe('CSV', () => {
  test('quotes, spaces, a byte order mark, line ends and words for labels', () => {
    const text = '\uFEFF"age, years", bmi ,ill\r\n50,2.5e1,Yes\r\n"40", 30 ,no\r\n\r\n';
    const table = parseCsvTable(text, 'ill');
    expect(table.columns).toEqual(['age, years', 'bmi']);
    expect([...table.values]).toEqual([50, 25, 40, 30]);
    expect([...table.labels]).toEqual([1, 0]);
  });

  test.each([
    ['', /empty/],
    ['a,b\n1,2\n', /no column "ill"/],
    ['a,a,ill\n1,2,1\n', /two columns/],
    ['a,ill\n1,1\n2\n', /row 2 has 1 cells, the header 2/],
    ['a,ill\n,1\n2,0\n', /row 1, column a: missing/],
    ['a,ill\nx,1\n2,0\n', /row 1, column a: "x" is no number/],
    ['a,ill\nNaN,1\n2,0\n', /no number/],
    ['a,ill\nInfinity,1\n2,0\n', /no number/],
    ['a,ill\n1e999,1\n2,0\n', /not a finite number/],
    ['a,ill\n1,maybe\n2,0\n', /row 1, column ill: a label is yes or no/],
    ['a,ill\n1,1\n2,1\n', /one class/],
    ['ill\n1\n0\n', /at least one column/],
    ['a,ill\n"1,1\n', /quote is not closed/],
  ])('refuses %j', (text, message) => {
    expect(() => parseCsvTable(text, 'ill')).toThrow(DataError);
    expect(() => parseCsvTable(text, 'ill')).toThrow(message);
  });
});
