import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listen } from '../../../src/apps/server/index.ts';
import { connect } from '../../../src/apps/client/connect.ts';
import { randomInputs } from '../../protocols/random-network.ts';
import { eventually, NETWORK, noBroker, SmallFleet } from './small-fleet.ts';

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
    await server.close();
  });
});
