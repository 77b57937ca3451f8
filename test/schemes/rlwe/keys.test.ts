import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import type { RandomSource } from '../../../src/base/random.ts';
import { auditStreamKeys, seededRandom } from '../../../src/base/testing.ts';
import { DisposedError, OutOfRangeError } from '../../../src/base/errors.ts';
import { EvaluationKeys } from '../../../src/schemes/rlwe/keys/evaluation-keys.ts';
import { resolveKeyPlan, rotationElement } from '../../../src/schemes/rlwe/keys/key-plan.ts';
import { SecretKey, secretWords } from '../../../src/schemes/rlwe/keys/secret-key.ts';
import { CkksContext } from '../../../src/schemes/ckks/context.ts';
import { CkksParams } from '../../../src/schemes/ckks/params.ts';
import { logQPCeiling } from '../../../src/schemes/rlwe/security.ts';
import { INSECURE_TINY, openTestContext } from '../ckks/insecure-params.ts';

test('a secret key is ternary, prints as nothing, and is gone after dispose', async () => {
  using context = await openTestContext(INSECURE_TINY, 'secret key');
  using generator = context.keyGenerator();
  const secret = generator.secretKey();
  const mods = context.ring.moduli.map((_, i) => i);
  const words = context.kernel.allocate(secretWords(secret).length);
  words.u64().set(secretWords(secret).u64());
  context.kernel.nttInverse(context.ring.tables, words, mods);
  const values = new Float64Array(context.params.n);
  context.kernel.toDoubles(context.ring.tables, values, words, mods);
  expect(new Set(values.map(Math.abs))).toEqual(new Set([0, 1]));
  words[Symbol.dispose]();
  expect([inspect(secret), JSON.stringify({ secret }), `${secret}`]).toEqual([
    '[secret]',
    '{"secret":"[secret]"}',
    '[secret]',
  ]);
  const view = secretWords(secret).u64();
  const held = context.kernel.name === 'reference' ? view : null;
  secret[Symbol.dispose]();
  if (held !== null) expect(held.every((word) => word === 0n)).toBe(true);
  expect(() => secretWords(secret)).toThrow(DisposedError);
  expect(() => secret.exportSecretBytes()).toThrow(DisposedError);
});

test('an exported secret key comes back as the same key', async () => {
  using context = await openTestContext(INSECURE_TINY, 'export');
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using again = SecretKey.fromSecretBytes(context, secret.exportSecretBytes());
  expect(secretWords(again).u64()).toEqual(secretWords(secret).u64());
});

test('no stream is used twice in a session of key generation and encryption', async () => {
  using _audit = auditStreamKeys();
  using context = await openTestContext(INSECURE_TINY, 'streams');
  using arena = context.arena();
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using publicKey = generator.publicKey(secret);
  using _keys = generator.evaluationKeys(secret, { relinearize: true, rotations: [1, 2] });
  const plaintext = context.encoder(arena).encode([1]);
  for (const key of [secret, publicKey, secret]) {
    using encryptor = context.encryptor(key, arena);
    encryptor.encrypt(plaintext);
    encryptor.encryptBatch([plaintext, plaintext]);
  }
});

test('keys joined of several are all there once, and leave nothing behind', async () => {
  using context = await openTestContext(INSECURE_TINY, 'joined');
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  const before = context.kernel.liveWords;
  const plans = [
    { relinearize: { maxLevel: 0 }, rotations: [1] },
    { relinearize: true, rotations: [{ step: 1, maxLevel: 0 }, 2] },
    { relinearize: true, rotations: [1] },
  ];
  const parts = plans.map((plan) => generator.evaluationKeys(secret, plan));
  const bytes = parts[0]!.toBytes(context);
  const joined = EvaluationKeys.joined(context, parts);
  for (const part of parts) expect(part.all).toEqual([]);
  expect(joined.all.length).toBe(3);
  const first = EvaluationKeys.fromBytes(context, bytes, plans[0]!);
  const one = rotationElement(context.params.n, 1);
  const { maxLevel } = context.params;
  const [kept, own] = [joined, first].map((keys) => keys.galoisKey(one, maxLevel).words(maxLevel).u64());
  expect(kept).toEqual(own);
  expect(joined.relinearizationKey(maxLevel).maxLevel).toBe(maxLevel);
  first[Symbol.dispose]();
  joined[Symbol.dispose]();
  expect(context.kernel.liveWords).toBe(before);
});

test('every key of a shipped set stays below the ceiling', async () => {
  using context = await openTestContext(INSECURE_TINY, 'log QP');
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using keys = generator.evaluationKeys(secret, { relinearize: true, rotations: [{ step: 1, maxLevel: 0 }] });
  for (const key of keys.all) expect(key.logQP).toBeLessThanOrEqual(context.params.logQP);
  const shipped = CkksParams.create({ logN: 13, logQ: [42, 42, 42, 42], logP: [44], logScale: 36 });
  expect(shipped.logQP).toBeLessThanOrEqual(logQPCeiling(13));
});

test('a plan resolves to sorted elements, the larger level for duplicates', () => {
  const params = CkksParams.create(INSECURE_TINY);
  const one = rotationElement(params.n, 1);
  const plan = resolveKeyPlan(params, {
    rotations: [{ step: 1, maxLevel: 0 }, 0, params.slots],
    galois: [{ element: one, maxLevel: 1 }, 2 * params.n - 3],
    conjugate: true,
    relinearize: { maxLevel: 1 },
  });
  expect(plan).toEqual({
    relinearizeLevel: 1,
    galois: [
      { element: 5, maxLevel: 1 },
      { element: 2 * params.n - 3, maxLevel: params.maxLevel },
      { element: 2 * params.n - 1, maxLevel: params.maxLevel },
    ],
  });
  expect(() => resolveKeyPlan(params, { galois: [4] })).toThrow(OutOfRangeError);
  expect(() => resolveKeyPlan(params, { galois: [2 * params.n + 1] })).toThrow(OutOfRangeError);
  expect(() => resolveKeyPlan(params, { rotations: [0.5] })).toThrow(OutOfRangeError);
  expect(() => resolveKeyPlan(params, { relinearize: { maxLevel: 9 } })).toThrow(OutOfRangeError);
});

test('two copies of a running machine encrypt under different masks, and make different keys', async () => {
  using first = await openTestContext(INSECURE_TINY, 'kernel');
  /** What both copies drew before the copy is equal; afterwards each draws its own. */
  const copies = ['one', 'two'].map((name) => {
    const [before, after] = [seededRandom('before the copy'), seededRandom(name)];
    const source = { random: before as RandomSource };
    const random = { seed: () => source.random.seed() };
    return { random, copy: () => (source.random = after) };
  });
  const bytes: string[][] = [];
  for (const { random, copy } of copies) {
    const options = { kernel: first.kernel, random };
    using context = await CkksContext.open(CkksParams.create(INSECURE_TINY), options);
    using arena = context.arena();
    using generator = context.keyGenerator();
    using secret = generator.secretKey();
    using publicKey = generator.publicKey(secret);
    using underSecret = context.encryptor(secret, arena);
    using underPublic = context.encryptor(publicKey, arena);
    const plaintext = context.encoder(arena).encode([1]);
    const control = underSecret.encrypt(plaintext).toBytes();
    copy();
    using another = generator.secretKey();
    using anotherPublic = generator.publicKey(secret);
    const results = [
      control,
      underSecret.encrypt(plaintext).toBytes(),
      underPublic.encrypt(plaintext).toBytes(),
      anotherPublic.toBytes(),
      another.exportSecretBytes(),
    ];
    bytes.push(results.map((each) => each.join()));
  }
  expect(bytes[0]!.map((each, i) => each === bytes[1]![i])).toEqual([true, false, false, false, false]);
});
