/** The same operations by node-seal: SEAL compiled to WebAssembly, the peer that a JavaScript program can load. */
import { createRequire } from 'node:module';
import type { SEALLibrary } from 'node-seal/implementation/seal.js';
import { benchValues, type EngineParams, type EngineWork } from './engine-ckks.ts';

/** The package is CommonJS whose types describe a module; an installed subrosa has it not. */
const openLibrary = async (): Promise<SEALLibrary> =>
  (createRequire(import.meta.url)('node-seal') as () => Promise<SEALLibrary>)();

let library: Promise<SEALLibrary> | undefined;

/** The library, started once; undefined where it is not installed or does not load. */
export async function loadSeal(): Promise<SEALLibrary | undefined> {
  library ??= openLibrary();
  try {
    return await library;
  } catch {
    return undefined;
  }
}

function contextOf(seal: SEALLibrary, logN: number, bits: readonly number[]) {
  const parms = seal.EncryptionParameters(seal.SchemeType.ckks);
  parms.setPolyModulusDegree(2 ** logN);
  parms.setCoeffModulus(seal.CoeffModulus.Create(2 ** logN, Int32Array.from(bits)));
  const context = seal.Context(parms, true, seal.SecurityLevel.tc128);
  if (!context.parametersSet()) throw new Error(`node-seal refuses ${bits.length} primes at 2^${logN}`);
  return context;
}

/** Whole bits only: fractional sizes are rounded up, within the larger ceiling of this library. */
export function sealWork(seal: SEALLibrary, spec: EngineParams): EngineWork {
  const { logN, limbs, limbBits, special, specialBits, logScale } = spec;
  const bits = [
    ...Array.from({ length: limbs }, () => limbBits),
    ...Array.from({ length: special }, () => specialBits),
  ];
  const context = contextOf(seal, logN, bits.map(Math.ceil));
  const generator = seal.KeyGenerator(context);
  const secret = generator.secretKey();
  const relinKeys = generator.createRelinKeys();
  const galoisKeys = generator.createGaloisKeys(Int32Array.from([1]));
  const encoder = seal.CKKSEncoder(context);
  const encryptor = seal.Encryptor(context, generator.createPublicKey(), secret);
  const evaluator = seal.Evaluator(context);
  const values = benchValues(2 ** (logN - 1));
  const [plaintext, target] = [seal.PlainText(), seal.PlainText()];
  encoder.encode(values, 2 ** logScale, plaintext);
  const [a, b, out, product] = [seal.CipherText(), seal.CipherText(), seal.CipherText(), seal.CipherText()];
  encryptor.encryptSymmetric(plaintext, a);
  encryptor.encryptSymmetric(plaintext, b);
  const objects = [
    out,
    product,
    a,
    b,
    target,
    plaintext,
    evaluator,
    encryptor,
    encoder,
    galoisKeys,
    relinKeys,
  ];
  return {
    run: {
      rotate: () => void evaluator.rotateVector(a, 1, galoisKeys, out),
      'multiply-relinearize': () => {
        evaluator.multiply(a, b, product);
        evaluator.relinearize(product, relinKeys, out);
      },
      encode: () => void encoder.encode(values, 2 ** logScale, target),
      decode: () => void encoder.decode(plaintext),
      'encrypt-symmetric': () => encryptor.encryptSymmetricSerializable(plaintext).delete(),
    },
    [Symbol.dispose]() {
      for (const object of [...objects, secret, generator, context]) object.delete();
    },
  };
}

/** Transforms of a two-part ciphertext with `limbs` primes; they copy it, which cannot be left out. */
export function sealTransforms(seal: SEALLibrary, logN: number, limbs: number, limbBits: number): EngineWork {
  const context = contextOf(
    seal,
    logN,
    Array.from({ length: limbs + 1 }, () => limbBits),
  );
  const generator = seal.KeyGenerator(context);
  const secret = generator.secretKey();
  const encryptor = seal.Encryptor(context, generator.createPublicKey(), secret);
  const evaluator = seal.Evaluator(context);
  const [values, coefficients, out] = [seal.CipherText(), seal.CipherText(), seal.CipherText()];
  encryptor.encryptZero(values);
  evaluator.cipherTransformFromNtt(values, coefficients);
  return {
    run: {
      'ntt-forward': () => void evaluator.cipherTransformToNtt(coefficients, out),
      'ntt-inverse': () => void evaluator.cipherTransformFromNtt(values, out),
    },
    [Symbol.dispose]() {
      for (const object of [out, coefficients, values, evaluator, encryptor, secret, generator, context])
        object.delete();
    },
  };
}
