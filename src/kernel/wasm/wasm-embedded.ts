/**
 * The WebAssembly modules as text inside JavaScript, which scripts/build-wasm.mjs writes: for bundles, which do not always
 * take files along. Each is loaded when it is asked for.
 */
import type { WasmIsa } from './wasm-instance.ts';

/** Rejects where `#wasm/` does not lead anywhere: on a page that is not bundled and has it in no import map. */
export async function embeddedWasm(isa: WasmIsa): Promise<Uint8Array<ArrayBuffer>> {
  const { default: text } =
    isa === 'relaxed-simd' ? await import('#wasm/relaxed') : await import('#wasm/simd128');
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
