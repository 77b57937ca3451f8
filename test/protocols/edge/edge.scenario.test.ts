/** The whole exchange over memory: exact, whoever lies is named, and nothing that is not the next message gets through. */
import { describe, expect, test } from 'vitest';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { type ApplyLinear, evaluateIntegerNetwork } from '../../../src/nn/integer/integer-evaluate.ts';
import type { IntegerNetwork } from '../../../src/nn/integer/integer-network.ts';
import { type Construction, makePairs, paired, sharing } from '../../../src/protocols/edge/construction.ts';
import { EdgeDevice } from '../../../src/protocols/edge/device.ts';
import {
  denseNetwork,
  edgePair,
  memoryLink,
  mixedNetwork,
  plainApply,
  randomInt8,
  type Tap,
} from './edge-pair.ts';

function randomInput(network: IntegerNetwork, seed: number, batch = 1): Int32Array {
  return Int32Array.from(randomInt8(new SeededGenerator(seed), batch * network.inputs));
}

const clear = (network: IntegerNetwork, input: Int32Array) =>
  evaluateIntegerNetwork(network, input, plainApply);

describe('the outsourced result is the clear one, bit for bit', () => {
  test.each([
    ['sharing', false, 1],
    ['sharing', false, 3],
    ['sharing', true, 1],
    ['sharing', true, 2],
    ['paired', false, 1],
    ['paired', false, 3],
  ] as const)('%s, relay %s, batch %i', async (name, relay, batch) => {
    const network = mixedNetwork(7);
    const setup = await edgePair(network);
    const construction: Construction =
      name === 'sharing'
        ? sharing(relay)
        : paired(setup.plan, await makePairs(setup.root, setup.plan, plainApply));
    const device = await EdgeDevice.connect(memoryLink(setup.a), memoryLink(setup.b), {
      ...setup.device,
      construction,
    });
    for (const seed of [1, 2, 3]) {
      const input = randomInput(network, seed, batch);
      const { outputs, layers } = await device.infer(input);
      expect(outputs).toEqual(clear(network, input));
      expect(layers).toHaveLength(4);
    }
    device.close();
  });

  test('extreme inputs and weights reach the proven bound', async () => {
    const network = denseNetwork(1, 50, 70);
    (network.linears[0]!.map.weights as Int8Array).fill(-128);
    const setup = await edgePair(network);
    expect(setup.plan.layers[0]).toMatchObject({ outputBound: 50 * 128 * 128, bits: 21 });
    const device = await setup.connect();
    for (const value of [-128, 127]) {
      const input = new Int32Array(50).fill(value);
      expect((await device.infer(input)).outputs).toEqual(clear(network, input));
    }
  });
});

/** Adds `error` to one output of one layer. */
function lying(layer: number, error: number): ApplyLinear {
  return (index, map, x, batch) => {
    const y = plainApply(index, map, x, batch);
    if (index === layer) y[y.length - 1]! += error;
    return y;
  };
}

describe('a lying edge is named and the inference ends', () => {
  test.each([
    ['applyA', 'a'],
    ['applyB', 'b'],
  ] as const)('%s', async (side, edge) => {
    const network = mixedNetwork(3);
    for (const [layer, error] of [
      [0, 1],
      [2, -(2 ** 20)],
      [3, 1],
    ] as const) {
      let rejections = 0;
      const setup = await edgePair(network, {
        [side]: lying(layer, error),
        device: {
          onRejection: async () => {
            rejections++;
          },
        },
      });
      const device = await setup.connect();
      const failed = device.infer(randomInput(network, 5));
      await expect(failed).rejects.toMatchObject({ code: 'integrity', details: { layer, edge } });
      await expect(device.infer(randomInput(network, 5))).rejects.toMatchObject({ code: 'protocol' });
      expect(rejections).toBe(1);
    }
  });

  test('both; and nobody without the means to recompute; and nothing is noticed without checks', async () => {
    const network = mixedNetwork(3);
    const options = { applyA: lying(1, 3), applyB: lying(1, 4) };
    const both = await (await edgePair(network, options)).connect();
    await expect(both.infer(randomInput(network, 5))).rejects.toMatchObject({ details: { edge: 'both' } });
    const blind = await (await edgePair(network, { ...options, device: { recompute: null } })).connect();
    await expect(blind.infer(randomInput(network, 5))).rejects.toMatchObject({ details: { edge: null } });
    const unchecked = await (await edgePair(network, { ...options, checks: 0 })).connect();
    await expect(unchecked.infer(randomInput(network, 5))).resolves.toBeDefined();
  });

  test('the sampling check alone finds a layer that is wrong everywhere', async () => {
    const network = denseNetwork(4, 30, 200);
    const wrong: ApplyLinear = (...args) => plainApply(...args).map((value) => value + 1);
    const sampling = { wrongFraction: 0.5, detection: 0.99 };
    const setup = await edgePair(network, { applyB: wrong, checks: 0, device: { sampling } });
    await expect((await setup.connect()).infer(randomInput(network, 5))).rejects.toMatchObject({
      details: { edge: 'b' },
    });
  });
});

describe('faults on the way', () => {
  const change = (index: number, to: (message: Uint8Array) => readonly Uint8Array[], way = 'down'): Tap => {
    return (message, direction, i) => (direction === way && i === index ? to(message) : [message]);
  };
  const flip = (message: Uint8Array) => [
    message.map((byte, i) => (i === message.length - 20 ? byte ^ 1 : byte)),
  ];

  test.each([
    ['a changed answer', change(2, flip)],
    ['a lost answer', change(1, () => [])],
    ['a repeated answer', change(1, (message) => [message, message])],
    ['a shortened answer', change(1, (message) => [message.subarray(0, 30)])],
    ['a changed question', change(3, flip, 'up')],
    ['a repeated question', change(3, (message) => [message, message], 'up')],
    ['a lost question', change(3, () => [], 'up')],
  ])('%s ends the inference with the name of the edge', async (_name, tapB) => {
    const network = mixedNetwork(2);
    const setup = await edgePair(network, { tapB });
    const device = await setup.connect();
    await expect(device.infer(randomInput(network, 1))).rejects.toThrow(/^edge B: /);
  });

  test.each([
    ['hello', 0, 'up'],
    ['welcome', 0, 'down'],
    ['proof', 1, 'up'],
  ] as const)('a changed %s ends the connection', async (_name, index, way) => {
    const network = mixedNetwork(2);
    const setup = await edgePair(network, {
      tapA: change(index, (m) => [m.map((b, i) => (i === 60 % m.length ? b ^ 1 : b))], way),
    });
    await expect(setup.connect().then((device) => device.infer(randomInput(network, 1)))).rejects.toThrow(
      /^edge A: /,
    );
  });

  test('an edge with another key, a device with another key, one operator for both', async () => {
    const network = mixedNetwork(2);
    const [one, other] = [await edgePair(network), await edgePair(network)];
    await expect(EdgeDevice.connect(memoryLink(other.a), memoryLink(one.b), one.device)).rejects.toThrow(
      /edge A: .*key/,
    );
    const same = await edgePair(network, { operatorB: 'Operator ONE ' });
    await expect(same.connect()).rejects.toThrow('same operator');
    const overridden = await edgePair(network, {
      operatorB: 'operator one',
      device: { allowSameOperator: true },
    });
    await expect(
      overridden.connect().then((device) => device.infer(randomInput(network, 1))),
    ).resolves.toBeDefined();
  });
});
