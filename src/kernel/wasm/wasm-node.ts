/** Finds and starts the WebAssembly kernel on Node. */
import { KernelError } from '../../base/errors.ts';
import type { Kernel, KernelOptions } from '../kernel.ts';
import { fileAbove, nodeBuiltins } from '../node-builtins.ts';
import { embeddedWasm } from './wasm-embedded.ts';
import { instantiateWasmKernel, WASM_ISAS } from './wasm-instance.ts';
import type { WasmIsa } from './wasm-instance.ts';

const pathOf = (isa: WasmIsa) => fileAbove(`build/wasm/${WASM_ISAS[isa]}`);

function packagedWasm(isa: WasmIsa): Uint8Array<ArrayBuffer> {
  const path = pathOf(isa);
  if (path === undefined) throw new KernelError('wasm', 'build/wasm is missing; npm run build makes it');
  try {
    return nodeBuiltins().fs.readFileSync(path) as Buffer<ArrayBuffer>;
  } catch (cause) {
    throw new KernelError('wasm', `cannot read ${WASM_ISAS[isa]}`, { cause });
  }
}

function startWasmKernel(isa: WasmIsa, bytes: Uint8Array<ArrayBuffer>): Kernel {
  // Behind a flag before Node 21; harmless after.
  if (isa === 'relaxed-simd') nodeBuiltins().v8.setFlagsFromString('--experimental-wasm-relaxed-simd');
  return instantiateWasmKernel(isa, bytes);
}

/** The instruction set of the options or of SUBROSA_ISA. @throws {KernelError} for one that there is not. */
function chosenIsa(options: KernelOptions): WasmIsa | undefined {
  const asked = options.isa ?? process.env['SUBROSA_ISA'];
  if (asked === undefined || asked === '') return undefined;
  const isa = (Object.keys(WASM_ISAS) as WasmIsa[]).find((known) => known === asked);
  if (isa !== undefined) return isa;
  throw new KernelError(
    'wasm',
    `no instruction set ${asked}; there are ${Object.keys(WASM_ISAS).join(', ')}`,
  );
}

/**
 * The kernel with the instruction set of the options or of SUBROSA_ISA; otherwise relaxed SIMD where it starts and is
 * fused, else plain 128-bit SIMD, which {@link Kernel.isa} tells.
 * @throws {KernelError} when that instruction set is not to be had.
 */
export function loadWasmKernel(options: KernelOptions = {}, bytesOf = packagedWasm): Kernel {
  const isa = chosenIsa(options);
  if (isa !== undefined) return startWasmKernel(isa, bytesOf(isa));
  try {
    return startWasmKernel('relaxed-simd', bytesOf('relaxed-simd'));
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    return startWasmKernel('simd128', bytesOf('simd128'));
  }
}

/** The same also from a bundle, which has no files beside it. @throws {KernelError} as {@link loadWasmKernel} does. */
export async function openWasmKernel(options: KernelOptions = {}): Promise<Kernel> {
  if (pathOf('simd128') !== undefined) return loadWasmKernel(options);
  const bytes = {
    'relaxed-simd': await embeddedWasm('relaxed-simd'),
    simd128: await embeddedWasm('simd128'),
  };
  return loadWasmKernel(options, (isa) => bytes[isa]);
}
