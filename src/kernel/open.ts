/** The one place that chooses a kernel. */
import { KernelError } from '../base/errors.ts';
import type { Kernel, KernelOptions } from './kernel.ts';

export interface OpenKernelOptions extends KernelOptions {
  /** Hears, in one sentence, why WebAssembly does the work instead of the addon. Default: a process warning. */
  readonly onFallback?: (reason: string) => void;
}

const NAMES = ['native', 'wasm', 'reference'] as const;

function forcedKernel(options: KernelOptions): KernelOptions['kernel'] {
  const text = options.kernel ?? process.env['SUBROSA_KERNEL'];
  if (text === undefined || text === '') return undefined;
  const name = NAMES.find((known) => known === text);
  if (name === undefined) throw new KernelError(text, `no such kernel; there are ${NAMES.join(', ')}`);
  return name;
}

async function openNamed(
  name: NonNullable<KernelOptions['kernel']>,
  options: KernelOptions,
): Promise<Kernel> {
  switch (name) {
    case 'native':
      return (await import('./native.ts')).loadNativeKernel(options);
    case 'wasm':
      return (await import('./wasm-node.ts')).loadWasmKernel(options);
    case 'reference':
      return (await import('./reference.ts')).loadReferenceKernel();
  }
}

/**
 * Opens the kernel named by the options or by SUBROSA_KERNEL; otherwise native, or WebAssembly when the addon does not
 * load, which `onFallback` hears. An instruction set without a kernel name means the native kernel's.
 * @throws {KernelError} when the kernel or the instruction set asked for is not to be had, or none is.
 */
export async function openKernel(options: OpenKernelOptions = {}): Promise<Kernel> {
  const forced = forcedKernel(options);
  if (forced !== undefined) return openNamed(forced, options);
  try {
    return await openNamed('native', options);
  } catch (cause) {
    const isa = options.isa ?? process.env['SUBROSA_ISA'];
    if (!(cause instanceof KernelError) || (isa !== undefined && isa !== '')) throw cause;
    const kernel = await openNamed('wasm', options);
    const report = options.onFallback ?? ((reason: string) => process.emitWarning(reason));
    report(`${cause.message}; using the ${kernel.name} kernel (${kernel.isa}), which is slower`);
    return kernel;
  }
}
