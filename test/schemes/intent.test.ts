/** Parameters from intent: what they promise, the circuits of the promise reach, on real parameters. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DecodeError, InvalidParamsError } from '../../src/base/errors.ts';
import { seededRandom } from '../../src/base/testing.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { BgvContext } from '../../src/schemes/bgv/context.ts';
import type { BgvIntent } from '../../src/schemes/bgv/intent.ts';
import { BgvParams } from '../../src/schemes/bgv/params.ts';
import { CkksContext } from '../../src/schemes/ckks/context.ts';
import type { CkksIntent } from '../../src/schemes/ckks/intent.ts';
import { CkksParams } from '../../src/schemes/ckks/params.ts';
import { logQPCeiling } from '../../src/schemes/rlwe/security.ts';
import { maxDifference, testValues } from './ckks/insecure-params.ts';

let kernel: Kernel;
beforeAll(async () => {
  kernel = await openKernel({ onFallback: () => undefined });
});
afterAll(() => {
  expect(kernel.liveWords).toBe(0);
  kernel[Symbol.dispose]();
});

const rotated = (x: ArrayLike<number>): number[] =>
  Array.from({ length: x.length }, (_, i) => x[(i + 1) % x.length]!);

/** Largest error of a slot after x <- x * rotate(x) in every level and a rotation. */
async function ckksError({ depth, maxAbs = 1 }: CkksIntent, params: CkksParams): Promise<number> {
  using context = await CkksContext.open(params, { kernel, random: seededRandom('ckks intent') });
  using arena = context.arena();
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using publicKey = generator.publicKey(secret);
  using keys = generator.evaluationKeys(secret, { relinearize: true, rotations: [1] });
  using encryptor = context.encryptor(publicKey, arena);
  const evaluator = context.evaluator(keys, arena);
  const encoder = context.encoder(arena);
  // Most slots at the largest value that a product may have as well, where errors grow most.
  const top = Math.min(1, maxAbs);
  let clear = [...testValues(params.slots, depth + 1)].map((v, i) =>
    i % 2 === 0 ? v * top : Math.sign(v) * top,
  );
  let ct = encryptor.encrypt(encoder.encode(clear));
  for (let level = 0; level < depth; level++) {
    const turned = rotated(clear);
    ct = evaluator.rescale(evaluator.mul(ct, evaluator.rotate(ct, 1)));
    clear = clear.map((v, i) => v * turned[i]!);
  }
  const result = encoder.decode(context.decryptor(secret, arena).decrypt(evaluator.rotate(ct, 1)));
  return maxDifference(result, rotated(clear));
}

/** log2 of the ring's degree; no ring holds what is refused as too much. */
function ringFor(intent: CkksIntent): number {
  try {
    return CkksParams.forIntent(intent).logN;
  } catch (error) {
    if (error instanceof InvalidParamsError && error.message.includes('are too much')) return Infinity;
    throw error;
  }
}

describe('CKKS', () => {
  const intents = fc.record({
    depth: fc.integer({ min: 0, max: 2 }),
    precisionBits: fc.integer({ min: 4, max: 12 }),
    slots: fc.integer({ min: 1, max: 2048 }),
    maxAbs: fc.constantFrom(0.5, 1, 8),
  });

  test('reaches the precision it promised, with at most 16 bits to spare', async () => {
    await fc.assert(
      fc.asyncProperty(intents, async (intent) => {
        const params = CkksParams.forIntent(intent);
        expect(params.slots).toBeGreaterThanOrEqual(intent.slots);
        expect(params.maxLevel).toBe(intent.depth);
        const error = await ckksError(intent, params);
        expect(error).toBeLessThan(2 ** -intent.precisionBits);
        expect(error).toBeGreaterThan(2 ** -(intent.precisionBits + 16));
      }),
      { numRuns: 5, seed: 1 },
    );
  });

  test('a deep chain keeps its scale, and more depth, precision or slots never take a smaller ring', () => {
    const deep = CkksParams.forIntent({ depth: 20, precisionBits: 12, maxAbs: 0.5 });
    let scale: number = deep.defaultScale;
    for (let level = 20; level > 0; level--) scale = scale ** 2 / deep.q[level]!.q;
    expect(Math.abs(Math.log2(scale / deep.defaultScale))).toBeLessThan(2 ** -10);
    fc.assert(
      fc.property(intents, (intent) => {
        const { logN, logQP } = CkksParams.forIntent(intent);
        expect(logQP).toBeLessThanOrEqual(logQPCeiling(logN));
        for (const more of [
          { depth: intent.depth + 1 },
          { precisionBits: intent.precisionBits + 2 },
          { slots: 2 * intent.slots },
        ]) {
          expect(ringFor({ ...intent, ...more })).toBeGreaterThanOrEqual(logN);
        }
      }),
      { numRuns: 20, seed: 2 },
    );
  });

  test.each<[CkksIntent, RegExp]>([
    [{ depth: 3, precisionBits: 40 }, /allow 21 bits/],
    [{ depth: 100, precisionBits: 10 }, /no ring degree/],
    [{ depth: 1, precisionBits: 10, slots: 2 ** 17 }, /at most 65536 slots/],
    [{ depth: -1, precisionBits: 10 }, /depth/],
    [{ depth: 1.5, precisionBits: 10 }, /depth/],
    [{ depth: 1, precisionBits: 0 }, /positive/],
    [{ depth: 1, precisionBits: 10, maxAbs: Number.POSITIVE_INFINITY }, /positive/],
    [{ depth: 1, precisionBits: 10, slots: 0 }, /slots/],
  ])('%j is refused', (intent, message) => {
    expect(() => CkksParams.forIntent(intent)).toThrow(InvalidParamsError);
    expect(() => CkksParams.forIntent(intent)).toThrow(message);
  });
});

/** Sums of `terms` rotations and row swaps, squared in each level; undefined when an operation was refused. */
async function bgvAgrees({ depth, maxAbs, terms = 1 }: BgvIntent, params: BgvParams): Promise<boolean> {
  using context = await BgvContext.open(params, { kernel, random: seededRandom('bgv intent') });
  using arena = context.arena();
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using publicKey = generator.publicKey(secret);
  using keys = generator.evaluationKeys(secret, { relinearize: true, rotations: [1], conjugate: true });
  using encryptor = context.encryptor(publicKey, arena);
  const evaluator = context.evaluator(keys, arena);
  const encoder = context.encoder(arena);
  const half = params.n / 2;
  const t = BigInt(params.t);
  let clear = Array.from(testValues(params.n, depth), (v) => BigInt(Math.round(v * maxAbs)));
  let ct = encryptor.encrypt(encoder.encode(clear.map(Number)));
  for (let level = 0; level < depth; level++) {
    const turned = evaluator.swapRows(evaluator.rotate(ct, 1));
    let sum = turned;
    for (let i = 1; i < terms; i++) sum = evaluator.add(sum, turned);
    const factor = evaluator.modSwitchAuto(sum);
    ct = evaluator.mul(factor, factor);
    clear = clear.map((_, i) => {
      const from = ((i + half) % params.n) - (i < half ? half : 0);
      const value = clear[(i < half ? half : 0) + ((from + 1) % half)]! * BigInt(terms);
      return (value * value) % t;
    });
  }
  const result = encoder.decode(context.decryptor(secret, arena).decrypt(ct));
  return clear.every((v, i) => (BigInt(result[i]!) - v) % t === 0n);
}

describe('BGV', () => {
  const intents = fc.record({
    depth: fc.integer({ min: 0, max: 3 }),
    maxAbs: fc.integer({ min: 1, max: 2 ** 20 }),
    slots: fc.integer({ min: 1, max: 4096 }),
    terms: fc.integer({ min: 1, max: 4 }),
  });

  test('no operation of the promised circuit is refused, and it is exact', async () => {
    await fc.assert(
      fc.asyncProperty(intents, async (intent) => {
        const params = BgvParams.forIntent(intent);
        expect(params.slots).toBeGreaterThanOrEqual(intent.slots);
        expect(params.t).toBeGreaterThan(2 * intent.maxAbs);
        expect(await bgvAgrees(intent, params)).toBe(true);
      }),
      { numRuns: 5, seed: 1 },
    );
  });

  test('a deeper circuit is refused at run time (positive control)', async () => {
    const params = BgvParams.forIntent({ depth: 1, maxAbs: 1000 });
    await expect(bgvAgrees({ depth: 3, maxAbs: 1000 }, params)).rejects.toThrow('mul');
  });

  test.each<[BgvIntent, RegExp]>([
    [{ depth: 80, maxAbs: 2 ** 40 }, /no parameters of 128 bits/],
    [{ depth: 1, maxAbs: 2 ** 49 }, /not be below 2\^50/],
    [{ depth: 1, maxAbs: 0 }, /maxAbs/],
    [{ depth: -1, maxAbs: 5 }, /depth/],
    [{ depth: 1, maxAbs: 5, terms: 0.5 }, /terms/],
    [{ depth: 1, maxAbs: 5, slots: 2 ** 18 }, /at most 131072 slots/],
  ])('%j is refused', (intent, message) => {
    expect(() => BgvParams.forIntent(intent)).toThrow(InvalidParamsError);
    expect(() => BgvParams.forIntent(intent)).toThrow(message);
  });

  test('parameters survive the wire; other bytes are other parameters or a DecodeError', () => {
    const tiny = BgvParams.create({
      logN: 6,
      logQ: [44, 40],
      logP: [48],
      plaintextBits: 13,
      alpha: 2,
      security: 'insecure-for-tests',
    });
    for (const params of [BgvParams.forIntent({ depth: 2, maxAbs: 500 }), tiny]) {
      const back = BgvParams.fromBytes(params.toBytes(), { allowInsecure: params === tiny });
      expect([back.id, back.t, back.isInsecure]).toEqual([params.id, params.t, params.isInsecure]);
      expect(back.toBytes()).toEqual(params.toBytes());
    }
    const bytes = tiny.toBytes();
    for (let at = 0; at < bytes.length; at++) {
      const forged = bytes.slice();
      forged[at]! ^= 1 << (at % 8);
      const read = (): boolean =>
        BgvParams.fromBytes(forged, { allowInsecure: true }).id !== tiny.id || at >= 10;
      try {
        expect(read()).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError);
      }
      expect(() => BgvParams.fromBytes(bytes.subarray(0, at), { allowInsecure: true })).toThrow(DecodeError);
    }
    expect(() => CkksParams.fromBytes(bytes)).toThrow(DecodeError);
  });
});
