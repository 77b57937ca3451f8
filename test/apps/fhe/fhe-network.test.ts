/** The commands of networks under encryption, from pictures to answers, at a small insecure ring; and what each refuses. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { addFheNetwork } from '../../../src/apps/cli/fhe/fhe-network.ts';
import { ownersNetwork } from '../../../src/apps/cli/fhe/fhe-network-parts.ts';
import { engineParts } from '../../../src/apps/cli/parts.ts';
import { accuracyCurve, mirrorRun, triedSteps } from '../../../src/apps/fhe/network-training.ts';
import { DataError, UsageError } from '../../../src/base/errors.ts';
import { readMnist } from '../../../src/apps/train/mnist-corpus.ts';
import {
  generatedSamples,
  PERCEPTRON_RECIPE,
  sampleStandardisation,
  smallPictures,
  standardisedSamples,
  straightenedPictures,
  uniformNumbers,
} from '../../../src/runtime/training/index.ts';
import { CkksParams } from '../../../src/schemes/ckks/params.ts';
import { RecordingTerminal } from '../fake-engine.ts';

// Passphrases cost 128 MiB and half a second each; a busy machine takes several times that.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const insecure = CkksParams.bootstrapping({ logN: 9, security: 'insecure-for-tests' });
const PASSPHRASE = { SUBROSA_PASSPHRASE: 'correct horse battery' };
let directory = '';
const at = (name: string): string => join(directory, name);
const data = (): string[] => ['--data', at('pictures')];
const keys = (): string[] => ['--keys', at('owner')];
const open = (): string[] => ['--keys', at('owner/public')];

async function network(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const terminal = new RecordingTerminal(env);
  const program = new Command().exitOverride();
  addFheNetwork(program, { terminal, parts: engineParts, insecure });
  await program.parseAsync(['network', ...args], { from: 'user' });
  return terminal.output;
}

async function told(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  return JSON.parse(await network([...args, '--json'], env));
}

function idx(shape: readonly number[], values: Uint8Array): Uint8Array {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header[2] = 0x08;
  header[3] = shape.length;
  shape.forEach((extent, i) => header.writeUInt32BE(extent, 4 + 4 * i));
  return Buffer.concat([header, values]);
}

/** Pictures whose blocks are those of generated samples: ten classes that can be told apart. */
function writePictures(folder: string, name: string, count: number): void {
  const { inputs, labels } = generatedSamples({ count, inputs: 64, classes: 10 }, uniformNumbers(9));
  const pixels = new Uint8Array(count * 784);
  pixels.forEach((_, i) => {
    const [row, column] = [Math.floor((i % 784) / 28) - 2, (i % 28) - 2];
    if (Math.min(row, column) < 0 || Math.max(row, column) >= 24) return;
    const value = inputs[Math.floor(i / 784) * 64 + Math.floor(row / 3) * 8 + Math.floor(column / 3)]!;
    pixels[i] = Math.round(Math.max(0, Math.min(1, 0.5 + value / 2)) * 255);
  });
  writeFileSync(join(folder, `${name}-images-idx3-ubyte`), idx([count, 28, 28], pixels));
  writeFileSync(join(folder, `${name}-labels-idx1-ubyte`), idx([count], labels));
}

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'subrosa-network-'));
  mkdirSync(at('pictures'));
  writePictures(at('pictures'), 'train', 80);
  writePictures(at('pictures'), 't10k', 40);
});
afterAll(() => rmSync(directory, { recursive: true }));

/** Of forty runs from random weights one leaves the range that is the default. */
const WIDE = ['--sum-bound', '64'];
const SHAPE = ['--layers', '64-4-10', '--batch', '14', '--rate', '0.1'];

test('steps are tuned in the clear, with a curve', async () => {
  const shown = await network([
    'tune',
    ...data(),
    ...SHAPE,
    '--steps',
    '40',
    ...WIDE,
    '--curve',
    at('curve.svg'),
  ]);
  expect(shown).toMatch(/NOT SECURE: for tests/);
  expect(shown).toMatch(/step 40 +\d+\.\d %/);
  expect(shown).toMatch(/the trainer learns: the shape 64-4-10, batches of 14, 40 steps/);
  expect(readFileSync(at('curve.svg'), 'utf8')).toMatch(/<polyline points="[\d.]+,[\d.]+ /);
  const { points } = await told([
    'tune',
    ...data(),
    '--layers',
    '64-16-10',
    '--batch',
    '14',
    '--steps',
    '60',
    '--rate',
    '0.1',
    ...WIDE,
  ]);
  expect(points.at(-1).accuracy).toBeGreaterThan(points[0].accuracy + 0.3);
});

describe('from pictures to answers', () => {
  beforeAll(async () => {
    await network(['keys', ...data(), ...SHAPE, '--steps', '3', '--out', at('owner')], PASSPHRASE);
    // Two of three steps at first.
    await network(['encrypt', ...keys(), ...data(), '--steps', '2', '--out', at('batches')], PASSPHRASE);
  });

  test('a run stops and goes on to the same bytes, the owner sees what it is worth, and asks', async () => {
    const run = (out: string, ...more: string[]) =>
      told(['run', ...open(), '--batches', at('batches'), '--out', at(out), ...more]);
    expect(await run('model', '--steps', '1')).toMatchObject({ from: 0, to: 1, of: 3 });
    const early = readFileSync(at('model/state.checkpoint'));
    expect(await run('model')).toMatchObject({ from: 1, to: 2 });
    await expect(run('model')).rejects.toThrow(/no batch for step 3/);
    await network(['encrypt', ...keys(), ...data(), '--from', '3', '--out', at('batches')], PASSPHRASE);
    expect(await run('model')).toMatchObject({ from: 2, to: 3 });
    expect(await run('whole')).toMatchObject({ from: 0, to: 3 });
    expect(readFileSync(at('whole/state.checkpoint'))).toEqual(readFileSync(at('model/state.checkpoint')));
    expect(await run('model')).toMatchObject({ from: 3, to: 3 });

    const opened = await told(
      ['open', at('model'), ...keys(), ...data(), '--curve', at('open.svg')],
      PASSPHRASE,
    );
    expect(opened).toMatchObject({ step: 3, pictures: 40, accuracy: opened.mirrorAccuracy });
    expect(opened.mirrorDifference).toBeLessThan(2 ** -15);
    expect(opened.layers[0].weights).toHaveLength(256);
    expect(readFileSync(at('open.svg'), 'utf8')).toMatch(/<circle/);
    const people = await network(['open', at('model'), ...keys(), ...data()], PASSPHRASE);
    expect(people).toMatch(/After 3 steps: \d+\.\d\d % of 40 test pictures/);
    expect(people).not.toMatch(/DID NOT RUN/);

    // Copies of the model after several steps, in whatever order.
    mkdirSync(at('early'));
    writeFileSync(at('early/state.checkpoint'), early);
    const both = await told(['open', at('model'), at('early'), ...keys(), ...data()], PASSPHRASE);
    expect(both.models.map(({ step }: { step: number }) => step)).toEqual([1, 3]);
    expect(both).toMatchObject({ step: 3, accuracy: opened.accuracy });
    for (const { mirrorDifference, accuracy, mirrorAccuracy } of both.models) {
      expect(mirrorDifference).toBeGreaterThan(0);
      expect(mirrorDifference).toBeLessThan(2 ** -15);
      expect(accuracy).toBe(mirrorAccuracy);
    }

    await network(['ask', ...keys(), ...data(), '--count', '5', '--out', at('asked.enc')], PASSPHRASE);
    const answered = ['--model', at('model'), '--asked', at('asked.enc'), '--out', at('scores.enc')];
    expect(await told(['answer', ...open(), ...answered])).toMatchObject({ step: 3 });
    const read = await told(['read', at('scores.enc'), ...keys(), ...data(), '--count', '5'], PASSPHRASE);
    expect(read.scores).toHaveLength(50);
    expect(read.answers).toHaveLength(5);
    expect(
      await network(['read', at('scores.enc'), ...keys(), ...data(), '--count', '5'], PASSPHRASE),
    ).toMatch(/\d of 5 right/);
  });

  test('what the trainer is given holds no secret, and what the owner keeps is private', async () => {
    expect(existsSync(at('owner/public/owner.key'))).toBe(false);
    expect(readFileSync(at('owner/public/program.json'), 'utf8')).not.toMatch(/seed/);
    for (const name of ['owner/owner.key', 'owner/owner.json'])
      expect(statSync(at(name)).mode & 0o077, name).toBe(0);
    const shown = await told(['inspect', at('owner/public')]);
    expect(shown).toMatchObject({ isInsecure: true, bootstrapsPerStep: expect.any(Number) });
  });

  test('folders of former versions say nothing of the scale of inputs: it is the fixed one', () => {
    const standard = ownersNetwork({ keys: at('owner'), data: at('pictures') }, { insecure });
    expect(standard.folder.notes.inputs).toBe('straightened');
    mkdirSync(at('former/public'), { recursive: true });
    const { inputs: _, ...notes } = JSON.parse(readFileSync(at('owner/owner.json'), 'utf8'));
    writeFileSync(at('former/owner.json'), JSON.stringify(notes), { mode: 0o600 });
    writeFileSync(at('former/public/program.json'), readFileSync(at('owner/public/program.json')));
    const former = ownersNetwork({ keys: at('former'), data: at('pictures') }, { insecure });
    const pictures = readMnist(at('pictures'), 'train');
    expect(former.train).toEqual(smallPictures(pictures));
    expect(standard.train.inputs).not.toEqual(former.train.inputs);
    // Test pictures are standardised by the training pictures, not by themselves.
    const by = sampleStandardisation(smallPictures(straightenedPictures(pictures)));
    const asked = smallPictures(straightenedPictures(readMnist(at('pictures'), 'test')));
    expect(standard.test).toEqual(standardisedSamples(asked, by));
    writeFileSync(at('former/owner.json'), JSON.stringify({ ...notes, inputs: 'standardised' }), {
      mode: 0o600,
    });
    const between = ownersNetwork({ keys: at('former'), data: at('pictures') }, { insecure });
    expect(between.train).toEqual(standardisedSamples(former.train, sampleStandardisation(former.train)));
    writeFileSync(at('former/owner.json'), JSON.stringify({ ...notes, inputs: 'other' }), { mode: 0o600 });
    expect(() => ownersNetwork({ keys: at('former'), data: at('pictures') }, { insecure })).toThrow(
      /not those of a network's training/,
    );
  });

  test('files in the wrong place, of other keys or damaged are refused', async () => {
    const run = (batches: string, out: string) =>
      network(['run', ...open(), '--batches', batches, '--out', out]);
    await expect(run(at('nowhere'), at('other'))).rejects.toThrow(DataError);
    // A batch of another step.
    mkdirSync(at('mixed'));
    writeFileSync(at('mixed/first.state'), readFileSync(at('batches/first.state')));
    writeFileSync(at('mixed/batch-000001.enc'), readFileSync(at('batches/batch-000002.enc')));
    await expect(run(at('mixed'), at('other'))).rejects.toThrow(/not what is needed here/);
    // A state after a step is not where training starts.
    writeFileSync(at('mixed/first.state'), readFileSync(at('model/state.checkpoint')));
    await expect(run(at('mixed'), at('other'))).rejects.toThrow(/more steps/);
    mkdirSync(at('damaged'));
    writeFileSync(at('damaged/state.checkpoint'), readFileSync(at('model/state.checkpoint')).subarray(0, -7));
    await expect(run(at('batches'), at('damaged'))).rejects.toThrow(/cut off or damaged/);
    await expect(network(['open', at('damaged'), ...keys(), ...data()], PASSPHRASE)).rejects.toThrow(
      DataError,
    );
    await expect(
      network(['answer', ...open(), '--model', at('nowhere'), '--asked', 'x', '--out', 'y']),
    ).rejects.toThrow(UsageError);
    await expect(
      network(['read', at('batches/batch-000001.enc'), ...keys(), ...data()], PASSPHRASE),
    ).rejects.toThrow(DataError);
    await expect(network(['keys', ...data(), ...SHAPE, '--out', at('owner')], PASSPHRASE)).rejects.toThrow(
      /already holds keys/,
    );
    await expect(
      network(['encrypt', ...keys(), ...data(), '--from', '4', '--out', at('batches')], PASSPHRASE),
    ).rejects.toThrow(/3 steps/);
    mkdirSync(at('fewer'));
    for (const [name, count] of [
      ['train', 60],
      ['t10k', 40],
    ] as const)
      writePictures(at('fewer'), name, count);
    await expect(
      network(['encrypt', ...keys(), '--data', at('fewer'), '--out', at('batches')], PASSPHRASE),
    ).rejects.toThrow(/made for 80 pictures/);
  });
});

test('steps that leave the range of the activations are refused before there is a key', async () => {
  await expect(network(['tune', ...data(), ...SHAPE, '--steps', '60', '--rate', '9'])).rejects.toThrow(
    /lower rate/,
  );
  for (const layers of ['64-x-10', '63-8-10', '64-8-5'])
    await expect(network(['tune', ...data(), '--layers', layers, '--batch', '14'])).rejects.toThrow();
});

test('steps are chosen by options; without a rate it goes with the root of the batch', async () => {
  const program = async (...args: string[]) =>
    (await told(['tune', ...data(), '--layers', '64-4-10', '--steps', '2', ...args])).program;
  expect(await program('--batch', '8', '--momentum', '0', '--decay', '0')).toMatchObject({
    ...{ rate: 0.13, momentum: 0, decay: 0, sumBound: 20 },
  });
  expect(await program('--batch', '16', '--activation', 'table')).toMatchObject({
    ...{ rate: 0.18, momentum: 0.7, decay: 1e-3, sumBound: 16 },
  });
  for (const value of ['1', '-0.1', 'x', ''])
    await expect(program('--batch', '8', '--momentum', value)).rejects.toThrow(UsageError);
});

test('a guard is asked for by an option, and what it saw comes back with the model', async () => {
  const shape = ['--layers', '64-4-10', '--batch', '8', '--steps', '2', '--guard'];
  await network(['keys', ...data(), ...shape, '--out', at('guarded')], PASSPHRASE);
  const guarded = ['--keys', at('guarded'), ...data()];
  await network(['encrypt', ...guarded, '--out', at('watched')], PASSPHRASE);
  const run = ['--keys', at('guarded/public'), '--batches', at('watched'), '--out', at('watched-model')];
  // The trainer's words are those of any run: it is told that there is a guard, not what it saw. It goes on from a state with one.
  expect(await network(['run', ...run, '--steps', '1'])).toMatch(/^1 step done, 1 of 2 in all: give /);
  expect(await network(['run', ...run])).toMatch(/^1 step done, 2 of 2 in all: give .* to the owner/);
  const inspected = await told(['inspect', at('guarded/public')]);
  expect(inspected.whoLearnsWhat.owner.join()).toMatch(/left its range/);
  expect(inspected.whoLearnsWhat.trainer.join()).not.toMatch(/left its range/);
  const opened = await told(['open', at('watched-model'), ...guarded], PASSPHRASE);
  expect(opened).toMatchObject({ step: 2, guard: { places: 0, times: 0 } });
  expect(opened.mirrorDifference).toBeLessThan(2 ** -15);
  const shown = await network(['open', at('watched-model'), ...guarded], PASSPHRASE);
  expect(shown).toMatch(/no sum was seen to leave its range/);
  // Without one nothing is said of it.
  expect(await network(['open', at('model'), ...keys(), ...data()], PASSPHRASE)).not.toMatch(/Guard/);
});

test('rates and momenta are searched in the clear, test pictures unseen', async () => {
  const asked = ['tune', ...data(), '--layers', '64-16-10', '--batch', '14', '--steps', '30', '--search'];
  const { tried } = await told([...asked, '--rate', '0.2', ...WIDE]);
  expect(tried).toHaveLength(9);
  const rates = tried.map(({ rate }: { rate: number }) => rate);
  expect(new Set(rates)).toEqual(new Set([0.1, 0.2, 0.4]));
  const inRange = tried.filter(({ sum }: { sum: number }) => sum <= 0.9 * 64);
  expect(inRange.length).toBeGreaterThan(0);
  expect(tried.slice(0, inRange.length)).toEqual(inRange);
  const accuracies = inRange.map(({ accuracy }: { accuracy: number }) => accuracy);
  expect(accuracies).toEqual([...accuracies].sort((a, b) => b - a));
  // What leaves its range comes last, however right it was.
  const wild = await told([...asked, '--rate', '8', '--sum-bound', '12']);
  expect(wild.tried.at(-1).sum).toBeGreaterThan(0.9 * 12);
  expect(await network([...asked, '--rate', '0.2'])).toMatch(
    /^ *--rate 0\.\d+ --momentum 0\.\d +\d+\.\d % of held-out pictures +largest sum \d+\.\d of 20/,
  );
  await expect(network([...asked, '--curve', at('searched.svg')])).rejects.toThrow(UsageError);
  const spec = { ...PERCEPTRON_RECIPE, layers: [5, 4, 3], batch: 2, steps: 1 };
  const few = generatedSamples({ count: 5, inputs: 5, classes: 3 }, uniformNumbers(1));
  expect(() => triedSteps(spec, 'ab'.repeat(32), few)).toThrow(DataError);
});

test('the same seed gives the same run, another seed another', () => {
  const spec = { ...PERCEPTRON_RECIPE, layers: [5, 4, 3], batch: 6, steps: 4 };
  const samples = generatedSamples({ count: 30, inputs: 5, classes: 3 }, uniformNumbers(1));
  const run = (seed: string) => mirrorRun(spec, seed.repeat(32), samples, samples);
  expect(run('ab')).toEqual(run('ab'));
  expect(run('ab').state).not.toEqual(run('ac').state);
  expect(run('ab').points.map(({ step }) => step)).toEqual([0, 1, 2, 3, 4]);
  expect(accuracyCurve(run('ab').points, [{ step: 4, accuracy: 0.5 }])).toMatch(/trained under encryption/);
});

test('a marked step is judged, and its state is what a run that ends there has', () => {
  const spec = { ...PERCEPTRON_RECIPE, layers: [5, 4, 3], batch: 6, steps: 9 };
  const samples = generatedSamples({ count: 30, inputs: 5, classes: 3 }, uniformNumbers(1));
  const seed = 'ab'.repeat(32);
  const { points, states } = mirrorRun(spec, seed, samples, samples, 9, new Set([0, 7]));
  expect(points.map(({ step }) => step)).toEqual([0, 1, 2, 3, 4, 5, 7, 9]);
  expect([...states.keys()]).toEqual([0, 7]);
  const short = mirrorRun(spec, seed, samples, samples, 7);
  expect(states.get(7)).toEqual(short.state);
  expect(points.find(({ step }) => step === 7)).toEqual(short.points.at(-1));
});
