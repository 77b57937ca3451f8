/** A link of 35 kB/s with the default limits: minutes for one message. */
import { afterAll, expect, test } from 'vitest';
import { openKernel } from '../../../src/kernel/open.ts';
import { ThrottledWorld, wideNetwork } from './throttled-world.ts';

const kernel = await openKernel();
afterAll(() => kernel[Symbol.dispose]());

const BYTES_PER_SECOND = 35_000;
const MESSAGE_BYTES = 5_400_000;
/** As long as an edge lets a connection on which nothing moves live. */
const IDLE_MS = 60_000;

test.each([false, true])(
  '5.4 MB up and 2.7 MB down arrive at 35 kB/s, through a relay: %s',
  async (relays) => {
    const network = wideNetwork(1_600_000, 2_200_000, 32);
    await using world = await ThrottledWorld.open(network, kernel, {
      bytesPerSecond: BYTES_PER_SECOND,
      relays,
    });
    const device = await world.connect();
    const started = performance.now();
    expect((await device.infer(world.input)).outputs).toEqual(world.clear);
    const { up, down } = device.traffic;
    device.close();
    expect(performance.now() - started).toBeGreaterThan(3 * IDLE_MS);
    expect(up).toBeGreaterThan(MESSAGE_BYTES);
    expect(down).toBeGreaterThan(MESSAGE_BYTES / 2);
    expect(world.closed).toEqual([]);
  },
);
