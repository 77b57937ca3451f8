import type { Kernel } from '../../src/kernel/kernel.ts';

/** @throws Error naming the kernels that still hold words. */
export function assertNoWordsHeld(kernels: readonly Kernel[]): void {
  const holding = kernels.filter((kernel) => kernel.liveWords !== 0);
  if (holding.length === 0) return;
  const list = holding.map(({ name, isa, liveWords }) => `${name} ${isa}: ${liveWords}`);
  throw new Error(`words that the tests of this file did not free: ${list.join(', ')}`);
}
