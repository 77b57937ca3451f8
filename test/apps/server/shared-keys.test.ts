/** One enrolment for every model of a parameter set and key plan: other weights need no other keys. */
import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildApp, LiveModels } from '../../../src/apps/server/index.ts';
import { offeredQuerySamples } from '../../../src/protocols/inference/message-sizes.ts';
import { routes } from '../../../src/apps/transport/wire.ts';
import { compile } from '../../../src/compiler/compile.ts';
import type { Program } from '../../../src/compiler/program.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { InferenceClient } from '../../../src/protocols/inference/client.ts';
import { modelName, tenantId } from '../../../src/protocols/inference/names.ts';
import { InferenceResponder, type ServedModel } from '../../../src/protocols/inference/responder.ts';
import { keyModelIn } from '../../../src/protocols/inference/shared-keys.ts';
import { runClear } from '../../../src/runtime/clear-machine.ts';
import { randomInputs, randomNetwork } from '../../protocols/random-network.ts';

let kernel: Kernel;
beforeAll(async () => {
  kernel = await openKernel();
});
afterAll(() => {
  expect(kernel.liveWords).toBe(0);
  kernel[Symbol.dispose]();
});

const SHAPE = [40, 12, 5] as const;
const network = (seed: number) => randomNetwork(SHAPE, 4, seed);
const standard = (name: string, seed: number): Program =>
  compile(network(seed), { name, layout: 'packed', keys: 'standard' });
const first = standard('alpha', 1);
const second = standard('beta', 2);
const tailored = compile(network(1), { name: 'gamma', layout: 'packed' });
const [alpha, beta, gamma] = ['alpha', 'beta', 'gamma'].map(modelName) as [never, never, never];
const SOMEONE = tenantId('someone');

const inputs = randomInputs(1, SHAPE[0], 3);
function expectAnswer(program: Program, scores: Float32Array): void {
  const { schemeError, flooding } = program.output;
  runClear(program, inputs).forEach((score, i) =>
    expect(Math.abs(scores[i]! - score)).toBeLessThan(8 * Math.hypot(schemeError, flooding)),
  );
}

describe('an enrolment under a standard plan', () => {
  it('serves a second model with other weights in the same responder, and none with another plan', async () => {
    using responder = await InferenceResponder.open(
      [first, second, tailored].map((program) => ({ program })),
      kernel,
    );
    const offers = responder.offers();
    expect(offers[0]!.programId).not.toBe(offers[1]!.programId);
    expect(keyModelIn(offers, beta)).toBe('alpha');
    expect(keyModelIn(offers, gamma)).toBe('gamma');
    using client = await InferenceClient.create(offers[0]!, kernel);
    using other = await InferenceClient.restore(offers[1]!, client.exportSecret(), kernel);
    const key = responder.enrol(SOMEONE, alpha, client.enrolment());
    for (const [program, asking] of [
      [first, client],
      [second, other],
    ] as const) {
      const query = asking.query(inputs, 1);
      const reply = responder.answer(SOMEONE, modelName(program.name), key, query.bytes);
      expectAnswer(program, asking.open(query, reply.bytes));
    }
    expect(() => responder.answer(SOMEONE, gamma, key, client.query(inputs, 1).bytes)).toThrow(
      /keys of this/,
    );
    expect(() => responder.answer(tenantId('other'), beta, key, other.query(inputs, 1).bytes)).toThrow(
      /keys of this/,
    );
    // Enrolled for both, they stay until both have forgotten them.
    responder.enrol(SOMEONE, beta, client.enrolment());
    const message = client.enrolment();
    const both = responder.enrol(SOMEONE, alpha, message);
    expect(responder.enrol(SOMEONE, beta, message)).toBe(both);
    responder.forget(SOMEONE, alpha, both);
    expect(() => responder.answer(SOMEONE, alpha, both, client.query(inputs, 1).bytes)).not.toThrow();
    responder.forget(SOMEONE, beta, both);
    expect(() => responder.answer(SOMEONE, beta, both, other.query(inputs, 1).bytes)).toThrow(/keys of this/);
  });

  it('is sent once over HTTP and asked of both models, also when one of them is replaced by other weights', async () => {
    const started: InferenceResponder[] = [];
    const start = async (models: readonly ServedModel[]) => {
      const responder = await InferenceResponder.open(models, kernel);
      started.push(responder);
      return threadOf(responder);
    };
    const models = await LiveModels.start([{ program: first }, { program: second }], { start });
    const app = buildApp(models);
    try {
      const headers = {
        authorization: `Bearer ${randomBytes(32).toString('base64url')}`,
        'content-type': 'application/octet-stream',
      };
      using client = await InferenceClient.create(models.offers()[0]!, kernel);
      const secret = client.exportSecret();
      const message = client.enrolment();
      const put = { method: 'PUT' as const, url: routes.keys(beta), headers, payload: Buffer.from(message) };
      const reply = await app.inject(put);
      expect(reply.statusCode).toBe(201);
      const { keyId } = reply.json<{ keyId: string }>();
      expect(createHash('sha256').update(message).digest('hex').startsWith(keyId)).toBe(true);
      const ask = async (program: Program): Promise<void> => {
        const name = modelName(program.name);
        const offer = models.offers().find((each) => each.model === name)!;
        using asking = await InferenceClient.restore(offer, secret, kernel);
        const query = asking.query(inputs, 1);
        const known = await app.inject({ method: 'GET', url: routes.key(name, keyId), headers });
        expect(known.statusCode).toBe(200);
        const url = routes.queries(name, keyId);
        const answer = await app.inject({ method: 'POST', url, headers, payload: Buffer.from(query.bytes) });
        expect(answer.statusCode).toBe(200);
        expectAnswer(program, asking.open(query, Uint8Array.from(answer.rawPayload)));
      };
      await ask(first);
      await ask(second);
      const third = standard('beta', 7);
      expect(third.maps[0]!.matrices[0]!.weights).not.toEqual(second.maps[0]!.matrices[0]!.weights);
      await models.replace([{ program: first }, { program: third }]);
      await ask(third);
      // One set of keys is held, and it goes under either name.
      const gone = await app.inject({ method: 'DELETE', url: routes.key(alpha, keyId), headers });
      expect(gone.statusCode).toBe(204);
      const after = await app.inject({ method: 'GET', url: routes.key(beta, keyId), headers });
      expect(after.statusCode).toBe(404);
    } finally {
      await app.close();
      await models[Symbol.asyncDispose]();
      for (const responder of started) responder[Symbol.dispose]();
    }
  });

  it('is kept under one name in the threads, whichever of its models it is sent and forgotten for', async () => {
    using responder = await InferenceResponder.open([{ program: first }, { program: second }], kernel);
    const start = async () => threadOf(responder);
    await using models = await LiveModels.start([{ program: first }, { program: second }], { start });
    using client = await InferenceClient.create(models.offers()[1]!, kernel);
    const key = await models.enrol(SOMEONE, beta, client.enrolment());
    const query = client.query(inputs, 1).bytes;
    await expect(models.answer(SOMEONE, beta, key, query)).resolves.toBeDefined();
    models.forget(SOMEONE, beta, key);
    expect(() => responder.answer(SOMEONE, beta, key, query)).toThrow(/keys of this/);
    await expect(models.answer(SOMEONE, beta, key, query)).rejects.toThrow(/keys of this/);
  });
});

/** The responder without a thread around it. */
function threadOf(
  responder: InferenceResponder,
): Awaited<ReturnType<Parameters<typeof LiveModels.start>[1]['start']>> {
  const offerOf = (model: string) => responder.offers().find((offer) => offer.model === model)!;
  return {
    kernel: { name: kernel.name, isa: kernel.isa, threads: kernel.threads },
    offers: () => responder.offers(),
    isReady: () => true,
    enrolmentBytes: (model) => responder.enrolmentBytes(model),
    queryBytes: (model) => responder.queryBytes(model),
    querySamples: (model, query) => offeredQuerySamples(offerOf(model), query),
    enrol: async (tenant, model, message) => responder.enrol(tenant, model, message),
    answer: async (tenant, model, key, query) => responder.answer(tenant, model, key, query),
    forget: (tenant, model, key) => responder.forget(tenant, model, key),
    onKeysLost: () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}
