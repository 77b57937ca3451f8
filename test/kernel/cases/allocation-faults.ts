/** A kernel whose k-th allocation fails, and a count of what is still held. */
import { KernelError } from '../../../src/base/errors.ts';
import type { EdwardsLoops, Kernel } from '../../../src/kernel/kernel.ts';
import { WasmMemory } from '../../../src/kernel/wasm/wasm-memory.ts';
import { overrideMethods } from './override-methods.ts';

/** More allocations than any operation under test makes: a loop that gets there does not end by itself. */
const MAX_ALLOCATIONS = 20_000;

export class AllocationFaults {
  readonly kernel: Kernel;
  readonly #inner: Kernel;
  /** Allocations that still succeed. */
  #left = Infinity;
  #held = 0;

  /**
   * `kernel` is borrowed. Words, rings, packed weights and calls of the curve's loops count as allocations; of the WebAssembly kernel,
   * which then serves this test alone, every run of its memory, scratch space as well.
   */
  constructor(kernel: Kernel) {
    this.#inner = kernel;
    const memory: unknown = Reflect.get(kernel, 'memory');
    if (memory instanceof WasmMemory) {
      this.#watch(memory);
      this.kernel = kernel;
      return;
    }
    this.kernel = overrideMethods(kernel, {
      allocate: (words) => {
        this.#spend();
        return kernel.allocate(words);
      },
      openRing: (n, moduli) => this.#hold(() => kernel.openRing(n, moduli)),
      prepareGemm: (weights, rows, cols) => this.#hold(() => kernel.prepareGemm(weights, rows, cols)),
      prepareIntegerLinear: (map) => this.#hold(() => kernel.prepareIntegerLinear(map)),
      ...(kernel.edwards && { edwards: this.#fragile(kernel.edwards) }),
    });
  }

  /** Words and handles not yet released. */
  get held(): { readonly words: number; readonly handles: number } {
    return { words: this.#inner.liveWords, handles: this.#held };
  }

  #watch(memory: WasmMemory): void {
    const [allocate, release] = [memory.allocate.bind(memory), memory.release.bind(memory)];
    memory.allocate = (bytes) => {
      this.#spend();
      this.#held++;
      return allocate(bytes);
    };
    memory.release = (start) => {
      this.#held--;
      release(start);
    };
  }

  #spend(): void {
    if (this.#left-- <= 0) throw new KernelError(this.#inner.name, 'memory is exhausted, says the test');
  }

  #fragile(loops: EdwardsLoops): EdwardsLoops {
    return {
      products: (...args) => {
        this.#spend();
        return loops.products(...args);
      },
      logarithms: (bound, steps) => {
        this.#spend();
        const solve = loops.logarithms(bound, steps);
        return (points) => {
          this.#spend();
          return solve(points);
        };
      },
    };
  }

  /** Counts until it is disposed; the kernel must see its own object, so its method is replaced. */
  #hold<T extends Disposable>(make: () => T): T {
    this.#spend();
    const made = make();
    this.#held++;
    const dispose = made[Symbol.dispose].bind(made);
    let isLive = true;
    Object.defineProperty(made, Symbol.dispose, {
      value: () => {
        if (isLive) this.#held--;
        isLive = false;
        dispose();
      },
    });
    return made;
  }

  /**
   * Runs `operation`, which must free what it makes, with its first allocation failing, then its second, and so on until none
   * does. Returns how many it was allowed when it got through. `sparse` leaves out more and more beyond the sixteenth.
   *
   * @throws Error when a failure comes out as something else than a {@link KernelError}, or leaves something behind.
   */
  async failEach(operation: () => unknown, coverage: 'all' | 'sparse' = 'all'): Promise<number> {
    const before = JSON.stringify(this.held);
    for (let k = 0; k < MAX_ALLOCATIONS; k += coverage === 'all' ? 1 : 1 + (k >> 4)) {
      let failure: unknown = null;
      this.#left = k;
      try {
        await operation();
      } catch (error) {
        failure = error;
      }
      const isReached = this.#left < 0;
      this.#left = Infinity;
      const after = JSON.stringify(this.held);
      if (after !== before) throw new Error(`allocation ${k + 1} failed and left ${after}, not ${before}`);
      if (failure === null && !isReached) return k;
      if (failure === null) throw new Error(`allocation ${k + 1} failed and nobody heard of it`);
      if (!(failure instanceof KernelError)) {
        throw new Error(`allocation ${k + 1} failed as something else`, { cause: failure });
      }
    }
    throw new Error('the operation allocates without end');
  }
}
