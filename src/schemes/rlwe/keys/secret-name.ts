/** A secret key's name inside this process: a hash of it, so that the same key under another object is the same. */
import { bytesToHex } from '@noble/hashes/utils.js';
import { sha256Digest } from '../../../base/sha256.ts';
import type { SecretKey } from './secret-key.ts';

const names = new WeakMap<SecretKey, string>();

/** @throws {DisposedError} */
export function secretName(key: SecretKey): string {
  const known = names.get(key);
  if (known !== undefined) return known;
  const bytes = key.exportSecretBytes();
  try {
    const name = bytesToHex(sha256Digest(bytes));
    names.set(key, name);
    return name;
  } finally {
    bytes.fill(0);
  }
}
