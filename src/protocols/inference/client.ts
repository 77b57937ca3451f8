/**
 * The client of encrypted inference: owns the data and the secret key. Browser-safe: no socket, no file, no clock.
 *
 * Rule of conduct [Li-Micciancio 2021; security.md of the documentation]: what the client sends never depends on a
 * decrypted value. `open` fails locally; callers must not retry, report or hang up because of it.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { bytesToHex } from '@noble/hashes/utils.js';
import { DecodeError, LimitError, ProtocolError, ShapeError } from '../../base/errors.ts';
import { systemRandom } from '../../base/random.ts';
import {
  type Bucket,
  type Offer,
  offeredKeyPlan,
  queryCiphertexts,
  replyCiphertexts,
} from '../../compiler/offer.ts';
import { elementsOf, type Layout, slotVectors } from '../../compiler/packed/layout.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { ciphertextBytes } from '../../schemes/ckks/ciphertext-wire.ts';
import { CiphertextBatch } from '../../schemes/ckks/ciphertext.ts';
import { EncryptionStream } from '../../schemes/ckks/encryption-stream.ts';
import { CkksContext } from '../../schemes/ckks/context.ts';
import { CkksParams } from '../../schemes/ckks/params.ts';
import { SecretKey } from '../../schemes/rlwe/keys/secret-key.ts';
import { QUERY_PREFIX_BYTES, readReply, writeEnrolment, writeQuery } from './messages.ts';
import { parseOffer } from './offer.ts';

/** An encrypted question; `bytes` may be sent again unchanged after a transport failure. */
export interface InferenceQuery {
  readonly bytes: Uint8Array;
  readonly samples: number;
  readonly bucket: Bucket;
  /** Input values that lay outside the offer's bound and were moved onto it. */
  readonly clipped: number;
  readonly nonce: string;
}

/** Ciphertexts that are encrypted together: enough for all threads, few enough for the cache. */
const PIECE_CIPHERTEXTS = 16;

/** What an attempt tells of itself while its bytes are taken. */
interface AttemptFacts {
  readonly nonce: (nonce: string) => void;
  readonly clipped: (values: number) => void;
}

/**
 * A question that is encrypted while it is sent. Each call of {@link pieces} encrypts anew, under a new seed and nonce: two attempts share
 * nothing but the question, and the reply answers the last one.
 */
export class QueryStream {
  readonly samples: number;
  readonly bucket: Bucket;
  /** Of all pieces together. */
  readonly byteLength: number;
  readonly #attempt: (tell: AttemptFacts) => Iterable<Uint8Array>;
  #nonce = '';
  #clipped = 0;

  constructor(parts: {
    readonly samples: number;
    readonly bucket: Bucket;
    readonly byteLength: number;
    readonly attempt: (tell: AttemptFacts) => Iterable<Uint8Array>;
  }) {
    this.samples = parts.samples;
    this.bucket = parts.bucket;
    this.byteLength = parts.byteLength;
    this.#attempt = parts.attempt;
  }

  /** Of the last attempt; empty before the first. */
  get nonce(): string {
    return this.#nonce;
  }

  /** Input values of the last attempt, as far as it came, that lay outside the offer's bound and were moved onto it. */
  get clipped(): number {
    return this.#clipped;
  }

  /** The bytes of one attempt, in order; made as they are taken. */
  pieces(): Iterable<Uint8Array> {
    this.#clipped = 0;
    return this.#attempt({
      nonce: (nonce) => {
        this.#nonce = nonce;
      },
      clipped: (values) => {
        this.#clipped += values;
      },
    });
  }
}

interface EncodingSubject {
  /** Row-major [samples, features]. */
  readonly inputs: Float32Array;
  readonly samples: number;
  readonly features: number;
  readonly bucket: Bucket;
  readonly inputBound: number;
  readonly scale: number;
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

export class InferenceClient implements Disposable {
  readonly offer: Offer;
  readonly #context: CkksContext;
  readonly #secret: SecretKey;

  private constructor(offer: Offer, context: CkksContext, secret: SecretKey) {
    this.offer = offer;
    this.#context = context;
    this.#secret = secret;
  }

  /** Makes a fresh secret key. @throws {DecodeError} {@link InsecureParamsError} for a bad offer. */
  static create(offer: Offer, kernel: Kernel): Promise<InferenceClient> {
    return InferenceClient.#open(offer, kernel, (context) => {
      using generator = context.keyGenerator();
      return generator.secretKey();
    });
  }

  /** Takes up a key that {@link exportSecret} gave out. @throws {DecodeError} {@link ParamsMismatchError} */
  static restore(offer: Offer, secret: Uint8Array, kernel: Kernel): Promise<InferenceClient> {
    return InferenceClient.#open(offer, kernel, (context) => SecretKey.fromSecretBytes(context, secret));
  }

  static async #open(
    offer: Offer,
    kernel: Kernel,
    makeKey: (context: CkksContext) => SecretKey,
  ): Promise<InferenceClient> {
    const context = await CkksContext.open(CkksParams.create(parseOffer(offer).params), { kernel });
    try {
      return new InferenceClient(offer, context, makeKey(context));
    } catch (error) {
      context[Symbol.dispose]();
      throw error;
    }
  }

  /** The secret key as bytes, for a sealed key file and nothing else. The caller wipes them. */
  exportSecret(): Uint8Array {
    return this.#secret.exportSecretBytes();
  }

  /** Public key and the evaluation keys of the offer: what the server needs once per client. It learns nothing else from them. */
  enrolment(): Uint8Array {
    using generator = this.#context.keyGenerator();
    using publicKey = generator.publicKey(this.#secret);
    using evaluationKeys = generator.evaluationKeys(this.#secret, offeredKeyPlan(this.offer));
    return writeEnrolment({
      publicKey: publicKey.toBytes(),
      evaluationKeys: evaluationKeys.toBytes(this.#context),
    });
  }

  /** The largest number of samples in one query. */
  get maxSamples(): number {
    return Math.max(...this.offer.buckets.map((bucket) => bucket.block));
  }

  /**
   * Encrypts `inputs`, row-major [samples, offer.inputs], padded with zeros to the smallest bucket that holds them. The server
   * sees the bucket, not the number of samples.
   *
   * @throws {ShapeError} {@link LimitError} when no bucket is large enough.
   */
  query(inputs: Float32Array, samples: number): InferenceQuery {
    const stream = this.queryStream(inputs, samples);
    const bytes = new Uint8Array(stream.byteLength);
    let at = 0;
    for (const piece of stream.pieces()) {
      bytes.set(piece, at);
      at += piece.length;
    }
    const { bucket, nonce, clipped } = stream;
    return { bytes, samples, bucket, clipped, nonce };
  }

  /**
   * As {@link query}, encrypted while it is sent: memory is that of a few ciphertexts. `inputs` must stay as they are until then.
   *
   * @throws {ShapeError} {@link LimitError} when no bucket is large enough.
   */
  queryStream(inputs: Float32Array, samples: number): QueryStream {
    const { inputs: features, buckets, inputBound, inputScale, programId } = this.offer;
    if (samples < 1 || inputs.length !== samples * features) {
      throw new ShapeError(
        'the inputs',
        `samples x ${features}`,
        `${inputs.length} values for ${samples} samples`,
      );
    }
    const index = buckets.findIndex((bucket) => bucket.block >= samples);
    const bucket = buckets[index];
    if (bucket === undefined) throw new LimitError('the number of samples', this.maxSamples, samples);
    const context = this.#context;
    const count = queryCiphertexts(this.offer, bucket);
    const level = context.params.maxLevel;
    const { packed } = this.offer;
    const scale = inputScale / bucket.interleave;
    const layout = packed && { layout: packed.input };
    const subject = { inputs, samples, features, bucket, inputBound, scale, ...layout };
    return new QueryStream({
      samples,
      bucket,
      byteLength:
        QUERY_PREFIX_BYTES + ciphertextBytes(context.params, { count, parts: 2, level, isSeeded: true }),
      attempt: (tell) =>
        this.#encrypted(subject, count, tell, (nonce, start) =>
          writeQuery({ programId, nonce, bucket: index, ciphertexts: start }),
        ),
    });
  }

  *#encrypted(
    subject: EncodingSubject,
    count: number,
    tell: AttemptFacts,
    begin: (nonce: string, start: Uint8Array) => Uint8Array,
  ): Generator<Uint8Array, void, undefined> {
    const context = this.#context;
    const shape = { count, level: context.params.maxLevel, scale: subject.scale, most: PIECE_CIPHERTEXTS };
    using stream = new EncryptionStream(context, this.#secret, shape);
    const nonce = bytesToHex(systemRandom.seed());
    tell.nonce(nonce);
    yield begin(nonce, stream.start);
    for (let first = 0; first < count; first += PIECE_CIPHERTEXTS) {
      using arena = context.arena();
      const encoder = context.encoder(arena);
      const here = Math.min(PIECE_CIPHERTEXTS, count - first);
      const { vectors, clipped } = vectorsOf(subject, first, here, count);
      const plaintexts = vectors.map((group) => encoder.encodeInterleaved(group, { scale: subject.scale }));
      tell.clipped(clipped);
      yield stream.next(plaintexts);
    }
  }

  /**
   * Decrypts a reply to scores, row-major [samples, offer.outputs].
   *
   * @throws {DecodeError} {@link ProtocolError} when the reply is not one, or answers something else. Keep it to yourself.
   */
  open(query: InferenceQuery | QueryStream, reply: Uint8Array): Float32Array {
    const message = readReply(reply);
    if (message.programId !== this.offer.programId || message.nonce !== query.nonce) {
      throw new ProtocolError('the reply belongs to another query');
    }
    const { outputs, packed, outputScale } = this.offer;
    const { interleave } = query.bucket;
    const groups = replyCiphertexts(this.offer, query.bucket);
    using arena = this.#context.arena();
    const batch = CiphertextBatch.fromRoundedBytes(this.#context, message.ciphertexts, arena, groups);
    if (batch.count !== groups) throw new DecodeError('a reply', `${groups} ciphertexts were expected`);
    const encoder = this.#context.encoder(arena);
    const scores = new Float32Array(query.samples * outputs);
    const plaintexts = this.#context.decryptor(this.#secret, arena).decryptBatch(batch);
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
        for (let t = 0; t < query.samples; t++) scores[t * outputs + output] = vector[t]! * factor;
      });
    });
    return scores;
  }

  [Symbol.dispose](): void {
    this.#secret[Symbol.dispose]();
    this.#context[Symbol.dispose]();
  }
}

printOnOneLine(InferenceClient);
arg.guard('InferenceClient', InferenceClient, {
  create: {
    offer: arg.like('an Offer', 'model', 'programId'),
    kernel: arg.like('a kernel (openKernel)', 'allocate', 'openRing'),
  },
  restore: {
    offer: arg.like('an Offer', 'model', 'programId'),
    secret: arg.bytes,
    kernel: arg.like('a kernel (openKernel)', 'allocate', 'openRing'),
  },
});
arg.guard('InferenceClient', InferenceClient.prototype, {
  query: { inputs: arg.typed('a Float32Array', Float32Array), samples: arg.number },
  queryStream: { inputs: arg.typed('a Float32Array', Float32Array), samples: arg.number },
  open: { query: arg.like('an InferenceQuery', 'nonce', 'samples'), reply: arg.bytes },
});
