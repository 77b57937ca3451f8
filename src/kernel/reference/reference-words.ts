/** Words of the reference kernel: one BigUint64Array per allocation. */
import { printOnOneLine } from '../../base/inspect.ts';
import { DisposedError, ShapeError } from '../../base/errors.ts';
import type { Words } from '../kernel.ts';

interface Allocation {
  live: boolean;
  release(): void;
}

export class ReferenceWords implements Words {
  readonly #data: BigUint64Array;
  readonly #allocation: Allocation;
  readonly #isBorrowed: boolean;

  private constructor(data: BigUint64Array, allocation: Allocation, isBorrowed: boolean) {
    this.#data = data;
    this.#allocation = allocation;
    this.#isBorrowed = isBorrowed;
  }

  static allocate(words: number, release: () => void): ReferenceWords {
    return new ReferenceWords(new BigUint64Array(words), { live: true, release }, false);
  }

  get length(): number {
    return this.#data.length;
  }

  u64(): BigUint64Array {
    if (!this.#allocation.live) throw new DisposedError('a run of words');
    return this.#data;
  }

  u32(): Uint32Array {
    const data = this.u64();
    return new Uint32Array(data.buffer, data.byteOffset, 2 * data.length);
  }

  bytes(): Uint8Array {
    const data = this.u64();
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }

  sub(offset: number, length: number): Words {
    if (offset < 0 || length < 0 || offset + length > this.length) {
      throw new ShapeError('a run of words', `inside ${this.length} words`, `${offset} + ${length}`);
    }
    return new ReferenceWords(this.u64().subarray(offset, offset + length), this.#allocation, true);
  }

  wipe(): void {
    if (!this.#allocation.live) return;
    this.u64().fill(0n);
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    if (this.#isBorrowed || !this.#allocation.live) return;
    this.#allocation.live = false;
    this.#allocation.release();
  }
}

printOnOneLine(ReferenceWords);
