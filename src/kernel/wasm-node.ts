/** Finds and starts the WebAssembly kernel on Node. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { KernelError } from '../base/errors.ts';
import type { Kernel, KernelOptions } from './kernel.ts';
import { WASM_ISAS, instantiateWasmKernel } from './wasm-instance.ts';
import type { WasmIsa } from './wasm-instance.ts';

/** The nearest build/wasm: the sources run from src/, the build from dist/src/. */
function wasmDirectory(): string {
  for (let at = dirname(fileURLToPath(import.meta.url)); ; at = dirname(at)) {
    const candidate = join(at, 'build', 'wasm');
    if (existsSync(candidate)) return candidate;
    if (at === dirname(at))
      throw new KernelError('wasm', 'build/wasm is missing; run scripts/build-wasm.mjs');
  }
}

function startWasmKernel(isa: WasmIsa): Kernel {
  // Behind a flag before Node 21; harmless after.
  if (isa === 'relaxed-simd') setFlagsFromString('--experimental-wasm-relaxed-simd');
  const path = join(wasmDirectory(), WASM_ISAS[isa]);
  let bytes: Buffer<ArrayBuffer>;
  try {
    bytes = readFileSync(path) as Buffer<ArrayBuffer>;
  } catch (cause) {
    throw new KernelError('wasm', `cannot read ${WASM_ISAS[isa]}`, { cause });
  }
  return instantiateWasmKernel(isa, bytes);
}

/**
 * The kernel with the instruction set of the options or of SUBROSA_ISA; otherwise relaxed SIMD where it starts and is
 * fused, else plain 128-bit SIMD, which {@link Kernel.isa} tells.
 * @throws {KernelError} when that instruction set is not to be had.
 */
export function loadWasmKernel(options: KernelOptions = {}): Kernel {
  const asked = options.isa ?? process.env['SUBROSA_ISA'];
  if (asked !== undefined && asked !== '') {
    const isa = (Object.keys(WASM_ISAS) as WasmIsa[]).find((known) => known === asked);
    if (isa !== undefined) return startWasmKernel(isa);
    throw new KernelError(
      'wasm',
      `no instruction set ${asked}; there are ${Object.keys(WASM_ISAS).join(', ')}`,
    );
  }
  try {
    return startWasmKernel('relaxed-simd');
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    return startWasmKernel('simd128');
  }
}
