/**
 * Ownership of kernel memory. Whatever makes polynomials is bound to an arena; disposing the arena frees everything made
 * through it that was not handed over with `keep`. Arguments are borrowed, never freed.
 */
import { DisposedError } from '../base/errors.ts';
import type { Kernel, Words } from '../kernel/kernel.ts';

/** Something that an arena can own. Disposing twice is fine; use after dispose throws {@link DisposedError}. */
export abstract class Owned implements Disposable {
  #arena: Arena | null = null;
  #isDisposed = false;

  /** Frees the memory; called once. */
  protected abstract free(): void;

  get isDisposed(): boolean {
    return this.#isDisposed;
  }

  /** @throws {DisposedError} after dispose. */
  assertLive(what: string): void {
    if (this.#isDisposed) throw new DisposedError(what);
  }

  /** Records the owner; null when the caller owns the object. For {@link Arena}. */
  setOwner(arena: Arena | null): void {
    this.#arena = arena;
  }

  [Symbol.dispose](): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#arena?.forget(this);
    this.#arena = null;
    this.free();
  }
}

/** What `build` makes of `words`, which it owns from then on; when it throws, they are wiped and freed. */
export function handOver<T>(words: Words, build: (words: Words) => T): T {
  try {
    return build(words);
  } catch (error) {
    words.wipe();
    throw error;
  }
}

export class Arena implements Disposable {
  readonly kernel: Kernel;
  #owned = new Set<Owned>();
  #isDisposed = false;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  /** Objects owned and not yet disposed. */
  get live(): number {
    return this.#owned.size;
  }

  /**
   * What `build` makes of that many fresh zeroed words, owned; when it throws, they are wiped and freed.
   *
   * @throws {DisposedError} {@link KernelError} when memory is exhausted.
   */
  make<T extends Owned>(words: number, build: (words: Words) => T): T {
    if (this.#isDisposed) throw new DisposedError('an arena');
    return this.adopt(handOver(this.kernel.allocate(words), build));
  }

  /** Takes ownership of `value` and returns it. @throws {DisposedError} after disposing `value`. */
  adopt<T extends Owned>(value: T): T {
    if (this.#isDisposed) {
      value[Symbol.dispose]();
      throw new DisposedError('an arena');
    }
    value.setOwner(this);
    this.#owned.add(value);
    return value;
  }

  /** Hands `value` over to the caller, who disposes it from now on. */
  keep<T extends Owned>(value: T): T {
    if (this.#owned.delete(value)) value.setOwner(null);
    return value;
  }

  /** For {@link Owned}: `value` disposed itself. */
  forget(value: Owned): void {
    this.#owned.delete(value);
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    for (const value of this.#owned) value[Symbol.dispose]();
  }
}
