import { expect, test } from 'vitest';
import { loadReferenceKernel } from '../../src/kernel/reference/reference.ts';
import { loadWasmKernel } from '../../src/kernel/wasm/wasm-node.ts';
import { assertNoWordsHeld } from './words-held.ts';

test('a kernel that holds words is named, until they are freed (positive control)', () => {
  const kernels = [loadReferenceKernel(), loadWasmKernel()];
  const words = kernels[1]!.allocate(5);
  expect(() => assertNoWordsHeld(kernels)).toThrow(/wasm .*: 5$/);
  words[Symbol.dispose]();
  assertNoWordsHeld(kernels);
});
