/** Links of devices that are slow, stand still or drip: limits go by progress, on both sides. */
import { afterAll, describe, expect, test } from 'vitest';
import { openKernel } from '../../../src/kernel/open.ts';
import { ThrottledWorld, wideNetwork } from './throttled-world.ts';

const kernel = await openKernel();
afterAll(() => kernel[Symbol.dispose]());

const LIMIT_MS = 600;
const BYTES_PER_SECOND = 45_000;
const network = wideNetwork(24_000, 24_000);

describe.each([false, true])('through a relay: %s', (relays) => {
  test('messages that take many times the limits arrive, because they move', async () => {
    await using world = await ThrottledWorld.open(network, kernel, {
      bytesPerSecond: BYTES_PER_SECOND,
      relays,
      limitMs: LIMIT_MS,
    });
    const device = await world.connect();
    expect((await device.infer(world.input)).outputs).toEqual(world.clear);
    const { a, b } = world.links;
    const leastMs = (1000 * Math.max(a.passed, b.passed)) / BYTES_PER_SECOND;
    expect(leastMs).toBeGreaterThan(3 * LIMIT_MS);
    expect(world.closed).toEqual([]);
    device.close();
  });
});

test.each([
  ['stands still', 0],
  ['lets a byte through now and then', 100],
])('a link that %s within a message is cut by both sides', async (_, bytesPerSecond) => {
  await using world = await ThrottledWorld.open(network, kernel, {
    bytesPerSecond: 60_000,
    limitMs: LIMIT_MS,
  });
  const device = await world.connect();
  const slowDown = setInterval(() => {
    if (world.links.b.passed > 20_000) world.links.b.bytesPerSecond = bytesPerSecond;
  }, 10);
  await expect(device.infer(world.input)).rejects.toMatchObject({ code: 'transport' });
  clearInterval(slowDown);
  const reason = `nothing moved for ${LIMIT_MS / 1000} s`;
  await expect.poll(() => world.closed, { timeout: 10_000 }).toContain(reason);
});
