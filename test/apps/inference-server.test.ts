import type { Worker } from 'node:worker_threads';
import { describe, expect, it, vi } from 'vitest';
import { openKernel } from '../../src/kernel/open.ts';
import { InferenceClient } from '../../src/protocols/inference/client.ts';
import { modelName, type TenantId, tenantId } from '../../src/protocols/inference/names.ts';
import { EvaluationError, InferenceServer } from '../../src/apps/server/inference-server.ts';
import { largestError } from '../protocols/exchange.ts';
import { randomInputs, randomNetwork } from '../protocols/random-network.ts';

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

const [ONE, TWO] = ['one', 'two'].map(tenantId) as [TenantId, TenantId];
const NET = modelName('net');
const network = randomNetwork([5, 4, 3], 4, 5);

describe('the inference server', () => {
  it('evaluates in its own thread, for two clients at once, while the event loop runs', async () => {
    using kernel = await openKernel();
    await using server = await InferenceServer.start([{ name: 'net', network }]);
    const offer = server.offers()[0]!;
    const ticks: number[] = [];
    const timer = setInterval(() => ticks.push(performance.now()), 5);
    const ask = async (tenant: TenantId) => {
      using client = await InferenceClient.create(offer, kernel);
      const message = client.enrolment();
      expect(message.length).toBe(server.enrolmentBytes(NET));
      const keyId = await server.enrol(tenant, NET, message);
      const inputs = randomInputs(20, 5, 1);
      const query = client.query(inputs, 20);
      expect(query.bytes.length).toBeLessThanOrEqual(server.queryBytes(NET));
      const answer = await server.answer(tenant, NET, keyId, query.bytes);
      const scores = client.open(query, answer.bytes);
      const truth = network.run(inputs);
      expect(truth.every((value, i) => Math.abs(value - scores[i]!) < 0.01)).toBe(true);
      expect(answer.steps.map((step) => step.name)).toContain('layer 1 linear');
      return { keyId, query: query.bytes };
    };
    const [one, two] = await Promise.all([ask(ONE), ask(TWO)]);
    clearInterval(timer);
    expect(ticks.length).toBeGreaterThan(0);
    const stolen = server.answer(TWO, NET, one!.keyId, two!.query);
    await expect(stolen).rejects.toMatchObject({ code: 'missing-key' });
    server.forget(ONE, NET, one!.keyId);
    await expect(server.answer(ONE, NET, one!.keyId, one!.query)).rejects.toBeInstanceOf(EvaluationError);
  });

  it('stops an evaluation whose client left, and goes on serving', async () => {
    using kernel = await openKernel();
    await using server = await InferenceServer.start([{ name: 'net', network }]);
    using client = await InferenceClient.create(server.offers()[0]!, kernel);
    const keyId = await server.enrol(ONE, NET, client.enrolment());
    const query = client.query(randomInputs(20, 5, 1), 20).bytes;
    const leaving = new AbortController();
    const answer = server.answer(ONE, NET, keyId, query, leaving.signal);
    leaving.abort();
    await expect(answer).rejects.toThrow();
    expect((await server.answer(ONE, NET, keyId, query)).bytes.length).toBeGreaterThan(1000);
  });

  it('starts another thread when the evaluation thread dies; clients enrol again', async () => {
    using kernel = await openKernel();
    await using server = await InferenceServer.start([{ name: 'net', network }]);
    using client = await InferenceClient.create(server.offers()[0]!, kernel);
    const enrolment = client.enrolment();
    const keyId = await server.enrol(ONE, NET, enrolment);
    const inputs = randomInputs(20, 5, 1);
    const query = client.query(inputs, 20);
    let losses = 0;
    server.onKeysLost(() => losses++);
    const interrupted = server.answer(ONE, NET, keyId, query.bytes);
    const started = threads.length;
    const death = expect(interrupted).rejects.toMatchObject({ code: 'kernel' });
    await threads.at(-1)!.terminate();
    await death;
    expect(losses).toBe(1);
    await expect(server.answer(ONE, NET, keyId, query.bytes)).rejects.toMatchObject({
      code: 'missing-key',
    });
    expect(await server.enrol(ONE, NET, enrolment)).toBe(keyId);
    const scores = client.open(query, (await server.answer(ONE, NET, keyId, query.bytes)).bytes);
    expect(largestError(scores, network.run(inputs))).toBeLessThan(0.01);
    expect(threads.length).toBe(started + 1);
  });

  it('passes on what is wrong with a message by code, and outlives it', async () => {
    await using server = await InferenceServer.start([{ name: 'net', network }]);
    await expect(server.enrol(ONE, NET, new Uint8Array(100))).rejects.toMatchObject({ code: 'decode' });
    await expect(server.enrol(ONE, modelName('other'), new Uint8Array(100))).rejects.toMatchObject({
      code: 'protocol',
    });
    expect(server.offers()).toHaveLength(1);
  });
});
