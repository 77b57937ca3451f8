/**
 * Where the randomness of replies comes from: a function of a secret of the server and of the query. So a query that is asked or delivered twice gets
 * the same bytes, and asking again does not average the flooding away. Asking with a fresh encryption of the same data does; that
 * is what query budgets are for.
 *
 * What goes in is everything that the result depends on, and the public key that masks it: the same mask under two keys of
 * the client's choice would be read off. The nonce of the query stays out: the same ciphertexts under another nonce are
 * the same query.
 */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { ByteWriter } from '../../base/bytes.ts';
import { DisposedError, DivergentReplyError } from '../../base/errors.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import * as arg from '../../base/arguments.ts';
import { seedFromBytes, systemRandom } from '../../base/random.ts';
import { sha256Digest, sha256Mac } from '../../base/sha256.ts';
import type { TenantId } from './names.ts';

/**
 * Of the way in which results are computed. Whatever changes a result in its last bit (order of evaluation, encoding of constants, placement)
 * raises it, so that old and new results never share a mask.
 */
const REPLY_ENGINE = 1;
const LABEL = new TextEncoder().encode('subrosa reply');
/** Results that are remembered, to notice when another one would get the same mask. */
const REMEMBERED = 4096;

/** What a reply is a function of. */
export interface ReplySubject {
  readonly tenant: TenantId;
  /** SHA-256 of the whole enrolment: evaluation keys and public key. */
  readonly enrolment: Uint8Array;
  /** Hex. */
  readonly programId: string;
  /** The u32 of the query that chooses the bucket, or the plaintext modulus. */
  readonly bucket: number;
  /** As they travelled, seeded, without nonce. */
  readonly ciphertexts: Uint8Array;
}

export class ReplySecret implements Disposable {
  #secret: Uint8Array | undefined;
  /** What a result was, by what it was masked for; the oldest first. */
  readonly #results = new Map<string, string>();

  /** `secret`: 32 bytes, copied; random when absent. */
  constructor(secret: Uint8Array = systemRandom.seed()) {
    this.#secret = seedFromBytes(secret);
  }

  /**
   * The seed of the mask of a reply. @throws {DisposedError}
   */
  seedFor(subject: ReplySubject): Uint8Array {
    return sha256Mac(this.#open(), subjectBytes(subject));
  }

  /**
   * Notes that `result`, an unmasked one or the masked bytes, belongs to `subject`.
   *
   * @throws {DivergentReplyError} when another result was noted for it: then neither may go out.
   */
  note(subject: ReplySubject, result: Uint8Array): void {
    const key = bytesToHex(sha256Mac(this.#open(), sha256Digest(subjectBytes(subject))));
    const digest = bytesToHex(sha256Digest(result));
    const before = this.#results.get(key);
    if (before !== undefined && before !== digest) throw new DivergentReplyError();
    this.#results.delete(key);
    this.#results.set(key, digest);
    const oldest = this.#results.size > REMEMBERED ? this.#results.keys().next().value : undefined;
    if (oldest !== undefined) this.#results.delete(oldest);
  }

  /**
   * Replaces the secret and wipes the old one: who steals it later cannot strip replies that were recorded before. A query that is asked again
   * after that gets another reply, so this belongs to once a day, not to every query.
   */
  rotate(secret: Uint8Array = systemRandom.seed()): void {
    this.#open().fill(0);
    this.#secret = seedFromBytes(secret);
    this.#results.clear();
  }

  #open(): Uint8Array {
    if (this.#secret === undefined) throw new DisposedError('a secret of replies');
    return this.#secret;
  }

  /** Wipes the secret. */
  [Symbol.dispose](): void {
    this.#secret?.fill(0);
    this.#secret = undefined;
  }
}

/** Every field of fixed length, or with its length in front: no two subjects have the same bytes. */
function subjectBytes({ tenant, enrolment, programId, bucket, ciphertexts }: ReplySubject): Uint8Array {
  const who = new TextEncoder().encode(tenant);
  const [keys, program] = [sha256Digest(enrolment), hexToBytes(programId)];
  const writer = new ByteWriter(LABEL.length + 4 + 4 + who.length + keys.length + program.length + 4 + 32);
  writer.bytes(LABEL);
  writer.u32(REPLY_ENGINE);
  writer.u32(who.length);
  writer.bytes(who);
  writer.bytes(keys);
  writer.bytes(program);
  writer.u32(bucket);
  writer.bytes(sha256Digest(ciphertexts));
  return writer.finish();
}

printOnOneLine(ReplySecret);
arg.guard('ReplySecret', ReplySecret.prototype, {
  seedFor: { subject: arg.like('a ReplySubject', 'tenant', 'programId') },
  note: { subject: arg.like('a ReplySubject', 'tenant', 'programId'), result: arg.bytes },
  rotate: { secret: arg.optional(arg.bytes) },
});
