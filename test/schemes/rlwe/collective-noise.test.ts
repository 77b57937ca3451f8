/** Noise of what several parties make together, measured against the formulas. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CkksContext } from '../../../src/schemes/ckks/context.ts';
import { CollectiveRefresh } from '../../../src/schemes/ckks/collective/refresh.ts';
import {
  collectivePublicKeyNoise,
  collectiveRoundingNoise,
  refreshNoise,
  relinearizationErrorVariance,
} from '../../../src/schemes/rlwe/collective/noise.ts';
import type { SwitchingKey } from '../../../src/schemes/rlwe/keys/switching-key.ts';
import { ERROR_VARIANCE } from '../../../src/schemes/rlwe/noise.ts';
import { rotationElement } from '../../../src/schemes/rlwe/keys/key-plan.ts';
import { makeParties, openJointContext, phaseOf, type Parties, SESSION } from '../ckks/collective/parties.ts';

const LOG_N = 9;
/** Of a variance that is measured on so many coefficients: five standard deviations. */
const ROOM = 0.25;

let context: CkksContext;
beforeAll(async () => {
  context = await openJointContext('collective noise', { logN: LOG_N });
});
afterAll(() => context[Symbol.dispose]());

function variance(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value ** 2, 0) / values.length;
}

/** The errors b_d + a_d s - P g_d from of the first digit, centred. */
function keyErrors(
  key: SwitchingKey,
  { secret }: Parties,
  from: (out: ReturnType<typeof limbs>) => void,
): Float64Array {
  const { kernel, ring, params } = context;
  const mods = params.keyLimbs(key.maxLevel);
  const poly = mods.length * params.n;
  const words = key.words(key.maxLevel);
  const error = limbs();
  kernel.mul(ring.tables, error, words.sub(poly, poly), secret, mods);
  kernel.add(ring.tables, error, error, words.sub(0, poly), mods);
  const gadget = limbs();
  from(gadget);
  const factors = mods.map((limb) => {
    const modulus = BigInt(params.moduli[limb]!.q);
    if (limb >= params.alpha) return 0;
    return Number(params.p.reduce((product, { q }) => (product * BigInt(q)) % modulus, 1n));
  });
  kernel.mulScalar(ring.tables, gadget, gadget, factors, mods);
  kernel.sub(ring.tables, error, error, gadget, mods);
  kernel.nttInverse(ring.tables, error, mods);
  const values = new Float64Array(params.n);
  kernel.toDoubles(ring.tables, values, error, mods);
  for (const of of [error, gadget]) of[Symbol.dispose]();
  return values;
}

function limbs() {
  return context.kernel.allocate(context.ring.moduli.length * context.params.n);
}

describe.each([2, 5])('%i parties', (count) => {
  test('errors of keys', () => {
    const element = rotationElement(context.params.n, 1);
    const { kernel, ring, params } = context;
    const all = ring.moduli.map((_, i) => i);
    using parties = makeParties(context, count, { relinearize: true, rotations: [1] });
    const galois = keyErrors(parties.evaluation.galoisKey(element, params.maxLevel), parties, (out) =>
      kernel.automorphism(ring.tables, out, parties.secret, element, all),
    );
    expect(variance(galois) / (ERROR_VARIANCE * count)).toBeGreaterThan(1 - ROOM);
    expect(variance(galois) / (ERROR_VARIANCE * count)).toBeLessThan(1 + ROOM);
    const square = keyErrors(parties.evaluation.relinearizationKey(params.maxLevel), parties, (out) =>
      kernel.mul(ring.tables, out, parties.secret, parties.secret, all),
    );
    const ratio = variance(square) / relinearizationErrorVariance(params.n, count);
    // The norms of s, e and u are common to all coefficients.
    expect(ratio).toBeGreaterThan(1 - 2 * ROOM);
    expect(ratio).toBeLessThan(1 + 2 * ROOM);
  });

  test('encryption, rounding and refresh', () => {
    const { params } = context;
    using arena = context.arena();
    using parties = makeParties(context, count, {});
    using encryptor = context.encryptor(parties.publicKey, arena);
    const samples = { fresh: [] as number[], rounded: [] as number[], refreshed: [] as number[] };
    const evaluator = context.evaluator(parties.evaluation, arena);
    const refresh = new CollectiveRefresh(context, {
      parties: count,
      messageBits: 40,
      coefficients: params.n,
    });
    for (let round = 0; round < 4; round++) {
      const zero = encryptor.encryptZero(1, { level: 3, scale: 2 ** 75 }).at(0);
      const before = phaseOf(context, zero, parties.secret);
      samples.fresh.push(...before);
      const down = evaluator.rescale(zero);
      samples.rounded.push(...phaseOf(context, down, parties.secret));
      const shares = parties.shares.map((share) => refresh.share(share, round, down));
      const fresh = refresh.combine(SESSION, round, down, shares, arena);
      const low = phaseOf(context, down, parties.secret);
      samples.refreshed.push(...phaseOf(context, fresh, parties.secret).map((value, j) => value - low[j]!));
    }
    const ratios = [
      variance(samples.fresh) / collectivePublicKeyNoise(params.n, count),
      variance(samples.rounded) / collectiveRoundingNoise(params.n, count),
      variance(samples.refreshed) / refreshNoise(count),
    ];
    for (const ratio of ratios) {
      expect(ratio).toBeGreaterThan(1 - ROOM);
      expect(ratio).toBeLessThan(1 + ROOM);
    }
  });
});
