/** How long work will take, and who is told to wait for how long. */
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { modelName, tenantId } from '../../../src/protocols/inference/names.ts';
import { Appointments } from '../../../src/apps/server/admission/appointments.ts';
import { EvaluationQueue } from '../../../src/apps/server/admission/evaluation-queue.ts';
import { WorkForecast } from '../../../src/apps/server/admission/work-forecast.ts';

const [SMALL, LARGE] = [modelName('small'), modelName('large')];
const [ONE, TWO, THREE] = [tenantId('one'), tenantId('two'), tenantId('three')];

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
    const waits = [4900, 4900, 4900].map((ms) => busy.retryAfterSeconds(ms));
    expect(waits).toEqual([5, 10, 15]);
    expect(queue().retryAfterSeconds(10)).toBe(1);
    expect(Array.from({ length: 20 }, () => busy.retryAfterSeconds(4000)).at(-1)).toBe(30);
  });

  test('who was refused comes before newcomers and before those who were just answered, in order', async () => {
    const small = new EvaluationQueue({ maxPending: 1, maxPendingPerTenant: 3, maxPendingMs: 1e6 });
    let finish = () => {};
    const hold = () => new Promise<void>((resolve) => (finish = resolve));
    const running = small.run(ONE, 100, never, hold);
    await delay(1);
    for (const tenant of [TWO, THREE]) {
      expect(small.admits(tenant, 100)).toBe(false);
      small.appointment(tenant, 100);
    }
    finish();
    await running;
    // One place is free: it is the first one's who was refused.
    expect([ONE, THREE, TWO].map((tenant) => small.admits(tenant, 100))).toEqual([false, false, true]);
    const second = small.run(TWO, 100, never, hold);
    await delay(1);
    finish();
    await second;
    expect([ONE, TWO, THREE].map((tenant) => small.admits(tenant, 100))).toEqual([false, false, true]);
    expect(await small.run(THREE, 100, never, async () => 3)).toMatchObject({ result: 3 });
    expect(small.admits(ONE, 100)).toBe(true);
  });

  test('an appointment that nobody keeps ends; a second refusal loses no place', () => {
    let now = 0;
    const appointments = new Appointments(() => now);
    appointments.make(ONE, 100, 1000);
    appointments.make(TWO, 200, 1000);
    expect([ONE, TWO, THREE].map((tenant) => appointments.before(tenant))).toEqual([
      { count: 0, ms: 0 },
      { count: 1, ms: 100 },
      { count: 2, ms: 300 },
    ]);
    now = 5000;
    appointments.make(TWO, 200, 9000);
    expect(appointments.before(TWO)).toEqual({ count: 1, ms: 100 });
    now = 12_000;
    expect(appointments.before(THREE)).toEqual({ count: 1, ms: 200 });
    appointments.keep(TWO);
    expect(appointments.before(THREE)).toEqual({ count: 0, ms: 0 });
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
