/**
 * Who asks: the SHA-256 of a bearer token of 32 random bytes that the client made together with its keys.
 * There are no accounts. Whoever holds the token may use and delete the keys that were enrolled with it, nobody else.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { type TenantId, tenantId } from '../../protocols/inference/names.ts';

/** 32 bytes in base64url without padding. */
const BEARER = /^Bearer ([A-Za-z0-9_-]{43})$/i;

/** The tenant of an Authorization header in hex, or null when the header is missing or malformed. */
export function tenantOf(authorization: string | undefined): TenantId | null {
  const match = authorization === undefined ? null : BEARER.exec(authorization);
  if (match === null) return null;
  const token = Buffer.from(match[1] as string, 'base64url');
  return tenantId(createHash('sha256').update(token).digest('hex'));
}

/** Compares two tenants in time that does not depend on where they differ. */
export function sameTenant(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(a, 'hex'), Buffer.from(b, 'hex'));
}
