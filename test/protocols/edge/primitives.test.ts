/** The parts of the two-edge mode alone: ring, masks, counter, checks. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { applyIntegerLinear, integerConvolution } from '../../../src/kernel/integer-linear-map.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { planBytes, planLayers, readPlan } from '../../../src/protocols/edge/layer-plan.ts';
import { littleEndian, MaskStream, RootKey } from '../../../src/protocols/edge/mask-stream.ts';
import { PROJECTION_PRIME, projectModulo } from '../../../src/protocols/edge/projection-check.ts';
import { adjointOf, adjointProjection } from '../../../src/protocols/edge/projection-images.ts';
import { RequestCounter } from '../../../src/protocols/edge/request-counter.ts';
import { detectionProbability, drawIndices, samplesFor } from '../../../src/protocols/edge/sampling-check.ts';
import {
  liftSum,
  packedShareBytes,
  packShares,
  ringMask,
  shareBits,
  subtractShares,
  unpackShares,
} from '../../../src/protocols/edge/share-ring.ts';
import { plainApply, randomInt8, mixedNetwork } from './edge-pair.ts';

describe('ring', () => {
  test('the width is the least that holds the bound', () => {
    expect([0, 1, 2, 3, 4, 127, 128, 2 ** 31 - 1].map(shareBits)).toEqual([1, 2, 3, 3, 4, 8, 9, 32]);
    for (const bound of [1, 5, 64, 1000, 2 ** 20 - 1, 2 ** 20, 2 ** 31 - 1]) {
      const bits = shareBits(bound);
      const values = Int32Array.of(bound, -bound);
      const mask = Uint32Array.of(0x9e3779b9 & ringMask(bits), 77 & ringMask(bits));
      expect(liftSum(subtractShares(values, mask, bits), mask, bits)).toEqual(values);
      const less = bits - 1;
      const narrow = mask.map((word) => word & ringMask(less));
      expect(liftSum(subtractShares(values, narrow, less), narrow, less)).not.toEqual(values);
    }
    for (const bound of [-1, 0.5, 2 ** 31, Number.NaN]) expect(() => shareBits(bound)).toThrow('below 2^31');
  });

  test('packing is the inverse of unpacking, without a spare bit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 32 }), fc.uint32Array({ maxLength: 70 }), (bits, raw) => {
        const words = raw.map((word) => word & ringMask(bits));
        const bytes = packShares(words, bits);
        expect(bytes.length).toBe(packedShareBytes(words.length, bits));
        expect(unpackShares(bytes, words.length, bits)).toEqual(words);
        // By the definition: bit b of word i is bit i*bits + b of the bytes.
        words.forEach((word, i) => {
          for (let b = 0; b < bits; b++) {
            const at = i * bits + b;
            expect((bytes[at >> 3]! >> (at & 7)) & 1).toBe((word >>> b) & 1);
          }
        });
      }),
    );
  });

  test('a wrong length and a set padding bit are refused', () => {
    const bytes = packShares(Uint32Array.of(5, 6, 7), 3);
    expect(() => unpackShares(bytes.subarray(1), 3, 3)).toThrow('2 bytes were needed');
    expect(() => unpackShares(Uint8Array.of(bytes[0]!, bytes[1]! | 2), 3, 3)).toThrow('padding');
  });
});

describe('masks', () => {
  test('are AES-256-CTR under the documented counter block, by its own encryption of blocks', async () => {
    const seed = Uint8Array.from({ length: 32 }, (_, i) => i);
    const words = await (await MaskStream.open(seed)).words({ layer: 3, direction: 'out' }, 9, 27);
    const { createCipheriv } = await import('node:crypto');
    const cipher = createCipheriv('aes-256-ecb', seed, null).setAutoPadding(false);
    const block = (n: number) => cipher.update(Uint8Array.of(0, 0, 0, 3, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n));
    const stream = Buffer.concat([block(0), block(1), block(2)]);
    expect([...words]).toEqual(
      Array.from({ length: 9 }, (_, i) => stream.readUInt32LE(4 * i) & (2 ** 27 - 1)),
    );
  });

  test('keys of other purposes, devices, models, requests differ; field borders count', () => {
    const root = new RootKey(new Uint8Array(32).fill(1));
    const [x, y] = [Uint8Array.of(1), Uint8Array.of(2)];
    const keys = [
      root.derive('input shares', x, y),
      root.derive('relayed outputs', x, y),
      root.derive('input shares', y, x),
      root.derive('input shares', Uint8Array.of(1, 2)),
      root.derive('input shares', x, littleEndian(2 ** 40, 8)),
    ].map((key) => key.join());
    expect(new Set(keys).size).toBe(keys.length);
    root[Symbol.dispose]();
    expect(() => root.derive('pair')).toThrow('disposed');
  });
});

describe('request numbers', () => {
  /** Power may fail before a save takes effect, or after it and before the caller hears of it. */
  async function cutPower(cuts: number, reserveFirst: boolean): Promise<{ repeated: number; used: number }> {
    const generator = new SeededGenerator(11);
    const used = new Set<number>();
    let repeated = 0;
    let stored = 0;
    for (let cut = 0; cut < cuts; cut++) {
      const instant = generator.below(4);
      const counter = await RequestCounter.open(
        {
          load: async () => stored,
          save: async (next) => {
            if (instant === 0) throw new Error('power cut before the write');
            if (reserveFirst) stored = next;
            if (instant === 1) throw new Error('power cut after the write');
          },
        },
        8,
      );
      for (let i = generator.below(20); i > 0; i--) {
        const number = await counter.next().catch(() => null);
        if (number === null) break;
        if (used.has(number)) repeated++;
        used.add(number);
      }
    }
    return { repeated, used: used.size };
  }

  test('never repeat in 10,000 power cuts', async () => {
    const { repeated, used } = await cutPower(10_000, true);
    expect(repeated).toBe(0);
    expect(used).toBeGreaterThan(10_000);
  });

  test('would repeat if the block were not stored first', async () => {
    expect((await cutPower(200, false)).repeated).toBeGreaterThan(0);
  });

  test('overlapping calls get different numbers, and a damaged store is refused', async () => {
    const counter = await RequestCounter.open({ load: async () => 5, save: async () => undefined }, 4);
    expect(await Promise.all(Array.from({ length: 10 }, () => counter.next()))).toEqual([
      5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
    ]);
    await expect(RequestCounter.open({ load: async () => -1, save: async () => undefined })).rejects.toThrow(
      'damaged',
    );
  });
});

describe('projection', () => {
  const modulo = (value: bigint) =>
    ((value % BigInt(PROJECTION_PRIME)) + BigInt(PROJECTION_PRIME)) % BigInt(PROJECTION_PRIME);

  test('inner products modulo p equal those with BigInt, also at the ends of the range', () => {
    const generator = new SeededGenerator(5);
    const ends = [-(2 ** 31), 2 ** 31 - 1, 0, -1];
    for (const length of [0, 1, 31, 32, 33, 500]) {
      const values = Int32Array.from({ length }, (_, i) => (i < 40 ? ends[i % 4]! : generator.word() | 0));
      const coefficients = Uint32Array.from({ length }, (_, i) =>
        i < 40 ? PROJECTION_PRIME - 1 : generator.below(PROJECTION_PRIME),
      );
      const sum = values.reduce((total, value, i) => total + BigInt(value) * BigInt(coefficients[i]!), 0n);
      expect(BigInt(projectModulo(values, coefficients))).toBe(modulo(sum));
    }
  });

  test('the adjoint satisfies <rho, W x> = <W^T rho, x> for every kind of layer', async () => {
    const generator = new SeededGenerator(6);
    const image = { channels: 4, height: 7, width: 9 };
    const maps = [
      { kind: 'dense', inputs: 33, outputs: 20, weights: randomInt8(generator, 660) } as const,
      integerConvolution(image, 6, [3, 2], randomInt8(generator, 72), {
        stride: [2, 3],
        padding: [1, 2],
        dilation: [2, 1],
        groups: 2,
      }),
      integerConvolution(image, 4, [5, 5], randomInt8(generator, 100), { padding: [2, 2], groups: 4 }),
      // Pads further than the window reaches, so some outputs are zero whatever x is.
      integerConvolution(image, 3, [1, 2], randomInt8(generator, 24), { padding: [2, 3], stride: [1, 2] }),
      // The last rows and columns are read by no window.
      integerConvolution(image, 2, [2, 2], randomInt8(generator, 32), { stride: [3, 4] }),
    ];
    for (const map of maps) {
      const x = Int32Array.from(randomInt8(generator, map.kind === 'dense' ? 33 : 252));
      const y = applyIntegerLinear(map, x, 1);
      const rho = Uint32Array.from(y, () => generator.below(PROJECTION_PRIME));
      const image = await adjointProjection(adjointOf(map), 0, rho, plainApply);
      expect(projectModulo(x, image)).toBe(projectModulo(y, rho));
    }
  });
});

describe('sampling', () => {
  test('sizes are those of the published table and reach their goal', () => {
    const m = 10_000_000;
    const table = [0.01, 0.05, 0.1, 0.5].map((wrongFraction) =>
      samplesFor(m, { wrongFraction, detection: 0.99 }),
    );
    expect(table).toEqual([459, 90, 44, 7]);
    expect(samplesFor(64, { wrongFraction: 1, detection: 0.5 })).toBe(64);
    expect(detectionProbability(200, 1, 50)).toBeCloseTo(0.25, 12);
    expect(() => samplesFor(100, { wrongFraction: 0, detection: 0.5 })).toThrow('wrong fraction');
  });

  test('draws are different indices, all equally likely', () => {
    const counts = new Float64Array(20);
    for (let run = 0; run < 4000; run++) {
      const drawn = drawIndices(20, 5);
      expect(drawn.size).toBe(5);
      for (const index of drawn) counts[index]!++;
    }
    // Mean 1000, standard deviation below 28; six of them.
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(170);
  });
});

test('a plan survives its bytes; damaged bytes do not', async () => {
  const plan = await planLayers(mixedNetwork(4));
  const bytes = planBytes(plan.layers);
  expect(await readPlan(bytes)).toEqual(plan);
  await expect(readPlan(bytes.subarray(1))).rejects.toThrow();
  await expect(readPlan(bytes.subarray(0, bytes.length - 1))).rejects.toThrow('truncated');
  await expect(readPlan(Uint8Array.of(...bytes, 0))).rejects.toThrow('trailing');
});

test('a plan read from a slice of pooled memory does not keep it', async () => {
  const plan = await planLayers(mixedNetwork(4));
  const bytes = planBytes(plan.layers);
  for (const offset of [1, 3, 8]) {
    const pool = Buffer.alloc(bytes.length + 16, 0xa5);
    pool.set(bytes, offset);
    const copy = await readPlan(pool.subarray(offset, offset + bytes.length));
    pool.fill(0x5a);
    expect(copy).toEqual(plan);
  }
});
