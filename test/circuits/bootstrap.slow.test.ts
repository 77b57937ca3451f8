/** Many bootstraps at small rings: every number of slots, vectors of every kind, and the tails of the error. */
import { expect, test } from 'vitest';
import { Bootstrapper } from '../../src/circuits/bootstrap/bootstrapper.ts';
import { BootstrapPlan } from '../../src/circuits/bootstrap/plan.ts';
import { tableFunction } from '../../src/circuits/circle/circle-function.ts';
import { CkksContext } from '../../src/schemes/ckks/context.ts';
import { CkksParams } from '../../src/schemes/ckks/params.ts';
import { testValues } from '../schemes/ckks/insecure-params.ts';

const params = CkksParams.bootstrapping({ logN: 10, security: 'insecure-for-tests' });

test.each([2, 4, 8, 16, 64, 128, 512])(
  '%i slots: random, constant, sparse and one-hot vectors, and all entries of tables at all shifts',
  async (slots) => {
    using context = await CkksContext.open(params);
    using arena = context.arena();
    using generator = context.keyGenerator();
    using secret = generator.secretKey();
    const plan = new BootstrapPlan(params, { slots });
    using evaluation = generator.evaluationKeys(secret, plan.keyPlan());
    using encapsulation = generator.encapsulationKeys(secret);
    using bootstrapper = new Bootstrapper(context, { evaluation, encapsulation }, plan);
    using encryptor = context.encryptor(secret, arena);
    const encoder = context.encoder(arena);
    const decryptor = context.decryptor(secret, arena);
    const encrypt = (values: ArrayLike<number>) =>
      encryptor.encrypt(encoder.encode(values, { slots, level: plan.inputLevel }));
    const vectors = [
      testValues(slots, 1),
      new Float64Array(slots).fill(1),
      new Float64Array(slots).fill(-1),
      new Float64Array(slots),
      Float64Array.from({ length: slots }, (_, j) => (j === slots - 1 ? 1 : 0)),
      Float64Array.from({ length: slots }, (_, j) => (j % 2 === 0 ? 1 : -1)),
    ];
    for (const values of vectors) {
      using result = bootstrapper.refresh(encrypt(values), arena);
      const { re, im } = encoder.decodeComplex(decryptor.decrypt(result), { slots });
      re.forEach((value, j) => expect(Math.hypot(value - values[j]!, im[j]!)).toBeLessThan(2 ** -22));
    }
    for (const p of [2, 8, 32]) {
      for (let shift = 0; shift < p; shift += Math.max(1, p / 4)) {
        const table = Float64Array.from({ length: p }, (_, j) =>
          Math.floor(16 * testValues(p, p)[(j + shift) % p]!),
        );
        const inputs = Float64Array.from({ length: slots }, (_, j) => j % p);
        using result = bootstrapper.apply(encrypt(inputs), tableFunction('shifted', table), arena);
        const got = encoder.decode(decryptor.decrypt(result), { slots });
        expect(Array.from(got, (value) => Math.round(value) + 0)).toEqual(
          Array.from(inputs, (at) => table[at]! + 0),
        );
      }
    }
  },
);

test('a hundred bootstraps of one ciphertext, each of the result of the one before', async () => {
  using context = await CkksContext.open(params);
  using arena = context.arena();
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  const slots = 32;
  const plan = new BootstrapPlan(params, { slots });
  using evaluation = generator.evaluationKeys(secret, plan.keyPlan());
  using encapsulation = generator.encapsulationKeys(secret);
  using bootstrapper = new Bootstrapper(context, { evaluation, encapsulation }, plan);
  const values = testValues(slots, 7);
  using encryptor = context.encryptor(secret, arena);
  const encoder = context.encoder(arena);
  let current = encryptor.encrypt(encoder.encode(values, { slots, level: plan.inputLevel }));
  for (let run = 0; run < 100; run++) {
    const next = bootstrapper.refresh(current, arena);
    current[Symbol.dispose]();
    current = next;
  }
  const got = encoder.decode(context.decryptor(secret, arena).decrypt(current), { slots });
  // Errors add up like a random walk: a hundred of at most 2^-24 each.
  got.forEach((value, j) => expect(Math.abs(value - values[j]!)).toBeLessThan(2 ** -18));
});
