/** Everything an edge, a device or the wire may do wrong ends with a typed error that names the edge, or with the exact result. */
import { describe, expect, test } from 'vitest';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { evaluateIntegerNetwork } from '../../../src/nn/integer/integer-evaluate.ts';
import type { IntegerNetwork } from '../../../src/nn/integer/integer-network.ts';
import { sharing } from '../../../src/protocols/edge/construction.ts';
import { EdgeDevice } from '../../../src/protocols/edge/device.ts';
import { EdgeLink } from '../../../src/protocols/edge/edge-link.ts';
import { EdgeService } from '../../../src/protocols/edge/edge-service.ts';
import type { EdgeMessage } from '../../../src/protocols/edge/messages.ts';
import { packShares, unpackShares } from '../../../src/protocols/edge/share-ring.ts';
import { type Craft, craftedLink } from './crafted-edge.ts';
import { edgePair, memoryLink, mixedNetwork, plainApply, randomInt8, type Tap } from './edge-pair.ts';

const network = mixedNetwork(2);
const inputFor = ({ inputs }: IntegerNetwork): Int32Array =>
  Int32Array.from(randomInt8(new SeededGenerator(3), inputs));
const input = inputFor(network);
const clear = evaluateIntegerNetwork(network, input, plainApply);

describe('an edge that holds the right key', () => {
  type Output = Extract<EdgeMessage, { kind: 'output' }>;

  /** The device with edge A honest and edge B crafted: `twist` gets the honest answer to each layer. */
  async function withCraftedB(twist: (honest: Output) => readonly EdgeMessage[] | null) {
    const setup = await edgePair(network);
    const craft: Craft = (message) => {
      if (message.kind !== 'input') return [];
      const { map, inputs, bits } = setup.plan.layers[message.layer]!;
      const x = unpackShares(message.shares, inputs, bits);
      const y = plainApply(message.layer, map, new Int32Array(x.buffer), 1);
      const shares = packShares(new Uint32Array(y.buffer), bits);
      const { request, layer } = message;
      return twist({ kind: 'output', request, layer, work: 0, relayedWork: 0, shares });
    };
    const key = setup.root.derive('edge b', setup.deviceId);
    const link = craftedLink(key, 'operator two', craft);
    return await EdgeDevice.connect(memoryLink(setup.a), link, setup.device);
  }

  test('gives the exact result when it answers truly, also behind late answers to an earlier request', async () => {
    const honest = await withCraftedB((output) => [output]);
    expect((await honest.infer(input)).outputs).toEqual(clear);
    const late = await withCraftedB((output) => [{ ...output, request: output.request - 1 }, output]);
    // The first request has number 0, which nothing is earlier than.
    await expect(late.infer(input)).rejects.toThrow(/^edge B: /);
    const second = await withCraftedB((output) =>
      output.request === 0 ? [output] : [{ ...output, request: 0 }, output],
    );
    expect((await second.infer(input)).outputs).toEqual(clear);
    expect((await second.infer(input)).outputs).toEqual(clear);
  });

  test.each<[string, (honest: Output) => readonly EdgeMessage[] | null, RegExp]>([
    ['dies', () => null, /^edge B: nothing came/],
    ['stays silent', () => [], /^edge B: nothing came/],
    ['answers twice', (output) => [output, output], /^edge B: the answer for layer 1 was expected/],
    ['answers for another layer', (o) => [{ ...o, layer: o.layer + 1 }], /^edge B: the answer for layer 0/],
    ['answers for a request to come', (o) => [{ ...o, request: o.request + 1 }], /^edge B: /],
    ['sends too few words', (o) => [{ ...o, shares: o.shares.subarray(1) }], /^edge B: .*bytes were needed/],
    ['sends too many', (o) => [{ ...o, shares: Uint8Array.of(...o.shares, 0) }], /^edge B: .*bytes/],
    ['sends something else', ({ request }) => [{ kind: 'end', request }], /^edge B: something else/],
  ])('%s: the inference ends and names it', async (_name, twist, message) => {
    const device = await withCraftedB(twist);
    await expect(device.infer(input)).rejects.toThrow(message);
    await expect(device.infer(input)).rejects.toMatchObject({ code: 'protocol' });
  });

  test('sends more answers than there are layers while another request is waited for: nothing more is kept', async () => {
    const key = new Uint8Array(32).fill(3);
    const answer = { kind: 'output', request: 0, layer: 0, work: 0, relayedWork: 0 } as const;
    for (const [copies, message] of [
      [2, /^edge B: nothing came/],
      [3, /^edge B: more answers/],
    ] as const) {
      const crafted = craftedLink(key, 'operator two', () =>
        Array(copies).fill({ ...answer, shares: new Uint8Array(1) }),
      );
      const identity = { key, modelId: new Uint8Array(32), partyId: new Uint8Array(16) };
      const link = await EdgeLink.open('edge B', crafted, identity);
      link.opens(0, 2);
      link.opens(1, 2);
      await link.send({ kind: 'end', request: 0 });
      const waiting = link.output({ request: 1, layer: 0, count: 8, bits: 1, joint: false });
      await expect(waiting).rejects.toThrow(message);
    }
  });

  test("answers with another layer's numbers under the right name: the check fails and names it", async () => {
    const setup = await edgePair(network, {
      applyB: (layer, map, x, batch) => {
        const y = plainApply(layer, map, x, batch);
        return layer === 2 ? y.map((_value, i) => y[(i + 1) % y.length]!) : y;
      },
    });
    await expect((await setup.connect()).infer(input)).rejects.toMatchObject({
      code: 'integrity',
      details: { layer: 2, edge: 'b' },
    });
  });

  test('slow edges and clocks that jump change nothing', async () => {
    let turn = 0;
    const jumping = () => (turn++ % 2 === 0 ? 1e12 : -1e12);
    const setup = await edgePair(network, {
      applyB: async (...args) => {
        await new Promise((resolve) => setTimeout(resolve, 15));
        return plainApply(...args);
      },
      device: { now: jumping },
    });
    const device = await setup.connect();
    for (let request = 0; request < 3; request++) expect((await device.infer(input)).outputs).toEqual(clear);
  });
});

describe('the wire', () => {
  test('swaps two answers: noticed at the first', async () => {
    let held: Uint8Array | null = null;
    const swap: Tap = (message, direction, index) => {
      if (direction === 'up' || index < 1) return [message];
      if (held === null) {
        held = message.slice();
        return [];
      }
      const first = held;
      held = new Uint8Array();
      return first.length > 0 ? [message, first] : [message];
    };
    const setup = await edgePair(network, { tapA: swap });
    await expect((await setup.connect()).infer(input)).rejects.toThrow(/^edge A: /);
  });

  test('replays a whole recorded connection to the edge: it gets no further than the welcome', async () => {
    const recorded: Uint8Array[] = [];
    const record: Tap = (message, direction) => {
      if (direction === 'up') recorded.push(message.slice());
      return [message];
    };
    const setup = await edgePair(network, { tapB: record });
    const device = await setup.connect();
    await device.infer(input);
    device.close();
    const answers: Uint8Array[] = [];
    const session = setup.b.accept(async (message) => void answers.push(message));
    await session.receive(recorded[0]!);
    await expect(session.receive(recorded[1]!)).rejects.toMatchObject({ code: 'protocol' });
    expect(answers).toHaveLength(1);
  });
});

describe('an edge that restarts', () => {
  test('answers a device that connects again; request numbers go on', async () => {
    const setup = await edgePair(network);
    const numbers: number[] = [];
    for (let life = 0; life < 3; life++) {
      const b = new EdgeService(setup.b.options);
      const device = await EdgeDevice.connect(memoryLink(setup.a), memoryLink(b), setup.device);
      expect((await device.infer(input)).outputs).toEqual(clear);
      numbers.push(await setup.device.counter.next());
      device.close();
    }
    expect(numbers).toEqual([1, 3, 5]);
  });

  test('edge A behind a relay is lost for one inference, not for the next', async () => {
    const setup = await edgePair(network, { device: { construction: sharing(true) } });
    const first = await setup.connect();
    const running = first.infer(input);
    first.close();
    await expect(running).rejects.toMatchObject({ code: 'transport' });
    expect((await (await setup.connect()).infer(input)).outputs).toEqual(clear);
  });
});

describe('a device that does not keep to the protocol', () => {
  const begin = { kind: 'begin', request: 4, batch: 1, mode: 'vector' } as const;
  const none = new Uint8Array(32);
  const opened: EdgeMessage = { ...begin, inputSeed: none, outputSeed: none, nonce: new Uint8Array() };
  const layer = (number: number, bytes: number): EdgeMessage => ({
    kind: 'input',
    request: 4,
    layer: number,
    shares: new Uint8Array(bytes),
  });
  const output = { kind: 'output', request: 4, layer: 0, work: 0, relayedWork: 0, shares: none } as const;
  const relayed = {
    ...{ kind: 'relayed', device: none.subarray(16), request: 4, layer: 0, work: 0, shares: none },
    signature: new Uint8Array(64),
  };

  test.each<[string, readonly EdgeMessage[]]>([
    ['uses a request number twice', [opened, { kind: 'end', request: 4 }, opened]],
    ['opens more requests than it may', [opened, { ...opened, request: 5 }, { ...opened, request: 6 }]],
    ['goes back in request numbers', [opened, { ...opened, request: 3 }]],
    ['asks for more inputs at once than allowed', [{ ...opened, batch: 65 }]],
    ['asks for none', [{ ...opened, batch: 0 }]],
    ['starts with the second layer', [opened, layer(1, 8)]],
    ['sends a layer of another size', [opened, layer(0, 8)]],
    ['sends a layer without a request', [layer(0, 8)]],
    ['sends a layer that does not exist', [opened, layer(99, 8)]],
    ['sends outputs', [opened, output]],
    ['pretends to be an edge', [opened, relayed as EdgeMessage]],
    ['asks for a relay that is not there', [{ ...opened, mode: 'relay-vector', nonce: none }]],
    ['asks edge B to be relayed to', [{ ...opened, mode: 'relay-seeded', nonce: none }]],
    ['asks for a relay without a nonce', [{ ...opened, mode: 'relay-vector' }]],
    ['gives a nonce without a relay', [{ ...opened, nonce: none }]],
  ])('%s: its connection ends, others go on', async (_name, messages) => {
    const setup = await edgePair(network);
    // Without an address to relay to.
    const { relay: _relay, ...options } = setup.b.options;
    const service = new EdgeService(options);
    const key = setup.root.derive('edge b', setup.deviceId);
    const link = await EdgeLink.open('edge B', memoryLink(service), {
      key,
      modelId: setup.plan.modelId,
      partyId: setup.deviceId,
    });
    const talk = async () => {
      for (const message of messages) await link.send(message);
      link.opens(4, 1);
      await link.output({ request: 4, layer: 0, count: 1, bits: 1, joint: false });
    };
    await expect(talk()).rejects.toMatchObject({ code: 'transport' });
    const other = await EdgeDevice.connect(memoryLink(setup.a), memoryLink(service), setup.device);
    expect((await other.infer(input)).outputs).toEqual(clear);
  });
});
