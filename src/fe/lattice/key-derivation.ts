/**
 * Function keys sum y_i s_i as products of weights with the master secret. Where keys fit 32 bits, sums modulo 2^32 are the integers
 * themselves, and no modular arithmetic is needed. Training asks for keys of nearly the same weights again and again: then only
 * the changes are multiplied and added to what was derived before. The integers are the same either way, and so is what they
 * reveal: weights are known to the authority and the holder of the keys.
 */
import { printOnOneLine } from '../../base/inspect.ts';
import { integerPanels } from '../../kernel/tables/integer-panels.ts';
import type { Words } from '../../kernel/kernel.ts';
import type { LatticeContext } from './context.ts';

/** Keys of more coefficients are not remembered. */
const MAX_COEFFICIENTS = 2 ** 21;

export class LatticeKeyDerivation {
  readonly #context: LatticeContext;
  readonly #secret: Words;
  /** The secret as integers in panels, made at first need. */
  #panels: Int16Array | Int32Array | undefined;
  /** The last keys, and the weights whose keys they are. Fresh memory costs as much as deriving them. */
  #keys: Int32Array | undefined;
  #weights: Int32Array | undefined;
  /** Whether the caller of {@link LatticeKeyDerivation.derive} has `#keys` at present. */
  #areLent = false;

  /** `secret` is borrowed: [length] rows of n words. */
  constructor(context: LatticeContext, secret: Words) {
    this.#context = context;
    this.#secret = secret;
  }

  /**
   * [count, n] coefficients, for reading until the caller gives them to {@link LatticeKeyDerivation.takeBack}. `weights` are
   * [count, length] and checked.
   */
  derive(weights: Int32Array, count: number): Int32Array | Float64Array {
    const { params } = this.#context;
    if (!params.keysFitInt32) return this.#residues(weights, count);
    try {
      return this.#product(weights, count);
    } catch (error) {
      // What changed in part would make wrong keys of the next differences.
      this.#forget();
      throw error;
    }
  }

  /** What {@link LatticeKeyDerivation.derive} gave. Wiped, unless they are the last keys: those are needed for the next. */
  readonly takeBack = (coefficients: Int32Array | Float64Array): void => {
    if (coefficients === this.#keys) this.#areLent = false;
    else coefficients.fill(0);
  };

  /** Forgets the secret and what was derived; keys that a caller has stay. */
  wipe(): void {
    this.#forget();
    this.#panels?.fill(0);
    this.#panels = undefined;
  }

  #forget(): void {
    if (!this.#areLent) this.#keys?.fill(0);
    this.#keys = undefined;
    this.#areLent = false;
    this.#weights = undefined;
  }

  #product(weights: Int32Array, count: number): Int32Array {
    const { kernel, params } = this.#context;
    const size = count * params.dimension;
    if (this.#keys?.length !== size) this.#forget();
    const keys = this.#areLent ? this.#keys?.slice() : this.#keys;
    const out = keys ?? new Int32Array(size);
    // From here on these are the keys to forget should the product fail.
    this.#keys = out;
    this.#areLent = false;
    kernel.updateIntegerProduct(out, this.#secretPanels(), params.dimension, weights, this.#weights);
    if (size > MAX_COEFFICIENTS) {
      this.#keys = undefined;
      return out;
    }
    this.#areLent = true;
    this.#weights ??= new Int32Array(weights.length);
    this.#weights.set(weights);
    return out;
  }

  /** Modulo the key prime, which is above twice every key. */
  #residues(weights: Int32Array, count: number): Float64Array {
    const { kernel, keyRing, params } = this.#context;
    using rows = kernel.allocate(count * params.dimension);
    try {
      using prepared = kernel.prepareGemm(weights, count, params.length);
      kernel.gemm(keyRing, rows, prepared, this.#secret, 1, [0]);
      const out = new Float64Array(rows.length);
      kernel.toDoubles(keyRing, out, rows, [0]);
      return out;
    } finally {
      rows.wipe();
    }
  }

  #secretPanels(): Int16Array | Int32Array {
    if (this.#panels === undefined) {
      const { kernel, keyRing, params } = this.#context;
      const { length, dimension } = params;
      const integers = new Int32Array(length * dimension);
      const row = new Float64Array(dimension);
      for (let i = 0; i < length; i++) {
        kernel.toDoubles(keyRing, row, this.#secret.sub(i * dimension, dimension), [0]);
        integers.set(row, i * dimension);
      }
      this.#panels = integerPanels(integers, dimension);
      row.fill(0);
      integers.fill(0);
    }
    return this.#panels;
  }
}

printOnOneLine(LatticeKeyDerivation);
