/**
 * Approvals of a data set that may spend more than the default share of its rank: Ed25519 signatures over the text of the whole
 * specification without its approvals. An authority counts those whose keys were enrolled with it.
 *
 * Two approvals prove that two enrolled secret keys signed this very specification. They do not prove two people: whoever writes
 * the list of enrolled keys, or holds two of them, can approve alone.
 */
import * as arg from '../../../base/arguments.ts';
import { ed25519 } from '@noble/curves/ed25519.js';
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import * as z from 'zod';

/** Whoever may approve, as an authority has them enrolled. */
export const approverSchema = z.strictObject({
  name: z.string().regex(/^[\w.-]{1,64}$/),
  /** Ed25519 public key, hex. */
  key: z.string().regex(/^[0-9a-f]{64}$/),
});
export type Approver = z.infer<typeof approverSchema>;

export const approvalSchema = approverSchema.extend({ signature: z.string().regex(/^[0-9a-f]{128}$/) });
export type Approval = z.infer<typeof approvalSchema>;

/** Different keys under different names. */
export const APPROVALS_NEEDED = 2;

const LABEL = 'subrosa approval of a data set, version 1\n';

function messageOf(text: string): Uint8Array {
  return utf8ToBytes(LABEL + text);
}

/** The public key of an approver's secret key of 32 bytes, hex. */
export function approverKey(secret: Uint8Array): string {
  arg.checkArguments('approverKey', [secret], { secret: arg.bytes });
  return bytesToHex(ed25519.getPublicKey(secret));
}

/** `text` is what {@link approvalText} gives. */
export function signApproval(text: string, name: string, secret: Uint8Array): Approval {
  arg.checkArguments('signApproval', [text, name, secret], {
    text: arg.text,
    name: arg.text,
    secret: arg.bytes,
  });
  const signature = bytesToHex(ed25519.sign(messageOf(text), secret));
  return { name, key: approverKey(secret), signature };
}

/** Those that verify, one for each key and each name. */
export function validApprovals(text: string, approvals: readonly Approval[]): Approval[] {
  const message = messageOf(text);
  const valid: Approval[] = [];
  for (const approval of approvals) {
    if (valid.some(({ key, name }) => key === approval.key || name === approval.name)) continue;
    if (isSignedBy(message, approval)) valid.push(approval);
  }
  return valid;
}

function isSignedBy(message: Uint8Array, { key, signature }: Approval): boolean {
  try {
    // Strict: small-order keys, whose signatures fit several messages, are refused.
    return ed25519.verify(hexToBytes(signature), message, hexToBytes(key), { zip215: false });
  } catch {
    return false;
  }
}

/** Of valid approvals, those by enrolled keys under their enrolled names. */
export function enrolledApprovals(valid: readonly Approval[], enrolled: readonly Approver[]): Approval[] {
  return valid.filter(({ name, key }) => enrolled.some((each) => each.name === name && each.key === key));
}
