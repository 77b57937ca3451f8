/** Projected training with noise in the products, by the commands. */
import { expect, test } from 'vitest';
import { at, done, prepared, run } from './training-world.ts';

test('the policy names the deviation, the trainer is told what it promises, and learns all the same', async () => {
  const { train } = await prepared('noisy', '--noise', '100', '--largest-norm', '600');
  const result = JSON.parse(await done(...train('noisy.srnn', '--epochs', '20', '--momentum', '0.9')));
  expect(result).toMatchObject({ keysIssued: 4, rankIssued: 4, unknownsSolvable: 0 });
  expect(result.privacy).toMatchObject({ sigma: 100 });
  expect(result.privacy.value.epsilon).toBeGreaterThan(1);
  expect(result.privacy.value.epsilon).toBeLessThan(result.privacy.sample.epsilon);
  expect(result.trainingAccuracy).toBeGreaterThan(0.8);
  const text = await done(...train('words.srnn').filter((word) => word !== '--json'));
  expect(text).toMatch(/P x of every sample with noise of deviation 100/);
  expect(text).toMatch(
    /What the noise promises for a whole sample: .*; for one of its values: epsilon [\d.]+, delta/,
  );
  const alone = await run(
    'authority',
    'policy',
    '--out',
    at('n.json'),
    '--dataset',
    'n',
    '--largest-norm',
    '600',
  );
  expect(alone).toMatchObject({ code: 2, out: '' });
});
