/**
 * Accept or reject is a bit about the check vectors, and the edges learn it from whatever a device does next: so the vectors are retired
 * before anything else happens, whatever fails meanwhile, and a process that ends in between leaves a mark.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { provision, readDevice, readEdge } from '../../../src/apps/edge/provisioning.ts';
import { retiredFile } from '../../../src/apps/edge/retired-file.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import type { ApplyLinear } from '../../../src/nn/integer/integer-evaluate.ts';
import { EdgeDevice, type EdgeDeviceOptions } from '../../../src/protocols/edge/device.ts';
import { EdgeService } from '../../../src/protocols/edge/edge-service.ts';
import { RequestCounter } from '../../../src/protocols/edge/request-counter.ts';
import { denseNetwork, memoryLink, plainApply } from './edge-pair.ts';

const directory = mkdtempSync(join(tmpdir(), 'subrosa-retire-'));
const kernel = await openKernel();
afterAll(() => {
  kernel[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});
const network = denseNetwork(5, 40, 7);
const parts = await provision(network, { operators: { a: 'one', b: 'two' }, devices: 1, kernel });
const input = new Int32Array(network.inputs).fill(3);
const wrongly: ApplyLinear = (...args) => {
  const y = plainApply(...args);
  y[0]! += 1;
  return y;
};

async function scene(applyB: ApplyLinear, more: Partial<EdgeDeviceOptions> = {}) {
  const identity = await readDevice(parts.devices[0]!);
  const events: string[] = [];
  const a = new EdgeService({ ...(await readEdge(parts.edgeA)), apply: plainApply });
  const b = new EdgeService({ ...(await readEdge(parts.edgeB)), apply: applyB });
  const connect = async () => {
    const links = [memoryLink(a), memoryLink(b)] as const;
    for (const link of links) {
      const { close } = link;
      link.close = () => {
        events.push('closed');
        close();
      };
    }
    const counter = await RequestCounter.open({ load: async () => 0, save: async () => undefined });
    const onRejection = async () => {
      events.push('retiring');
      await new Promise((resolve) => setTimeout(resolve, 20));
      events.push('retired');
    };
    return await EdgeDevice.connect(...links, { ...identity, counter, onRejection, ...more });
  };
  return { connect, events };
}

test('retired first; then the liar is looked for, then the connections end', async () => {
  const recompute: typeof plainApply = (...args) => {
    world.events.push('recomputing');
    return plainApply(...args);
  };
  const world = await scene(wrongly, { recompute: async (...args) => recompute(...args) });
  await expect((await world.connect()).infer(input)).rejects.toMatchObject({
    code: 'integrity',
    details: { edge: 'b' },
  });
  expect(world.events).toEqual(['retiring', 'retired', 'recomputing', 'recomputing', 'closed', 'closed']);
  // The same vectors again, in the same process: refused before anything is sent.
  await expect(world.connect()).rejects.toThrow('used up');
});

test('a culprit that cannot be named changes nothing about that', async () => {
  const world = await scene(wrongly, { recompute: () => Promise.reject(new Error('no kernel')) });
  await expect((await world.connect()).infer(input)).rejects.toMatchObject({
    code: 'integrity',
    details: { edge: null },
  });
  expect(world.events).toEqual(['retiring', 'retired', 'closed', 'closed']);
  await expect(world.connect()).rejects.toThrow('used up');
});

test('a second inference under way checks nothing more with vectors that rejected', async () => {
  const world = await scene(wrongly);
  const device = await world.connect();
  const both = await Promise.allSettled([device.infer(input), device.infer(input)]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(world.events.filter((event) => event === 'retired')).toHaveLength(1);
});

test('the intent to check is on the disk before the first check, and goes only when all is accepted', async () => {
  const path = join(directory, 'device.bin');
  const kept = retiredFile(path);
  let checked = false;
  const honest = await scene(plainApply, {
    onChecking: async () => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      const passed = await kept.checking(0);
      expect(checked).toBe(false);
      expect(await retiredFile(path).reason(0)).toBe('checking');
      checked = true;
      return passed;
    },
  });
  await (await honest.connect()).infer(input);
  expect([checked, await kept.reason(0)]).toEqual([true, null]);

  // What a process that ended in between leaves: refused after the restart, until the vectors are made anew.
  await kept.checking(0);
  const restarted = retiredFile(path);
  expect([await restarted.isRetired(0), await restarted.isRetired(1)]).toEqual([true, false]);
  // The new ones are used and put away again.
  await (await restarted.checking(1))();
  expect(await restarted.reason(1)).toBeNull();
});

test('a rejection that cannot be written down leaves the intent: still refused after a restart', async () => {
  const path = join(directory, 'full.bin');
  const kept = retiredFile(path);
  const world = await scene(wrongly, {
    onChecking: () => kept.checking(0),
    onRejection: () => Promise.reject(new Error('the disk is full')),
  });
  await expect((await world.connect()).infer(input)).rejects.toThrow('the disk is full');
  expect(await retiredFile(path).reason(0)).toBe('checking');
});

test('an identity has its limits over all its sessions: the newest connection works, the oldest ends', async () => {
  const identity = await readDevice(parts.devices[0]!);
  const a = new EdgeService({ ...(await readEdge(parts.edgeA)), apply: plainApply });
  const b = new EdgeService({ ...(await readEdge(parts.edgeB)), apply: plainApply });
  let number = 0;
  const connect = async () => {
    const counter = await RequestCounter.open({
      load: async () => (number += 5000),
      save: async () => undefined,
    });
    return await EdgeDevice.connect(memoryLink(a), memoryLink(b, undefined, 300), { ...identity, counter });
  };
  const devices: EdgeDevice[] = [];
  for (let i = 0; i < 6; i++) devices.push(await connect());
  const clear = await devices[5]!.infer(input);
  const outcomes = await Promise.allSettled(devices.slice(0, 5).map((device) => device.infer(input)));
  expect(outcomes.slice(0, 2).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  // Two requests at once over all of them: whoever began last is answered, and nobody gets a wrong result.
  const answered = outcomes.flatMap((outcome) =>
    outcome.status === 'fulfilled' ? [outcome.value.outputs] : [],
  );
  expect(answered.length).toBeGreaterThan(0);
  for (const outputs of answered) expect(outputs).toEqual(clear.outputs);
  expect((await (await connect()).infer(input)).outputs).toEqual(clear.outputs);
});

test('an inference that fails for want of an edge uses nothing up', async () => {
  const path = join(directory, 'lost.bin');
  const kept = retiredFile(path);
  const gone: ApplyLinear = () => {
    throw new Error('gone');
  };
  const world = await scene(gone, { onChecking: () => kept.checking(0) });
  await expect((await world.connect()).infer(input)).rejects.toMatchObject({ code: 'transport' });
  expect(await kept.reason(0)).toBeNull();
});
