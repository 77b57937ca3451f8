/** How long work will take, and who is told to wait for how long. */
import { describe, expect, test } from 'vitest';
import { modelName, tenantId } from '../../../src/protocols/inference/names.ts';
import { EvaluationQueue } from '../../../src/apps/server/admission/evaluation-queue.ts';
import { WorkForecast } from '../../../src/apps/server/admission/work-forecast.ts';

const [SMALL, LARGE] = [modelName('small'), modelName('large')];
const [ONE, TWO] = [tenantId('one'), tenantId('two')];

describe('the forecast', () => {
  const reference = (model: string) => (model === 'small' ? 100 : model === 'large' ? 2000 : undefined);

  test('begins at the reference processor and learns from this one', () => {
    const forecast = new WorkForecast(reference);
    expect([forecast.of(SMALL, 128), forecast.of(modelName('other'), 128)]).toEqual([100, 1000]);
    for (let i = 0; i < 40; i++) forecast.note(SMALL, 128, 300);
    expect(forecast.of(SMALL, 128)).toBeCloseTo(300);
    // A machine that took three times as long here will elsewhere.
    expect(forecast.of(LARGE, 128)).toBeCloseTo(6000, -2);
  });
});

describe('the queue', () => {
  const queue = () => new EvaluationQueue({ maxPending: 10, maxPendingPerTenant: 3, maxPendingMs: 1000 });
  const never = new AbortController().signal;

  test('counts work, not calls; a single long one is never shut out', async () => {
    const busy = queue();
    expect(busy.admits(ONE, 5000)).toBe(true);
    let finish = () => {};
    const running = busy.run(ONE, 700, never, () => new Promise<void>((resolve) => (finish = resolve)));
    expect([busy.pending, busy.pendingMs]).toEqual([1, 700]);
    expect([busy.admits(TWO, 300), busy.admits(TWO, 301)]).toEqual([true, false]);
    expect(await busy.run(TWO, 301, never, async () => 1)).toBe(undefined);
    finish();
    await running;
    expect([busy.pending, busy.pendingMs]).toEqual([0, 0]);
  });

  test('each that is refused is told a later time, by the work that it brings', () => {
    const busy = queue();
    const waits = [4000, 4000, 4000].map((ms) => busy.retryAfterSeconds(ms));
    expect(waits).toEqual([4, 8, 12]);
    expect(queue().retryAfterSeconds(10)).toBe(1);
    expect(Array.from({ length: 20 }, () => busy.retryAfterSeconds(4000)).at(-1)).toBe(30);
  });

  test('what a client that left would have taken is given back', async () => {
    const busy = queue();
    let finish = () => {};
    const running = busy.run(ONE, 400, never, () => new Promise<void>((resolve) => (finish = resolve)));
    const leaving = new AbortController();
    const waiting = busy.run(TWO, 400, leaving.signal, async () => 1);
    expect(busy.pendingMs).toBe(800);
    leaving.abort(new Error('left'));
    await expect(waiting).rejects.toThrow('left');
    expect(busy.pendingMs).toBe(400);
    finish();
    await running;
  });
});
