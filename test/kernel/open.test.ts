import { afterEach, describe, expect, it, vi } from 'vitest';
import { KernelError } from '../../src/base/errors.ts';
import type { KernelOptions } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { instantiateWasmKernel } from '../../src/kernel/wasm/wasm-instance.ts';

const native = vi.hoisted(() => ({ isMissing: false }));

vi.mock('../../src/kernel/native/native.ts', async (original) => {
  const actual = await original<typeof import('../../src/kernel/native/native.ts')>();
  return {
    ...actual,
    loadNativeKernel(options: KernelOptions) {
      if (native.isMissing) throw new KernelError('native', 'the addon is missing');
      return actual.loadNativeKernel(options);
    },
  };
});

afterEach(() => {
  native.isMissing = false;
  vi.unstubAllEnvs();
});

describe('openKernel', () => {
  it.each(['wasm', 'reference'] as const)('opens %s by option and by environment', async (name) => {
    vi.stubEnv('SUBROSA_ISA', '');
    expect((await openKernel({ kernel: name })).name).toBe(name);
    vi.stubEnv('SUBROSA_KERNEL', name);
    expect((await openKernel()).name).toBe(name);
  });

  it('opens the WebAssembly kernel with the instruction set asked for', async () => {
    expect((await openKernel({ kernel: 'wasm', isa: 'simd128' })).isa).toBe('simd128');
    vi.stubEnv('SUBROSA_ISA', 'relaxed-simd');
    expect((await openKernel({ kernel: 'wasm' })).isa).toBe('relaxed-simd');
  });

  it('tells why it falls back', async () => {
    vi.stubEnv('SUBROSA_KERNEL', '');
    vi.stubEnv('SUBROSA_ISA', '');
    native.isMissing = true;
    const reasons: string[] = [];
    const kernel = await openKernel({ onFallback: (reason) => reasons.push(reason) });
    expect(kernel.name).toBe('wasm');
    expect(reasons).toEqual([
      expect.stringContaining('native kernel: the addon is missing; using the wasm kernel'),
    ]);
  });

  it('warns when nobody listens', async () => {
    vi.stubEnv('SUBROSA_KERNEL', '');
    vi.stubEnv('SUBROSA_ISA', '');
    native.isMissing = true;
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    await openKernel();
    expect(warn).toHaveBeenCalledOnce();
    warn.mockRestore();
  });

  it('does not fall back from what was forced', async () => {
    native.isMissing = true;
    await expect(openKernel({ kernel: 'native' })).rejects.toThrow(KernelError);
    vi.stubEnv('SUBROSA_KERNEL', '');
    await expect(openKernel({ isa: 'avx2' })).rejects.toThrow(KernelError);
  });

  it('refuses names that it does not know', async () => {
    vi.stubEnv('SUBROSA_KERNEL', 'abacus');
    await expect(openKernel()).rejects.toThrow('abacus kernel: no such kernel');
    await expect(openKernel({ kernel: 'wasm', isa: 'mmx' })).rejects.toThrow(KernelError);
  });

  it('reports bytes that are no module', () => {
    expect(() => instantiateWasmKernel('simd128', Uint8Array.of(0, 1, 2))).toThrow(KernelError);
  });
});
