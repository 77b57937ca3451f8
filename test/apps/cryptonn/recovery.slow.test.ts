/** Faithful training whose authority is killed and whose trainer stops: the result is that of an undisturbed run. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { at, done, prepared, run, startAuthority } from './training-world.ts';

describe('faithful', () => {
  test('survives a killed authority and a stopped trainer with the same weights as an undisturbed run', async () => {
    const { train, child, url } = await prepared('open', '--mode', 'faithful', '--i-understand-what-leaks');
    const flags = [
      '--mode',
      'faithful',
      '--i-understand-what-leaks',
      '--epochs',
      '3',
      '--checkpoint-every',
      '1',
    ];
    const whole = JSON.parse(await done(...train('whole.srnn', ...flags)));
    expect(whole).toMatchObject({ steps: 9, isComplete: true });
    const part = JSON.parse(await done(...train('part.srnn', ...flags, '--stop-after', '4')));
    expect(part).toMatchObject({ steps: 4, isComplete: false });
    child.kill('SIGKILL');
    const lost = await run(...train('part.srnn', ...flags));
    expect(lost).toMatchObject({ code: 1, out: '' });
    expect(lost.err).toMatch(/is the server running/);
    await startAuthority('open', new URL(url).port);
    const rest = JSON.parse(await done(...train('part.srnn', ...flags)));
    expect(rest).toMatchObject({
      steps: 9,
      isComplete: true,
      keysIssued: whole.keysIssued,
      loss: expect.any(Number),
    });
    expect(readFileSync(at('part.srnn'))).toEqual(readFileSync(at('whole.srnn')));
    expect(readFileSync(at('whole.srnn'))).not.toHaveLength(0);
    const other = await run(...train('part.srnn', ...flags, '--seed', '9'));
    expect(other.err).toMatch(/of a training with other files or options/);
  });

  test('what its trainer keeps gives every image of both owners, pixel for pixel', async () => {
    const { train } = await prepared('seen', '--mode', 'faithful', '--i-understand-what-leaks');
    const flags = ['--mode', 'faithful', '--i-understand-what-leaks', '--epochs', '3'];
    // More units than a batch has samples: each backward pass alone is enough. 12 units would need more steps than these.
    await done(...train('seen.srnn', ...flags, '--units', '80', '--transcript', at('seen.json.transcript')));
    const attack = ['attack', 'cryptonn', at('seen.json.transcript'), '--originals', at('data')];
    const result = JSON.parse(await done(...attack, '--out', at('seen.svg'), '--json'));
    expect(result).toMatchObject({ images: 192, inOriginals: 192, forwardRank: 36 });
    expect(result.fewKeys).toMatchObject({ unknowns: 25, isRecovered: true });
    expect(result.fewKeys.keys).toBeLessThan(25);
    expect(readFileSync(at('seen.svg'), 'utf8')).toMatch(/originals<\/text>/);
    expect(await done(...attack)).toMatch(/192 of 192 computed images are originals/);
  });
});
