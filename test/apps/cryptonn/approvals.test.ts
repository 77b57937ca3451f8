/** Approvers, closing, files of images and label keys as their owners use them on the command line. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';
import { readPng } from '../../../src/apps/inputs/picture-files.ts';
import { at, done, opened, prepared, run, startAuthority } from './training-world.ts';

// Sealed keys cost half a second each, authorities a process; a busy machine takes several times that.
vi.setConfig({ testTimeout: 300_000 });

const SIZES = ['--features', '36', '--classes', '3', '--batch', '64', '--rank', '8', '--budget-share', '0.9'];

describe('approvals', () => {
  test('a share over the default needs two enrolled keys, and no other change afterwards', async () => {
    const file = at('wide.json');
    const policy = ['--policy', file];
    const made = await done('authority', 'policy', '--out', file, '--dataset', 'wide', ...SIZES);
    expect(made).toMatch(
      /needs the signatures of two enrolled approvers.*\ndigest .* \(until it is approved\)/,
    );
    const serve = ['authority', '--state', at('wide.state'), ...policy, '--port', '0'];
    expect(await run(...serve)).toMatchObject({
      code: expect.any(Number),
      err: expect.stringMatching(/approv/),
    });

    const keys: Record<string, string> = {};
    for (const name of ['eve', 'finn']) {
      const out = await done('authority', 'approver-key', '--out', at(`${name}.key`));
      keys[name] = /public key ([0-9a-f]{64})/.exec(out)?.[1] ?? '';
      await done('authority', 'enrol', ...policy, '--name', name, '--key', keys[name]);
    }
    expect(await run('authority', 'approver-key', '--out', at('eve.key'))).toMatchObject({ code: 2 });
    const bad = await run('authority', 'enrol', ...policy, '--name', 'x', '--key', 'ab');
    expect([bad.code, bad.err]).toEqual([2, expect.stringMatching(/public key of 64 hex digits/)]);

    const approve = (name: string, key: string, dataset = 'wide') =>
      run(
        'authority',
        'approve',
        ...policy,
        '--dataset',
        dataset,
        '--name',
        name,
        '--key-file',
        at(`${key}.key`),
      );
    expect((await approve('eve', 'finn')).err).toMatch(/is another key than the one enrolled for eve/);
    expect((await approve('gil', 'eve')).err).toMatch(/no approver "gil"/);
    expect((await approve('eve', 'eve', 'narrow')).err).toMatch(/no data set "narrow"/);
    expect(await approve('eve', 'eve')).toMatchObject({ code: 0 });
    // One key twice is one signature.
    await approve('eve', 'eve');
    expect((await run(...serve)).err).toMatch(/approv/);
    expect(await approve('finn', 'finn')).toMatchObject({ code: 0 });
    const { child } = await startAuthority('wide');
    child.kill('SIGTERM');
    // What was signed is this very specification.
    writeFileSync(file, readFileSync(file, 'utf8').replace(/"rank": *8/, '"rank":9'));
    expect((await run(...serve)).err).toMatch(/approv|sign/);
  });

  test('what a rank gives away, as a PNG of the sample beside what is made of it', async () => {
    const [file, png] = [at('digits.json'), at('leak.png')];
    const sizes = ['--features', '784', '--classes', '10', '--batch', '64', '--rank', '32'];
    const measure = ['--look-alike', 'drawn', '--picture', png];
    const told = await done(
      'authority',
      'policy',
      '--out',
      file,
      '--dataset',
      'digits',
      ...sizes,
      ...measure,
    );
    expect(told).toMatch(/names of classes recovered: \d+ of 10; of each image: \d+ % of the variance/);
    const picture = readPng(new Uint8Array(readFileSync(png)));
    expect([picture.channels, picture.width, picture.height]).toEqual([1, 2 * 4 * 28 + 12, 4 * 28]);
    const half = (from: number) =>
      Array.from(
        { length: 28 * 28 },
        (_, i) => picture.pixels[4 * Math.floor(i / 28) * picture.width + from + 4 * (i % 28)]!,
      );
    const [sample, estimate] = [half(0), half(4 * 28 + 12)];
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const product = mean(sample.map((value, i) => (value - mean(sample)) * (estimate[i]! - mean(estimate))));
    const deviation = (values: number[]) =>
      Math.sqrt(mean(values.map((value) => (value - mean(values)) ** 2)));
    // The two look alike: that is what leaks.
    expect(product / (deviation(sample) * deviation(estimate))).toBeGreaterThan(0.5);
  });
});

test('a closed data set gives no key any more, in this state; its log says so', async () => {
  const { child, train } = await prepared('shut');
  await done(...train('shut.srnn', '--epochs', '1'));
  child.kill('SIGTERM');
  await new Promise((resolve) => child.once('exit', resolve));
  const state = ['--state', at('shut.state')];
  expect((await run('authority', 'close', ...state, '--dataset', 'other')).err).toMatch(
    /no data set "other", only shut/,
  );
  expect(await done('authority', 'close', ...state, '--dataset', 'shut')).toMatch(
    /issues no more of its keys/,
  );
  const report = JSON.parse(await done('authority', 'verify', ...state, '--json'));
  expect(report.datasets[0]).toMatchObject({ dataset: 'shut', isClosed: true });
  const again = await startAuthority('shut', new URL(train('x')[3]!).port);
  const refused = await run(...train('again.srnn', '--epochs', '1'));
  expect([refused.code, refused.err]).toEqual([1, expect.stringMatching(/clos|refus|forbid/i)]);
  again.child.kill('SIGTERM');
});

test('owners: IDX plain and gzipped are the same data, damaged ones are named; different label keys are found', async () => {
  const { encrypt, train, child } = await opened('labels');
  const plain = join(at('plain'), 'mnist');
  mkdirSync(plain, { recursive: true });
  const names = ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte'];
  const whole = names.map((name) => gunzipSync(readFileSync(join(at('data'), 'mnist', `${name}.gz`))));
  const write = (images: Uint8Array, labels: Uint8Array) =>
    [images, labels].forEach((bytes, i) => writeFileSync(join(plain, names[i]!), bytes));
  const as = (owner: string, out: string, ...more: string[]) =>
    encrypt(owner, out, '--data', at('plain'), '--samples', '64', ...more);
  write(whole[0]!, whole[1]!);
  const first = JSON.parse(await done(...encrypt('ann', 'labels-ann.enc', '--samples', '64', '--json')));
  // The ledger knows the same samples whatever file they came from.
  const again = JSON.parse(await done(...as('ann', 'labels-ann.enc', '--json')));
  expect([first.samples, again.samples]).toEqual([64, 64]);
  expect(again.encryptions).toBe(first.encryptions + 1);
  const faults: [Uint8Array, Uint8Array, RegExp][] = [
    [whole[0]!.subarray(0, -5), whole[1]!, /train-images.*train-labels/],
    [whole[1]!, whole[0]!, /train-images.*train-labels/],
    [new Uint8Array(0), whole[1]!, /train-images.* is empty/],
    [gzipSync(whole[0]!).subarray(0, -20), whole[1]!, /train-images.*gzip file that is cut short/],
  ];
  for (const [images, labels, sentence] of faults) {
    write(images, labels);
    const { code, err } = await run(...as('ann', 'x.enc'));
    expect([code, err]).toEqual([1, expect.stringMatching(sentence)]);
  }
  write(whole[0]!, whole[1]!);
  await done(...as('bob', 'labels-bob.enc', '--skip', '128', '--label-key', at('other.labels')));
  const { code, err } = await run(...train('x.srnn'));
  expect([code, err]).toEqual([
    1,
    expect.stringMatching(/"ann" and "bob" encrypted under different label keys/),
  ]);
  writeFileSync(at('short.labels'), 'not 32 bytes', { mode: 0o600 });
  const short = await run(...as('bob', 'x.enc', '--label-key', at('short.labels')));
  expect([short.code, short.err]).toEqual([
    2,
    expect.stringMatching(/no label key: it has 12 bytes, not 32/),
  ]);
  child.kill('SIGTERM');
});
