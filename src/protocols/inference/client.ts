/**
 * The client of encrypted inference: owns the data and the secret key. Browser-safe: no socket, no file, no clock.
 *
 * Rule of conduct [Li-Micciancio 2021; security.md of the documentation]: what the client sends never depends on a
 * decrypted value. `open` fails locally; callers must not retry, report or hang up because of it.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { bytesToHex, concatBytes } from '@noble/hashes/utils.js';
import { LimitError, ProtocolError, ShapeError, UsageError } from '../../base/errors.ts';
import { systemRandom } from '../../base/random.ts';
import { type Bucket, type Offer, offeredKeyPlan } from '../../compiler/offer.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { SecretKey } from '../../schemes/rlwe/keys/secret-key.ts';
import { ApproximateCipher } from './approximate-cipher.ts';
import type { ClientCipher, PlannedMessage } from './client-cipher.ts';
import { DecisionCipher } from './decision-cipher.ts';
import { ExactCipher } from './exact-cipher.ts';
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

/** What {@link InferenceClient.openAll} needs of a message that was sent. */
type SentMessage = Pick<InferenceQuery, 'samples' | 'bucket' | 'nonce'>;

export class InferenceClient implements Disposable {
  readonly offer: Offer;
  readonly #cipher: ClientCipher;
  readonly #secret: SecretKey;

  private constructor(offer: Offer, cipher: ClientCipher, secret: SecretKey) {
    this.offer = offer;
    this.#cipher = cipher;
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
    makeKey: (context: ClientCipher['context']) => SecretKey,
  ): Promise<InferenceClient> {
    const checked = parseOffer(offer);
    const cipher = await cipherKindOf(checked).open(checked, kernel);
    try {
      return new InferenceClient(offer, cipher, makeKey(cipher.context));
    } catch (error) {
      cipher[Symbol.dispose]();
      throw error;
    }
  }

  /** The secret key as bytes, for a sealed key file and nothing else. The caller wipes them. */
  exportSecret(): Uint8Array {
    return this.#secret.exportSecretBytes();
  }

  /** Public key and the evaluation keys of the offer: what the server needs once per client. It learns nothing else from them. */
  enrolment(): Uint8Array {
    const { context } = this.#cipher;
    using generator = context.keyGenerator();
    using publicKey = generator.publicKey(this.#secret);
    using evaluationKeys = generator.evaluationKeys(this.#secret, offeredKeyPlan(this.offer));
    const [own, more] = [evaluationKeys.toBytes(context), this.#cipher.moreKeys?.(this.#secret)];
    return writeEnrolment({
      publicKey: publicKey.toBytes(),
      evaluationKeys: more === undefined ? own : concatBytes(own, more),
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
   * @throws {ShapeError} {@link LimitError} when no bucket is large enough. {@link UsageError} when a query is several messages.
   */
  query(inputs: Float32Array, samples: number): InferenceQuery {
    return collected(this.queryStream(inputs, samples));
  }

  /**
   * As {@link query}, encrypted while it is sent: memory is that of a few ciphertexts. `inputs` must stay as they are until then.
   *
   * @throws as {@link query}
   */
  queryStream(inputs: Float32Array, samples: number): QueryStream {
    const [first, ...others] = this.queryStreams(inputs, samples);
    if (first === undefined || others.length > 0)
      throw new UsageError(
        `a query to ${this.offer.model} is ${others.length + 1} messages, one for each plaintext modulus: use queries() or queryStreams()`,
      );
    return first;
  }

  /**
   * As {@link queryStream}: the messages of one query, one for each plaintext modulus of an exact program, else one. All replies together
   * give the scores: {@link openAll}. @throws {ShapeError} {@link LimitError}
   */
  queryStreams(inputs: Float32Array, samples: number): QueryStream[] {
    const { inputs: features, buckets } = this.offer;
    if (samples < 1 || inputs.length !== samples * features) {
      throw new ShapeError(
        'the inputs',
        `samples x ${features}`,
        `${inputs.length} values for ${samples} samples`,
      );
    }
    if (!buckets.some(({ block }) => block >= samples))
      throw new LimitError('the number of samples', this.maxSamples, samples);
    return this.#cipher.plan(inputs, samples, this.#secret).map((message) => this.#stream(message, samples));
  }

  /** As {@link queryStreams}, each encrypted as a whole when it is taken. */
  *queries(inputs: Float32Array, samples: number): Generator<InferenceQuery, void, undefined> {
    for (const stream of this.queryStreams(inputs, samples)) yield collected(stream);
  }

  #stream({ index, bucket, byteLength, pieces }: PlannedMessage, samples: number): QueryStream {
    const { programId } = this.offer;
    function* attempt(tell: AttemptFacts): Generator<Uint8Array, void, undefined> {
      let isFirst = true;
      for (const piece of pieces(tell.clipped)) {
        if (isFirst) {
          const nonce = bytesToHex(systemRandom.seed());
          tell.nonce(nonce);
          yield writeQuery({ programId, nonce, bucket: index, ciphertexts: piece });
        } else yield piece;
        isFirst = false;
      }
    }
    return new QueryStream({ samples, bucket, byteLength: QUERY_PREFIX_BYTES + byteLength, attempt });
  }

  /**
   * Decrypts a reply to scores, row-major [samples, offer.outputs]; of a model that decides, to one number, the place that won.
   *
   * @throws {DecodeError} {@link ProtocolError} when the reply is not one, or answers something else. Keep it to yourself.
   */
  open(query: InferenceQuery | QueryStream, reply: Uint8Array): Float32Array {
    return this.openAll([query], [reply]);
  }

  /** As {@link open}, of all messages of one query. */
  openAll(queries: readonly SentMessage[], replies: readonly Uint8Array[]): Float32Array {
    return this.#cipher.decrypt(this.#scoresOf(queries, replies), this.#secret);
  }

  /**
   * The scores of an exact program as integers, row-major [samples, offer.outputs]: real scores times offer.outputScale.
   *
   * @throws as {@link openAll}; {@link UsageError} for an approximate program.
   */
  openIntegers(queries: readonly SentMessage[], replies: readonly Uint8Array[]): bigint[] {
    return this.#cipher.decryptIntegers(this.#scoresOf(queries, replies), this.#secret);
  }

  #scoresOf(queries: readonly SentMessage[], replies: readonly Uint8Array[]) {
    const { messages } = this.#cipher;
    const [first] = queries;
    if (first === undefined || queries.length !== messages || replies.length !== messages)
      throw new ShapeError('the replies', `${messages}, one for each message of a query`, replies.length);
    const ciphertexts = replies.map((reply, i) => {
      const message = readReply(reply);
      if (message.programId !== this.offer.programId || message.nonce !== queries[i]!.nonce)
        throw new ProtocolError('the reply belongs to another query');
      return message.ciphertexts;
    });
    return { samples: first.samples, bucket: first.bucket, replies: ciphertexts };
  }

  [Symbol.dispose](): void {
    this.#secret[Symbol.dispose]();
    this.#cipher[Symbol.dispose]();
  }
}

function cipherKindOf({ exact, decision }: Offer) {
  if (decision !== undefined) return DecisionCipher;
  return exact === undefined ? ApproximateCipher : ExactCipher;
}

/** One attempt as a whole. */
function collected(stream: QueryStream): InferenceQuery {
  const bytes = new Uint8Array(stream.byteLength);
  let at = 0;
  for (const piece of stream.pieces()) {
    bytes.set(piece, at);
    at += piece.length;
  }
  const { samples, bucket, nonce, clipped } = stream;
  return { bytes, samples, bucket, clipped, nonce };
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
  queryStreams: { inputs: arg.typed('a Float32Array', Float32Array), samples: arg.number },
  queries: { inputs: arg.typed('a Float32Array', Float32Array), samples: arg.number },
  open: { query: arg.like('an InferenceQuery', 'nonce', 'samples'), reply: arg.bytes },
  openAll: { queries: arg.list, replies: arg.list },
  openIntegers: { queries: arg.list, replies: arg.list },
});
