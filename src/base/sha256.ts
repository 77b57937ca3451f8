/** SHA-256 without a wait: by Node where there is Node, which is ten times as fast. */
import { sha256 } from '@noble/hashes/sha2.js';

/** Undefined in a browser. */
const node = globalThis.process?.getBuiltinModule?.('node:crypto');

/** 32 bytes. */
export function sha256Digest(bytes: Uint8Array): Uint8Array {
  return node === undefined ? sha256(bytes) : node.hash('sha256', bytes, 'buffer');
}
