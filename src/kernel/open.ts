/** The one place that chooses a kernel. */
import * as arg from '../base/arguments.ts';
import { KernelError } from '../base/errors.ts';
import type { Kernel, KernelOptions } from './kernel.ts';
import { WASM_ISAS, type WasmIsa } from './wasm/wasm-instance.ts';
import type { WebKernelOptions } from './wasm/wasm-web.ts';

export interface OpenKernelOptions extends KernelOptions {
  /**
   * Called with one sentence when WebAssembly does the work instead of the addon, or a WebAssembly module was not where it
   * should be and its copy inside the JavaScript does. Default: a process warning in Node; nothing elsewhere.
   */
  readonly onFallback?: (reason: string) => void;
  /** Outside Node: the folder of the WebAssembly modules, see {@link WebKernelOptions.folder}. */
  readonly folder?: string | URL;
  /** A compiled WebAssembly module, which is then the kernel everywhere: see {@link WebKernelOptions.module}. */
  readonly module?: WebAssembly.Module;
}

const NAMES = ['native', 'wasm', 'reference'] as const;

/** Browsers have neither the addon nor an environment. */
const isNode = typeof process !== 'undefined' && process.versions?.node !== undefined;

function environment(name: string): string | undefined {
  return isNode ? process.env[name] : undefined;
}

function forcedKernel(options: KernelOptions): KernelOptions['kernel'] {
  const text = options.kernel ?? environment('SUBROSA_KERNEL');
  if (text === undefined || text === '') return undefined;
  const name = NAMES.find((known) => known === text);
  if (name === undefined) throw new KernelError(text, `no such kernel; there are ${NAMES.join(', ')}`);
  return name;
}

function webOptions({ isa, folder, module, onFallback }: OpenKernelOptions): WebKernelOptions {
  const options = {
    ...(folder !== undefined && { folder }),
    ...(module !== undefined && { module }),
    ...(onFallback !== undefined && { onFallback }),
  };
  if (isa === undefined) return options;
  if (!(isa in WASM_ISAS)) {
    throw new KernelError(
      'wasm',
      `no instruction set ${isa}; there are ${Object.keys(WASM_ISAS).join(', ')}`,
    );
  }
  return { ...options, isa: isa as WasmIsa };
}

async function openNamed(
  name: NonNullable<KernelOptions['kernel']>,
  options: OpenKernelOptions,
): Promise<Kernel> {
  switch (name) {
    case 'native':
      if (!isNode) throw new KernelError('native', 'the addon needs Node');
      return (await import('./native/native.ts')).loadNativeKernel(options);
    case 'wasm':
      if (!isNode) return (await import('./wasm/wasm-web.ts')).openWebKernel(webOptions(options));
      return (await import('./wasm/wasm-node.ts')).openWasmKernel(options);
    case 'reference':
      return (await import('./reference/reference.ts')).loadReferenceKernel();
  }
}

/**
 * Opens the kernel named by the options or by SUBROSA_KERNEL; otherwise native, or WebAssembly when the addon does not
 * load, which `onFallback` is told. An instruction set without a kernel name means the native kernel's. Outside Node it is always
 * WebAssembly, see {@link openWebKernel}.
 * @throws {KernelError} when the kernel or the instruction set asked for is not to be had, or none is.
 */
export async function openKernel(options: OpenKernelOptions = {}): Promise<Kernel> {
  arg.checkArguments('openKernel', [options], { options: arg.options });
  // Also where a runtime calls itself Node and has neither files nor the addon.
  if (options.module !== undefined)
    return (await import('./wasm/wasm-web.ts')).openWebKernel(webOptions(options));
  const forced = forcedKernel(options) ?? (isNode ? undefined : 'wasm');
  if (forced !== undefined) return openNamed(forced, options);
  try {
    return await openNamed('native', options);
  } catch (cause) {
    const isa = options.isa ?? environment('SUBROSA_ISA');
    if (!(cause instanceof KernelError) || (isa !== undefined && isa !== '')) throw cause;
    const kernel = await openNamed('wasm', options);
    const report = options.onFallback ?? ((reason: string) => process.emitWarning(reason));
    report(`${cause.message}; using the ${kernel.name} kernel (${kernel.isa}), which is slower`);
    return kernel;
  }
}
