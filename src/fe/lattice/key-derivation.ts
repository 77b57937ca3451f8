/**
 * Function keys sum y_i s_i as products of weights with the master secret. Where keys fit 32 bits, sums modulo 2^32 are the integers
 * themselves, and no modular arithmetic is needed. Training asks for keys of nearly the same weights again and again: then only
 * the changes are multiplied and added to what was derived before. The integers are the same either way, and so is what they
 * reveal: weights are known to the authority and the holder of the keys.
 */
import type { Words } from '../../kernel/kernel.ts';
import type { LatticeContext } from './objects.ts';

/** Largest share of changed weights at which changes are cheaper than deriving anew; measured with 128 keys of length 784. */
const WORTHWHILE_SHARE = 0.1;
/** Products of shorter vectors cost no more than what remembering costs. */
const LEAST_LENGTH = 256;
/** Keys of more coefficients are not remembered. */
const MOST_COEFFICIENTS = 2 ** 20;
/** Of the kernel's integer maps. */
const LARGEST_MAP_WEIGHT = 127;

export class LatticeKeyDerivation {
  readonly #context: LatticeContext;
  readonly #secret: Words;
  /** The secret as integers, made at first need. */
  #integers: Int32Array | undefined;
  #weights: Int32Array | undefined;
  /** Keys of `#weights`; kept once two requests in a row were alike. */
  #rows: Int32Array | undefined;

  /** `secret` is borrowed: [length] rows of n words. */
  constructor(context: LatticeContext, secret: Words) {
    this.#context = context;
    this.#secret = secret;
  }

  /** [count, n] coefficients; the caller's. `weights` are [count, length] and checked. */
  derive(weights: Int32Array, count: number): Int32Array | Float64Array {
    const { params } = this.#context;
    if (!params.keysFitInt32) return this.#residues(weights, count);
    if (params.length < LEAST_LENGTH) return this.#product(weights, count);
    try {
      return this.#rememberingProduct(weights, count);
    } catch (error) {
      // Rows that changed in part would make wrong keys of the next differences.
      this.#forget();
      throw error;
    }
  }

  #rememberingProduct(weights: Int32Array, count: number): Int32Array {
    const { params } = this.#context;
    const updates = this.#updates(weights);
    const isRemembered = updates !== undefined && count * params.dimension <= MOST_COEFFICIENTS;
    if (!isRemembered) {
      this.#rows?.fill(0);
      this.#rows = undefined;
    } else if (this.#rows === undefined) this.#rows = this.#product(weights, count);
    else this.#context.kernel.addMultiples(this.#rows, this.#secretIntegers(), params.dimension, updates);
    this.#weights = weights.slice();
    return this.#rows?.slice() ?? this.#product(weights, count);
  }

  /** Forgets the secret and what was derived. */
  wipe(): void {
    this.#forget();
    this.#integers?.fill(0);
    this.#integers = undefined;
  }

  #forget(): void {
    this.#rows?.fill(0);
    this.#rows = undefined;
    this.#weights = undefined;
  }

  #product(weights: Int32Array, count: number): Int32Array {
    const { kernel, params } = this.#context;
    const { length, dimension, weightBound } = params;
    if (weightBound > LARGEST_MAP_WEIGHT) return Int32Array.from(this.#residues(weights, count));
    using map = kernel.prepareIntegerLinear({
      kind: 'convolution',
      input: { channels: length, height: 1, width: dimension },
      output: { channels: count, height: 1, width: dimension },
      kernel: [1, 1],
      stride: [1, 1],
      padding: [0, 0],
      dilation: [1, 1],
      groups: 1,
      weights: new Int8Array(weights),
    });
    const out = new Int32Array(count * dimension);
    kernel.integerLinear(out, map, this.#secretIntegers(), 1);
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

  #secretIntegers(): Int32Array {
    if (this.#integers === undefined) {
      const { kernel, keyRing, params } = this.#context;
      const { length, dimension } = params;
      const integers = new Int32Array(length * dimension);
      const row = new Float64Array(dimension);
      for (let i = 0; i < length; i++) {
        kernel.toDoubles(keyRing, row, this.#secret.sub(i * dimension, dimension), [0]);
        integers.set(row, i * dimension);
      }
      row.fill(0);
      this.#integers = integers;
    }
    return this.#integers;
  }

  /** (row, column, change) of every weight that differs from the request before; undefined where too many do. */
  #updates(weights: Int32Array): Int32Array | undefined {
    const before = this.#weights;
    if (before === undefined || before.length !== weights.length) return undefined;
    const { length } = this.#context.params;
    const most = Math.floor(WORTHWHILE_SHARE * weights.length);
    const out = new Int32Array(3 * most);
    let count = 0;
    for (let i = 0; i < weights.length; i++) {
      const change = (weights[i] as number) - (before[i] as number);
      if (change === 0) continue;
      if (count === most) return undefined;
      out[3 * count] = Math.floor(i / length);
      out[3 * count + 1] = i % length;
      out[3 * count + 2] = change;
      count++;
    }
    return out.subarray(0, 3 * count);
  }
}
