/** What a client needs of a scheme: parameters, keys and messages, for approximate scores or exact ones. */
import type { Bucket } from '../../compiler/offer.ts';
import type { Arena } from '../../ring/arena.ts';
import type { RlweContext } from '../../schemes/rlwe/context.ts';
import type { KeyGenerator } from '../../schemes/rlwe/keys/key-generator.ts';
import type { SecretKey } from '../../schemes/rlwe/keys/secret-key.ts';

/** One message of a query, before it is encrypted. */
export interface PlannedMessage {
  /** Stands in the query: the bucket, or which plaintext modulus. */
  readonly index: number;
  readonly bucket: Bucket;
  /** Of the ciphertexts. */
  readonly byteLength: number;
  /**
   * Encrypts anew: the bytes of a seeded batch in order, its start first. `onClipped` is told how many values lay outside of the
   * offer's bound and were moved onto it.
   */
  readonly pieces: (onClipped: (values: number) => void) => Iterable<Uint8Array>;
}

/** The replies to one query, in the order of its messages. */
export interface EncryptedScores {
  readonly samples: number;
  readonly bucket: Bucket;
  readonly replies: readonly Uint8Array[];
}

export interface ClientCipher extends Disposable {
  readonly context: RlweContext & { keyGenerator(): KeyGenerator; arena(): Arena };
  /** Messages per query. */
  readonly messages: number;
  /** The messages of a query for `inputs`, row-major [samples, features]. A bucket that holds them exists. */
  plan(inputs: Float32Array, samples: number, secret: SecretKey): PlannedMessage[];
  /** What an enrolment holds behind the evaluation keys. */
  moreKeys?(secret: SecretKey): Uint8Array;
  /** Scores, row-major [samples, outputs], or the one place that was decided on. @throws {DecodeError} {@link ParamsMismatchError} */
  decrypt(scores: EncryptedScores, secret: SecretKey): Float32Array;
  /** The same as integers, where they are. @throws {UsageError} where they are not, and as {@link decrypt}. */
  decryptIntegers(scores: EncryptedScores, secret: SecretKey): bigint[];
}

/** Ciphertexts that are encrypted together: enough for all threads, few enough for the cache. */
export const PIECE_CIPHERTEXTS = 16;
