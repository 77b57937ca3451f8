/**
 * What the owner's stored pair hides by itself: one request, from an edge that keeps what it sees. The device, the construction, the
 * owner's file and the edges are the real ones; only the fresh mask R is replaced by zeros.
 */
import { describe, expect, test } from 'vitest';
import { provision, readDevice, readEdge } from '../../../src/apps/edge/provisioning.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import type { ApplyLinear } from '../../../src/nn/integer/integer-evaluate.ts';
import { evaluateIntegerNetwork } from '../../../src/nn/integer/integer-evaluate.ts';
import { type MaskSource, paired } from '../../../src/protocols/edge/construction.ts';
import { EdgeDevice } from '../../../src/protocols/edge/device.ts';
import { EdgeService } from '../../../src/protocols/edge/edge-service.ts';
import { RequestCounter } from '../../../src/protocols/edge/request-counter.ts';
import { liftSum, ringMask, subtractShares } from '../../../src/protocols/edge/share-ring.ts';
import { memoryLink, mixedNetwork, plainApply, randomInt8 } from '../../protocols/edge/edge-pair.ts';

const network = mixedNetwork(6);
const noFreshMask = async (): Promise<MaskSource> => ({
  words: async (_run, count) => new Uint32Array(count),
});

/** What each edge sees of each layer in two requests with different inputs, and the true inputs of these layers. */
async function twoRequests(openMasks?: () => Promise<MaskSource>) {
  using kernel = await openKernel();
  const operators = { a: 'operator one', b: 'operator two' };
  const made = await provision(network, { operators, devices: 1, pairs: true, kernel });
  const [seen, seenByB]: [Uint32Array[][], Uint32Array[][]] = [[], []];
  const keeping =
    (seen: Uint32Array[][]): ApplyLinear =>
    (layer, map, x, batch) => {
      (seen[layer] ??= []).push(Uint32Array.from(x));
      return plainApply(layer, map, x, batch);
    };
  const identity = await readDevice(made.devices[0]!);
  using _root = identity.root;
  const { pairs, plan } = identity;
  const a = new EdgeService({ ...(await readEdge(made.edgeA)), apply: keeping(seen) });
  const b = new EdgeService({ ...(await readEdge(made.edgeB)), apply: keeping(seenByB) });
  const counter = await RequestCounter.open({ load: async () => 0, save: async () => undefined });
  const construction = paired(plan, pairs!, openMasks);
  const device = await EdgeDevice.connect(memoryLink(a), memoryLink(b), {
    ...identity,
    counter,
    construction,
  });
  const generator = new SeededGenerator(4);
  const truths: Int32Array[][] = [];
  for (let request = 0; request < 2; request++) {
    const input = Int32Array.from(randomInt8(generator, network.inputs));
    const clear = evaluateIntegerNetwork(network, input, (layer, map, x, batch) => {
      (truths[layer] ??= []).push(x.slice());
      return plainApply(layer, map, x, batch);
    });
    // The protocol works either way: only what it hides is different.
    expect((await device.infer(input)).outputs).toEqual(clear);
  }
  device.close();
  const bits = plan.layers.map((layer) => layer.bits);
  return { seen, seenByB, truths, pairs: pairs!, bits };
}

/** first - second, centred. */
function differenceOf(first: Uint32Array, second: Uint32Array, bits: number): Int32Array {
  const difference = subtractShares(first, second, bits);
  return liftSum(difference, new Uint32Array(difference.length), bits);
}

describe('one edge, two requests', () => {
  test('without fresh randomness the pair gives away the exact difference of the inputs of every layer, and with one input all', async () => {
    const { seen, truths, pairs, bits } = await twoRequests(noFreshMask);
    expect(seen).toHaveLength(4);
    for (const [layer, [first, second]] of seen.entries()) {
      const difference = differenceOf(first!, second!, bits[layer]!);
      const [x, y] = truths[layer]!;
      expect(difference).toEqual(x!.map((value, i) => value - y![i]!));
      // Who knows one input reads the pair, and with it every other input.
      const pair = subtractShares(first!, Uint32Array.from(x!), bits[layer]!);
      expect(pair).toEqual(pairs.inputs[layer]!.map((word) => word & ringMask(bits[layer]!)));
      expect(differenceOf(second!, pair, bits[layer]!)).toEqual(y);
    }
  });

  test('with fresh randomness the same computation gives nothing (control)', async () => {
    const { seen, truths, bits } = await twoRequests();
    for (const [layer, [first, second]] of seen.entries()) {
      const difference = differenceOf(first!, second!, bits[layer]!);
      const [x, y] = truths[layer]!;
      const right = difference.filter((value, i) => value === x![i]! - y![i]!).length;
      // A guess in a ring of at least 2^16 words is right for one word in 65,536.
      expect(bits[layer]).toBeGreaterThanOrEqual(16);
      expect(right).toBeLessThanOrEqual(2);
    }
  });
});

test('two edges that pool what they saw: the pair hides the first request from them, and not the second', async () => {
  const { seen, seenByB, truths, bits } = await twoRequests();
  for (const [layer, seenByA] of seen.entries()) {
    const pooled = [0, 1].map((i) => subtractShares(seenByA[i]!, seenByB[layer]![i]!, bits[layer]!));
    const [x, y] = truths[layer]!;
    const right = differenceOf(pooled[0]!, new Uint32Array(x!.length), bits[layer]!).filter(
      (value, i) => value === x![i],
    ).length;
    expect(right).toBeLessThanOrEqual(2);
    const difference = differenceOf(pooled[0]!, pooled[1]!, bits[layer]!);
    expect(difference).toEqual(x!.map((value, i) => value - y![i]!));
  }
});
