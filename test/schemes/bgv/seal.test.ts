/** SEAL (through node-seal) as an oracle for BGV: the same primes, keys and ciphertexts that cross over, circuits that agree. */
import { createRequire } from 'node:module';
import type { CipherText } from 'node-seal/implementation/cipher-text.js';
import type { SEALLibrary } from 'node-seal/implementation/seal.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { seededRandom } from '../../../src/base/testing.ts';
import type { Arena } from '../../../src/ring/arena.ts';
import { BgvCiphertext } from '../../../src/schemes/bgv/ciphertext.ts';
import { BgvContext } from '../../../src/schemes/bgv/context.ts';
import { freshBits } from '../../../src/schemes/bgv/noise-bound.ts';
import { BgvParams } from '../../../src/schemes/bgv/params.ts';
import { type SecretKey, secretWords } from '../../../src/schemes/rlwe/keys/secret-key.ts';
import { testValues } from '../ckks/insecure-params.ts';
import { SealBytes, sealFactor, sealWords, withSealWords } from '../seal-bytes.ts';

const T = 65537;
/** Of different sizes: both sides then choose the largest prime of each. */
const BITS = [42, 41, 40, 44];
const CIRCUITS = 4;
const openSeal = createRequire(import.meta.url)('node-seal') as () => Promise<SEALLibrary>;

let context: BgvContext;
let arena: Arena;
let secret: SecretKey;
let seal: Awaited<ReturnType<typeof sealSession>>;
let bytes: SealBytes;

/** SEAL with our primes (its last one is our special one) and our secret key. */
async function sealSession(ours: BgvContext, key: SecretKey, order: SealBytes) {
  const library = await openSeal();
  const { params } = ours;
  const parms = library.EncryptionParameters(library.SchemeType.bgv);
  parms.setPolyModulusDegree(params.n);
  const primes = library.CoeffModulus.Create(params.n, Int32Array.from(BITS));
  expect(Array.from(primes.toArray(), Number)).toEqual(params.primes);
  parms.setCoeffModulus(primes);
  parms.setPlainModulus(library.Modulus(BigInt(T)));
  const sealContext = library.Context(parms, true, library.SecurityLevel.tc128);
  expect(sealContext.parametersSet()).toBe(true);
  const secretKey = library.KeyGenerator(sealContext).secretKey();
  const template = secretKey.saveArray(library.ComprModeType.none);
  const words = order.toSeal(secretWords(key).u64(), params.primes.length);
  secretKey.loadArray(sealContext, withSealWords(template, words));
  const generator = library.KeyGenerator(sealContext, secretKey);
  return {
    library,
    context: sealContext,
    encoder: library.BatchEncoder(sealContext),
    encryptor: library.Encryptor(sealContext, generator.createPublicKey(), secretKey),
    decryptor: library.Decryptor(sealContext, secretKey),
    evaluator: library.Evaluator(sealContext),
    relinKeys: generator.createRelinKeys(),
    galoisKeys: generator.createGaloisKeys(Int32Array.from([1])),
  };
}

beforeAll(async () => {
  const params = BgvParams.create({
    logN: 13,
    logQ: BITS.slice(0, 3),
    logP: BITS.slice(3),
    plaintextModulus: T,
  });
  context = await BgvContext.open(params, { kernel: {}, random: seededRandom('seal') });
  arena = context.arena();
  using generator = context.keyGenerator();
  secret = generator.secretKey();
  bytes = new SealBytes(params.n, params.primes);
  seal = await sealSession(context, secret, bytes);
});

afterAll(() => {
  arena[Symbol.dispose]();
  secret[Symbol.dispose]();
  expect(context.kernel.liveWords).toBe(0);
  context[Symbol.dispose]();
});

const integers = (salt: number): Int32Array =>
  Int32Array.from(testValues(context.params.n, salt), (value) => Math.floor((value * T) / 2));

/** The coefficients of the plaintext that SEAL's encoder makes: independent of anybody's slot order. */
function sealCoefficients(values: Int32Array): string {
  return seal.encoder.encode(values)!.toPolynomial();
}

/** Our coefficients, printed as SEAL prints a polynomial: hexadecimal, highest first, zeros left out. */
function printed(coefficients: Float64Array): string {
  const terms: string[] = [];
  for (let i = coefficients.length - 1; i >= 0; i--) {
    const value = (((coefficients[i]! % T) + T) % T).toString(16).toUpperCase();
    if (value !== '0') terms.push(i === 0 ? value : `${value}x^${i}`);
  }
  return terms.join(' + ');
}

/** A SEAL ciphertext as one of ours: the textbook form times t^-1. */
function toOurs(ct: CipherText): BgvCiphertext {
  const saved = ct.saveArray(seal.library.ComprModeType.none);
  const { params, kernel, ring } = context;
  const level = ct.coeffModulusSize - 1;
  const words = kernel.allocate(2 * (level + 1) * params.n);
  words.u64().set(bytes.toOurs(sealWords(saved, 'ciphertext'), level + 1));
  kernel.mulScalar(ring.tables, words, words, params.inverseResidues(level), context.qMods(level));
  const facts = {
    context,
    count: 1,
    parts: 2,
    level,
    noiseBits: freshBits(params.n) + 20,
    factor: sealFactor(saved),
  };
  return arena.adopt(new BgvCiphertext(words, facts));
}

/** One of our ciphertexts as SEAL's. `like` is any SEAL ciphertext with as many primes. */
function toSeal(ct: BgvCiphertext, like: CipherText): CipherText {
  const { params, kernel, ring } = context;
  using words = kernel.allocate(ct.words.length);
  kernel.mulScalar(ring.tables, words, ct.words, params.residues(params.t, ct.level), ct.mods);
  const saved = withSealWords(
    like.saveArray(seal.library.ComprModeType.none),
    bytes.toSeal(words.u64(), ct.level + 1),
  );
  const out = seal.library.CipherText();
  out.loadArray(seal.context, saved);
  return out;
}

test('our secret key decrypts SEAL ciphertexts, fresh and switched', () => {
  const values = integers(1);
  const encoder = context.encoder(arena);
  const decryptor = context.decryptor(secret, arena);
  const fresh = seal.encryptor.encryptSymmetric(seal.encoder.encode(values)!)!;
  for (const ct of [fresh, seal.evaluator.cipherModSwitchToNext(fresh)!]) {
    const got = encoder.decodeCoefficients(decryptor.decrypt(toOurs(ct)));
    expect(printed(got)).toBe(sealCoefficients(values));
  }
});

test('SEAL decrypts our ciphertexts', () => {
  const encoder = context.encoder(arena);
  using encryptor = context.encryptor(secret, arena);
  const plaintext = encoder.encode(integers(2));
  const ct = encryptor.encrypt(plaintext);
  const like = seal.encryptor.encryptSymmetric(seal.encoder.encode(integers(3))!)!;
  const got = seal.decryptor.decrypt(toSeal(ct, like))!.toPolynomial();
  expect(got).toBe(printed(encoder.decodeCoefficients(plaintext)));
  expect(got).not.toBe(printed(encoder.decodeCoefficients(encoder.encode(integers(3)))));
});

test('random circuits give the same integers in SEAL and here', () => {
  using generator = context.keyGenerator();
  using keys = generator.evaluationKeys(secret, { relinearize: true, rotations: [1] });
  const evaluator = context.evaluator(keys, arena);
  const encoder = context.encoder(arena);
  const decryptor = context.decryptor(secret, arena);
  using encryptor = context.encryptor(secret, arena);
  const choices = testValues(8 * CIRCUITS, 11);
  for (let circuit = 0; circuit < CIRCUITS; circuit++) {
    const [x, y] = [integers(20 + circuit), integers(40 + circuit)];
    let ours = encryptor.encrypt(encoder.encode(x));
    const other = encryptor.encrypt(encoder.encode(y));
    let theirs = seal.encryptor.encryptSymmetric(seal.encoder.encode(x)!)!;
    const theirOther = seal.encryptor.encryptSymmetric(seal.encoder.encode(y)!)!;
    for (let step = 0; step < 4; step++) {
      const choice = Math.floor(((choices[8 * circuit + step]! + 1) / 2) * 4);
      if (choice === 0) {
        ours = evaluator.add(ours, other);
        theirs = seal.evaluator.add(theirs, theirOther)!;
      } else if (choice === 1) {
        ours = evaluator.sub(ours, other);
        theirs = seal.evaluator.sub(theirs, theirOther)!;
      } else if (choice === 2) {
        ours = evaluator.rotate(ours, 1);
        theirs = seal.evaluator.rotateRows(theirs, 1, seal.galoisKeys)!;
      } else {
        ours = evaluator.negate(ours);
        theirs = seal.evaluator.negate(theirs)!;
      }
    }
    const product = seal.evaluator.multiply(theirs, theirOther)!;
    const relinearized = seal.evaluator.relinearize(product, seal.relinKeys)!;
    theirs = seal.evaluator.cipherModSwitchToNext(relinearized)!;
    ours = evaluator.modSwitch(evaluator.mul(ours, other));
    const got = Int32Array.from(encoder.decode(decryptor.decrypt(ours)));
    expect(got).toEqual(seal.encoder.decode(seal.decryptor.decrypt(theirs)!, true));
  }
});
