/** SEAL (through node-seal) as an oracle: same slot order, same circuit, our error at most twice its error. */
import { createRequire } from 'node:module';
import type { SEALLibrary } from 'node-seal/implementation/seal.js';
import { expect, test } from 'vitest';
import { CkksContext } from '../../../src/schemes/ckks/context.ts';
import { CkksParams } from '../../../src/schemes/ckks/params.ts';
import { testValues } from './insecure-params.ts';

const SCALE = 2 ** 36;
const BITS = [44, 40, 40, 44];

function rms(got: ArrayLike<number>, wanted: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < wanted.length; i++) sum += (got[i]! - wanted[i]!) ** 2;
  return Math.sqrt(sum / wanted.length);
}

/** The package is CommonJS whose types describe a module. */
const openSeal = createRequire(import.meta.url)('node-seal') as () => Promise<SEALLibrary>;

/** out[i] = x[i + 1]^2 by encrypt, square, relinearise, rescale, rotate, decrypt. */
async function bySeal(x: Float64Array): Promise<Float64Array> {
  const seal = await openSeal();
  const parms = seal.EncryptionParameters(seal.SchemeType.ckks);
  parms.setPolyModulusDegree(8192);
  parms.setCoeffModulus(seal.CoeffModulus.Create(8192, Int32Array.from(BITS)));
  const context = seal.Context(parms, true, seal.SecurityLevel.tc128);
  const generator = seal.KeyGenerator(context);
  const secret = generator.secretKey();
  const relinKeys = generator.createRelinKeys();
  const galoisKeys = generator.createGaloisKeys(Int32Array.from([1]));
  const encoder = seal.CKKSEncoder(context);
  const encryptor = seal.Encryptor(context, generator.createPublicKey(), secret);
  const evaluator = seal.Evaluator(context);
  const decryptor = seal.Decryptor(context, secret);
  const ct = encryptor.encryptSymmetric(encoder.encode(x, SCALE)!)!;
  const square = evaluator.rescaleToNext(evaluator.relinearize(evaluator.square(ct)!, relinKeys)!)!;
  const rotated = evaluator.rotateVector(square, 1, galoisKeys)!;
  return encoder.decode(decryptor.decrypt(rotated)!);
}

async function byUs(x: Float64Array): Promise<Float64Array> {
  const params = CkksParams.create({
    logN: 13,
    logQ: BITS.slice(0, 3),
    logP: BITS.slice(3),
    logScale: Math.log2(SCALE),
  });
  using context = await CkksContext.open(params, { kernel: {} });
  using arena = context.arena();
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using keys = generator.evaluationKeys(secret, { relinearize: true, rotations: [1] });
  const encoder = context.encoder(arena);
  const evaluator = context.evaluator(keys, arena);
  using encryptor = context.encryptor(secret, arena);
  const square = evaluator.squareRelinearizeRescale(encryptor.encrypt(encoder.encode(x)));
  return encoder.decode(context.decryptor(secret, arena).decrypt(evaluator.rotate(square, 1)));
}

test('square and rotate: as exact as SEAL', async () => {
  const x = testValues(4096, 42);
  const wanted = x.map((_, i) => x[(i + 1) % x.length]! ** 2);
  const [ours, theirs] = [rms(await byUs(x), wanted), rms(await bySeal(x), wanted)];
  expect(theirs).toBeLessThan(2 ** -16);
  expect(ours).toBeLessThan(2 * theirs);
});
