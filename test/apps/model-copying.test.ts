/** Copying a model from its answers, through a server: wins without a budget, and with one costs what the budget says. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listen } from '../../src/apps/server/index.ts';
import { HttpTransport } from '../../src/apps/transport/http.ts';
import { RemoteModel } from '../../src/apps/transport/remote-model.ts';
import { QueryBudgetError } from '../../src/base/errors.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { InferenceClient } from '../../src/protocols/inference/client.ts';
import {
  QuadraticCopy,
  quadraticMonomials,
  rmsDifference,
} from '../../src/protocols/inference/copy-attack.ts';
import { InferenceServer } from '../../src/apps/server/inference-server.ts';
import { randomInputs, randomNetwork } from '../protocols/random-network.ts';

const [INPUTS, OUTPUTS] = [16, 8];
const network = randomNetwork([INPUTS, 12, OUTPUTS], 4, 11);
let kernel: Kernel;
let service: InferenceServer;
beforeAll(async () => {
  kernel = await openKernel();
  service = await InferenceServer.start([{ name: 'net', network }]);
}, 120_000);
afterAll(async () => {
  await service[Symbol.asyncDispose]();
  kernel[Symbol.dispose]();
});

/** Asks until it has `samples` answers or is refused, each time with new keys and a new token, as nobody hinders an attacker to. */
async function copy(samplesPerPrincipal: number, sizes: readonly number[]) {
  const server = await listen(service, { limits: { samplesPerPrincipal } });
  try {
    const offer = service.offers()[0]!;
    const xs: number[] = [];
    const ys: number[] = [];
    let refusals = 0;
    for (const [i, samples] of sizes.entries()) {
      using client = await InferenceClient.create(offer, kernel);
      const transport = new HttpTransport(server.url, { token: randomBytes(32), timeoutMs: 120_000 });
      const remote = new RemoteModel(transport, 'net', () => client.enrolment());
      const x = randomInputs(samples, INPUTS, 3 + i);
      const query = client.query(x, samples);
      try {
        const scores = client.open(query, (await remote.ask(query.bytes)).bytes);
        xs.push(...x);
        ys.push(...scores);
      } catch (error) {
        if (!(error instanceof QueryBudgetError)) throw error;
        refusals++;
      }
    }
    const [x, y] = [Float32Array.from(xs), Float32Array.from(ys)];
    const copied = QuadraticCopy.fit(x, y, INPUTS, OUTPUTS);
    const fresh = randomInputs(500, INPUTS, 99);
    const truth = network.run(fresh);
    const range = offer.outputRange[1] - offer.outputRange[0];
    return {
      samples: x.length / INPUTS,
      refusals,
      answers: rmsDifference(y, network.run(x)) / range,
      copied: rmsDifference(copied.run(fresh), truth) / range,
    };
  } finally {
    await server.close();
  }
}

describe('a client that copies the model', () => {
  test('wins without a budget: one query gives a copy that is better than the answers', async () => {
    const { samples, refusals, answers, copied } = await copy(Number.POSITIVE_INFINITY, [4096]);
    expect([samples, refusals]).toEqual([4096, 0]);
    expect(copied).toBeLessThan(answers);
  }, 120_000);

  test('has no copy from a budget below the number of monomials, with whatever keys', async () => {
    const budget = 128;
    expect(budget).toBeLessThan(quadraticMonomials(INPUTS));
    const { samples, refusals, answers, copied } = await copy(budget, [4096, 128, 128, 1]);
    expect([samples, refusals]).toEqual([128, 3]);
    expect(copied).toBeGreaterThan(30 * answers);
  }, 120_000);
});
