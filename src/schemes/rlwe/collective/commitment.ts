/**
 * Commitments: whoever sends one has chosen before it sees what the others chose. Without them the last party to send its share of the public
 * key picks p_k = its own key - the sum of the others, and alone holds the key that everybody encrypts under.
 */
import { concatBytes } from '@noble/hashes/utils.js';
import { constantTimeEqual } from '../../../base/constant-time.ts';
import { sha256Digest } from '../../../base/sha256.ts';

export const COMMITMENT_BYTES = 32;
const utf8 = new TextEncoder();

/**
 * SHA-256 over the session, what is committed to, the party and the bytes. It hides what has as many random bits as a nonce or a share; the
 * party in it keeps others from committing to the same.
 */
export function commitment(session: Uint8Array, what: string, party: number, bytes: Uint8Array): Uint8Array {
  const text = utf8.encode(`subrosa commitment ${what}|`);
  return Uint8Array.from(sha256Digest(concatBytes(text, session, Uint8Array.of(party), sha256Digest(bytes))));
}

/** Whether `bytes` open a commitment. */
export function opensCommitment(
  committed: Uint8Array,
  session: Uint8Array,
  what: string,
  party: number,
  bytes: Uint8Array,
): boolean {
  return constantTimeEqual(committed, commitment(session, what, party, bytes));
}
