/** Replies without the low bits that decryption does not need: exact within the bound, wrong beyond it, hostile bytes. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DecodeError, NoiseBudgetError, ShapeError } from '../../../src/base/errors.ts';
import { seededRandom } from '../../../src/base/testing.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { BgvCiphertext, BgvCiphertextBatch } from '../../../src/schemes/bgv/ciphertext.ts';
import {
  bgvCiphertextBytes,
  bgvRoundedBytes,
  ROUNDED_CODEC,
} from '../../../src/schemes/bgv/ciphertext-wire.ts';
import { BgvContext } from '../../../src/schemes/bgv/context.ts';
import { BgvCrtCiphertext } from '../../../src/schemes/bgv/crt/crt-ciphertext.ts';
import { BgvCrtContext } from '../../../src/schemes/bgv/crt/crt-context.ts';
import { BgvCrtParams } from '../../../src/schemes/bgv/crt/crt-params.ts';
import { droppableExactly, noiseRoom } from '../../../src/schemes/bgv/noise-bound.ts';
import { BgvParams } from '../../../src/schemes/bgv/params.ts';
import { type DroppedBits, droppedBound, droppedNoise } from '../../../src/schemes/rlwe/wire/dropped-bits.ts';
import { innerProductInto } from '../../../src/schemes/rlwe/key-switching.ts';
import { writeRounded } from '../../../src/schemes/rlwe/wire/rounded-wire.ts';
import type { SecretKey } from '../../../src/schemes/rlwe/keys/secret-key.ts';
import { HEADER_BYTES } from '../../../src/schemes/rlwe/wire/wire.ts';
import { INSECURE_CRT, INSECURE_TINY_BGV } from './insecure-params.ts';

let kernel: Kernel;
let context: BgvContext;

beforeAll(async () => {
  kernel = await openKernel();
  context = await BgvContext.open(BgvParams.create(INSECURE_TINY_BGV), {
    kernel,
    random: seededRandom('bgv rounded'),
  });
});
afterAll(() => {
  context[Symbol.dispose]();
  expect(kernel.liveWords).toBe(0);
  kernel[Symbol.dispose]();
});

/** c(s) mod q_0, coefficient by coefficient, centred. */
function phase(ct: BgvCiphertext, secret: SecretKey): Float64Array {
  using words = kernel.allocate(ct.polyWords);
  const values = new Float64Array(context.params.n);
  innerProductInto(words, ct, 0, secret);
  kernel.nttInverse(context.ring.tables, words, ct.mods);
  kernel.toDoubles(context.ring.tables, values, words, ct.mods);
  return values;
}

/** Products of random slots at their lowest level, under one key. */
function withReplies(
  salt: number,
  use: (replies: BgvCiphertext[], slots: number[][], secret: SecretKey) => void,
) {
  using arena = context.arena();
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using keys = generator.evaluationKeys(secret, { relinearize: true });
  using encryptor = context.encryptor(secret, arena);
  const encoder = context.encoder(arena);
  const evaluator = context.evaluator(keys, arena);
  const { t, slots } = context.params;
  const expected: number[][] = [];
  const replies = Array.from({ length: 4 }, (_, i) => {
    const x = Array.from({ length: slots }, (_, j) => ((salt + i + 1) * (j + 1) * 7919) % ((t - 1) / 2));
    const fresh = encryptor.encrypt(encoder.encode(x));
    const square = x.map((value) => Number(BigInt(value) ** 2n % BigInt(t)));
    // One of them is fresh, the others are products: the noise differs, and so does what can be dropped.
    expected.push(i === 0 ? x : square.map((value) => (2 * value > t ? value - t : value)));
    return evaluator.modSwitchLowest(i === 0 ? fresh : evaluator.mul(fresh, fresh));
  });
  use(replies, expected, secret);
}

test('what is proved to be droppable decrypts exactly, and moves c(s) by no more than its bound, with its variance', () => {
  const { n } = context.params;
  let [sum, count, expectedSum] = [0, 0, 0];
  for (let salt = 0; salt < 40; salt++) {
    withReplies(salt, (replies, slots, secret) => {
      using arena = context.arena();
      const decryptor = context.decryptor(secret, arena);
      replies.forEach((reply, i) => {
        expect(reply.level).toBe(0);
        const dropped = droppableExactly(context.modulusBits, reply.noiseBits);
        expect(dropped.first).toBeGreaterThan(dropped.second);
        const bytes = reply.toRoundedBytes();
        expect(bytes.length).toBe(bgvRoundedBytes(context.params, 1, dropped));
        const back = BgvCiphertext.fromRoundedBytes(context, bytes, arena);
        expect([...context.encoder(arena).decode(decryptor.decrypt(back))]).toEqual(slots[i]);
        const before = phase(reply, secret);
        for (const [k, value] of phase(back, secret).entries()) {
          const q = context.params.q[0]!.q;
          const moved = ((((value - before[k]!) % q) + q + (q - 1) / 2) % q) - (q - 1) / 2;
          expect(Math.abs(moved)).toBeLessThanOrEqual(droppedBound(n, dropped));
          sum += moved * moved;
          expectedSum += droppedNoise(n, dropped);
          count++;
        }
      });
    });
  }
  expect(count).toBeGreaterThan(10_000);
  expect(sum / expectedSum).toBeGreaterThan(0.9);
  expect(sum / expectedSum).toBeLessThan(1.05);
});

test('the bound is about what decryption bears: a few bits more are wrong (positive control)', () => {
  const dropped = (reply: BgvCiphertext, more: number): DroppedBits => {
    const { first, second } = droppableExactly(context.modulusBits, reply.noiseBits);
    return { first: first + more, second: second + more };
  };
  const wrongWith = (more: number): number => {
    let wrong = 0;
    withReplies(7, (replies, slots, secret) => {
      using arena = context.arena();
      const decryptor = context.decryptor(secret, arena);
      replies.forEach((reply, i) => {
        const bytes = writeRounded(reply, ROUNDED_CODEC, dropped(reply, more));
        const back = BgvCiphertext.fromRoundedBytes(context, bytes, arena);
        const decoded = [...context.encoder(arena).decode(decryptor.decrypt(back))];
        if (decoded.some((value, j) => value !== slots[i]![j])) wrong++;
      });
    });
    return wrong;
  };
  expect(wrongWith(0)).toBe(0);
  // The worst case counts every coefficient of the secret; random ones reach about an eighth of it.
  expect(wrongWith(5)).toBe(4);
});

test('the proof leaves room whatever the noise', () => {
  for (const spec of [
    { logN: 12, logQ: [46], logP: [48], plaintextBits: 18 },
    { logN: 13, logQ: [42, 42, 42], logP: [44], plaintextBits: 17 },
    { logN: 14, logQ: [50, 40], logP: [50], plaintextBits: 30 },
  ]) {
    const params = BgvParams.create(spec);
    const bits = {
      ...context.modulusBits,
      n: params.n,
      logQ: params.q.map(({ q }) => Math.log2(q)),
      logT: Math.log2(params.t),
    };
    const most = noiseRoom(bits, 0);
    for (const noiseBits of [0, 10, most - 5, most - 0.01, most]) {
      const dropped = droppableExactly(bits, noiseBits);
      const reached = params.t * (2 ** noiseBits + droppedBound(params.n, dropped));
      expect(reached).toBeLessThan(params.q[0]!.q / 2);
      // Not a whole bit more would fit in both parts.
      const more = { first: dropped.first + 1, second: dropped.second + 1 };
      expect(params.t * (2 ** noiseBits + droppedBound(params.n, more))).toBeGreaterThan(
        params.q[0]!.q / 2.001,
      );
    }
  }
});

test('a batch is read as one, bears no more operations, and damaged bytes are refused', () => {
  using arena = context.arena();
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using keys = generator.evaluationKeys(secret, { rotations: [1] });
  using encryptor = context.encryptor(secret, arena);
  const encoder = context.encoder(arena);
  const evaluator = context.evaluator(keys, arena);
  const high = encryptor.encryptBatch([encoder.encode([5, -6]), encoder.encode([7])]);
  expect(() => high.toRoundedBytes()).toThrow(ShapeError);
  const batch = evaluator.modSwitchLowest(high);
  const bytes = batch.toRoundedBytes();
  const whole = bgvCiphertextBytes(context.params, { count: 2, parts: 2, level: 0, isSeeded: false });
  expect(bytes.length).toBeLessThan(0.7 * whole);
  const read = (forged: Uint8Array, most = 2) =>
    BgvCiphertextBatch.fromRoundedBytes(context, forged, arena, most);
  const back = read(bytes);
  const decoded = context.decryptor(secret, arena).decryptBatch(back);
  expect(decoded.map((plaintext) => [...encoder.decode(plaintext).subarray(0, 2)])).toEqual([
    [5, -6],
    [7, 0],
  ]);
  expect(back.noiseBudget).toBe(0);
  expect(() => evaluator.add(back, back)).toThrow(NoiseBudgetError);
  expect(() => evaluator.rotate(back, 1)).toThrow(NoiseBudgetError);
  expect(() => read(bytes, 1)).toThrow(DecodeError);
  for (const length of [0, HEADER_BYTES, HEADER_BYTES + 8, bytes.length - 1]) {
    expect(() => read(bytes.subarray(0, length))).toThrow(DecodeError);
  }
  const forged = bytes.slice();
  // The correction factor.
  forged.fill(0, HEADER_BYTES + 8, HEADER_BYTES + 16);
  expect(() => read(forged)).toThrow(DecodeError);
});

test('replies over several moduli: each component at its lowest level, without its low bits', async () => {
  using crt = await BgvCrtContext.open(BgvCrtParams.create(INSECURE_CRT), {
    kernel,
    random: seededRandom('crt rounded'),
  });
  using arena = crt.arena();
  using generator = crt.keyGenerator();
  using secret = generator.secretKey();
  using keys = generator.evaluationKeys(secret, { relinearize: true });
  using encryptor = crt.encryptor(secret, arena);
  const encoder = crt.encoder(arena);
  const evaluator = crt.evaluator(keys, arena);
  const a = encryptor.encrypt(encoder.encode([5000n, -3n]));
  const reply = evaluator.modSwitchLowest(evaluator.mul(a, a));
  const bytes = reply.toRoundedBytes();
  expect(bytes.length).toBeLessThan(0.7 * reply.toBytes().length);
  const back = BgvCrtCiphertext.fromRoundedBytes(crt, bytes, arena);
  expect(encoder.decode(crt.decryptor(secret, arena).decrypt(back)).slice(0, 2)).toEqual([25_000_000n, 9n]);
  expect(() => BgvCrtCiphertext.fromBytes(crt, bytes, arena)).toThrow(DecodeError);
  expect(() => a.toRoundedBytes()).toThrow(ShapeError);
});
