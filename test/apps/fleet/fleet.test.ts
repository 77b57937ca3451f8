import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listen } from '../../../src/apps/server/index.ts';
import { blobs } from '../../../src/apps/fleet/fleet-names.ts';
import { startWorker } from '../../../src/apps/fleet/worker/worker-server.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { InferenceClient } from '../../../src/protocols/inference/client.ts';
import { modelName, tenantId } from '../../../src/protocols/inference/names.ts';
import { connect } from '../../../src/apps/client/connect.ts';
import { randomInputs } from '../../protocols/random-network.ts';
import {
  eventually,
  NETWORK,
  noBroker,
  queueAgain,
  randomTenant,
  SECRET,
  SmallFleet,
  startServer,
} from './small-fleet.ts';

describe.skipIf(noBroker)(`a fleet${noBroker ? ` (skipped: ${noBroker})` : ''}`, () => {
  let fleet: SmallFleet;
  beforeAll(async () => {
    fleet = await SmallFleet.start();
  });
  afterAll(() => fleet[Symbol.asyncDispose]());

  it('answers a client that knows nothing of it', async () => {
    const gateway = await fleet.gateway();
    const worker = await fleet.worker();
    await eventually(() => gateway.isReady());
    const server = await listen(gateway, { limits: { maxRunning: 16 } });
    using model = await connect(server.url);
    const inputs = randomInputs(7, 5, 1);
    const { output } = await model.infer(inputs);
    const truth = NETWORK.run(inputs);
    expect(truth.every((value, i) => Math.abs(value - output[i]!) < 0.01)).toBe(true);
    expect(worker.jobs).toBe(1);
    await worker[Symbol.asyncDispose]();
    await server.close();
  });

  it('gets the same bytes from two workers, and gives out none when one has another secret', async () => {
    const gateway = await fleet.gateway();
    const [offer] = gateway.offers();
    using kernel = await openKernel();
    using client = await InferenceClient.create(offer!, kernel);
    const tenant = tenantId(randomTenant());
    const model = modelName('net');
    const keyId = await gateway.enrol(tenant, model, client.enrolment());
    const query = client.query(randomInputs(7, 5, 1), 7).bytes;
    const asker = { tenant, keyId, offer: offer! };
    const start = async (secret: Uint8Array) => {
      const { broker, catalogue } = await fleet.place();
      const place = { broker, catalogue, store: fleet.store, secret, async [Symbol.asyncDispose]() {} };
      const facts = { release: '0', kernel: 'test', threads: 1 };
      return startWorker(place, { start: startServer, keyBytes: 2 ** 30, facts });
    };
    const ask = () => gateway.answer(tenant, model, keyId, query);

    const one = await start(SECRET);
    const { bytes } = await ask();
    await one.close();
    const two = await start(SECRET);
    const id = await queueAgain(await fleet.broker(), gateway, asker, query);
    await eventually(() => two.worker.jobs === 1);
    expect(two.worker.divergent).toBe(0);
    expect(Buffer.compare((await ask()).bytes, bytes)).toBe(0);
    await two.close();

    // Control: what it computes is the same, and what hides it is not.
    const other = await start(new Uint8Array(32).fill(8));
    await queueAgain(await fleet.broker(), gateway, asker, query);
    await eventually(() => other.worker.divergent === 1);
    await eventually(async () => !(await fleet.store.has(blobs.reply(id))));
    await expect(ask()).rejects.toMatchObject({ code: 'kernel' });
    await other.close();
  });
});
