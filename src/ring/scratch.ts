/** Words for the time of one call. They may hold secrets: all are wiped when the scratch is disposed, whatever happened before. */
import { printOnOneLine } from '../base/inspect.ts';
import type { Kernel, Words } from '../kernel/kernel.ts';

export class Scratch implements Disposable {
  #kernel: Kernel;
  #runs: Words[] = [];

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Fresh zeroed words, borrowed. @throws {KernelError} when memory is exhausted. */
  allocate(words: number): Words {
    const run = this.#kernel.allocate(words);
    this.#runs.push(run);
    return run;
  }

  /** Wipes one run before the others. */
  release(run: Words): void {
    this.#runs = this.#runs.filter((other) => other !== run);
    run.wipe();
  }

  [Symbol.dispose](): void {
    for (const run of this.#runs) run.wipe();
    this.#runs = [];
  }
}

printOnOneLine(Scratch);
