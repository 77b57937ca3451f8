/** Replies that carry the mean of their slots alone: what the receiver gets, and what it does not. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DecodeError, ShapeError } from '../../../src/base/errors.ts';
import { tracedBytes } from '../../../src/schemes/ckks/ciphertext-wire.ts';
import { CiphertextBatch, type CkksCiphertext } from '../../../src/schemes/ckks/ciphertext.ts';
import type { CkksContext } from '../../../src/schemes/ckks/context.ts';
import { droppedNoise } from '../../../src/schemes/rlwe/wire/dropped-bits.ts';
import type { PublicKey } from '../../../src/schemes/rlwe/keys/public-key.ts';
import type { SecretKey } from '../../../src/schemes/rlwe/keys/secret-key.ts';
import { maskReply } from '../../../src/schemes/rlwe/reply-mask.ts';
import { INSECURE_TINY, openTestContext, testValues } from './insecure-params.ts';

const SCALE = 2 ** 34;
const FLOOD_BITS = 9;

let context: CkksContext;
let secret: SecretKey;
let publicKey: PublicKey;
beforeAll(async () => {
  context = await openTestContext({ ...INSECURE_TINY, logN: 9 }, 'traced replies');
  using generator = context.keyGenerator();
  secret = generator.secretKey();
  publicKey = generator.publicKey(secret);
});
afterAll(() => {
  for (const key of [secret, publicKey]) key[Symbol.dispose]();
  expect(context.kernel.liveWords).toBe(0);
  context[Symbol.dispose]();
});

type Arena = ReturnType<CkksContext['arena']>;

/** Values in all slots, encrypted and masked as a server masks them. */
function replyOf(values: Float64Array, arena: Arena, seed = 1): CkksCiphertext {
  using encryptor = context.encryptor(secret, arena);
  const plaintext = context.encoder(arena).encode(values, { scale: SCALE, level: 0 });
  const reply = encryptor.encrypt(plaintext);
  maskReply(reply, publicKey, new Uint8Array(32).fill(seed), FLOOD_BITS);
  return reply;
}

function meansOf(values: Float64Array, slots: number): Float64Array {
  const means = new Float64Array(slots);
  values.forEach((value, t) => {
    means[t % slots]! += (value * slots) / values.length;
  });
  return means;
}

describe('a traced reply', () => {
  it('decrypts to the means of its slots, whatever these are, in as many bytes as said', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 7 }),
        fc.integer({ min: 0, max: 18 }),
        fc.integer({ min: 1, max: 10_000 }),
        (logSlots, second, salt) => {
          using arena = context.arena();
          const [slots, dropped] = [2 ** logSlots, { first: 0, second }];
          const values = testValues(context.params.slots, salt);
          const bytes = replyOf(values, arena).toTracedBytes({ slots, dropped });
          expect(bytes.length).toBe(tracedBytes(context.params, slots, dropped));
          const read = CiphertextBatch.fromTracedBytes(context, bytes, arena, slots);
          const [plaintext] = context.decryptor(secret, arena).decryptBatch(read);
          const decoded = context.encoder(arena).decode(plaintext!, { slots });
          const { n } = context.params;
          const variance = 4 ** FLOOD_BITS / 3 + droppedNoise(n, dropped) + 2 * n * 10.5;
          const allowed = (8 * Math.sqrt(slots * variance)) / SCALE;
          meansOf(values, slots).forEach((mean, i) =>
            expect(Math.abs(decoded[i]! - mean)).toBeLessThan(allowed),
          );
        },
      ),
      { numRuns: 40 },
    );
  });

  it('shows nothing of the single slots to the owner of the key, who would read them off a whole one', () => {
    using arena = context.arena();
    const { n } = context.params;
    const slots = 4;
    const places = n / (2 * slots);
    const q = context.params.q[0]!.q;
    /** Values of which all means are zero: nothing but what must stay hidden. */
    const values = testValues(n / 2, 5).map((value) => value / 4);
    const means = meansOf(values, slots);
    const hidden = values.map((value, t) => value - means[t % slots]!);
    const reply = replyOf(hidden, arena);
    const nothing = { first: 0, second: 0 };
    const encoder = context.encoder(arena);
    const opened = (bytes: CiphertextBatch): Float64Array =>
      encoder.decodeCoefficients(context.decryptor(secret, arena).decryptBatch(bytes)[0]!);
    const truth = encoder.decodeCoefficients(encoder.encode(hidden, { scale: SCALE, level: 0 }));
    const whole = opened(CiphertextBatch.fromRoundedBytes(context, reply.toRoundedBytes(nothing), arena, 1));
    const traced = opened(
      CiphertextBatch.fromTracedBytes(
        context,
        reply.toTracedBytes({ slots, dropped: nothing }),
        arena,
        slots,
      ),
    );
    // The owner's best guess of a coefficient that was not sent: c_1 s there, with nothing in place of c_0. In halves of the modulus.
    const errors = (guesses: Float64Array): Float64Array =>
      guesses
        .filter((_, i) => i % places !== 0)
        .map((guess, at) => {
          const i = at + 1 + Math.floor(at / (places - 1));
          const difference = (guess - truth[i]!) * SCALE;
          return Math.abs(difference - q * Math.round(difference / q)) / (q / 2);
        });
    const mean = (of: Float64Array): number => of.reduce((sum, value) => sum + value, 0) / of.length;
    expect(mean(errors(whole))).toBeLessThan(2 ** -20);
    // Uniform on [0, 1): mean 1/2 with deviation 1 / sqrt(12 m); six of them.
    const count = n - 2 * slots;
    expect(Math.abs(mean(errors(traced)) - 0.5)).toBeLessThan(6 / Math.sqrt(12 * count));
    const small = errors(traced).filter((error) => error < 1 / 8).length / count;
    expect(Math.abs(small - 1 / 8)).toBeLessThan(6 * Math.sqrt(((1 / 8) * (7 / 8)) / count));
  });

  it('is refused when it is cut, of other slots, not reduced, or not encrypted', () => {
    using arena = context.arena();
    const slots = 4;
    const shape = { slots, dropped: { first: 0, second: 10 } };
    const reply = replyOf(testValues(context.params.slots, 2), arena);
    const bytes = reply.toTracedBytes(shape);
    const read = (given: Uint8Array, of = slots) =>
      CiphertextBatch.fromTracedBytes(context, given, arena, of);
    expect(() => read(bytes)).not.toThrow();
    const changed = (work: (copy: Uint8Array) => void): Uint8Array => {
      const copy = bytes.slice();
      work(copy);
      return copy;
    };
    const carried = 48 + 4 + 8;
    for (const bad of [
      bytes.slice(0, -1),
      changed((copy) => copy.fill(255, carried, carried + 8)),
      changed((copy) => {
        copy[48] = 60;
      }),
      changed((copy) => {
        copy[49] = 3;
      }),
      changed((copy) => {
        copy[50] = 1;
      }),
      changed((copy) => copy.fill(0, carried + (2 * slots * context.params.q[0]!.bits) / 8)),
      reply.toRoundedBytes({ first: 0, second: 10 }),
    ])
      expect(() => read(bad)).toThrow(DecodeError);
    expect(() => read(bytes, 8)).toThrow(/slots/);
    for (const bad of [3, 0, context.params.slots]) {
      expect(() => reply.toTracedBytes({ ...shape, slots: bad })).toThrow(ShapeError);
      expect(() => read(bytes, bad)).toThrow(ShapeError);
    }
    expect(() => reply.toTracedBytes({ slots, dropped: { first: 1, second: 0 } })).toThrow(ShapeError);
  });
});
