/** Starts the WebAssembly kernel from a module or its bytes. */
import { KernelError } from '../../base/errors.ts';
import type { Kernel } from '../kernel.ts';
import type { WasmExports } from './wasm-exports.ts';
import { WasmMemory } from './wasm-memory.ts';
import { WasmKernel } from './wasm.ts';

/** The instruction sets of the WebAssembly kernel, best first; each is a file of build/wasm. */
export const WASM_ISAS = { 'relaxed-simd': 'relaxed.wasm', simd128: 'simd128.wasm' } as const;
export type WasmIsa = keyof typeof WASM_ISAS;

/**
 * Starts the kernel from one of {@link WASM_ISAS}, compiled or as bytes.
 * @throws {KernelError} when this engine cannot run it, or its fused multiply-add rounds twice.
 */
export function instantiateWasmKernel(
  isa: WasmIsa,
  source: Uint8Array<ArrayBuffer> | WebAssembly.Module,
): Kernel {
  if (source instanceof Uint8Array) requireWebAssembly();
  const memory = new WebAssembly.Memory({ initial: 2, maximum: 65536 });
  let exports: WasmExports;
  try {
    const compiled = source instanceof Uint8Array ? new WebAssembly.Module(source) : source;
    const instance = new WebAssembly.Instance(compiled, { env: { memory } });
    exports = instance.exports as WasmExports;
  } catch (cause) {
    throw new KernelError('wasm', `${isa} does not start here`, { cause });
  }
  // (1 + 2^-30)^2 - (1 + 2^-29) is 2^-60 with one rounding and 0 with two.
  if (isa === 'relaxed-simd' && !exports.isFused(1 + 2 ** -30, 1 + 2 ** -29)) {
    throw new KernelError('wasm', 'the relaxed multiply-add of this machine is not fused');
  }
  return new WasmKernel(isa, exports, new WasmMemory(memory, exports.heapBase()));
}

/** An empty module: its eight bytes are a head and a version. */
const EMPTY = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

/** Tells a page that forbids WebAssembly from a module that does not start. */
function requireWebAssembly(): void {
  if (globalThis.WebAssembly === undefined) throw new KernelError('wasm', 'there is no WebAssembly here');
  try {
    void new WebAssembly.Module(EMPTY);
  } catch (cause) {
    const remedy = `add 'wasm-unsafe-eval' to the script-src of its Content-Security-Policy`;
    throw new KernelError('wasm', `the page does not allow WebAssembly: ${remedy}`, { cause });
  }
}
