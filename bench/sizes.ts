/**
 * Bytes of keys and ciphertexts on the wire: both halves in 64-bit words, as sent (seeds, residues packed to their primes), and
 * node-seal's `save()` of its seeded objects with and without its compression, for the same number of primes of the same width.
 */
import { loadSeal } from './engine/engine-seal.ts';
import { openKernel } from '../src/kernel/open.ts';
import type { Kernel } from '../src/kernel/kernel.ts';
import { BgvContext } from '../src/schemes/bgv/context.ts';
import { BgvParams } from '../src/schemes/bgv/params.ts';
import { CkksContext } from '../src/schemes/ckks/context.ts';
import { CkksParams } from '../src/schemes/ckks/params.ts';
import { droppableBits } from '../src/schemes/rlwe/wire/dropped-bits.ts';
import { type Bench, type BenchRow, reportFor } from './report.ts';

const SETS = [
  { logN: 13, logQ: [42, 42, 42], logP: [44] },
  { logN: 14, logQ: [50, 40, 40, 40, 40, 40, 40, 40], logP: [50] },
] as const;
const LOG_SCALE = 32;
/** 1 mod 2N. */
const PLAINTEXT_MODULUS = 65537;
/** A reply whose slots may be off by 2^-10, six standard deviations. */
const REPLY_ERROR = 2 ** -10;

type ParameterSet = (typeof SETS)[number];

/** What a polynomial takes as words. */
function wordBytes(set: ParameterSet, limbs: number): number {
  return 8 * 2 ** set.logN * limbs;
}

async function ourSizes(
  kernel: Kernel,
  set: ParameterSet,
): Promise<Map<string, [before: number, now: number]>> {
  using context = await CkksContext.open(CkksParams.create({ ...set, logScale: LOG_SCALE }), { kernel });
  using arena = context.arena();
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using publicKey = generator.publicKey(secret);
  const { maxLevel } = context.params;
  const keyBytes = (level: number): number => {
    using keys = generator.evaluationKeys(secret, { rotations: [{ step: 1, maxLevel: level }] });
    return keys.toBytes(context).length;
  };
  using relinearize = generator.evaluationKeys(secret, { relinearize: true });
  using encryptor = context.encryptor(secret, arena);
  const fresh = encryptor.encrypt(context.encoder(arena).encode([1, 2, 3]));
  const evaluator = context.evaluator(relinearize, arena);
  const limbs = maxLevel + 1;
  const reply = evaluator.dropTo(fresh, 0);
  // In a slot, N coefficients add up.
  const dropped = droppableBits(2 ** set.logN, ((REPLY_ERROR / 6) * reply.scale) ** 2 / 2 ** set.logN);
  const wholeKey = 2 * limbs * wordBytes(set, limbs + set.logP.length);
  return new Map([
    ['public key', [2 * wordBytes(set, limbs), publicKey.toBytes().length]],
    ['relinearisation key', [wholeKey, relinearize.toBytes(context).length]],
    ['rotation key', [wholeKey, keyBytes(maxLevel)]],
    ['rotation key for level 1', [wholeKey, keyBytes(1)]],
    ['fresh ciphertext', [2 * wordBytes(set, limbs), fresh.toBytes().length]],
    ['reply, one prime', [2 * wordBytes(set, limbs), reply.toBytes().length]],
    ['the same to 10 bits of precision', [2 * wordBytes(set, limbs), reply.toRoundedBytes(dropped).length]],
  ]);
}

/** Replies of exact integers: a product at the lowest level that holds it. */
async function bgvReplySizes(kernel: Kernel, set: ParameterSet): Promise<Map<string, [number, number]>> {
  const params = BgvParams.create({ ...set, plaintextModulus: PLAINTEXT_MODULUS });
  using context = await BgvContext.open(params, { kernel });
  using arena = context.arena();
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using keys = generator.evaluationKeys(secret, { relinearize: true });
  using encryptor = context.encryptor(secret, arena);
  const evaluator = context.evaluator(keys, arena);
  const fresh = encryptor.encrypt(context.encoder(arena).encode([1, 2, 3]));
  const reply = evaluator.modSwitchLowest(evaluator.mul(fresh, fresh));
  const words = 2 * wordBytes(set, set.logQ.length);
  return new Map([
    ['integers, reply, one prime', [words, reply.toBytes().length]],
    ['the same without low bits', [words, reply.toRoundedBytes().length]],
  ]);
}

interface Saved {
  saveArray(compression: never): ArrayLike<number>;
}

/** Sizes of SEAL's objects, with seeds where it has them; none where it is not installed. */
async function sealSizes(set: ParameterSet): Promise<Map<string, [plain: number, compressed: number]>> {
  const seal = await loadSeal();
  if (seal === undefined) return new Map();
  const n = 2 ** set.logN;
  const parms = seal.EncryptionParameters(seal.SchemeType.ckks);
  parms.setPolyModulusDegree(n);
  parms.setCoeffModulus(seal.CoeffModulus.Create(n, Int32Array.from([...set.logQ, ...set.logP])));
  const context = seal.Context(parms, true, seal.SecurityLevel.tc128);
  const generator = seal.KeyGenerator(context);
  const encoder = seal.CKKSEncoder(context);
  const encryptor = seal.Encryptor(context, generator.createPublicKey(), generator.secretKey());
  const ciphertext = encryptor.encryptSymmetricSerializable(
    encoder.encode(Float64Array.of(1, 2, 3), 2 ** LOG_SCALE)!,
  );
  const objects: [string, unknown][] = [
    ['public key', generator.createPublicKeySerializable()],
    ['relinearisation key', generator.createRelinKeysSerializable()],
    ['rotation key', generator.createGaloisKeysSerializable(Int32Array.from([1]))],
    ['fresh ciphertext', ciphertext],
  ];
  const size = (object: unknown, mode: unknown): number => (object as Saved).saveArray(mode as never).length;
  return new Map(
    objects.map(([name, object]) => [
      name,
      [size(object, seal.ComprModeType.none), size(object, seal.ComprModeType.zstd)],
    ]),
  );
}

export const sizes: Bench = async () => {
  using kernel = await openKernel();
  const rows: BenchRow[] = [];
  for (const set of SETS) {
    const theirs = await sealSizes(set);
    const ours = [...(await ourSizes(kernel, set)), ...(await bgvReplySizes(kernel, set))];
    for (const [object, [wordsBytes, bytes]] of ours) {
      const seal = theirs.get(object);
      const row = { object, logN: set.logN, limbs: set.logQ.length, wordsBytes, bytes };
      rows.push(
        seal === undefined
          ? row
          : { ...row, sealBytes: seal[0], sealCompressed: seal[1], ratio: seal[1] / bytes },
      );
    }
  }
  return reportFor('sizes', kernel, rows);
};
