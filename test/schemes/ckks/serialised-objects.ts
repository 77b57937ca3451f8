/** One of every wire type, from fixed seeds: the corpus of the format, golden and hostile-bytes tests. */
import { Drbg } from '../../../src/base/random.ts';
import { seededRandom } from '../../../src/base/testing.ts';
import type { Arena } from '../../../src/ring/arena.ts';
import { CiphertextBatch, CkksCiphertext } from '../../../src/schemes/ckks/ciphertext.ts';
import type { CkksContext } from '../../../src/schemes/ckks/context.ts';
import { EvaluationKeys } from '../../../src/schemes/rlwe/keys/evaluation-keys.ts';
import type { KeyPlan } from '../../../src/schemes/rlwe/keys/key-plan.ts';
import { PublicKey } from '../../../src/schemes/rlwe/keys/public-key.ts';
import { SecretKey } from '../../../src/schemes/rlwe/keys/secret-key.ts';
import { testValues } from './insecure-params.ts';

export const PLAN: KeyPlan = { relinearize: true, rotations: [1, { step: 3, maxLevel: 1 }], conjugate: true };
export const MAX_COUNT = 4;

export interface WireSubject {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Parses, serialises again, frees. */
  roundTrip(bytes: Uint8Array, arena: Arena): Uint8Array;
}

export function serialiseEverything(context: CkksContext, arena: Arena): WireSubject[] {
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using publicKey = generator.publicKey(secret);
  using keys = generator.evaluationKeys(secret, PLAN);
  const encoder = context.encoder(arena);
  const encryptor = context.encryptor(secret, arena);
  const evaluator = context.evaluator(keys, arena);
  const plaintext = encoder.encode(testValues(context.params.slots, 1));
  const seeded = encryptor.encrypt(plaintext);
  const batch = encryptor.encryptBatch([plaintext, encoder.encode([1, 2]), plaintext]);
  const ciphertext = (name: string, ct: CkksCiphertext): WireSubject => ({
    name,
    bytes: ct.toBytes(),
    roundTrip: (bytes, into) => CkksCiphertext.fromBytes(context, bytes, into).toBytes(),
  });
  const batched = (name: string, value: CiphertextBatch): WireSubject => ({
    name,
    bytes: value.toBytes(),
    roundTrip: (bytes, into) => CiphertextBatch.fromBytes(context, bytes, into, MAX_COUNT).toBytes(),
  });
  return [
    ciphertext('seeded ciphertext', seeded),
    ciphertext('ciphertext', evaluator.rescale(evaluator.mul(seeded, seeded))),
    ciphertext('three-part ciphertext', evaluator.mulLazy(seeded, seeded)),
    ciphertext('ciphertext at level 0', evaluator.dropTo(seeded, 0)),
    batched('seeded batch', batch),
    batched('batch', evaluator.squareRelinearizeRescale(batch)),
    {
      name: 'public key',
      bytes: publicKey.toBytes(),
      roundTrip: (bytes) => {
        using key = PublicKey.fromBytes(context, bytes);
        return key.toBytes();
      },
    },
    {
      name: 'evaluation keys',
      bytes: keys.toBytes(context),
      roundTrip: (bytes) => {
        using parsed = EvaluationKeys.fromBytes(context, bytes, PLAN);
        return parsed.toBytes(context);
      },
    },
    {
      name: 'secret key',
      bytes: secret.exportSecretBytes(),
      roundTrip: (bytes) => {
        using key = SecretKey.fromSecretBytes(context, bytes);
        return key.exportSecretBytes();
      },
    },
  ];
}

/** Bytes for choosing mutations, reproducible. */
export function mutationStream(name: string): () => number {
  using drbg = new Drbg(seededRandom(name).seed());
  const block = drbg.nextKey('a');
  let state = new DataView(block.buffer).getUint32(0, true);
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 8;
  };
}
