/** `subrosa authority`, `encrypt-data` and `train cryptonn` in projected mode, and what owners can do wrong. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, test, vi } from 'vitest';
import { LearningCurve } from '../../../src/apps/cryptonn/learning-curve.ts';
import { parseCheckpoint, saveCheckpoint } from '../../../src/apps/cryptonn/training-checkpoint.ts';
import { authorityRoutes } from '../../../src/apps/cryptonn/authority-wire.ts';
import { AXIS_NAMES } from '../../../src/protocols/cryptonn/agreement/dataset-spec.ts';
import { Canaries } from '../web/canary.ts';
import { at, done, prepared, run, testAccuracy } from './training-world.ts';

// Key generation and two processes: a busy machine needs its time.
vi.setConfig({ testTimeout: 300_000 });

const PLAN = ['--epochs', '20', '--momentum', '0.9'];

/** The training of shapes.svg once more, but stopped; and a control without what its checkpoint keeps of the curve. */
async function expectSameCurve(train: (out: string, ...more: string[]) => string[]): Promise<void> {
  const cut = train('cut.srnn', ...PLAN, '--curve', at('cut.svg'));
  for (const stop of ['7', '31']) {
    expect(JSON.parse(await done(...cut, '--stop-after', stop))).toMatchObject({ isComplete: false });
    expect(readFileSync(at('cut.svg'), 'utf8')).not.toBe(readFileSync(at('shapes.svg'), 'utf8'));
  }
  const stopped = parseCheckpoint(new Uint8Array(readFileSync(at('cut.srnn.checkpoint'))));
  await done(...cut);
  expect(readFileSync(at('cut.svg'), 'utf8')).toBe(readFileSync(at('shapes.svg'), 'utf8'));
  expect(readFileSync(at('cut.srnn'))).toEqual(readFileSync(at('shapes.srnn')));
  await saveCheckpoint(at('cut.srnn.checkpoint'), { ...stopped, curve: new LearningCurve(stopped.step) });
  const control = await run(...cut);
  expect(control.err).toMatch(/the curve begins at 1984 samples/);
  expect(readFileSync(at('cut.svg'), 'utf8')).not.toBe(readFileSync(at('shapes.svg'), 'utf8'));
  expect(readFileSync(at('cut.svg'), 'utf8')).toContain('from 1984 samples on');
  expect(readFileSync(at('cut.srnn'))).toEqual(readFileSync(at('shapes.srnn')));
}

describe('projected', () => {
  test('two owners, an authority and a trainer: a model that only owners can name the classes of', async () => {
    const { encrypt, train, child } = await prepared('shapes');
    await done(...encrypt('ann', 'shapes-test.enc', '--split', 'test'));
    const result = JSON.parse(
      await done(
        ...train('shapes.srnn', ...PLAN, '--test', at('shapes-test.enc'), '--curve', at('shapes.svg')),
      ),
    );
    expect(result).toMatchObject({ mode: 'projected', samples: 192, isComplete: true, rankIssued: 4 });
    expect(result.unknownsSolvable).toBe(4 * 192);
    expect(result.accuracy).toBeGreaterThan(0.9);
    expect(readFileSync(at('shapes.svg'), 'utf8')).toMatch(/<polyline stroke="#1b6ca8" points="[\d., ]+"/);
    expect(testAccuracy('shapes.srnn', 'shapes.labels')).toBeGreaterThan(0.9);
    expect(await run(...train('x.srnn', '--mode', 'faithful'))).toMatchObject({ code: 2 });
    expect(await run(...train('x.srnn', '--mode', 'faithful', '--i-understand-what-leaks'))).toMatchObject({
      code: 2,
    });
    await expectSameCurve(train);
    child.kill('SIGTERM');
    const report = JSON.parse(await done('authority', 'verify', '--state', at('shapes.state'), '--json'));
    expect(report.datasets[0]).toMatchObject({ dataset: 'shapes', axes: [{ axis: 'projection', rank: 4 }] });
  });

  test('attack: what an owner is ever told is the same whichever model was trained; the trainer is told apart (control)', async () => {
    const { url, train, child } = await prepared('unseen');
    /** Everything that the authority answers to a token, over every address and method that it has. */
    const answersTo = async (party: string): Promise<string[]> => {
      const token = readFileSync(at(`unseen-${party}.token`), 'utf8').trim();
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/octet-stream' };
      const paths = AXIS_NAMES.flatMap((axis) => [
        authorityRoutes.publicKey('unseen', axis),
        authorityRoutes.keys('unseen', axis),
      ]);
      const answers: string[] = [];
      for (const path of [authorityRoutes.health, authorityRoutes.dataset('unseen'), ...paths]) {
        for (const method of ['GET', 'POST']) {
          const body = method === 'POST' ? { body: new Uint8Array(8) } : {};
          const reply = await fetch(url + path, { method, headers, ...body });
          const bytes = Buffer.from(await reply.arrayBuffer());
          answers.push(`${method} ${path} ${reply.status} ${bytes.toString('base64')}`);
        }
      }
      return answers;
    };
    const before = await answersTo('ann');
    const trained = async (seed: string) => {
      await done(...train(`unseen-${seed}.srnn`, ...PLAN, '--seed', seed));
      const seen = { owner: await answersTo('ann'), trainer: await answersTo('tom') };
      return { ...seen, model: readFileSync(at(`unseen-${seed}.srnn`)) };
    };
    const [one, two] = [await trained('1'), await trained('2')];
    expect(one.model.equals(two.model)).toBe(false);
    // The owner's view before any training, after the first and after the second is one view.
    expect(one.owner).toEqual(before);
    expect(two.owner).toEqual(before);
    expect(before.filter((answer) => / 200 /.test(answer)).length).toBeGreaterThan(2);
    // Nor does either model lie in it, or in the owner's files; it does lie in what the trainer has.
    const weights = (bytes: Buffer): Canaries => {
      const canaries = new Canaries();
      canaries.addBytes(bytes.subarray(bytes.length - 1024));
      return canaries;
    };
    const owned = Buffer.concat([
      readFileSync(at('unseen-ann.enc')),
      readFileSync(at('unseen.labels')),
      Buffer.from(before.map((answer) => answer.split(' ')[3]).join('\n')),
      ...before.map((answer) => Buffer.from(answer.split(' ')[3] ?? '', 'base64')),
    ]);
    for (const { model } of [one, two]) {
      expect(weights(model).foundIn(owned)).toBe(false);
      expect(weights(model).foundIn(Buffer.concat([owned, model]))).toBe(true);
    }
    // The trainer's token is told other things than the owner's: what is asked makes a difference.
    expect(one.trainer).not.toEqual(before);
    child.kill('SIGTERM');
  });

  test('owners: values out of range, other scalings, short and damaged files, a place that cannot be written', async () => {
    const { encrypt, train } = await prepared('faults');
    // Whether values are over the bound, which the authority chose, shows in nothing that leaves the owner.
    const bright = await run(...encrypt('ann', 'bright.enc', '--samples', '64', '--white', '128'));
    expect(bright).toMatchObject({
      code: 0,
      out: expect.stringMatching(/\d+ values are over 1 and were cut to it/),
    });
    await done(...encrypt('bob', 'faults-bob.enc', '--samples', '64', '--white', '1000'));
    expect(statSync(at('bright.enc')).size).toBe(statSync(at('faults-bob.enc')).size);
    const scaled = await run(...train('x.srnn'));
    expect(scaled.err).toMatch(/"ann" and "bob" scaled their data differently/);
    const whole = readFileSync(at('faults-ann.enc'));
    writeFileSync(at('faults-bob.enc'), whole.subarray(0, whole.length - 100));
    expect((await run(...train('x.srnn'))).err).toMatch(/ends in batch 2 of 2/);
    const flipped = Buffer.from(whole);
    flipped[whole.length - 100]! ^= 1;
    writeFileSync(at('faults-bob.enc'), flipped);
    expect((await run(...train('x.srnn'))).err).toMatch(/batch 1 of .* is damaged/);
    const full = await run(...encrypt('ann', 'x.enc').slice(0, -1), '/dev/full/x');
    expect(full.code).toBe(1);
    expect(full.err).toMatch(/cannot write .*: nothing half written is left/);
  });
});
