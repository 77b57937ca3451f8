/**
 * One party's share of a collective secret: s = s_1 + .. + s_k [MTBH21]. It belongs to one session, is never exported, and answers each
 * step of the session for one ciphertext, the same way for ever: everything random in an answer is a function of the share's own seed, the
 * session, the step and the hash of the ciphertext. A second answer with fresh errors, or one to another ciphertext under the same mask,
 * would tell of s_i; here the same request gives the same bytes, and another ciphertext ends the share.
 */
import { shake256 } from '@noble/hashes/sha3.js';
import { bytesToHex, concatBytes } from '@noble/hashes/utils.js';
import type { ParamsId } from '../../../base/brand.ts';
import { DisposedError, OutOfRangeError, ProtocolError, ShapeError } from '../../../base/errors.ts';
import { Drbg, SEED_BYTES } from '../../../base/random.ts';
import { Secret } from '../../../base/secret.ts';
import type { Words } from '../../../kernel/kernel.ts';
import type { RlweContext } from '../context.ts';
import { SecretKey, secretWords } from '../keys/secret-key.ts';
import { SESSION_BYTES } from './session-random.ts';

const HASH_BYTES = 32;
const utf8 = new TextEncoder();

let wordsOf: (share: SecretShare) => Words;
let streamOf: (share: SecretShare, purpose: string) => Drbg;

export class SecretShare extends Secret implements Disposable {
  readonly paramsId: ParamsId;
  #secret: SecretKey;
  #seed: Uint8Array;
  #session: Uint8Array;
  #answered = new Map<number, string>();
  #end: string | null = null;

  static {
    wordsOf = (share) => secretWords(share.#secret);
    streamOf = (share, purpose) => share.#stream(purpose);
  }

  /** Draws s_i, uniform ternary, and the seed of all answers. */
  constructor(context: RlweContext, session: Uint8Array) {
    super();
    if (session.length !== SESSION_BYTES)
      throw new ShapeError('a session id', `${SESSION_BYTES} bytes`, `${session.length} bytes`);
    this.paramsId = context.params.id;
    this.#session = session.slice();
    this.#seed = Uint8Array.from(context.random.seed());
    using drbg = this.#stream('secret share');
    const key = drbg.nextKey('s');
    try {
      this.#secret = new SecretKey(context, key);
    } finally {
      key.fill(0);
    }
  }

  get session(): Uint8Array {
    return this.#session.slice();
  }

  /**
   * The randomness of the answer to `step` for the ciphertext of this hash. Steps may be asked for again, with the same hash; the caller
   * disposes of the stream.
   *
   * @throws {ProtocolError} for another hash than before, which ends the share, and for every request after its end.
   */
  answer(step: number, hash: Uint8Array): Drbg {
    if (this.#end !== null) throw new ProtocolError(this.#end);
    if (!Number.isInteger(step) || step < 0 || step >= 2 ** 32)
      throw new OutOfRangeError('a step of a session', 'an integer from 0', step);
    if (hash.length !== HASH_BYTES)
      throw new ShapeError('the hash of a ciphertext', `${HASH_BYTES} bytes`, `${hash.length} bytes`);
    const name = bytesToHex(hash);
    const before = this.#answered.get(step);
    if (before !== undefined && before !== name)
      this.end(`step ${step} was answered for another ciphertext: the session is over`);
    // The record is made before anything is computed that could leave.
    this.#answered.set(step, name);
    return this.#stream(`answer ${step} ${name}`);
  }

  /** No answer leaves any more. @throws {ProtocolError} always, with the first reason. */
  end(reason: string): never {
    this.#end ??= reason;
    throw new ProtocolError(this.#end);
  }

  #stream(purpose: string): Drbg {
    const message = concatBytes(this.#seed, this.#session, utf8.encode(purpose));
    const seed = shake256(message, { dkLen: SEED_BYTES });
    message.fill(0);
    try {
      return new Drbg(seed);
    } finally {
      seed.fill(0);
    }
  }

  [Symbol.dispose](): void {
    this.#end ??= new DisposedError('a secret share').message;
    this.#seed.fill(0);
    this.#secret[Symbol.dispose]();
  }
}

/** s_i, as {@link secretWords}: borrowed, secret. @throws {DisposedError} */
export function shareWords(share: SecretShare): Words {
  return wordsOf(share);
}

/** The randomness of a share's part in one key: the same at every call. */
export function shareStream(share: SecretShare, purpose: string): Drbg {
  return streamOf(share, purpose);
}
