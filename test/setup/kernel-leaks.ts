/** Before every test file: after its last test, no kernel that it opened may hold words. */
import { afterAll, vi } from 'vitest';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { assertNoWordsHeld } from '../kernel/words-held.ts';

const opened = vi.hoisted(() => [] as Kernel[]);

/** `load`, which also notes what it returns. */
const noting = vi.hoisted(() => <A extends unknown[]>(load: (...args: A) => Kernel) => (...args: A) => {
  const kernel = load(...args);
  opened.push(kernel);
  return kernel;
});

vi.mock('../../src/kernel/native/native.ts', async (original) => {
  const module = await original<typeof import('../../src/kernel/native/native.ts')>();
  return { ...module, loadNativeKernel: noting(module.loadNativeKernel) };
});
vi.mock('../../src/kernel/wasm/wasm-node.ts', async (original) => {
  const module = await original<typeof import('../../src/kernel/wasm/wasm-node.ts')>();
  return { ...module, loadWasmKernel: noting(module.loadWasmKernel) };
});
vi.mock('../../src/kernel/reference/reference.ts', async (original) => {
  const module = await original<typeof import('../../src/kernel/reference/reference.ts')>();
  return { ...module, loadReferenceKernel: noting(module.loadReferenceKernel) };
});

afterAll(() => assertNoWordsHeld(opened));
