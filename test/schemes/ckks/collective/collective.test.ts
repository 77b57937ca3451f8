import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { CollectiveRefresh } from '../../../../src/schemes/ckks/collective/refresh.ts';
import { CollectiveRelease } from '../../../../src/schemes/ckks/collective/release.ts';
import { maxDifference, testValues } from '../insecure-params.ts';
import { makeParties, openJointContext, phaseOf, SESSION } from './parties.ts';

test('three parties encrypt, add, multiply and rotate under a key that none of them has, and a receiver opens it', async () => {
  using context = await openJointContext('three parties');
  using arena = context.arena();
  using parties = makeParties(context, 3, { relinearize: true, rotations: [1] });
  const { slots } = context.params;
  const encoder = context.encoder(arena);
  const [x, y] = [testValues(slots, 1), testValues(slots, 2)];
  using encryptor = context.encryptor(parties.publicKey, arena);
  const [a, b] = [x, y].map((values) => encryptor.encrypt(encoder.encode(values)));
  const evaluator = context.evaluator(parties.evaluation, arena);
  const product = evaluator.multiplyRelinearizeRescale(a!, b!);
  const result = evaluator.dropTo(evaluator.add(product, evaluator.rotate(product, 1)), 2);
  const expected = Float64Array.from(x, (_, j) => {
    const next = (j + 1) % slots;
    return x[j]! * y[j]! + x[next]! * y[next]!;
  });
  using generator = context.keyGenerator();
  using receiver = generator.secretKey();
  using receiverKey = generator.publicKey(receiver);
  const release = new CollectiveRelease(context, {
    parties: 3,
    noiseBits: 16,
    coefficients: context.params.n,
    level: 2,
    scale: result.scale,
    maxAbs: 2,
    precisionBits: 4,
  });
  const shares = parties.shares.map((share, i) => release.share(share, 1, result, receiverKey, i === 0));
  const sealed = release.combine(shares, arena);
  const opened = encoder.decode(context.decryptor(receiver, arena).decrypt(sealed));
  expect(maxDifference(opened, expected)).toBeLessThan(2 ** -release.precisionBits);
  // The noise that hides the shares is there.
  expect(maxDifference(opened, expected)).toBeGreaterThan(2 ** (release.floodBits - 2) / result.scale);
});

test('a refresh gives the levels back and keeps the message', async () => {
  using context = await openJointContext('refresh');
  using arena = context.arena();
  for (const count of [2, 3, 16]) {
    using parties = makeParties(context, count, {});
    for (const share of parties.shares)
      expect([`${share}`, inspect(share), JSON.stringify(share)]).toEqual([
        '[secret]',
        '[secret]',
        '"[secret]"',
      ]);
    const encoder = context.encoder(arena);
    const values = testValues(8, 3);
    using encryptor = context.encryptor(parties.publicKey, arena);
    const refresh = new CollectiveRefresh(context, { parties: count, messageBits: 52, coefficients: 16 });
    expect(refresh.level).toBe(2);
    const low = encryptor.encrypt(encoder.encode(values, { level: refresh.level, slots: 8 }));
    const shares = parties.shares.map((share) => refresh.share(share, 7, low));
    expect(shares.every(({ length }) => length === refresh.shareBytes)).toBe(true);
    const fresh = refresh.combine(SESSION, 7, low, shares, arena);
    expect([fresh.level, fresh.scale]).toEqual([context.params.maxLevel, low.scale]);
    const message = phaseOf(context, fresh, parties.secret);
    const before = phaseOf(context, low, parties.secret);
    const gap = context.params.n / 16;
    message.forEach((value, j) => {
      if (j % gap !== 0) expect(Math.abs(value)).toBeLessThan(2 ** 10);
      else expect(Math.abs(value - before[j]!)).toBeLessThan(2 ** 10);
    });
  }
});
