/**
 * The pseudorandom words that hide a device's values. One 32-byte root key per device; from it, by HMAC-SHA256 over labelled fields,
 * a seed for every request and purpose; from that seed, by AES-256 in counter mode, the words of each layer. WebCrypto does the AES,
 * in constant time and in browsers too. An edge may be given one request's seed; nothing of another request follows from it.
 */
import { printOnOneLine } from '../../base/inspect.ts';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { DisposedError, ShapeError } from '../../base/errors.ts';
import { ringMask } from './share-ring.ts';

/** What a derived key is for. Keys of different purposes are independent. */
export type KeyPurpose = 'input shares' | 'relayed outputs' | 'edge a' | 'edge b' | 'projection' | 'pair';

const KEY_BYTES = 32;
const utf8 = new TextEncoder();

/** A device's root key. Never printed, never sent; {@link RootKey.derive} is the only use. Disposing wipes it. */
export class RootKey implements Disposable {
  #bytes: Uint8Array | null;

  /** Takes a copy. @throws {ShapeError} unless there are 32 bytes. */
  constructor(bytes: Uint8Array) {
    if (bytes.length !== KEY_BYTES) throw new ShapeError('a root key', '32 bytes', `${bytes.length} bytes`);
    this.#bytes = bytes.slice();
  }

  /** HMAC-SHA256(root, len(purpose) || purpose || fields, each with its length before it). @throws {DisposedError} */
  derive(purpose: KeyPurpose, ...fields: readonly Uint8Array[]): Uint8Array {
    if (this.#bytes === null) throw new DisposedError('a root key');
    const mac = hmac.create(sha256, this.#bytes);
    for (const field of [utf8.encode(`subrosa edge 1|${purpose}`), ...fields]) {
      mac.update(littleEndian(field.length, 4)).update(field);
    }
    return mac.digest();
  }

  /** For the sealed provisioning file only; the caller wipes the copy. */
  exportBytes(): Uint8Array {
    if (this.#bytes === null) throw new DisposedError('a root key');
    return this.#bytes.slice();
  }

  [Symbol.dispose](): void {
    this.#bytes?.fill(0);
    this.#bytes = null;
  }
}

/** `value` below 2^53 in `length` bytes. */
export function littleEndian(value: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0, rest = value; i < length; i++, rest = Math.floor(rest / 256)) bytes[i] = rest % 256;
  return bytes;
}

/** Which run of words of a seed: no two runs share a counter block. */
export interface MaskRun {
  readonly layer: number;
  readonly direction: 'in' | 'out';
}

/** Expands one seed. The seed may be wiped once the stream is open. */
export class MaskStream {
  readonly #key: CryptoKey;

  private constructor(key: CryptoKey) {
    this.#key = key;
  }

  static async open(seed: Uint8Array): Promise<MaskStream> {
    if (seed.length !== KEY_BYTES) throw new ShapeError('a mask seed', '32 bytes', `${seed.length} bytes`);
    const key = await globalThis.crypto.subtle.importKey('raw', Uint8Array.from(seed), 'AES-CTR', false, [
      'encrypt',
    ]);
    return new MaskStream(key);
  }

  /**
   * `count` uniform words below 2^bits: little-endian 32-bit words of the key stream, high bits dropped. The counter block is
   * layer (4 bytes, big-endian), direction (1 byte), 3 zero bytes, block number (8 bytes).
   */
  async words(run: MaskRun, count: number, bits: number): Promise<Uint32Array> {
    const counter = new Uint8Array(16);
    new DataView(counter.buffer).setUint32(0, run.layer);
    counter[4] = run.direction === 'in' ? 1 : 2;
    const zeros = new Uint8Array(4 * count);
    const stream = await globalThis.crypto.subtle.encrypt(
      { name: 'AES-CTR', counter, length: 64 },
      this.#key,
      zeros,
    );
    const words = new Uint32Array(stream);
    const keep = ringMask(bits);
    if (bits < 32) for (let i = 0; i < count; i++) words[i]! &= keep;
    return words;
  }
}

printOnOneLine(MaskStream, RootKey);
