/** Two inferences at once on one pair of connections: the edges work on one while the device works on the other. */
import { describe, expect, test } from 'vitest';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { type ApplyLinear, evaluateIntegerNetwork } from '../../../src/nn/integer/integer-evaluate.ts';
import { makePairs, paired, sharing } from '../../../src/protocols/edge/construction.ts';
import { EdgeDevice } from '../../../src/protocols/edge/device.ts';
import { RelayBox, type RelayedMessage } from '../../../src/protocols/edge/relay-box.ts';
import { edgePair, memoryLink, mixedNetwork, plainApply, randomInt8 } from './edge-pair.ts';

const network = mixedNetwork(5);
const generator = new SeededGenerator(12);
const someInput = (batch = 1) => Int32Array.from(randomInt8(generator, batch * network.inputs));
const clear = (input: Int32Array) => evaluateIntegerNetwork(network, input, plainApply);

test.each(['sharing', 'relay', 'paired'] as const)(
  '%s: results are exact, many times in pairs',
  async (name) => {
    const calls: number[] = [];
    const applyB: ApplyLinear = (layer, map, x, batch) => {
      calls.push(layer);
      return plainApply(layer, map, x, batch);
    };
    const setup = await edgePair(network, { applyB });
    const pairs = await makePairs(setup.root, setup.plan, plainApply);
    const construction = name === 'paired' ? paired(setup.plan, pairs) : sharing(name === 'relay');
    const links = [memoryLink(setup.a), memoryLink(setup.b)] as const;
    const device = await EdgeDevice.connect(...links, { ...setup.device, construction });
    for (let round = 0; round < 5; round++) {
      calls.length = 0;
      const inputs = [someInput(), someInput(1 + (round % 3))];
      const both = inputs.map((input) => device.infer(input));
      await expect(device.infer(inputs[0]!)).rejects.toMatchObject({ code: 'protocol' });
      const results = await Promise.all(both);
      results.forEach(({ outputs, layers }, i) => {
        expect(outputs).toEqual(clear(inputs[i]!));
        expect(layers.map(({ layer }) => layer)).toEqual([0, 1, 2, 3]);
      });
      // The second began before the first had ended: B did not see all layers of one and then all of the other.
      expect(calls).toHaveLength(8);
      expect(calls.lastIndexOf(0)).toBeLessThan(calls.indexOf(3));
      // Bytes are those of each inference, whatever the other sent meanwhile.
      const alone = await device.infer(inputs[0]!);
      const sizes = ({ layers }: typeof alone) =>
        layers.map(({ bytesUp, bytesDown }) => [bytesUp, bytesDown]);
      expect(sizes(results[0]!)).toEqual(sizes(alone));
    }
    device.close();
  },
);

test('a lie in one ends both, and names the liar in one', async () => {
  let told = 0;
  const lie: ApplyLinear = (layer, map, x, batch) => {
    const y = plainApply(layer, map, x, batch);
    if (layer === 2 && told++ === 0) y[0]! += 1;
    return y;
  };
  const setup = await edgePair(network, { applyA: lie });
  const device = await setup.connect();
  const settled = await Promise.allSettled([device.infer(someInput()), device.infer(someInput())]);
  const errors = settled.map((each) => (each.status === 'rejected' ? each.reason : null));
  expect(errors.map((error) => error?.code).sort()).toEqual(['integrity', 'transport']);
  expect(errors.find((error) => error.code === 'integrity').details).toEqual({ layer: 2, edge: 'a' });
});

describe('the box of relayed answers', () => {
  const device = new Uint8Array(16).fill(1);
  const relayed = (request: number, layer = 0, of = device): RelayedMessage => ({
    ...{ kind: 'relayed', device: of, request, layer, work: 0 },
    ...{ shares: Uint8Array.of(request, layer), signature: new Uint8Array(64) },
  });
  const taken = async (box: RelayBox, request: number) =>
    (await box.take(device, request, 0))?.shares ?? null;

  test('keeps two requests apart, and nothing that is late', async () => {
    const box = new RelayBox();
    box.put(relayed(5));
    box.put(relayed(6));
    expect(await taken(box, 6)).toEqual(Uint8Array.of(6, 0));
    box.cancel(device, 6);
    box.put(relayed(6, 1));
    expect(await taken(box, 6)).toBeNull();
    expect(await taken(box, 5)).toEqual(Uint8Array.of(5, 0));
    // A third takes the place of the oldest; who waits there hears of it.
    const waiting = box.take(device, 5, 1);
    box.put(relayed(7));
    expect(await waiting).toBeNull();
    box.put(relayed(5, 1));
    expect(await box.take(device, 5, 1)).toBeNull();
    expect(await taken(box, 7)).toEqual(Uint8Array.of(7, 0));
  });

  test('serves no more devices than it may, and forgets those whose requests are over', () => {
    const box = new RelayBox();
    const other = (number: number) => Uint8Array.from({ length: 16 }, (_, i) => (number >> (8 * i)) & 255);
    for (let number = 0; number < 1024; number++) box.put(relayed(1, 0, other(number)));
    expect(() => box.put(relayed(1, 0, other(5000)))).toThrow('relaying devices');
    box.cancel(other(77), 1);
    expect(() => box.put(relayed(1, 0, other(5000)))).not.toThrow();
  });
});
