import type { Worker } from 'node:worker_threads';
import { describe, expect, it, vi } from 'vitest';
import { openKernel } from '../../src/kernel/open.ts';
import { InferenceClient } from '../../src/protocols/inference/client.ts';
import { EvaluationError, InferenceServer } from '../../src/protocols/inference/server.ts';
import { largestError } from './exchange.ts';
import { randomInputs, randomNetwork } from './random-network.ts';

/** The threads that were started, so that a test can end one. */
const threads: Worker[] = vi.hoisted(() => []);
vi.mock('node:worker_threads', async (importOriginal) => {
  const original = await importOriginal<typeof import('node:worker_threads')>();
  class WatchedWorker extends original.Worker {
    constructor(...of: ConstructorParameters<typeof Worker>) {
      super(...of);
      threads.push(this);
    }
  }
  return { ...original, Worker: WatchedWorker };
});

const network = randomNetwork([5, 4, 3], 4, 5);

describe('the inference server', () => {
  it('evaluates in its own thread, for two clients at once, while the event loop runs', async () => {
    using kernel = await openKernel();
    await using server = await InferenceServer.start([{ name: 'net', network }]);
    const offer = server.offers()[0]!;
    const ticks: number[] = [];
    const timer = setInterval(() => ticks.push(performance.now()), 5);
    const ask = async (tenant: string) => {
      using client = await InferenceClient.create(offer, kernel);
      const message = client.enrolment();
      expect(message.length).toBe(server.keyLimit('net'));
      const keyId = await server.enrol(tenant, 'net', message);
      expect(server.hasKey(tenant, 'net', keyId)).toBe(true);
      expect(server.hasKey('nobody', 'net', keyId)).toBe(false);
      const inputs = randomInputs(20, 5, 1);
      const query = client.query(inputs, 20);
      expect(query.bytes.length).toBeLessThanOrEqual(server.queryLimit('net'));
      const answer = await server.answer(tenant, 'net', keyId, query.bytes);
      const scores = client.open(query, answer.bytes);
      const truth = network.run(inputs);
      expect(truth.every((value, i) => Math.abs(value - scores[i]!) < 0.01)).toBe(true);
      expect(answer.steps.map((step) => step.name)).toContain('layer 1 linear');
      return { keyId, query: query.bytes };
    };
    const [one, two] = await Promise.all([ask('one'), ask('two')]);
    clearInterval(timer);
    expect(ticks.length).toBeGreaterThan(0);
    const stolen = server.answer('two', 'net', one!.keyId, two!.query);
    await expect(stolen).rejects.toMatchObject({ code: 'missing-key' });
    server.forget('one', one!.keyId);
    await expect(server.answer('one', 'net', one!.keyId, one!.query)).rejects.toBeInstanceOf(EvaluationError);
  });

  it('stops an evaluation whose client left, and goes on serving', async () => {
    using kernel = await openKernel();
    await using server = await InferenceServer.start([{ name: 'net', network }]);
    using client = await InferenceClient.create(server.offers()[0]!, kernel);
    const keyId = await server.enrol('one', 'net', client.enrolment());
    const query = client.query(randomInputs(20, 5, 1), 20).bytes;
    const leaving = new AbortController();
    const answer = server.answer('one', 'net', keyId, query, leaving.signal);
    leaving.abort();
    await expect(answer).rejects.toThrow();
    expect((await server.answer('one', 'net', keyId, query)).bytes.length).toBeGreaterThan(1000);
  });

  it('starts another thread when the evaluation thread dies; clients enrol again', async () => {
    using kernel = await openKernel();
    await using server = await InferenceServer.start([{ name: 'net', network }]);
    using client = await InferenceClient.create(server.offers()[0]!, kernel);
    const enrolment = client.enrolment();
    const keyId = await server.enrol('one', 'net', enrolment);
    const inputs = randomInputs(20, 5, 1);
    const query = client.query(inputs, 20);
    const interrupted = server.answer('one', 'net', keyId, query.bytes);
    const started = threads.length;
    const death = expect(interrupted).rejects.toMatchObject({ code: 'kernel' });
    await threads.at(-1)!.terminate();
    await death;
    expect(server.hasKey('one', 'net', keyId)).toBe(false);
    await expect(server.answer('one', 'net', keyId, query.bytes)).rejects.toMatchObject({
      code: 'missing-key',
    });
    expect(await server.enrol('one', 'net', enrolment)).toBe(keyId);
    const scores = client.open(query, (await server.answer('one', 'net', keyId, query.bytes)).bytes);
    expect(largestError(scores, network.run(inputs))).toBeLessThan(0.01);
    expect(threads.length).toBe(started + 1);
  });

  it('passes on what is wrong with a message by code, and outlives it', async () => {
    await using server = await InferenceServer.start([{ name: 'net', network }]);
    await expect(server.enrol('one', 'net', new Uint8Array(100))).rejects.toMatchObject({ code: 'decode' });
    await expect(server.enrol('one', 'other', new Uint8Array(100))).rejects.toMatchObject({
      code: 'protocol',
    });
    expect(server.offers()).toHaveLength(1);
  });
});
