import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '@nats-io/transport-node';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { FleetBroker } from '../../../src/apps/fleet/broker/broker.ts';
import {
  consumerSettings,
  DEFAULT_QUEUE_RULES,
  settingFaults,
  streamSettings,
} from '../../../src/apps/fleet/broker/broker-settings.ts';
import { agreeOnSecret } from '../../../src/apps/fleet/fleet-secret.ts';
import { noBroker, SmallFleet } from './small-fleet.ts';

const NEEDED = streamSettings('jobs', DEFAULT_QUEUE_RULES);

describe.skipIf(noBroker)(`the broker of a fleet${noBroker ? ` (skipped: ${noBroker})` : ''}`, () => {
  let fleet: SmallFleet;
  beforeAll(async () => {
    fleet = await SmallFleet.start();
  });
  afterAll(() => fleet[Symbol.asyncDispose]());

  async function manager(): Promise<{ manager: JetStreamManager; close: () => Promise<void> }> {
    const connection = await connect({ servers: fleet.nats.url.replace('nats://', '') });
    return { manager: await jetstreamManager(connection), close: () => connection.close() };
  }

  const open = () => FleetBroker.open({ url: fleet.nats.url, name: 'test' });

  // Each of these is accepted by the server, and each loses jobs or lets a limit slip without a word.
  it.each([
    ['discard_new_per_subject', { ...NEEDED, discard_new_per_subject: false }],
    ['retention', { ...NEEDED, retention: 'limits' as const }],
    ['storage', { ...NEEDED, storage: 'memory' as const }],
    ['discard', { ...NEEDED, discard: 'old' as const, discard_new_per_subject: false }],
    ['max_msgs_per_subject', { ...NEEDED, max_msgs_per_subject: -1, discard_new_per_subject: false }],
    ['max_age', { ...NEEDED, max_age: 1_000_000_000, duplicate_window: 1_000_000_000 }],
  ])('is refused when %s of the queue is not as it must be', async (setting, settings) => {
    const { manager: streams, close } = await manager();
    await streams.streams.add(settings);
    await expect(open()).rejects.toThrow(new RegExp(`SUBROSA_JOBS is set so that.*${setting} is`));
    await streams.streams.delete(NEEDED.name);
    await close();
  });

  it('is refused when a consumer gives jobs up by itself', async () => {
    const { manager: streams, close } = await manager();
    await streams.streams.add(NEEDED);
    const { settings } = consumerSettings(DEFAULT_QUEUE_RULES)[3]!;
    await streams.consumers.add(NEEDED.name, { ...settings, max_deliver: 3 });
    await expect(open()).rejects.toThrow(/consumer p03 .*max_deliver is 3, must be -1/);
    await streams.streams.delete(NEEDED.name);
    await close();
  });

  it('is taken as it was made, and again', async () => {
    for (let turn = 0; turn < 2; turn++) {
      await using broker = await open();
      expect(broker.isConnected).toBe(true);
    }
  });

  it('is not there: says so', async () => {
    await expect(FleetBroker.open({ url: 'nats://127.0.0.1:1', name: 'test' })).rejects.toThrow(
      /no broker answers at nats:\/\/127.0.0.1:1 .*nats-server -js/,
    );
    await expect(FleetBroker.open({ url: 'http://x', name: 'test' })).rejects.toThrow('nats://HOST:PORT');
    const secret = 'nats://someone:hunter2@127.0.0.1:1';
    await expect(FleetBroker.open({ url: secret, name: 'test' })).rejects.not.toThrow('hunter2');
  });

  it('lets processes with another secret find out', async () => {
    await using broker = await open();
    await agreeOnSecret(broker, new Uint8Array(32).fill(1));
    await agreeOnSecret(broker, new Uint8Array(32).fill(1));
    await expect(agreeOnSecret(broker, new Uint8Array(32).fill(2))).rejects.toThrow('another secret');
  });

  it('changes an entry for ten at once without losing one', async () => {
    await using broker = await open();
    const adders = Array.from({ length: 10 }, () =>
      broker.replaceEntry('usage', 'count', (before) => String(Number(before ?? 0) + 1)),
    );
    const results = await Promise.allSettled(adders);
    const done = results.filter(({ status }) => status === 'fulfilled').length;
    expect((await broker.entry('usage', 'count'))?.value).toBe(String(done));
    expect(done).toBeGreaterThan(5);
  });
});

it('names what differs and nothing else', () => {
  expect(settingFaults({ a: 1, b: 'x', more: 2 }, { a: 1, b: 'x' })).toEqual([]);
  expect(settingFaults({ a: 2 }, { a: 1, b: 'x' })).toEqual([
    'a is 2, must be 1',
    'b is not set, must be "x"',
  ]);
});
