import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DecodeError, DivergentReplyError, KernelError } from '../../../src/base/errors.ts';
import { programId } from '../../../src/compiler/program-file.ts';
import { compile } from '../../../src/compiler/compile.ts';
import { type BlobStore, BlobStoreError } from '../../../src/apps/fleet/blobs/blob-store.ts';
import { blobs, jobIdOf, partitionOf, subjects } from '../../../src/apps/fleet/fleet-names.ts';
import { INLINE_BYTES, writeJob } from '../../../src/apps/fleet/job-message.ts';
import { BrokerError } from '../../../src/apps/fleet/broker/broker.ts';
import { QueueFullError } from '../../../src/apps/fleet/gateway/fleet-service.ts';
import { randomNetwork } from '../../protocols/random-network.ts';
import { BlankClient, EchoRunner, echoOf, NET, times } from './echo-runner.ts';
import { eventually, noBroker, PROGRAM, queueAgain, SmallFleet } from './small-fleet.ts';

describe.skipIf(noBroker)(`a fleet in trouble${noBroker ? ` (skipped: ${noBroker})` : ''}`, () => {
  let fleet: SmallFleet;
  beforeEach(async () => {
    fleet = await SmallFleet.start();
  });
  afterEach(() => fleet[Symbol.asyncDispose]());

  /** A gateway, and clients with keys. */
  async function gatewayWith(count: number) {
    const gateway = await fleet.gateway();
    const [offer] = gateway.offers();
    const clients = Array.from({ length: count }, () => new BlankClient(offer!));
    for (const client of clients) await client.enrol(gateway);
    return { gateway, clients, one: clients[0]!, two: clients[1]! };
  }

  it('evaluates a query once, whichever gateway gets it and however often', async () => {
    const { gateway, one, two } = await gatewayWith(2);
    const other = await fleet.gateway();
    const runner = new EchoRunner();
    await fleet.worker(runner);
    const query = one.query();
    const replies = await Promise.all([
      one.ask(gateway, query),
      one.ask(other, query),
      one.ask(gateway, query),
    ]);
    for (const reply of replies) expect(reply).toEqual(echoOf(query));
    expect(await one.ask(other, query)).toEqual(replies[0]);
    expect(runner.evaluations).toBe(1);
    // Somebody else's query with the same bytes is somebody else's job.
    const copied = jobIdOf(gateway.tagOf(two.tenant), two.keyId, one.offer.programId, query);
    expect(copied).not.toBe(jobIdOf(gateway.tagOf(one.tenant), one.keyId, one.offer.programId, query));
    await two.ask(gateway, query);
    expect(runner.evaluations).toBe(2);
  });

  it('carries large queries and replies beside the broker', async () => {
    const { gateway, one } = await gatewayWith(1);
    await fleet.worker(new EchoRunner((query) => query.map((byte) => byte ^ 1)));
    const query = one.query(INLINE_BYTES + 1000);
    const reply = await one.ask(gateway, query);
    expect(
      Buffer.compare(
        reply,
        query.map((byte) => byte ^ 1),
      ),
    ).toBe(0);
  });

  it('gives a job up after three evaluations that broke off, and goes on with others', async () => {
    const { gateway, one, two } = await gatewayWith(2);
    const poison = one.query();
    const runner = new EchoRunner((query) => {
      if (Buffer.compare(query, poison) === 0) throw new KernelError('native', 'planted');
      return echoOf(query);
    });
    const notes: string[] = [];
    await fleet.worker({ start: runner.start, note: (event) => notes.push(event) });
    const given = one.ask(gateway, poison).catch((error: unknown) => error);
    const query = two.query();
    expect(await two.ask(gateway, query)).toEqual(echoOf(query));
    expect(await given).toMatchObject({ name: 'EvaluationError', code: 'kernel' });
    expect(runner.evaluations).toBe(4);
    expect(notes.filter((note) => note === 'job given up')).toHaveLength(1);
    // A retry is told at once; nothing is left in the queue, which would count against the tenant.
    await expect(one.ask(gateway, poison)).rejects.toMatchObject({ code: 'kernel' });
    expect(runner.evaluations).toBe(4);
    expect((await (await fleet.broker()).queueState('jobs')).messages).toBe(0);
  });

  it('says what is wrong with a query, once, and does not try it again', async () => {
    const { gateway, one } = await gatewayWith(1);
    const runner = new EchoRunner(() => {
      throw new DecodeError('a query', 'planted');
    });
    await fleet.worker(runner);
    const query = one.query();
    await expect(one.ask(gateway, query)).rejects.toMatchObject({ code: 'decode' });
    await expect(one.ask(gateway, query)).rejects.toMatchObject({ code: 'decode' });
    expect(runner.evaluations).toBe(1);
  });

  it('gives the job of a worker that fell silent to another one', async () => {
    const { gateway, one } = await gatewayWith(1);
    let release: () => void = () => undefined;
    const hanging = new EchoRunner(async (query) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return query;
    });
    const broker = await fleet.broker('doomed');
    const doomed = fleet.worker({ start: hanging.start, broker });
    const query = one.query();
    const reply = one.ask(gateway, query);
    await doomed;
    await eventually(() => hanging.evaluations === 1);
    await broker[Symbol.asyncDispose]();
    const runner = new EchoRunner();
    await fleet.worker(runner);
    expect(await reply).toEqual(echoOf(query));
    expect(runner.evaluations).toBe(1);
    // What it computes then finds no broker, and is of no use to anybody.
    release();
  });

  it('survives a restart of the broker with jobs in the queue', async () => {
    const { gateway, clients } = await gatewayWith(3);
    const queries = clients.map((client) => client.query());
    const replies = clients.map((client, i) => client.ask(gateway, queries[i]));
    const watch = await fleet.broker();
    await eventually(async () => (await watch.queueState('jobs')).messages === 3);
    await fleet.nats.revive();
    await fleet.worker(new EchoRunner());
    for (const [i, reply] of replies.entries()) expect(await reply).toEqual(echoOf(queries[i]!));
  });

  it('reads a failing store again, and gives the job back rather than up', async () => {
    const { gateway, one } = await gatewayWith(1);
    // Each read tries five times: the first delivery fails, the second gets through.
    const fault = times(6, () => new BlobStoreError('read', 'keys', 'planted'));
    const { store } = fleet;
    const failing: BlobStore = {
      place: store.place,
      putOnce: (name, bytes) => store.putOnce(name, bytes),
      get: async (name, most) => {
        if (name.startsWith('keys/')) fault();
        return store.get(name, most);
      },
      has: (name) => store.has(name),
      remove: (name) => store.remove(name),
      list: (prefix) => store.list(prefix),
    };
    const runner = new EchoRunner();
    await fleet.worker({ start: runner.start, store: failing, maxTries: 1 });
    const query = one.query();
    expect(await one.ask(gateway, query)).toEqual(echoOf(query));
    expect(runner.evaluations).toBe(1);
  });

  it('does not use keys that the store has changed; the client enrols again', async () => {
    const { gateway, one } = await gatewayWith(1);
    const runner = new EchoRunner();
    await fleet.worker(runner);
    const { name } = (await collect(fleet.store.list('keys/')))[0]!;
    await fleet.store.remove(name);
    await fleet.store.putOnce(name, one.enrolment());
    await expect(one.ask(gateway)).rejects.toMatchObject({ code: 'missing-key' });
    expect(runner.evaluations).toBe(0);
    expect(await gateway.holdsKeys(one.tenant, NET, one.keyId)).toBe(false);
  });

  it('gives out neither of two replies that differ, and sounds the alarm', async () => {
    const { gateway, one, two } = await gatewayWith(2);
    let flip = 0;
    const runner = new EchoRunner((query) => echoOf(query).map((byte) => byte ^ flip));
    const notes: string[] = [];
    const note = (event: string) => notes.push(event);
    const worker = await fleet.worker({ start: runner.start, isDeterministic: true, note });
    const broker = await fleet.broker();
    // Control: an equal reply is no alarm.
    const same = two.query();
    const first = await two.ask(gateway, same);
    await queueAgain(broker, gateway, two, same);
    await eventually(() => runner.evaluations === 2 && worker.jobs === 2);
    expect(await two.ask(gateway, same)).toEqual(first);
    expect(worker.divergent).toBe(0);

    const query = one.query();
    await one.ask(gateway, query);
    flip = 1;
    const id = await queueAgain(broker, gateway, one, query);
    await eventually(() => worker.divergent === 1);
    await eventually(async () => !(await fleet.store.has(blobs.reply(id))));
    await expect(one.ask(gateway, query)).rejects.toMatchObject({ code: 'kernel' });
    expect(notes).toContain('divergent-reply');
  });

  it('fails the job for good when a worker itself computed something else before', async () => {
    const { gateway, one } = await gatewayWith(1);
    const runner = new EchoRunner(() => {
      throw new DivergentReplyError();
    });
    const worker = await fleet.worker({ start: runner.start, isDeterministic: true });
    const query = one.query();
    await expect(one.ask(gateway, query)).rejects.toMatchObject({ code: 'kernel' });
    await expect(one.ask(gateway, query)).rejects.toMatchObject({ code: 'kernel' });
    expect([runner.evaluations, worker.divergent]).toEqual([1, 1]);
  });

  it('refuses a job that is not what its name says: the broker cannot swap queries', async () => {
    const { gateway, one, two } = await gatewayWith(2);
    const runner = new EchoRunner();
    const worker = await fleet.worker(runner);
    const broker = await fleet.broker();
    const tenant = gateway.tagOf(one.tenant);
    const mine = one.query();
    const id = jobIdOf(tenant, one.keyId, one.offer.programId, mine);
    const swapped = two.query();
    const job = {
      ...{ v: 1, id, tenant, keyId: one.keyId, programId: one.offer.programId, model: 'net' },
      ...{ keysId: '0'.repeat(32) as never, bytes: swapped.length, isInline: true, sentAt: 0 },
    };
    await broker.publish(subjects.job(tenant), id, writeJob({ job, query: swapped }));
    broker.signal(subjects.wake(partitionOf(tenant)));
    await eventually(() => worker.failures === 1);
    expect(runner.evaluations).toBe(0);
    await broker.publish(subjects.job(tenant), 'noise', new Uint8Array(50).fill(1));
    broker.signal(subjects.wake(partitionOf(tenant)));
    await eventually(async () => (await broker.queueState('jobs')).messages === 0);
  });

  it('bounds the jobs of one tenant in the broker, whatever gateway they come through', async () => {
    const { gateway, one, two } = await gatewayWith(2);
    const leaving = new AbortController();
    const asked = Array.from({ length: 4 }, () =>
      one.ask(gateway, one.query(), leaving.signal).catch((error: unknown) => error),
    );
    const broker = await fleet.broker();
    await eventually(async () => (await broker.queueState('jobs')).messages === 4);
    const other = await fleet.gateway();
    await expect(one.ask(other)).rejects.toBeInstanceOf(QueueFullError);
    const theirs = two.ask(other, two.query(), leaving.signal).catch((error: unknown) => error);
    await eventually(async () => (await broker.queueState('jobs')).messages === 5);
    leaving.abort(new Error('left'));
    await Promise.all([...asked, theirs]);
    // Jobs whose clients left are done nevertheless: the clients find the replies when they come back.
    const runner = new EchoRunner();
    await fleet.worker(runner);
    await eventually(() => runner.evaluations === 5);
  });

  it('answers the program before through an upgrade and a rollback', async () => {
    const { gateway, one } = await gatewayWith(1);
    const runner = new EchoRunner();
    await fleet.worker(runner);
    await one.ask(gateway);
    const next = compile(randomNetwork([5, 4, 3], 4, 77), { name: 'net' });
    const later = await fleet.gateway([next]);
    expect(later.offers()[0]!.programId).toBe(programId(next));
    await eventually(() => gateway.offers()[0]!.programId === programId(next));
    await one.ask(gateway);
    await one.ask(later);
    const upgraded = await new BlankClient(later.offers()[0]!).enrol(gateway);
    await upgraded.ask(gateway);
    const { catalogue } = await fleet.place();
    await catalogue.rollBack('net', 60_000);
    await eventually(() => later.offers()[0]!.programId === programId(PROGRAM));
    await upgraded.ask(later);
    await one.ask(later);
    await catalogue.withdraw('net');
    await eventually(() => later.offers().length === 0);
    await expect(one.ask(later)).rejects.toMatchObject({ code: 'protocol' });
  });

  it('leaves jobs that a release does not know to one that does', async () => {
    const { gateway, one } = await gatewayWith(1);
    const old = new EchoRunner();
    const fresh = new EchoRunner();
    await fleet.worker({ start: old.start, jobVersions: [7], maxTries: 1, helpAfterMs: 0 });
    const query = one.query();
    const reply = one.ask(gateway, query);
    const broker = await fleet.broker();
    await eventually(async () => (await broker.entryNames('outcomes').catch(() => [])).length > 0);
    await fleet.worker({ start: fresh.start, maxTries: 1, helpAfterMs: 0 });
    expect(await reply).toEqual(echoOf(query));
    expect([old.evaluations, fresh.evaluations]).toEqual([0, 1]);
  });

  it('does not lose a job that it cannot read when the broker is away for a moment', async () => {
    const { gateway, one } = await gatewayWith(1);
    const broker = await fleet.broker('flaky');
    const replace = broker.replaceEntry.bind(broker);
    const fault = times(1, () => new BrokerError('planted'));
    broker.replaceEntry = async (table, key, change) => {
      fault();
      return replace(table, key, change);
    };
    const notes: string[] = [];
    const old = {
      start: new EchoRunner().start,
      jobVersions: [7],
      note: (event: string) => notes.push(event),
    };
    const worker = await fleet.worker({ ...old, broker });
    const query = one.query();
    const reply = one.ask(gateway, query);
    await eventually(() => notes.includes('job given back'));
    await worker[Symbol.asyncDispose]();
    await fleet.worker(new EchoRunner());
    expect(await reply).toEqual(echoOf(query));
  });

  it('finishes what it has when it is told to end, and takes nothing more', async () => {
    const { gateway, one, two } = await gatewayWith(2);
    let finish: () => void = () => undefined;
    const slow = new EchoRunner(async (query) => {
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      return echoOf(query);
    });
    const ending = await fleet.worker(slow);
    const query = one.query();
    const reply = one.ask(gateway, query);
    await eventually(() => slow.evaluations === 1);
    const ended = ending[Symbol.asyncDispose]();
    expect(ending.isReady).toBe(false);
    const later = two.query();
    const theirs = two.ask(gateway, later);
    finish();
    expect(await reply).toEqual(echoOf(query));
    await ended;
    expect(slow.evaluations).toBe(1);
    await fleet.worker(new EchoRunner());
    expect(await theirs).toEqual(echoOf(later));
  });

  it('keeps prepared keys by bytes, and drops those that were not used for longest', async () => {
    const { gateway, clients } = await gatewayWith(3);
    const [offer] = gateway.offers();
    const runner = new EchoRunner();
    const each = 4 * clients[0]!.enrolment().length;
    const worker = await fleet.worker({ start: runner.start, keyBytes: 2 * each });
    for (const i of [0, 1, 0, 2, 0, 1]) await clients[i]!.ask(gateway);
    // 0, 1 and 2 are loaded; 2 takes the place of 1, 1 that of 2.
    expect(worker.beat()).toMatchObject({ keys: 2, keyBytes: 2 * each, keyLoads: 4, keyHits: 2 });
    expect(runner.keys.size).toBe(2);
    expect(offer!.model).toBe('net');
  });
});

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
