/**
 * Randomness: 32-byte seeds from the operating system, and every other random byte derived from one by label and index.
 *
 * Stream key = SHAKE256(seed || len(label) || label || LE64(index)), 32 bytes [FIPS 202]. Secret values are drawn from
 * ChaCha20 under such a key (kernel samplers); the label 'a' yields the public seeds that SHAKE128 expands into the
 * uniform halves. SHAKE256 is one-way, so publishing an 'a' seed says nothing about the others. There is no fallback:
 * when the operating system has no entropy, the call throws.
 *
 * Two copies of one virtual machine would draw the same bytes from any generator that lives in the process, Node's own included: it asks
 * the operating system only now and then. Two messages masked by the same bytes give away their difference. So every seed is drawn from
 * the kernel as well, which a platform can tell of a copy, and generators that live long take fresh seeds in: {@link Drbg.refresh}.
 */
import { printOnOneLine } from './inspect.ts';
import * as arg from './arguments.ts';
import { shake256 } from '@noble/hashes/sha3.js';
import type { Seed } from './brand.ts';
import { DisposedError, ShapeError } from './errors.ts';

/** What a stream is for; streams with different labels are independent. */
export type StreamLabel = 'a' | 's' | 'e' | 'e0' | 'e1' | 'u' | 'flood';

export const SEED_BYTES = 32;

/** Where fresh seeds come from: the operating system, or in tests a deterministic list. */
export interface RandomSource {
  /** 32 bytes; other lengths are refused where they are used. */
  seed(): Uint8Array;
}

/** Undefined in a browser. */
const files = globalThis.process?.getBuiltinModule?.('node:fs');
const KERNEL_SOURCE = '/dev/urandom';

/** XORs what the kernel's own generator gives into `out`, where there is one that can be read: `out` is random already. */
function addKernelRandomness(out: Uint8Array): void {
  if (files === undefined) return;
  const bytes = new Uint8Array(out.length);
  try {
    const file = files.openSync(KERNEL_SOURCE, 'r');
    try {
      files.readSync(file, bytes);
    } finally {
      files.closeSync(file);
    }
  } catch {
    // Windows, a jail without devices, too many open files: the first source stands alone.
  }
  for (let i = 0; i < out.length; i++) out[i]! ^= bytes[i]!;
  bytes.fill(0);
}

export const systemRandom = {
  seed: (): Seed => {
    const seed = globalThis.crypto.getRandomValues(new Uint8Array(SEED_BYTES));
    addKernelRandomness(seed);
    return seed as Seed;
  },
} satisfies RandomSource;

/** Words of the operating system in turn, 32 uniform bits each, fetched many at a time. */
export function systemWords(): () => number {
  const words = new Uint32Array(256);
  let used = words.length;
  return () => {
    if (used === words.length) {
      globalThis.crypto.getRandomValues(words);
      used = 0;
    }
    return words[used++];
  };
}

/** @throws {ShapeError} unless there are exactly 32 bytes. The bytes are copied. */
export function seedFromBytes(bytes: Uint8Array): Seed {
  arg.checkArguments('seedFromBytes', [bytes], { bytes: arg.bytes });
  if (bytes.length !== SEED_BYTES)
    throw new ShapeError('a seed', `${SEED_BYTES} bytes`, `${bytes.length} bytes`);
  // Not slice: that of a Buffer shares its memory.
  return new Uint8Array(bytes) as Seed;
}

let watcher: ((key: Uint8Array) => void) | null = null;

/** Tests install a watcher that sees every derived key and can refuse a repetition; null removes it. */
export function watchStreamKeys(watch: ((key: Uint8Array) => void) | null): void {
  watcher = watch;
}

/** Derives stream keys from one seed, each (label, index) once. Takes a copy of the seed; disposing wipes it. */
export class Drbg implements Disposable {
  #seed: Uint8Array;
  #next = new Map<StreamLabel, number>();
  #disposed = false;

  constructor(seed: Uint8Array) {
    this.#seed = seedFromBytes(seed);
  }

  /** The key of the next unused index under `label`. The caller wipes it after use. @throws {DisposedError} */
  nextKey(label: StreamLabel): Uint8Array {
    if (this.#disposed) throw new DisposedError('a random generator');
    const index = this.#next.get(label) ?? 0;
    this.#next.set(label, index + 1);
    const key = deriveStreamKey(this.#seed, label, index);
    watcher?.(key);
    return key;
  }

  /**
   * Takes 32 fresh bytes in, seed = SHAKE256(seed || 0 || fresh), and wipes them: what follows is random when either is. For generators
   * that live longer than one operation, before each.
   *
   * @throws {DisposedError} {@link ShapeError}
   */
  refresh(fresh: Uint8Array): void {
    if (this.#disposed) throw new DisposedError('a random generator');
    const message = new Uint8Array(2 * SEED_BYTES + 1);
    message.set(this.#seed);
    message.set(seedFromBytes(fresh), SEED_BYTES + 1);
    fresh.fill(0);
    this.#seed.set(shake256(message, { dkLen: SEED_BYTES }));
    message.fill(0);
  }

  /** A seed that may be published: the next one under label 'a'. */
  nextPublicSeed(): Seed {
    return this.nextKey('a') as Seed;
  }

  [Symbol.dispose](): void {
    this.#seed.fill(0);
    this.#disposed = true;
  }
}

function deriveStreamKey(seed: Uint8Array, label: StreamLabel, index: number): Uint8Array {
  const message = new Uint8Array(32 + 1 + label.length + 8);
  message.set(seed);
  message[32] = label.length;
  for (let i = 0; i < label.length; i++) message[33 + i] = label.charCodeAt(i);
  new DataView(message.buffer).setBigUint64(33 + label.length, BigInt(index), true);
  const key = shake256(message, { dkLen: 32 });
  message.fill(0);
  return key;
}

printOnOneLine(Drbg);
