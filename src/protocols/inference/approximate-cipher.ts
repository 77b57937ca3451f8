/** The client's side of an approximate program: CKKS, one message per query. */
import { DecodeError, UsageError } from '../../base/errors.ts';
import {
  type Bucket,
  ckksParamsOf,
  type Offer,
  queryCiphertexts,
  replyCiphertexts,
} from '../../compiler/offer.ts';
import { addressesOf, elementsOf, type Layout, slotVectors } from '../../compiler/packed/layout.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { CiphertextBatch } from '../../schemes/ckks/ciphertext.ts';
import { ciphertextBytes } from '../../schemes/ckks/ciphertext-wire.ts';
import { CkksContext } from '../../schemes/ckks/context.ts';
import { EncryptionStream } from '../../schemes/ckks/encryption-stream.ts';
import type { SecretKey } from '../../schemes/rlwe/keys/secret-key.ts';
import {
  type ClientCipher,
  type EncryptedScores,
  PIECE_CIPHERTEXTS,
  type PlannedMessage,
} from './client-cipher.ts';

interface EncodingSubject {
  /** Row-major [samples, features]. */
  readonly inputs: Float32Array;
  readonly samples: number;
  readonly features: number;
  readonly bucket: Bucket;
  readonly inputBound: number;
  /** Of a model that takes one sample in the slots of few ciphertexts. */
  readonly layout?: Layout;
}

/** The interleaved vectors of ciphertexts first .. first + here - 1 of `count`: feature i * count + g is vector i of ciphertext g. */
function vectorsOf(
  { inputs, samples, features, bucket, inputBound, layout }: EncodingSubject,
  first: number,
  here: number,
  count: number,
): { vectors: Float64Array[][]; clipped: number } {
  const { block, interleave } = bucket;
  let clipped = 0;
  const bounded = (value: number): number => {
    const kept = Math.min(inputBound, Math.max(-inputBound, value));
    if (!(kept === value)) clipped++;
    return Number.isNaN(kept) ? 0 : kept;
  };
  if (layout !== undefined) {
    const placed = slotVectors(layout, Array.from(inputs, bounded));
    // Every piece walks all inputs: they are counted with the first.
    return {
      vectors: placed.slice(first, first + here).map((vector) => [vector]),
      clipped: first === 0 ? clipped : 0,
    };
  }
  const vectors = Array.from({ length: here }, () =>
    Array.from({ length: interleave }, () => new Float64Array(block)),
  );
  for (let i = 0; i < interleave; i++) {
    const from = i * count + first;
    const columns = Math.min(here, features - from);
    // Sample by sample: neighbouring features are read together.
    for (let t = 0; t < samples; t++) {
      for (let g = 0; g < columns; g++) {
        vectors[g]![i]![t] = bounded(inputs[t * features + from + g]!);
      }
    }
  }
  return { vectors, clipped };
}

export class ApproximateCipher implements ClientCipher {
  readonly context: CkksContext;
  readonly messages = 1;
  readonly #offer: Offer;

  private constructor(offer: Offer, context: CkksContext) {
    this.#offer = offer;
    this.context = context;
  }

  /** @throws {InvalidParamsError} {@link KernelError} */
  static async open(offer: Offer, kernel: Kernel): Promise<ApproximateCipher> {
    return new ApproximateCipher(offer, await CkksContext.open(ckksParamsOf(offer), { kernel }));
  }

  plan(inputs: Float32Array, samples: number, secret: SecretKey): PlannedMessage[] {
    const { inputs: features, buckets, inputBound, inputScale, packed } = this.#offer;
    const { context } = this;
    const index = buckets.findIndex((each) => each.block >= samples);
    const bucket = buckets[index] as Bucket;
    const count = queryCiphertexts(this.#offer, bucket);
    const level = context.params.maxLevel;
    const scale = inputScale / bucket.interleave;
    const layout = packed && { layout: packed.input };
    const subject = { inputs, samples, features, bucket, inputBound, ...layout };
    function* pieces(onClipped: (values: number) => void): Generator<Uint8Array, void, undefined> {
      using stream = new EncryptionStream(context, secret, { count, level, scale, most: PIECE_CIPHERTEXTS });
      yield stream.start;
      for (let first = 0; first < count; first += PIECE_CIPHERTEXTS) {
        using arena = context.arena();
        const encoder = context.encoder(arena);
        const here = Math.min(PIECE_CIPHERTEXTS, count - first);
        const { vectors, clipped } = vectorsOf(subject, first, here, count);
        const plaintexts = vectors.map((group) => encoder.encodeInterleaved(group, { scale }));
        onClipped(clipped);
        yield stream.next(plaintexts);
      }
    }
    const byteLength = ciphertextBytes(context.params, { count, parts: 2, level, isSeeded: true });
    return [{ index, bucket, byteLength, pieces }];
  }

  decrypt({ samples, bucket, replies }: EncryptedScores, secret: SecretKey): Float32Array {
    const { outputs, outputScale, packed } = this.#offer;
    const { interleave } = bucket;
    const groups = replyCiphertexts(this.#offer, bucket);
    using arena = this.context.arena();
    if (packed?.isTraced) return this.#tracedScores(replies[0]!, packed.output, secret);
    const batch = CiphertextBatch.fromRoundedBytes(this.context, replies[0]!, arena, groups);
    if (batch.count !== groups) throw new DecodeError('a reply', `${groups} ciphertexts were expected`);
    const encoder = this.context.encoder(arena);
    const scores = new Float32Array(samples * outputs);
    const plaintexts = this.context.decryptor(secret, arena).decryptBatch(batch);
    if (packed !== undefined) {
      const slots = plaintexts.flatMap((plaintext) => [...encoder.decode(plaintext)]);
      const factor = batch.scale / outputScale;
      scores.set(elementsOf(packed.output, slots).map((value) => value * factor));
      return scores;
    }
    plaintexts.forEach((plaintext, g) => {
      encoder.decodeInterleaved(plaintext, interleave).forEach((vector, i) => {
        const output = i * groups + g;
        if (output >= outputs) return;
        // The scale is the offer's: the one in the reply is the server's word.
        const factor = plaintext.scale / outputScale;
        for (let t = 0; t < samples; t++) scores[t * outputs + output] = vector[t]! * factor;
      });
    });
    return scores;
  }

  /** The scores of one sample, in the slots of one period. */
  #tracedScores(reply: Uint8Array, layout: Layout, secret: SecretKey): Float32Array {
    using arena = this.context.arena();
    const { period } = layout;
    const ciphertext = CiphertextBatch.fromTracedBytes(this.context, reply, arena, period);
    const plaintext = this.context.decryptor(secret, arena).decryptBatch(ciphertext)[0]!;
    const slots = this.context.encoder(arena).decode(plaintext, { slots: period });
    const factor = ciphertext.scale / this.#offer.outputScale;
    return Float32Array.from(addressesOf(layout), (address) => slots[address % period]! * factor);
  }

  decryptIntegers(): bigint[] {
    throw new UsageError(
      'the scores of this model are approximate: only those of exact programs are integers',
    );
  }

  [Symbol.dispose](): void {
    this.context[Symbol.dispose]();
  }
}
