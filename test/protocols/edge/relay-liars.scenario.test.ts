/** Behind a relay the device sees one sum of two answers. Whoever made it wrong is named, and nobody can have the other named. */
import { expect, test } from 'vitest';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { type ApplyLinear, evaluateIntegerNetwork } from '../../../src/nn/integer/integer-evaluate.ts';
import { sharing } from '../../../src/protocols/edge/construction.ts';
import { EdgeDevice } from '../../../src/protocols/edge/device.ts';
import { EdgeService } from '../../../src/protocols/edge/edge-service.ts';
import { MaskStream } from '../../../src/protocols/edge/mask-stream.ts';
import type { EdgeMessage } from '../../../src/protocols/edge/messages.ts';
import type { RelayedMessage } from '../../../src/protocols/edge/relay-box.ts';
import { sharesDigest } from '../../../src/protocols/edge/relay-proof.ts';
import { addShares, packShares, unpackShares } from '../../../src/protocols/edge/share-ring.ts';
import { craftedLink } from './crafted-edge.ts';
import { edgePair, memoryLink, mixedNetwork, plainApply, randomInt8 } from './edge-pair.ts';

const network = mixedNetwork(3);
const input = Int32Array.from(randomInt8(new SeededGenerator(5), network.inputs));
const clear = evaluateIntegerNetwork(network, input, plainApply);
const device = { construction: sharing(true) };

/** Wrong in one element of one layer, the first time or always. */
function lyingOn(layer: number, always: boolean): ApplyLinear {
  let told = 0;
  return (index, map, x, batch) => {
    const y = plainApply(index, map, x, batch);
    if (index === layer && (always || told++ === 0)) y[0]! += 9;
    return y;
  };
}

test.each([
  ['a', 'applyA', true],
  ['a', 'applyA', false],
  ['b', 'applyB', true],
  ['b', 'applyB', false],
] as const)('edge %s computes wrongly (%s, every time: %s): it is named', async (edge, side, always) => {
  for (const layer of [0, 2]) {
    const setup = await edgePair(network, { [side]: lyingOn(layer, always), device });
    await expect((await setup.connect()).infer(input)).rejects.toMatchObject({
      code: 'integrity',
      details: { layer, edge },
    });
  }
});

test('both compute wrongly: b is named, who signed it', async () => {
  const setup = await edgePair(network, { applyA: lyingOn(1, true), applyB: lyingOn(1, true), device });
  await expect((await setup.connect()).infer(input)).rejects.toMatchObject({ details: { edge: 'b' } });
});

/** Edge B honest or not, edge A honest: what B gives to A is changed on the way out of B. */
async function withRelayOf(twist: (message: RelayedMessage) => RelayedMessage) {
  const setup = await edgePair(network, { device });
  const b = new EdgeService({
    ...setup.b.options,
    relay: async (message) => setup.a.relayed.put(twist(message)),
  });
  const connect = () => EdgeDevice.connect(memoryLink(setup.a), memoryLink(b), setup.device);
  return { setup, connect };
}

test.each<[string, (message: RelayedMessage, before: RelayedMessage) => RelayedMessage]>([
  [
    'another answer than it signed',
    (message) => ({ ...message, shares: message.shares.map((byte, i) => (i === 0 ? byte ^ 1 : byte)) }),
  ],
  ['no signature', (message) => ({ ...message, signature: new Uint8Array(64) })],
  ['what it signed for an earlier request', (message, before) => ({ ...before, request: message.request })],
])('edge B gives edge A %s: A uses nothing of it, there is no result and no name', async (_name, twist) => {
  let before: RelayedMessage | null = null;
  const { connect } = await withRelayOf((message) => {
    if (message.layer !== 0) return message;
    if (before !== null) return twist(message, before);
    // The first request is honest.
    before = { ...message, shares: message.shares.slice() };
    return message;
  });
  await expect(
    (await connect()).infer(input).then(async () => await (await connect()).infer(input)),
  ).rejects.toMatchObject({ code: 'transport', message: expect.stringMatching(/^edge A: /) });
});

interface Joining {
  /** What an honest edge A would say. */
  readonly honest: Extract<EdgeMessage, { kind: 'joint' }>;
  readonly relayed: RelayedMessage;
  readonly bits: number;
  readonly count: number;
}

/** Edge B honest; edge A holds the right key, hears B, and says what `twist` makes of the honest answer. */
async function withCraftedA(twist: (joining: Joining) => EdgeMessage | Promise<EdgeMessage>) {
  const setup = await edgePair(network, { device });
  let seed = new Uint8Array(32);
  const joint = async (relayed: RelayedMessage): Promise<EdgeMessage> => {
    const { layer, request, work } = relayed;
    const { map, inputs, outputs, bits } = setup.plan.layers[layer]!;
    const x = await (await MaskStream.open(seed)).words({ layer, direction: 'in' }, inputs, bits);
    const y = plainApply(layer, map, new Int32Array(x.buffer), 1);
    const shares = packShares(addShares(y, unpackShares(relayed.shares, outputs, bits), bits), bits);
    const proof = { digest: await sharesDigest(relayed.shares), signature: relayed.signature };
    const honest = { kind: 'joint', request, layer, work, relayedWork: 0, proof, shares } as const;
    return await twist({ honest, relayed, bits, count: outputs });
  };
  const connect = () => {
    const key = setup.root.derive('edge a', setup.deviceId);
    const link = craftedLink(key, 'operator one', (message) => {
      if (message.kind === 'begin') seed = Uint8Array.from(message.inputSeed);
      return [];
    });
    const relay = async (message: RelayedMessage) => await link.tell(await joint(message));
    const b = new EdgeService({ ...setup.b.options, relay });
    return EdgeDevice.connect(link, memoryLink(b), setup.device);
  };
  return { setup, connect };
}

/** The packed words with one added to the first. */
function spoilt({ bits, count }: Joining, shares: Uint8Array): Uint8Array {
  const words = unpackShares(shares, count, bits);
  words[0]! += 1;
  return packShares(words, bits);
}

test('a crafted edge A that answers truly gives the result (control)', async () => {
  const { connect } = await withCraftedA(({ honest }) => honest);
  expect((await (await connect()).infer(input)).outputs).toEqual(clear);
});

test.each<[string, (joining: Joining) => EdgeMessage | Promise<EdgeMessage>]>([
  ["alters B's answer", (joining) => ({ ...joining.honest, shares: spoilt(joining, joining.honest.shares) })],
  [
    "alters B's answer and says that it got it so",
    async (joining) => {
      const digest = await sharesDigest(spoilt(joining, joining.relayed.shares));
      const { honest } = joining;
      const shares = spoilt(joining, honest.shares);
      return { ...honest, shares, proof: { ...honest.proof, digest } };
    },
  ],
  [
    'alters it and shows no signature',
    (joining) => {
      const { honest } = joining;
      const proof = { ...honest.proof, signature: new Uint8Array(64) };
      return { ...honest, shares: spoilt(joining, honest.shares), proof };
    },
  ],
])('edge A %s: A is named', async (_name, twist) => {
  const { connect } = await withCraftedA(twist);
  await expect((await connect()).infer(input)).rejects.toMatchObject({ details: { layer: 0, edge: 'a' } });
});

test("edge A shows what B signed for an earlier request, also under the same number: A is named, B's old answer is no lie", async () => {
  const old: Joining['honest'][] = [];
  const { setup, connect } = await withCraftedA((joining) => {
    const { honest } = joining;
    if (honest.layer > 0) return honest;
    old.push(honest);
    return old.length === 1
      ? honest
      : { ...honest, shares: spoilt(joining, honest.shares), proof: old[0]!.proof };
  });
  // A device that was restored from an old backup counts from the beginning again.
  const counters = [setup.device.counter, { next: async () => 0 }] as const;
  for (const [i, counter] of counters.entries()) {
    (setup.device as { counter: unknown }).counter = counter;
    const running = connect().then((connected) => connected.infer(input));
    if (i === 0) expect((await running).outputs).toEqual(clear);
    else await expect(running).rejects.toMatchObject({ details: { edge: 'a' } });
  }
  expect(old.map(({ request }) => request)).toEqual([0, 0]);
});

test('a device that cannot recompute names nobody', async () => {
  const setup = await edgePair(network, {
    applyA: lyingOn(0, true),
    device: { ...device, recompute: null },
  });
  await expect((await setup.connect()).infer(input)).rejects.toMatchObject({ details: { edge: null } });
});
