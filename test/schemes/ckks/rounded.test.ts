/** Replies without their low bits: measured error against bound and variance, hostile bytes. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DecodeError, ShapeError } from '../../../src/base/errors.ts';
import type { Arena } from '../../../src/ring/arena.ts';
import { CiphertextBatch } from '../../../src/schemes/ckks/ciphertext.ts';
import { ciphertextBytes, roundedBytes } from '../../../src/schemes/ckks/ciphertext-wire.ts';
import type { CkksContext } from '../../../src/schemes/ckks/context.ts';
import {
  type DroppedBits,
  droppableBits,
  droppedBound,
  droppedNoise,
} from '../../../src/schemes/rlwe/wire/dropped-bits.ts';
import type { SecretKey } from '../../../src/schemes/rlwe/keys/secret-key.ts';
import { HEADER_BYTES } from '../../../src/schemes/rlwe/wire/wire.ts';
import { INSECURE_TINY, openTestContext, testValues } from './insecure-params.ts';

const COUNT = 200;
let context: CkksContext;
let arena: Arena;

beforeAll(async () => {
  context = await openTestContext(INSECURE_TINY, 'rounded');
  arena = context.arena();
});

afterAll(() => {
  arena[Symbol.dispose]();
  const { kernel } = context;
  context[Symbol.dispose]();
  expect(kernel.liveWords).toBe(0);
});

/** Batches at level 0 under a key of their own. */
function sample(salt: number): { batch: CiphertextBatch; secret: SecretKey } {
  using generator = context.keyGenerator();
  const secret = generator.secretKey();
  using encryptor = context.encryptor(secret, arena);
  const encoder = context.encoder(arena);
  const plaintexts = Array.from({ length: COUNT / 10 }, (_, i) =>
    encoder.encode(testValues(context.params.slots, salt + i), { level: 0, scale: 2 ** 34 }),
  );
  return { batch: encryptor.encryptBatch(plaintexts), secret };
}

/** Difference of the decrypted coefficients, in units of one. */
function movedBy(batch: CiphertextBatch, rounded: CiphertextBatch, secret: SecretKey): Float64Array {
  const encoder = context.encoder(arena);
  const decryptor = context.decryptor(secret, arena);
  const coefficients = (from: CiphertextBatch) =>
    decryptor.decryptBatch(from).flatMap((plaintext) => [...encoder.decodeCoefficients(plaintext)]);
  const before = coefficients(batch);
  return Float64Array.from(coefficients(rounded), (value, i) => (value - before[i]!) * batch.scale);
}

test.each<DroppedBits>([
  { first: 0, second: 0 },
  { first: 1, second: 0 },
  { first: 20, second: 0 },
  { first: 0, second: 14 },
  { first: 17, second: 14 },
])('%j: the error is below its bound and has its variance, under many keys', (dropped) => {
  const { n } = context.params;
  let [sum, count, largest] = [0, 0, 0];
  for (let key = 0; key < 10; key++) {
    const { batch, secret } = sample(100 * key + 1);
    const bytes = batch.toRoundedBytes(dropped);
    expect(bytes.length).toBe(roundedBytes(context.params, batch.count, dropped));
    const moved = movedBy(batch, CiphertextBatch.fromRoundedBytes(context, bytes, arena, COUNT), secret);
    for (const value of moved) {
      sum += value * value;
      largest = Math.max(largest, Math.abs(value));
      count++;
    }
    secret[Symbol.dispose]();
  }
  expect(count).toBeGreaterThan(10_000);
  // Decoded coefficients are doubles of 42 bits: exact.
  expect(largest).toBeLessThanOrEqual(droppedBound(n, dropped));
  if (droppedNoise(n, dropped) === 0) {
    expect(sum).toBe(0);
    return;
  }
  // One bit: the errors are 0 and 1; the formula is for wide steps.
  if (dropped.first + dropped.second < 2) return;
  expect(sum / count / droppedNoise(n, dropped)).toBeGreaterThan(0.9);
  expect(sum / count / droppedNoise(n, dropped)).toBeLessThan(1.05);
});

test('the bits that a variance allows have no more, and one bit more has', () => {
  for (const n of [64, 8192, 16384]) {
    for (const variance of [0.01, 1, 2 ** 20, 2 ** 31.5]) {
      const dropped = droppableBits(n, variance);
      expect(droppedNoise(n, dropped)).toBeLessThanOrEqual(variance);
      const more = { first: dropped.first + 1, second: dropped.second + 1 };
      expect(droppedNoise(n, more)).toBeGreaterThan(variance / 2);
    }
  }
});

test('bytes are fewer by the bits dropped; damaged ones are refused', () => {
  const { batch, secret } = sample(7);
  secret[Symbol.dispose]();
  const dropped = { first: 16, second: 10 };
  const bytes = batch.toRoundedBytes(dropped);
  const { params } = context;
  const whole = ciphertextBytes(params, { count: batch.count, parts: 2, level: 0, isSeeded: false });
  expect(whole - bytes.length).toBe((batch.count * params.n * 26) / 8);
  const read = (forged: Uint8Array, most = COUNT) => {
    using scratch = context.arena();
    CiphertextBatch.fromRoundedBytes(context, forged, scratch, most);
  };
  const forge = (at: number, value: number): Uint8Array => {
    const forged = bytes.slice();
    forged[at] = value;
    return forged;
  };
  read(bytes);
  for (const length of [0, 40, HEADER_BYTES, HEADER_BYTES + 8, bytes.length - 1]) {
    expect(() => read(bytes.subarray(0, length))).toThrow(DecodeError);
  }
  for (const [at, value] of [
    [HEADER_BYTES, 15],
    [HEADER_BYTES, 42],
    [HEADER_BYTES + 1, 200],
    [HEADER_BYTES + 2, 1],
    [HEADER_BYTES + 4, 0],
    [HEADER_BYTES + 7, 255],
  ] as const) {
    expect(() => read(forge(at, value))).toThrow(DecodeError);
  }
  expect(() => read(bytes, batch.count - 1)).toThrow(DecodeError);
  const plain = bytes.slice();
  const start = HEADER_BYTES + 16 + (params.n * 26) / 8;
  plain.fill(0, start, start + (params.n * 32) / 8);
  expect(() => read(plain)).toThrow('not encrypted');
});

test('only two parts at level 0 are rounded', () => {
  const { batch, secret } = sample(9);
  secret[Symbol.dispose]();
  expect(() => batch.toRoundedBytes({ first: 42, second: 0 })).toThrow(ShapeError);
  using generator = context.keyGenerator();
  using key = generator.secretKey();
  using encryptor = context.encryptor(key, arena);
  const high = encryptor.encrypt(context.encoder(arena).encode([1]));
  expect(() => high.toRoundedBytes({ first: 1, second: 0 })).toThrow(ShapeError);
});
