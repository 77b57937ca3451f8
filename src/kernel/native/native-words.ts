/** Words of the native kernel: memory outside the JavaScript heap, freed by hand. */
import { printOnOneLine } from '../../base/inspect.ts';
import { DisposedError, ShapeError } from '../../base/errors.ts';
import type { Words } from '../kernel.ts';
import type { NativeAddon, NativeHandle } from './native-addon.ts';

interface Allocation {
  readonly buffer: ArrayBuffer;
  readonly handle: NativeHandle;
}

interface MemoryAddon extends NativeAddon {
  allocate(words: number): Allocation;
  release(buffer: ArrayBuffer, handle: NativeHandle): void;
}

/** One ArrayBuffer and the words in it; shared by the run that owns it and the runs borrowed from that. */
class NativeBlock {
  readonly #addon: MemoryAddon;
  readonly #released: (words: number) => void;
  #allocation: Allocation | undefined;

  constructor(addon: MemoryAddon, words: number, released: (words: number) => void) {
    this.#addon = addon;
    this.#released = released;
    this.#allocation = addon.allocate(words);
  }

  get buffer(): ArrayBuffer {
    if (this.#allocation === undefined) throw new DisposedError('a run of words');
    return this.#allocation.buffer;
  }

  get alive(): boolean {
    return this.#allocation !== undefined;
  }

  release(): void {
    const allocation = this.#allocation;
    if (allocation === undefined) return;
    const words = allocation.buffer.byteLength / 8;
    this.#allocation = undefined;
    this.#addon.release(allocation.buffer, allocation.handle);
    this.#released(words);
  }
}

class NativeWords implements Words {
  readonly length: number;
  readonly #block: NativeBlock;
  readonly #offset: number;
  readonly #owns: boolean;
  #view: BigUint64Array | undefined;

  constructor(block: NativeBlock, offset: number, length: number, owns: boolean) {
    this.#block = block;
    this.#offset = offset;
    this.length = length;
    this.#owns = owns;
  }

  u64(): BigUint64Array {
    const buffer = this.#block.buffer;
    this.#view ??= new BigUint64Array(buffer, this.#offset * 8, this.length);
    return this.#view;
  }

  u32(): Uint32Array {
    return new Uint32Array(this.#block.buffer, this.#offset * 8, this.length * 2);
  }

  bytes(): Uint8Array {
    return new Uint8Array(this.#block.buffer, this.#offset * 8, this.length * 8);
  }

  sub(offset: number, length: number): Words {
    if (!this.#block.alive) throw new DisposedError('a run of words');
    const inside = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
    if (!inside || offset + length > this.length)
      throw new ShapeError('a borrowed run', `inside ${this.length} words`, `${offset} + ${length}`);
    return new NativeWords(this.#block, this.#offset + offset, length, false);
  }

  wipe(): void {
    if (!this.#block.alive) return;
    this.u64().fill(0n);
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    if (this.#owns) this.#block.release();
  }
}

/** `allocate` of the native kernel and the count behind `liveWords`. */
export function nativeMemory(addon: NativeAddon): { allocate(words: number): Words; readonly live: number } {
  let live = 0;
  return {
    allocate(words) {
      if (!Number.isSafeInteger(words) || words < 0)
        throw new ShapeError('an allocation', 'a count of words', words);
      // The addon has no empty blocks; an empty run still has one word behind it.
      const size = Math.max(words, 1);
      const block = new NativeBlock(addon as MemoryAddon, size, (freed) => {
        live -= freed;
      });
      live += size;
      return new NativeWords(block, 0, words, true);
    },
    get live() {
      return live;
    },
  };
}

printOnOneLine(NativeWords);
