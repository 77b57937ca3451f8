/**
 * Uniform polynomials that all parties of a session know and that nobody chose: their seeds are SHAKE256 of the session id and a label. The
 * session id is a hash of what every party committed to before it saw the others' [MTBH21].
 */
import { shake256 } from '@noble/hashes/sha3.js';
import { concatBytes } from '@noble/hashes/utils.js';
import type { Seed } from '../../../base/brand.ts';
import { OutOfRangeError, ShapeError } from '../../../base/errors.ts';
import { SEED_BYTES } from '../../../base/random.ts';

export const SESSION_BYTES = 32;
export const MOST_PARTIES = 16;
const utf8 = new TextEncoder();

/** @throws {OutOfRangeError} for fewer than 2 or more than 16 parties. */
export function assertParties(parties: number): void {
  if (!Number.isInteger(parties) || parties < 2 || parties > MOST_PARTIES)
    throw new OutOfRangeError('parties of a session', `from 2 to ${MOST_PARTIES}`, parties);
}

/** 32 bytes from the session, a label and, for what belongs to one ciphertext, its hash. */
export function commonSeed(session: Uint8Array, label: string, hash: Uint8Array = new Uint8Array()): Seed {
  if (session.length !== SESSION_BYTES)
    throw new ShapeError('a session id', `${SESSION_BYTES} bytes`, `${session.length} bytes`);
  const text = utf8.encode(label);
  const message = concatBytes(
    utf8.encode('subrosa collective'),
    session,
    Uint8Array.of(text.length),
    text,
    hash,
  );
  return shake256(message, { dkLen: SEED_BYTES }) as Seed;
}
