/** Finds and starts the WebAssembly kernel where there is no Node: browsers, workers and other engines with `fetch`. */
import { KernelError } from '../../base/errors.ts';
import type { Kernel } from '../kernel.ts';
import { embeddedWasm } from './wasm-embedded.ts';
import { instantiateWasmKernel, WASM_ISAS, type WasmIsa } from './wasm-instance.ts';

export interface WebKernelOptions {
  /** Default: relaxed SIMD where it starts and is fused, else plain 128-bit SIMD. */
  readonly isa?: WasmIsa;
  /**
   * The folder of the two modules, ending in '/', relative to the page or worker. Default: where the bundler put them, or else the
   * copies inside the JavaScript, or else build/wasm of the package that this file was loaded from.
   */
  readonly folder?: string | URL;
  /**
   * A compiled module, for runtimes that compile none while they run, such as workers at a network's edge: what
   * `import module from 'subrosa/wasm/simd128.wasm'` gives there. `isa` says which of the two it is; default simd128.
   */
  readonly module?: WebAssembly.Module;
  /** Called with one sentence when a module was not where it should be and the copy inside the JavaScript serves. */
  readonly onFallback?: (reason: string) => void;
}

/** @throws {KernelError} when the module is not to be had or does not start here. */
export async function openWebKernel(options: WebKernelOptions = {}): Promise<Kernel> {
  if (options.module !== undefined) return instantiateWasmKernel(options.isa ?? 'simd128', options.module);
  const open = async (isa: WasmIsa) => instantiateWasmKernel(isa, await moduleBytes(isa, options));
  if (options.isa !== undefined) return open(options.isa);
  try {
    return await open('relaxed-simd');
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    return open('simd128');
  }
}

async function moduleBytes(isa: WasmIsa, options: WebKernelOptions): Promise<Uint8Array<ArrayBuffer>> {
  const { folder, onFallback } = options;
  if (folder !== undefined)
    return fetchModule(new URL(WASM_ISAS[isa], new URL(folder, globalThis.location?.href)));
  const url = packagedModule(isa);
  // Such a name is the package's own: either nothing was bundled, or a bundler left the file behind.
  const hasOwnName = url?.pathname.endsWith(`/build/wasm/${WASM_ISAS[isa]}`) === true;
  if (url === undefined) return embeddedWasm(isa);
  if (hasOwnName) return embeddedWasm(isa).catch(() => fetchModule(url));
  try {
    return await fetchModule(url);
  } catch (error) {
    const bytes = await embeddedWasm(isa).catch(() => Promise.reject(error));
    onFallback?.(`${(error as Error).message}; the copy inside the JavaScript serves`);
    return bytes;
  }
}

/** Bundlers look for such expressions, copy the file and put its new address here. */
function packagedModule(isa: WasmIsa): URL | undefined {
  try {
    return isa === 'relaxed-simd'
      ? new URL('../../../../build/wasm/relaxed.wasm', import.meta.url)
      : new URL('../../../../build/wasm/simd128.wasm', import.meta.url);
  } catch {
    // Programs that are no modules have no address of their own.
    return undefined;
  }
}

/** The content type does not matter: the first bytes say what it is. */
async function fetchModule(url: URL): Promise<Uint8Array<ArrayBuffer>> {
  let response: Response;
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    response = await fetch(url);
    bytes = new Uint8Array(await response.arrayBuffer());
  } catch (cause) {
    const remedy = `serve it there, and allow its origin by the Content-Security-Policy's connect-src and by CORS`;
    throw new KernelError('wasm', `cannot fetch ${url.href}: ${remedy}`, { cause });
  }
  if (response.ok && isWasm(bytes)) return bytes;
  const got = response.ok
    ? (response.headers.get('content-type') ?? 'something else')
    : `HTTP ${response.status}`;
  throw new KernelError(
    'wasm',
    `${url.href} answers with ${got} where WebAssembly should be: deploy the .wasm files of the build, or name their folder`,
  );
}

/** "\0asm" */
function isWasm(bytes: Uint8Array): boolean {
  return bytes[0] === 0 && bytes[1] === 0x61 && bytes[2] === 0x73 && bytes[3] === 0x6d;
}
