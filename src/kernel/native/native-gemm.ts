/** Matrix products of the native kernel. */
import { printOnOneLine } from '../../base/inspect.ts';
import { DisposedError, ShapeError } from '../../base/errors.ts';
import type { GemmWeights, Kernel } from '../kernel.ts';
import type { NativeAddon, NativeHandle } from './native-addon.ts';
import { checkGemm, checkGemmWeights, checkSgemm } from '../preconditions.ts';

interface GemmAddon extends NativeAddon {
  prepareGemm(isa: number, weights: Int32Array, rows: number, cols: number): NativeHandle;
  gemm(
    out: BigUint64Array,
    weights: NativeHandle,
    c: BigUint64Array,
    n: number,
    primes: Float64Array,
    parts: number,
    rowIndex: Uint32Array | undefined,
  ): void;
  releaseGemm(weights: NativeHandle): void;
  sgemm(isa: number, ...operands: Parameters<Kernel['sgemm']>): void;
}

class NativeGemmWeights implements GemmWeights {
  readonly rows: number;
  readonly cols: number;
  readonly maxAbs: number;
  readonly #addon: GemmAddon;
  #handle: NativeHandle | undefined;

  constructor(addon: GemmAddon, isa: number, weights: Int32Array, rows: number, cols: number) {
    this.#addon = addon;
    this.maxAbs = checkGemmWeights(weights, rows, cols);
    this.#handle = addon.prepareGemm(isa, weights, rows, cols);
    this.rows = rows;
    this.cols = cols;
  }

  get handle(): NativeHandle {
    if (this.#handle === undefined) throw new DisposedError('a weight matrix');
    return this.#handle;
  }

  [Symbol.dispose](): void {
    if (this.#handle !== undefined) this.#addon.releaseGemm(this.#handle);
    this.#handle = undefined;
  }
}

/** `isa` is the number by which the addon knows the instruction set. */
export function nativeGemm(addon: NativeAddon, isa: number): Pick<Kernel, 'prepareGemm' | 'gemm' | 'sgemm'> {
  const gemmAddon = addon as GemmAddon;
  return {
    prepareGemm(weights, rows, cols) {
      return new NativeGemmWeights(gemmAddon, isa, weights, rows, cols);
    },
    gemm(ring, out, weights, c, parts, mods, rowIndex) {
      if (!(weights instanceof NativeGemmWeights))
        throw new ShapeError('the weights', 'of the native kernel', 'of another');
      checkGemm(ring, out, weights, c, parts, mods, rowIndex);
      const primes = Float64Array.from(mods, (limb) => ring.moduli[limb] as number);
      gemmAddon.gemm(out.u64(), weights.handle, c.u64(), ring.n, primes, parts, rowIndex);
    },
    sgemm(transposeA, transposeB, m, n, k, alpha, a, b, beta, c) {
      checkSgemm(m, n, k, a, b, c);
      gemmAddon.sgemm(isa, transposeA, transposeB, m, n, k, alpha, a, b, beta, c);
    },
  };
}

printOnOneLine(NativeGemmWeights);
