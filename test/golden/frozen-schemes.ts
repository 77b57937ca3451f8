/** What travels in CKKS and BGV. */
import { concatBytes } from '@noble/hashes/utils.js';
import { BgvCiphertext, BgvCiphertextBatch } from '../../src/schemes/bgv/ciphertext.ts';
import { ROUNDED_CODEC } from '../../src/schemes/bgv/ciphertext-wire.ts';
import type { BgvContext } from '../../src/schemes/bgv/context.ts';
import { BgvCrtCiphertext } from '../../src/schemes/bgv/crt/crt-ciphertext.ts';
import type { BgvCrtContext } from '../../src/schemes/bgv/crt/crt-context.ts';
import { BgvCrtParams } from '../../src/schemes/bgv/crt/crt-params.ts';
import { BgvParams } from '../../src/schemes/bgv/params.ts';
import { CiphertextBatch } from '../../src/schemes/ckks/ciphertext.ts';
import type { CkksContext } from '../../src/schemes/ckks/context.ts';
import { CkksParams } from '../../src/schemes/ckks/params.ts';
import type { DroppedBits } from '../../src/schemes/rlwe/wire/dropped-bits.ts';
import { writeRounded } from '../../src/schemes/rlwe/wire/rounded-wire.ts';
import { SecretKey } from '../../src/schemes/rlwe/keys/secret-key.ts';
import { HEADER_BYTES } from '../../src/schemes/rlwe/wire/wire.ts';
import { serialiseEverything } from '../schemes/ckks/serialised-objects.ts';
import type { FrozenObject } from './frozen-object.ts';

/** Slots of the frozen traced reply. */
const FROZEN_TRACE = 4;

/** The integers in every frozen BGV ciphertext. */
export const FROZEN_INTEGERS = [1, -2, 300, 3840];

export function ckksObjects(context: CkksContext): FrozenObject[] {
  using arena = context.arena();
  const subjects = serialiseEverything(context, arena).map(({ name, bytes, roundTrip }) => ({
    name: `ckks-${name.replaceAll(' ', '-')}.v1`,
    make: () => bytes,
    roundTrip: (frozen: Uint8Array) => {
      using scratch = context.arena();
      return roundTrip(frozen, scratch);
    },
  }));
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using publicKey = generator.publicKey(secret);
  using encryptor = context.encryptor(publicKey, arena);
  const zeros = encryptor.encryptZero(2, { level: 0, scale: 2 ** 30, floodBits: 9 });
  const rounded = zeros.toRoundedBytes({ first: 16, second: 10 });
  const dropped = { first: 0, second: 12 };
  const traced = zeros.at(0).toTracedBytes({ slots: FROZEN_TRACE, dropped });
  return [
    {
      name: 'ckks-traced-reply.v1',
      make: () => traced,
      roundTrip: (bytes) => {
        using scratch = context.arena();
        const read = CiphertextBatch.fromTracedBytes(context, bytes, scratch, FROZEN_TRACE);
        return read.toTracedBytes({
          slots: FROZEN_TRACE,
          dropped: { first: 0, second: bytes[HEADER_BYTES]! },
        });
      },
    },
    {
      name: 'ckks-rounded-batch.v1',
      make: () => rounded,
      roundTrip: (bytes) => {
        using scratch = context.arena();
        return CiphertextBatch.fromRoundedBytes(context, bytes, scratch, 2).toRoundedBytes(droppedOf(bytes));
      },
    },
    {
      name: 'ckks-parameters.v1',
      make: () => context.params.toBytes(),
      roundTrip: (bytes) => CkksParams.fromBytes(bytes, { allowInsecure: true }).toBytes(),
    },
    ...subjects,
  ];
}

/** In front of each component of a ciphertext of several moduli. */
const LENGTH_BYTES = 4;

/** The bits that a rounded message says were dropped. */
function droppedOf(bytes: Uint8Array): DroppedBits {
  return { first: bytes[HEADER_BYTES]!, second: bytes[HEADER_BYTES + 1]! };
}

export function bgvObjects(context: BgvContext): FrozenObject[] {
  using arena = context.arena();
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using keys = generator.evaluationKeys(secret, { relinearize: true });
  using encryptor = context.encryptor(secret, arena);
  const plaintext = context.encoder(arena).encode(FROZEN_INTEGERS);
  const evaluator = context.evaluator(keys, arena);
  const seeded = encryptor.encrypt(plaintext);
  const single = (name: string, bytes: Uint8Array): FrozenObject => ({
    name,
    make: () => bytes,
    roundTrip: (frozen) => {
      using scratch = context.arena();
      return BgvCiphertext.fromBytes(context, frozen, scratch).toBytes();
    },
  });
  const pair = encryptor.encryptBatch([plaintext, plaintext]);
  const batch = pair.toBytes();
  const rounded = evaluator.modSwitchLowest(pair).toRoundedBytes();
  const key = secret.exportSecretBytes();
  return [
    {
      name: 'bgv-parameters.v1',
      make: () => context.params.toBytes(),
      roundTrip: (bytes) => BgvParams.fromBytes(bytes, { allowInsecure: true }).toBytes(),
    },
    {
      name: 'bgv-secret-key.v1',
      make: () => key,
      roundTrip: (bytes) => {
        using read = SecretKey.fromSecretBytes(context, bytes);
        return read.exportSecretBytes();
      },
    },
    {
      name: 'bgv-rounded-batch.v1',
      make: () => rounded,
      roundTrip: (frozen) => {
        using scratch = context.arena();
        const read = BgvCiphertextBatch.fromRoundedBytes(context, frozen, scratch, 2);
        return writeRounded(read, ROUNDED_CODEC, droppedOf(frozen));
      },
    },
    single('bgv-seeded-ciphertext.v1', seeded.toBytes()),
    single('bgv-product.v1', evaluator.modSwitch(evaluator.mul(seeded, seeded)).toBytes()),
    single('bgv-three-part-ciphertext.v1', evaluator.mulLazy(seeded, seeded).toBytes()),
    {
      name: 'bgv-batch.v1',
      make: () => batch,
      roundTrip: (bytes) => {
        using scratch = context.arena();
        return BgvCiphertextBatch.fromBytes(context, bytes, scratch, 2).toBytes();
      },
    },
  ];
}

export function crtObjects(context: BgvCrtContext): FrozenObject[] {
  using arena = context.arena();
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using encryptor = context.encryptor(secret, arena);
  const fresh = encryptor.encrypt(context.encoder(arena).encode([2n ** 25n]));
  const ciphertext = fresh.toBytes();
  using keys = generator.evaluationKeys(secret, {});
  const rounded = context.evaluator(keys, arena).modSwitchLowest(fresh).toRoundedBytes();
  return [
    {
      name: 'bgv-crt-parameters.v1',
      make: () => context.params.toBytes(),
      roundTrip: (bytes) => BgvCrtParams.fromBytes(bytes, { allowInsecure: true }).toBytes(),
    },
    {
      name: 'bgv-crt-ciphertext.v1',
      make: () => ciphertext,
      roundTrip: (bytes) => {
        using scratch = context.arena();
        return BgvCrtCiphertext.fromBytes(context, bytes, scratch).toBytes();
      },
    },
    {
      name: 'bgv-crt-rounded.v1',
      make: () => rounded,
      roundTrip: (bytes) => {
        using scratch = context.arena();
        const { components } = BgvCrtCiphertext.fromRoundedBytes(context, bytes, scratch);
        const parts = [bytes.subarray(0, HEADER_BYTES)];
        let at = HEADER_BYTES;
        for (const component of components) {
          const own = writeRounded(component, ROUNDED_CODEC, droppedOf(bytes.subarray(at + LENGTH_BYTES)));
          parts.push(bytes.subarray(at, at + LENGTH_BYTES), own);
          at += LENGTH_BYTES + own.length;
        }
        return concatBytes(...parts);
      },
    },
  ];
}
