/** The heap inside one WebAssembly memory: first fit over free runs in address order, neighbours joined on release. */
import { printOnOneLine } from '../../base/inspect.ts';
import { DisposedError, KernelError, ShapeError } from '../../base/errors.ts';
import type { Words } from '../kernel.ts';

const ALIGNMENT = 64;
const PAGE = 65536;
/** 4 GiB less one page, so that the end of a run is always a 32-bit address. */
const MAX_PAGES = 65535;
/** Memory grows by at least this much, as growing is slow. */
const GROWTH_PAGES = 256;

interface Run {
  start: number;
  end: number;
}

function aligned(bytes: number): number {
  return Math.ceil(Math.max(bytes, 1) / ALIGNMENT) * ALIGNMENT;
}

export class WasmMemory {
  readonly #memory: WebAssembly.Memory;
  readonly #free: Run[];
  readonly #sizes = new Map<number, number>();
  liveWords = 0;

  /** Manages everything from `base` to the end of the memory, and lets it grow. */
  constructor(memory: WebAssembly.Memory, base: number) {
    this.#memory = memory;
    this.#free = [{ start: aligned(base), end: memory.buffer.byteLength }];
  }

  /** @throws {KernelError} when neither the free runs nor growth give that many bytes. */
  allocate(bytes: number): number {
    const size = aligned(bytes);
    const fits = ({ start, end }: Run) => end - start >= size;
    let at = this.#free.findIndex(fits);
    if (at < 0) {
      this.#grow(size);
      at = this.#free.findIndex(fits);
    }
    const run = this.#free[at] as Run;
    const { start } = run;
    run.start += size;
    if (run.start === run.end) this.#free.splice(at, 1);
    this.#sizes.set(start, size);
    return start;
  }

  #grow(size: number): void {
    const pages = this.#memory.buffer.byteLength / PAGE;
    const needed = Math.ceil(size / PAGE);
    const by = Math.max(needed, Math.min(Math.max(GROWTH_PAGES, pages >> 2), MAX_PAGES - pages));
    const fail = (cause?: unknown) =>
      new KernelError('wasm', `cannot allocate ${size} bytes beside ${pages * PAGE}`, { cause });
    if (pages + by > MAX_PAGES) throw fail();
    try {
      this.#memory.grow(by);
    } catch (cause) {
      throw fail(cause);
    }
    this.#insert({ start: pages * PAGE, end: (pages + by) * PAGE });
  }

  release(start: number): void {
    const size = this.#sizes.get(start) as number;
    this.#sizes.delete(start);
    this.#insert({ start, end: start + size });
  }

  #insert(run: Run): void {
    let low = 0;
    for (let high = this.#free.length; low < high; ) {
      const middle = (low + high) >> 1;
      if ((this.#free[middle] as Run).start < run.start) low = middle + 1;
      else high = middle;
    }
    const before = this.#free[low - 1];
    const after = this.#free[low];
    if (before?.end === run.start) {
      before.end = run.end;
      if (after?.start === before.end) {
        before.end = after.end;
        this.#free.splice(low, 1);
      }
    } else if (after?.start === run.end) {
      after.start = run.start;
    } else {
      this.#free.splice(low, 0, run);
    }
  }

  /** A view; valid until the next allocation. */
  bytes(start: number, length: number): Uint8Array {
    return new Uint8Array(this.#memory.buffer, start, length);
  }

  u64(start: number, length: number): BigUint64Array {
    return new BigUint64Array(this.#memory.buffer, start, length);
  }

  f64(start: number, length: number): Float64Array {
    return new Float64Array(this.#memory.buffer, start, length);
  }

  /** Copies the bytes of an array to `start`. */
  write(start: number, { buffer, byteOffset, byteLength }: ArrayBufferView): void {
    this.bytes(start, byteLength).set(new Uint8Array(buffer, byteOffset, byteLength));
  }

  /** Fills an array with the bytes from `start` on. */
  read({ buffer, byteOffset, byteLength }: ArrayBufferView, start: number): void {
    new Uint8Array(buffer, byteOffset, byteLength).set(this.bytes(start, byteLength));
  }

  copyWithin(to: number, from: number, bytes: number): void {
    new Uint8Array(this.#memory.buffer).copyWithin(to, from, from + bytes);
  }

  /** Lends `bytes` bytes, not cleared, for the time of a call. */
  borrow<T>(bytes: number, use: (start: number) => T): T {
    const start = this.allocate(bytes);
    try {
      return use(start);
    } finally {
      this.release(start);
    }
  }

  /** The same for secrets: overwritten afterwards. */
  borrowSecret<T>(bytes: number, use: (start: number) => T): T {
    return this.borrow(bytes, (start) => {
      try {
        return use(start);
      } finally {
        this.bytes(start, bytes).fill(0);
      }
    });
  }

  words(length: number): WasmWords {
    if (!Number.isSafeInteger(length) || length < 0)
      throw new ShapeError('an allocation', 'a count of words', length);
    const start = this.allocate(8 * length);
    this.bytes(start, 8 * length).fill(0);
    this.liveWords += length;
    return new WasmWords(this, { isLive: true }, start, length, false);
  }
}

export class WasmWords implements Words {
  readonly length: number;
  readonly memory: WasmMemory;
  readonly #allocation: { isLive: boolean };
  readonly #start: number;
  readonly #isBorrowed: boolean;

  constructor(
    memory: WasmMemory,
    allocation: { isLive: boolean },
    start: number,
    length: number,
    isBorrowed: boolean,
  ) {
    this.memory = memory;
    this.length = length;
    this.#allocation = allocation;
    this.#start = start;
    this.#isBorrowed = isBorrowed;
  }

  get address(): number {
    if (!this.#allocation.isLive) throw new DisposedError('a run of words');
    return this.#start;
  }

  u64(): BigUint64Array {
    return this.memory.u64(this.address, this.length);
  }

  u32(): Uint32Array {
    const { buffer, byteOffset } = this.bytes();
    return new Uint32Array(buffer, byteOffset, 2 * this.length);
  }

  bytes(): Uint8Array {
    return this.memory.bytes(this.address, 8 * this.length);
  }

  sub(offset: number, length: number): Words {
    const isInside =
      Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
    if (!isInside || offset + length > this.length) {
      throw new ShapeError('a borrowed run', `inside ${this.length} words`, `${offset} + ${length}`);
    }
    return new WasmWords(this.memory, this.#allocation, this.address + 8 * offset, length, true);
  }

  wipe(): void {
    if (!this.#allocation.isLive) return;
    this.bytes().fill(0);
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    if (this.#isBorrowed || !this.#allocation.isLive) return;
    this.#allocation.isLive = false;
    this.memory.release(this.#start);
    this.memory.liveWords -= this.length;
  }
}

printOnOneLine(WasmMemory, WasmWords);
