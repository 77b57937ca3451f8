/**
 * One run of memory that evaluations share, one after another: it is made for the largest program and used again, since fresh pages cost
 * more than much of the work on them.
 */
import type { Kernel, Words } from '../kernel/kernel.ts';

export class EvaluationMemory implements Disposable {
  readonly #kernel: Kernel;
  #words: Words | undefined;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** At least so many words, in any state. What was given before is gone when there are more. @throws {KernelError} */
  take(words: number): Words {
    if (this.#words === undefined || this.#words.length < words) {
      this.#words?.[Symbol.dispose]();
      this.#words = undefined;
      this.#words = this.#kernel.allocate(words);
    }
    return this.#words;
  }

  [Symbol.dispose](): void {
    this.#words?.[Symbol.dispose]();
    this.#words = undefined;
  }
}
