/** Every noisy operation of BGV, on random messages under many keys. Noise is v / t: see src/schemes/bgv/ciphertext.ts. */
import { seededRandom } from '../../../src/base/testing.ts';
import type { BgvCiphertext } from '../../../src/schemes/bgv/ciphertext.ts';
import { BgvContext } from '../../../src/schemes/bgv/context.ts';
import { BgvParams } from '../../../src/schemes/bgv/params.ts';
import { innerProductInto } from '../../../src/schemes/rlwe/key-switching.ts';
import * as noise from '../../../src/schemes/rlwe/noise.ts';
import type { SecretKey } from '../../../src/schemes/rlwe/keys/secret-key.ts';
import { testValues } from '../ckks/insecure-params.ts';
import { NoiseRecord } from '../noise-record.ts';

/** The key-switching noise must not drown in rounding, so P is smaller than the digits here. */
const INSECURE_NOISY = {
  logN: 7,
  logQ: [46, 36, 34],
  logP: [33],
  plaintextBits: 12,
  security: 'insecure-for-tests',
} as const;

export const NOISY_PLAINTEXT_MODULUS = BgvParams.create(INSECURE_NOISY).t;

/** Of m / t, uniform in (-1/2, 1/2). */
const MESSAGE_VARIANCE = 1 / 12;

/** v / t, coefficient by coefficient. */
function scaledPhase(context: BgvContext, ct: BgvCiphertext, secret: SecretKey): Float64Array {
  const { kernel, ring, params } = context;
  using words = kernel.allocate(ct.polyWords);
  const values = new Float64Array(params.n);
  innerProductInto(words, ct, 0, secret);
  kernel.mulScalar(ring.tables, words, words, params.residues(params.t, ct.level), ct.mods);
  kernel.nttInverse(ring.tables, words, ct.mods);
  kernel.toDoubles(ring.tables, values, words, ct.mods);
  return values.map((value) => value / params.t);
}

function measureOnce(record: NoiseRecord, context: BgvContext, secret: SecretKey, salt: number): void {
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
  const add = (name: string, ct: BgvCiphertext, formula: number) =>
    record.add(name, scaledPhase(context, ct, secret), formula, ct.noiseBits);
  const message = (at: number) =>
    encoder.encodeCoefficients(testValues(n, at).map((value) => Math.trunc((value * t) / 2)));
  const [m, other] = [message(salt), message(salt + 7777)];
  const [ct, second] = [secretly.encrypt(m), secretly.encrypt(other)];
  const fresh = noise.freshNoise() + MESSAGE_VARIANCE;
  const switched = noise.keySwitchNoise(params, maxLevel);
  add('fresh', ct, fresh);
  add('public', publicly.encrypt(m), noise.publicKeyNoise(n) + MESSAGE_VARIANCE);
  add('add', evaluator.add(ct, second), 2 * fresh);
  add('rotate', evaluator.rotate(ct, 1), fresh + switched);
  const product = evaluator.mul(ct, second);
  const operand = { variance: fresh, meanSquare: 0 };
  const productVariance = t ** 2 * noise.productNoise(n, operand, operand) + switched;
  add('product', product, productVariance);
  add('square', evaluator.mul(ct, ct), t ** 2 * noise.squareNoise(n, operand) + switched);
  const q = params.q[maxLevel]!.q;
  add('modSwitch', evaluator.modSwitch(product), noise.rescaleNoise(n, productVariance, q));
  add('constant', evaluator.mulConstant(ct, -5), noise.weightedNoise(fresh, 25));
  const norm = other.centred().reduce((sum, v) => sum + v * v, 0);
  add('plain product', evaluator.mul(ct, other), noise.weightedNoise(fresh, norm));
}

/** `keys` keys of 128 coefficients each. */
export async function measureBgvNoise(keyCount: number): Promise<NoiseRecord> {
  const record = new NoiseRecord();
  const random = seededRandom('bgv noise');
  using context = await BgvContext.open(BgvParams.create(INSECURE_NOISY), { random });
  for (let i = 0; i < keyCount; i++) {
    using generator = context.keyGenerator();
    using secret = generator.secretKey();
    measureOnce(record, context, secret, i + 1);
  }
  return record;
}
