/** BGV operations of this package and of node-seal, ready to be timed. */
import type { SEALLibrary } from 'node-seal/implementation/seal.js';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { BgvContext } from '../../src/schemes/bgv/context.ts';
import { BgvParams } from '../../src/schemes/bgv/params.ts';
import { commonRuns, type EngineParams, type EngineWork } from './engine-ckks.ts';

/** 1 mod 2N up to N = 2^15. */
const PLAINTEXT_MODULUS = 65537;

function benchIntegers(count: number): Int32Array {
  const half = (PLAINTEXT_MODULUS - 1) / 2;
  return Int32Array.from({ length: count }, (_, i) => ((i * 2654435761) % PLAINTEXT_MODULUS) - half);
}

export async function bgvWork(kernel: Kernel, spec: EngineParams): Promise<EngineWork> {
  const { logN, limbs, limbBits, special, specialBits } = spec;
  const params = BgvParams.create({
    logN,
    logQ: Array.from({ length: limbs }, () => limbBits),
    logP: Array.from({ length: special }, () => specialBits),
    plaintextModulus: PLAINTEXT_MODULUS,
  });
  const context = await BgvContext.open(params, { kernel });
  const arena = context.arena();
  const generator = context.keyGenerator();
  const secret = generator.secretKey();
  const keys = generator.evaluationKeys(secret, { relinearize: true, rotations: [1] });
  const encoder = context.encoder(arena);
  const encryptor = context.encryptor(secret, arena);
  const decryptor = context.decryptor(secret, arena);
  const evaluator = context.evaluator(keys, arena);
  const values = benchIntegers(params.slots);
  const plaintext = encoder.encode(values);
  const [a, b] = [encryptor.encrypt(plaintext), encryptor.encrypt(plaintext)];
  return {
    run: {
      ...commonRuns({ encoder, encryptor, evaluator }, values, plaintext, [a, b]),
      'switch-modulus': () => evaluator.modSwitch(a)[Symbol.dispose](),
      decrypt: () => decryptor.decrypt(a)[Symbol.dispose](),
    },
    [Symbol.dispose]() {
      for (const owner of [arena, encryptor, keys, secret, generator, context]) owner[Symbol.dispose]();
    },
  };
}

/** Its BGV with the same counts of primes, whole bits. */
export function sealBgvWork(seal: SEALLibrary, spec: EngineParams): EngineWork {
  const { logN, limbs, limbBits, special, specialBits } = spec;
  const parms = seal.EncryptionParameters(seal.SchemeType.bgv);
  const bits = [
    ...Array.from({ length: limbs }, () => Math.ceil(limbBits)),
    ...Array.from({ length: special }, () => Math.ceil(specialBits)),
  ];
  parms.setPolyModulusDegree(2 ** logN);
  parms.setCoeffModulus(seal.CoeffModulus.Create(2 ** logN, Int32Array.from(bits)));
  parms.setPlainModulus(seal.Modulus(BigInt(PLAINTEXT_MODULUS)));
  const context = seal.Context(parms, true, seal.SecurityLevel.tc128);
  if (!context.parametersSet()) throw new Error(`node-seal refuses ${bits.length} primes at 2^${logN}`);
  const generator = seal.KeyGenerator(context);
  const secret = generator.secretKey();
  const relinKeys = generator.createRelinKeys();
  const galoisKeys = generator.createGaloisKeys(Int32Array.from([1]));
  const encoder = seal.BatchEncoder(context);
  const encryptor = seal.Encryptor(context, generator.createPublicKey(), secret);
  const decryptor = seal.Decryptor(context, secret);
  const evaluator = seal.Evaluator(context);
  const values = benchIntegers(2 ** logN);
  const [plaintext, target] = [seal.PlainText(), seal.PlainText()];
  encoder.encode(values, plaintext);
  const [a, b, out, product] = [seal.CipherText(), seal.CipherText(), seal.CipherText(), seal.CipherText()];
  encryptor.encryptSymmetric(plaintext, a);
  encryptor.encryptSymmetric(plaintext, b);
  const ciphertexts = [out, product, a, b, target, plaintext];
  const roles = [evaluator, decryptor, encryptor, encoder, galoisKeys, relinKeys, secret, generator, context];
  return {
    run: {
      rotate: () => void evaluator.rotateRows(a, 1, galoisKeys, out),
      'multiply-relinearize': () => {
        evaluator.multiply(a, b, product);
        evaluator.relinearize(product, relinKeys, out);
      },
      'switch-modulus': () => void evaluator.cipherModSwitchToNext(a, out),
      encode: () => void encoder.encode(values, target),
      decode: () => void encoder.decode(plaintext),
      'encrypt-symmetric': () => encryptor.encryptSymmetricSerializable(plaintext).delete(),
      decrypt: () => void decryptor.decrypt(a, target),
    },
    [Symbol.dispose]() {
      for (const object of [...ciphertexts, ...roles]) object.delete();
    },
  };
}
