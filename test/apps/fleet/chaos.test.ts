/** A small one; with processes that are killed, and ten times the queries, in chaos.slow.test.ts. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway } from '../../../src/apps/fleet/gateway/gateway.ts';
import { FleetCatalogue } from '../../../src/apps/fleet/catalogue.ts';
import type { FleetBroker } from '../../../src/apps/fleet/broker/broker.ts';
import { InferenceServer } from '../../../src/apps/server/inference-server.ts';
import { askThroughChaos, failingStore } from './chaos.ts';
import { eventually, noBroker, PROGRAM, SECRET, SmallFleet } from './small-fleet.ts';

const [TENANTS, EACH] = [5, 4];

describe.skipIf(noBroker)(`chaos${noBroker ? ` (skipped: ${noBroker})` : ''}`, () => {
  let fleet: SmallFleet;
  let server: InferenceServer;
  beforeAll(async () => {
    fleet = await SmallFleet.start({ ackWaitMs: 1000 });
    server = await InferenceServer.start([{ program: PROGRAM }]);
  });
  afterAll(async () => {
    await fleet[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  it('answers every query once while workers fall silent, the broker restarts and the store fails', async () => {
    const broker = await fleet.broker('gateway');
    const store = failingStore(fleet.store, 0.1, 1);
    const catalogue = new FleetCatalogue(broker, fleet.store);
    const gateway = await startGateway(
      {
        ...{ broker, store, catalogue, secret: SECRET },
        async [Symbol.asyncDispose]() {},
      },
      { publish: [PROGRAM] },
    );
    // One evaluation thread for all: what is tested is around it. A worker that lost its broker goes on computing, as one behind a
    // cable that was pulled would, and writes what nobody waits for any longer.
    const runner = {
      enrol: server.enrol.bind(server),
      answer: server.answer.bind(server),
      forget: () => undefined,
      onKeysLost: () => undefined,
      async [Symbol.asyncDispose]() {},
    };
    const workers: FleetBroker[] = [];
    const addWorker = async () => {
      const own = await fleet.broker('worker');
      await fleet.worker({ broker: own, start: async () => runner, maxTries: 8, helpAfterMs: 20 });
      workers.push(own);
    };
    await addWorker();
    await addWorker();
    await eventually(() => gateway.service.isReady());
    const asked = askThroughChaos(gateway.url, TENANTS, EACH);
    for (let event = 0; event < 6; event++) {
      await new Promise((resolve) => setTimeout(resolve, 250));
      if (event === 2) await fleet.nats.revive();
      else {
        await workers.shift()?.[Symbol.asyncDispose]();
        await addWorker();
      }
    }
    const result = await asked;
    expect(result).toEqual({ right: TENANTS * EACH, wrong: 0, divergent: 0, failed: [] });
    await gateway.close();
  });
});
