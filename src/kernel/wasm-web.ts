/** Finds and starts the WebAssembly kernel where there is no Node: browsers, workers and other engines with `fetch`. */
import { KernelError } from '../base/errors.ts';
import type { Kernel } from './kernel.ts';
import { instantiateWasmKernel, WASM_ISAS, type WasmIsa } from './wasm-instance.ts';

export interface WebKernelOptions {
  /** Default: relaxed SIMD where it starts and is fused, else plain 128-bit SIMD. */
  readonly isa?: WasmIsa;
  /** The folder of the two modules, ending in '/'. Default: build/wasm of the package that this file was loaded from. */
  readonly folder?: string | URL;
}

/** From dist/src/kernel/ to build/wasm/. */
const PACKAGED = '../../../build/wasm/';

/** @throws {KernelError} when the module is not to be had or does not start here. */
export async function openWebKernel(options: WebKernelOptions = {}): Promise<Kernel> {
  const folder = new URL(options.folder ?? PACKAGED, import.meta.url);
  if (options.isa !== undefined) return fetchKernel(options.isa, folder);
  try {
    return await fetchKernel('relaxed-simd', folder);
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    return fetchKernel('simd128', folder);
  }
}

async function fetchKernel(isa: WasmIsa, folder: URL): Promise<Kernel> {
  const url = new URL(WASM_ISAS[isa], folder);
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    const response = await fetch(url);
    if (!response.ok) throw new KernelError('wasm', `${WASM_ISAS[isa]}: HTTP ${response.status}`);
    bytes = new Uint8Array(await response.arrayBuffer());
  } catch (cause) {
    if (cause instanceof KernelError) throw cause;
    throw new KernelError('wasm', `cannot fetch ${WASM_ISAS[isa]}`, { cause });
  }
  return instantiateWasmKernel(isa, bytes);
}
