/** SHA-256 without a wait: by Node where there is Node, which is ten times as fast. */
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';

/** Undefined in a browser. */
const node = globalThis.process?.getBuiltinModule?.('node:crypto');

/** 32 bytes. */
export function sha256Digest(bytes: Uint8Array): Uint8Array {
  return node === undefined ? sha256(bytes) : node.hash('sha256', bytes, 'buffer');
}

/** HMAC-SHA-256, 32 bytes. */
export function sha256Mac(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  return node === undefined
    ? hmac(sha256, key, bytes)
    : node.createHmac('sha256', key).update(bytes).digest();
}
