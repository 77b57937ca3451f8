/** What one edge sees is uniform, and what stands on the wire is nobody's value; each test is shown a leak that it finds. */
import { describe, expect, test } from 'vitest';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import type { ApplyLinearAsync } from '../../../src/nn/integer/integer-evaluate.ts';
import { INT8_INPUT, IntegerNetwork } from '../../../src/nn/integer/integer-network.ts';
import { type Construction, makePairs, paired, sharing } from '../../../src/protocols/edge/construction.ts';
import { EdgeDevice } from '../../../src/protocols/edge/device.ts';
import { unpackShares } from '../../../src/protocols/edge/share-ring.ts';
import { canariesIn, plantedCanaries } from './canaries.ts';
import { edgePair, memoryLink, plainApply, randomInt8, type Tap } from './edge-pair.ts';

const INPUTS = 600;
const REQUESTS = 20;

/** Two layers with enough words, and results that are easy to recognise. */
function wideNetwork(): IntegerNetwork {
  const generator = new SeededGenerator(4);
  const dense = (inputs: number, outputs: number) => ({
    kind: 'linear' as const,
    map: { kind: 'dense' as const, inputs, outputs, weights: randomInt8(generator, inputs * outputs) },
    bias: new Int32Array(outputs),
  });
  const squash = { kind: 'requantise', multipliers: Float64Array.of(3), shift: 12 } as const;
  return new IntegerNetwork(
    { shape: [INPUTS], scale: 1, ...INT8_INPUT },
    [dense(INPUTS, 200), { kind: 'relu' }, squash, dense(200, 60)],
    { scale: 1, softmax: false },
  );
}

/** Chi-square of the 8 low and the 8 high bits of words below 2^bits against uniform; 255 degrees of freedom each. */
function chiSquares(words: readonly number[], bits: number): number[] {
  return [0, bits - 8].map((shift) => {
    const counts = new Float64Array(256);
    for (const word of words) counts[(word >>> shift) & 255]!++;
    const expected = words.length / 256;
    return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  });
}

/** Correlation of each word with the next, in standard deviations of independent words. */
function serialCorrelation(words: readonly number[], bits: number): number {
  const centred = words.map((word) => word / 2 ** bits - 0.5);
  let sum = 0;
  for (let i = 1; i < centred.length; i++) sum += centred[i]! * centred[i - 1]!;
  return (12 * sum) / Math.sqrt(centred.length - 1);
}

/** Six standard deviations: false alarms are rarer than one in a hundred million. */
function looksUniform(words: readonly number[], bits: number): boolean {
  const deviations = chiSquares(words, bits).map((value) => Math.abs(value - 255) / Math.sqrt(2 * 255));
  return Math.max(...deviations, Math.abs(serialCorrelation(words, bits))) < 6;
}

describe("one edge's view", () => {
  /** Per layer, all words that edges get, over requests with one and the same input. */
  async function views(make: 'sharing' | 'relay' | 'paired') {
    const seen = [0, 1].map(() => ({ a: [] as number[], b: [] as number[], relayed: [] as number[] }));
    const spy =
      (side: 'a' | 'b'): ApplyLinearAsync =>
      (index, map, x, batch) => {
        for (const word of x) seen[index]![side].push(word >>> 0);
        return plainApply(index, map, x, batch);
      };
    const network = wideNetwork();
    const setup = await edgePair(network, { applyA: spy('a'), applyB: spy('b') });
    const { layers } = setup.plan;
    const put = setup.a.relayed.put.bind(setup.a.relayed);
    setup.a.relayed.put = (message) => {
      const { outputs, bits } = layers[message.layer]!;
      seen[message.layer]!.relayed.push(...unpackShares(message.shares, outputs, bits));
      put(message);
    };
    const construction: Construction =
      make === 'paired'
        ? paired(setup.plan, await makePairs(setup.root, setup.plan, plainApply))
        : sharing(make === 'relay');
    const device = await EdgeDevice.connect(memoryLink(setup.a), memoryLink(setup.b), {
      ...setup.device,
      construction,
    });
    for (let request = 0; request < REQUESTS; request++) await device.infer(new Int32Array(INPUTS).fill(127));
    return seen.map((words, layer) => ({ ...words, bits: layers[layer]!.bits }));
  }

  test.each(['sharing', 'relay', 'paired'] as const)('is uniform whatever the input is: %s', async (make) => {
    for (const { a, b, relayed, bits } of await views(make)) {
      expect(a.length).toBe(b.length);
      expect(looksUniform(a, bits)).toBe(true);
      expect(looksUniform(b, bits)).toBe(true);
      expect(relayed.length > 0).toBe(make === 'relay');
      if (make === 'relay') expect(looksUniform(relayed, bits)).toBe(true);
    }
  });

  test('the test finds masks that are too short, used twice, or missing', () => {
    const generator = new SeededGenerator(6);
    const bits = 25;
    const uniform = Array.from({ length: 20_000 }, () => generator.below(2 ** bits));
    expect(looksUniform(uniform, bits)).toBe(true);
    // Clear int8 values; values under noise of eight more bits; one word in fifty unmasked; a mask for two neighbours.
    const clear = uniform.map((word) => (word % 256) - 128);
    expect(
      looksUniform(
        clear.map((value) => value & (2 ** bits - 1)),
        bits,
      ),
    ).toBe(false);
    expect(
      looksUniform(
        clear.map((value) => (value + generator.below(2 ** 16)) & (2 ** bits - 1)),
        bits,
      ),
    ).toBe(false);
    expect(
      looksUniform(
        uniform.map((word, i) => (i % 50 === 0 ? 127 : word)),
        bits,
      ),
    ).toBe(false);
    expect(
      looksUniform(
        uniform.map((_word, i) => uniform[i >> 1]!),
        bits,
      ),
    ).toBe(false);
  });
});

describe('canaries', () => {
  test.each([false, true])(
    'of input, activations and output are not on the wire nor in errors, relay %s',
    async (relay) => {
      const wire: Uint8Array[] = [];
      const record: Tap = (message) => {
        wire.push(message.slice());
        return [message];
      };
      const network = wideNetwork();
      const setup = await edgePair(network, {
        tapA: record,
        tapB: record,
        device: { construction: sharing(relay) },
      });
      const input = Int32Array.from(randomInt8(new SeededGenerator(8), INPUTS));
      const activations: Int32Array[] = [];
      const device = await setup.connect();
      const { outputs } = await device.infer(input);
      const { evaluateIntegerNetwork } = await import('../../../src/nn/integer/integer-evaluate.ts');
      evaluateIntegerNetwork(network, input, (index, map, x, batch) => {
        const y = plainApply(index, map, x, batch);
        activations.push(x, y);
        return y;
      });
      const secrets = [input, ...activations, outputs];
      const everything = Buffer.concat(wire);
      expect(everything.length).toBeGreaterThan(2000);
      for (const secret of secrets) expect(canariesIn(everything, secret)).toBe(0);
      // Each form of each secret would have been found.
      for (const secret of secrets) {
        for (const form of plantedCanaries(secret))
          expect(canariesIn(Buffer.concat([everything, form]), secret)).toBeGreaterThan(0);
      }
    },
  );

  test('errors name the edge and never a value', async () => {
    const network = wideNetwork();
    const lie: ApplyLinearAsync = (index, map, x, batch) => {
      const y = plainApply(index, map, x, batch);
      y[0]! += 1;
      return y;
    };
    const setup = await edgePair(network, { applyA: lie });
    const input = Int32Array.from(randomInt8(new SeededGenerator(8), INPUTS));
    const error = await (await setup.connect()).infer(input).catch((caught: unknown) => caught);
    const { message, stack, details } = error as Error & { details: unknown };
    expect(details).toEqual({ layer: 0, edge: 'a' });
    const text = Buffer.from(`${message} ${stack} ${JSON.stringify(error)}`);
    expect(canariesIn(text, input)).toBe(0);
    expect(text.includes([...input.subarray(0, 3)].join(','))).toBe(false);
  });
});
