/** Measured variance of v / t over formula, in [0.90, 1.05], over at least 10^4 coefficients and many keys; maxima below bounds. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { seededRandom } from '../../../src/base/testing.ts';
import type { BgvCiphertext } from '../../../src/schemes/bgv/ciphertext.ts';
import { BgvContext } from '../../../src/schemes/bgv/context.ts';
import { BgvParams } from '../../../src/schemes/bgv/params.ts';
import { innerProductInto } from '../../../src/schemes/rlwe/key-switching.ts';
import * as noise from '../../../src/schemes/rlwe/noise.ts';
import type { SecretKey } from '../../../src/schemes/rlwe/secret-key.ts';
import { testValues } from '../ckks/insecure-params.ts';

/** The key-switching noise must not drown in rounding, so P is smaller than the digits here. */
const INSECURE_NOISY = {
  logN: 7,
  logQ: [46, 36, 34],
  logP: [33],
  plaintextBits: 12,
  security: 'insecure-for-tests',
} as const;

const KEYS = 100;
/** Of m / t, uniform in (-1/2, 1/2). */
const MESSAGE_VARIANCE = 1 / 12;

const measured = new Map<string, { sum: number; formula: number; worst: number }>();
let context: BgvContext;

/** v / t, coefficient by coefficient. */
function scaledPhase(ct: BgvCiphertext, secret: SecretKey): Float64Array {
  const { kernel, ring, params } = context;
  using words = kernel.allocate(ct.polyWords);
  const values = new Float64Array(params.n);
  innerProductInto(words, ct, 0, secret);
  kernel.mulScalar(ring.tables, words, words, params.residues(params.t, ct.level), ct.mods);
  kernel.nttInverse(ring.tables, words, ct.mods);
  kernel.toDoubles(ring.tables, values, words, ct.mods);
  return values.map((value) => value / params.t);
}

function record(name: string, ct: BgvCiphertext, secret: SecretKey, formula: number): void {
  const values = scaledPhase(ct, secret);
  const meanSquare = values.reduce((sum, v) => sum + v * v, 0) / values.length;
  const entry = measured.get(name) ?? { sum: 0, formula, worst: 0 };
  entry.sum += meanSquare / KEYS;
  const largest = values.reduce((max, v) => Math.max(max, Math.abs(v)), 0);
  entry.worst = Math.max(entry.worst, largest / 2 ** ct.noiseBits);
  measured.set(name, entry);
}

function measure(secret: SecretKey, salt: number): void {
  const { params } = context;
  const { n, t, maxLevel } = params;
  using arena = context.arena();
  using generator = context.keyGenerator();
  using publicKey = generator.publicKey(secret);
  using keys = generator.evaluationKeys(secret, { rotations: [1], relinearize: true });
  const encoder = context.encoder(arena);
  const evaluator = context.evaluator(keys, arena);
  using secretly = context.encryptor(secret, arena);
  using publicly = context.encryptor(publicKey, arena);
  const message = (at: number) =>
    encoder.encodeCoefficients(testValues(n, at).map((value) => Math.trunc((value * t) / 2)));
  const [m, other] = [message(salt), message(salt + 7777)];
  const [ct, second] = [secretly.encrypt(m), secretly.encrypt(other)];
  const fresh = noise.freshNoise() + MESSAGE_VARIANCE;
  const switched = noise.keySwitchNoise(params, maxLevel);
  record('fresh', ct, secret, fresh);
  record('public', publicly.encrypt(m), secret, noise.publicKeyNoise(n) + MESSAGE_VARIANCE);
  record('add', evaluator.add(ct, second), secret, 2 * fresh);
  record('rotate', evaluator.rotate(ct, 1), secret, fresh + switched);
  const product = evaluator.mul(ct, second);
  const operand = { variance: fresh, meanSquare: 0 };
  const productVariance = t ** 2 * noise.productNoise(n, operand, operand) + switched;
  record('product', product, secret, productVariance);
  record('square', evaluator.mul(ct, ct), secret, t ** 2 * noise.squareNoise(n, operand) + switched);
  const q = params.q[maxLevel]!.q;
  record('modSwitch', evaluator.modSwitch(product), secret, noise.rescaleNoise(n, productVariance, q));
  record('constant', evaluator.mulConstant(ct, -5), secret, noise.weightedNoise(fresh, 25));
  const norm = other.centred().reduce((sum, v) => sum + v * v, 0);
  const relative = scaledPhase(evaluator.mul(ct, other), secret);
  const entry = measured.get('plain product') ?? { sum: 0, formula: 1, worst: 0 };
  entry.sum += relative.reduce((sum, v) => sum + v * v, 0) / n / noise.weightedNoise(fresh, norm) / KEYS;
  measured.set('plain product', entry);
}

beforeAll(async () => {
  context = await BgvContext.open(BgvParams.create(INSECURE_NOISY), {
    kernel: {},
    random: seededRandom('bgv noise'),
  });
  for (let i = 0; i < KEYS; i++) {
    using generator = context.keyGenerator();
    using secret = generator.secretKey();
    measure(secret, i + 1);
  }
}, 120_000);

afterAll(() => {
  expect(context.kernel.liveWords).toBe(0);
  context[Symbol.dispose]();
});

const OPERATIONS = ['fresh', 'public', 'add', 'rotate', 'product', 'square', 'modSwitch', 'constant'];

test.each([...OPERATIONS, 'plain product'])('%s: variance', (name) => {
  const { sum, formula } = measured.get(name)!;
  expect(sum / formula).toBeGreaterThan(0.9);
  expect(sum / formula).toBeLessThan(1.05);
});

test.each(OPERATIONS)('%s: below its bound, and not below the bound of nothing', (name) => {
  const { worst } = measured.get(name)!;
  expect(worst).toBeLessThan(1);
  expect(worst).toBeGreaterThan(2 ** -24);
});

test('the interval catches a formula without the factor t (positive control)', () => {
  const { sum, formula } = measured.get('product')!;
  expect(sum / (formula / context.params.t ** 2)).toBeGreaterThan(1.05);
});
