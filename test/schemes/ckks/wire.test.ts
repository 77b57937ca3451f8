import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DecodeError, ParamsMismatchError, SubrosaError } from '../../../src/base/errors.ts';
import type { Arena } from '../../../src/ring/arena.ts';
import { CiphertextBatch, CkksCiphertext } from '../../../src/schemes/ckks/ciphertext.ts';
import type { CkksContext } from '../../../src/schemes/ckks/context.ts';
import { EvaluationKeys } from '../../../src/schemes/rlwe/keys/evaluation-keys.ts';
import { HEADER_BYTES, peekParamsId } from '../../../src/schemes/rlwe/wire/wire.ts';
import { INSECURE_TINY, maxDifference, openTestContext, testValues } from './insecure-params.ts';
import {
  MAX_COUNT,
  mutationStream,
  PLAN,
  serialiseEverything,
  type WireSubject,
} from './serialised-objects.ts';

/** SHA-256 over every object in order. A change of this value is a change of the format: raise the version. */
const GOLDEN = '1d83a3c75c343ffff9b6868778d141a655fc4ab4f85e7f74c41243689ee4f2f2';

const MUTATIONS_PER_OBJECT = 240;

let context: CkksContext;
let arena: Arena;
let subjects: WireSubject[];

beforeAll(async () => {
  context = await openTestContext(INSECURE_TINY, 'wire');
  arena = context.arena();
  subjects = serialiseEverything(context, arena);
});

afterAll(() => {
  arena[Symbol.dispose]();
  expect(context.kernel.liveWords).toBe(0);
  context[Symbol.dispose]();
});

const subject = (name: string): WireSubject => subjects.find((candidate) => candidate.name === name)!;

describe('the format', () => {
  test('is the frozen one', () => {
    const hash = createHash('sha256');
    for (const { bytes } of subjects) hash.update(bytes);
    expect(hash.digest('hex')).toBe(GOLDEN);
  });

  test('every object comes back as the same bytes', () => {
    for (const { bytes, roundTrip } of subjects)
      expect(Buffer.compare(roundTrip(bytes, arena), bytes)).toBe(0);
  });

  test('has exactly the size that the parameters imply', () => {
    const bits = context.params.q.reduce((sum, { bits: b }) => sum + b, 0);
    const poly = (context.params.n * bits) / 8;
    expect(subject('seeded ciphertext').bytes.length).toBe(HEADER_BYTES + 16 + 32 + poly);
    expect(subject('three-part ciphertext').bytes.length).toBe(HEADER_BYTES + 16 + 3 * poly);
    expect(subject('seeded batch').bytes.length).toBe(HEADER_BYTES + 16 + 32 + 3 * poly);
    expect(subject('secret key').bytes.length).toBe(HEADER_BYTES + 32);
    expect(subject('evaluation keys').bytes.length).toBe(EvaluationKeys.byteLength(context.params, PLAN));
    expect(peekParamsId(subject('public key').bytes)).toBe(context.params.id);
  });

  test('what was read works as what was written', async () => {
    using generator = context.keyGenerator();
    using secret = generator.secretKey();
    using made = generator.evaluationKeys(secret, PLAN);
    using keys = EvaluationKeys.fromBytes(context, made.toBytes(context), PLAN);
    const encoder = context.encoder(arena);
    const x = testValues(context.params.slots, 2);
    const sent = context.encryptor(secret, arena).encrypt(encoder.encode(x)).toBytes();
    const received = CkksCiphertext.fromBytes(context, sent, arena);
    const evaluator = context.evaluator(keys, arena);
    const result = evaluator.rotate(evaluator.rescale(evaluator.mul(received, received)), 1);
    const reply = CkksCiphertext.fromBytes(context, result.toBytes(), arena);
    const got = encoder.decode(context.decryptor(secret, arena).decrypt(reply));
    const wanted = x.map((_, i) => x[(i + 1) % x.length]! ** 2);
    expect(maxDifference(got, wanted)).toBeLessThan(2 ** -18);
  });
});

describe('hostile bytes', () => {
  test('every truncation and every extension is refused', () => {
    for (const { bytes, roundTrip } of subjects) {
      for (let length = 0; length < bytes.length; length += 1 + (length >> 3)) {
        expect(() => roundTrip(bytes.subarray(0, length), arena)).toThrow(DecodeError);
      }
      const longer = new Uint8Array(bytes.length + 1);
      longer.set(bytes);
      expect(() => roundTrip(longer, arena)).toThrow(DecodeError);
    }
  });

  test('a forged total length does not help', () => {
    for (const { bytes, roundTrip } of subjects) {
      for (const length of [0, HEADER_BYTES, bytes.length * 2, 2 ** 40]) {
        const forged = bytes.slice();
        new DataView(forged.buffer).setBigUint64(8, BigInt(length), true);
        expect(() => roundTrip(forged, arena)).toThrow(DecodeError);
      }
    }
  });

  test('random mutations are refused with the two errors, or are another object', () => {
    const next = mutationStream('mutations');
    const outcomes = { refused: 0, accepted: 0 };
    for (const { bytes, roundTrip } of subjects) {
      for (let i = 0; i < MUTATIONS_PER_OBJECT; i++) {
        const mutant = bytes.slice();
        const reach = i % 2 === 0 ? Math.min(bytes.length, HEADER_BYTES + 24) : bytes.length;
        for (let edits = 1 + (next() % 3); edits > 0; edits--) mutant[next() % reach] = next() & 255;
        outcomes[outcomeOf(roundTrip, mutant)]++;
      }
    }
    expect(outcomes.refused).toBeGreaterThan(900);
    expect(outcomes.accepted).toBeGreaterThan(50);
  });

  test('fields outside the parameters are named', () => {
    const forge = (name: string, at: number, value: number): (() => unknown) => {
      const bytes = subject(name).bytes.slice();
      bytes[HEADER_BYTES + at] = value;
      return () => subject(name).roundTrip(bytes, arena);
    };
    expect(forge('ciphertext', 0, 9)).toThrow('a level above the parameters');
    expect(forge('ciphertext', 1, 4)).toThrow('two or three parts');
    expect(forge('ciphertext', 2, 2)).toThrow('unknown flags');
    expect(forge('three-part ciphertext', 2, 1)).toThrow('only two-part ciphertexts');
    expect(forge('seeded batch', 4, MAX_COUNT + 1)).toThrow('more ciphertexts than expected');
    expect(forge('seeded batch', 4, 0)).toThrow('more ciphertexts than expected');
    expect(forge('ciphertext', 15, 0xff)).toThrow('scale is outside');
    expect(forge('ciphertext', 15, 0x7f)).toThrow('scale is outside');
  });

  test('a residue at its prime is refused, and the words are freed', () => {
    const { bytes, roundTrip } = subject('ciphertext at level 0');
    const { q } = context.params.q[0]!;
    const forged = bytes.slice();
    const view = new DataView(forged.buffer);
    const at = HEADER_BYTES + 16;
    view.setBigUint64(at, (view.getBigUint64(at, true) & ~0x3ffffffffffn) | BigInt(q), true);
    const before = context.kernel.liveWords;
    expect(() => roundTrip(forged, arena)).toThrow('a residue is out of range');
    view.setBigUint64(at, view.getBigUint64(at, true) - 1n, true);
    expect(context.kernel.liveWords).toBe(before);
    expect(Buffer.compare(roundTrip(forged, arena), forged)).toBe(0);
  });

  test('foreign parameters, other kinds and keys outside the plan are refused', async () => {
    using foreign = await openTestContext({ ...INSECURE_TINY, logScale: 33 }, 'foreign');
    const { bytes } = subject('seeded ciphertext');
    expect(() => CkksCiphertext.fromBytes(foreign, bytes, arena)).toThrow(ParamsMismatchError);
    expect(() => CiphertextBatch.fromBytes(context, bytes, arena, MAX_COUNT)).toThrow('another kind');
    const keys = subject('evaluation keys').bytes;
    expect(() => EvaluationKeys.fromBytes(context, keys, { ...PLAN, conjugate: false })).toThrow('the plan');
    expect(() =>
      EvaluationKeys.fromBytes(context, keys, { ...PLAN, rotations: [2, { step: 3, maxLevel: 1 }] }),
    ).toThrow('the plan');
  });
});

/** Parses and compares; anything but the two errors fails the test. */
function outcomeOf(roundTrip: WireSubject['roundTrip'], bytes: Uint8Array): 'refused' | 'accepted' {
  using scratch = context.arena();
  try {
    expect(Buffer.compare(roundTrip(bytes, scratch), bytes)).toBe(0);
    return 'accepted';
  } catch (error) {
    if (!(error instanceof DecodeError || error instanceof ParamsMismatchError)) throw error;
    expect(error).toBeInstanceOf(SubrosaError);
    return 'refused';
  }
}
