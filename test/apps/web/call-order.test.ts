/** The order of a worker's calls: what belongs to one that failed is not done, and not answered. */
import { expect, test } from 'vitest';
import { CallOrder } from '../../../src/apps/web/pages/call-order.ts';

test('calls are done one after another, and none behind a failure up to the next beginning', async () => {
  const done: string[] = [];
  const errors: unknown[] = [];
  const order = new CallOrder<string>(
    async (call) => {
      await Promise.resolve();
      if (call === 'bad') throw new Error(call);
      done.push(call);
    },
    (call) => call.startsWith('begin'),
    (error) => void errors.push(error),
  );
  const calls = ['begin 1', 'sound', 'end', 'begin 2', 'bad', 'bad', 'end', 'begin 3', 'end'];
  await Promise.all(calls.map((call) => order.take(call)));
  expect(done).toEqual(['begin 1', 'sound', 'end', 'begin 2', 'begin 3', 'end']);
  expect(errors).toEqual([new Error('bad')]);
});
