/**
 * Function keys sum y_i s_i as products of weights with the master secret, modulo the key prime. Training asks for keys of nearly the
 * same weights again and again: then only the changes are multiplied and added to what was derived before. The residues are the
 * same either way, and so is what they reveal: weights are known to the authority and the holder of the keys.
 */
import type { Words } from '../../kernel/kernel.ts';
import { handOver } from '../../ring/arena.ts';
import { copyWords } from '../../ring/poly.ts';
import type { LatticeContext } from './objects.ts';

/** Rows that a product of the kernel works on together; those of a group share the columns that changed. */
const GROUP_ROWS = 6;
/** Largest share of the products at which changes are cheaper than deriving anew; measured with 128 keys of length 784. */
const WORTHWHILE_SHARE = 0.2;
/** Products of shorter vectors cost no more than what remembering costs. */
const LEAST_LENGTH = 256;
/** Keys of more words are not remembered. */
const MOST_WORDS = 2 ** 20;
/** Of the kernel's products: entries, and sums of a row in absolute value. Differences are up to twice the weights. */
const [LARGEST_WEIGHT, LARGEST_NORM] = [2 ** 15, 2 ** 28];

/** Columns in which some row of a group differs, for each group. */
interface Changes {
  readonly columns: readonly Uint32Array[];
  /** Of all products of a derivation. */
  readonly share: number;
}

export class LatticeKeyDerivation {
  readonly #context: LatticeContext;
  readonly #secret: Words;
  #weights: Int32Array | undefined;
  /** Keys of `#weights`; kept once two requests in a row were alike. */
  #rows: Words | undefined;

  /** `secret` is borrowed: [length] rows of n words. */
  constructor(context: LatticeContext, secret: Words) {
    this.#context = context;
    this.#secret = secret;
  }

  /** [count, n] words modulo the key prime; the caller's. `weights` are [count, length] and checked. */
  derive(weights: Int32Array, count: number): Words {
    try {
      const rows = this.#deriveRows(weights, count);
      this.#weights = weights.slice();
      return rows;
    } catch (error) {
      // Kept rows that changed in part would make wrong keys of the next differences.
      this.wipe();
      throw error;
    }
  }

  #deriveRows(weights: Int32Array, count: number): Words {
    const { kernel, params } = this.#context;
    const changes = this.#changes(weights, count);
    const isAlike = changes !== undefined && changes.share <= WORTHWHILE_SHARE;
    if (isAlike && this.#rows !== undefined) this.#applyChanges(this.#rows, weights, changes);
    const words = count * params.dimension;
    return handOver(kernel.allocate(words), (out) => {
      if (isAlike && this.#rows !== undefined) {
        copyWords(out, this.#rows);
        return out;
      }
      using prepared = kernel.prepareGemm(weights, count, params.length);
      kernel.gemm(this.#context.keyRing, out, prepared, this.#secret, 1, [0]);
      this.#rows?.wipe();
      this.#rows = undefined;
      if (isAlike && words <= MOST_WORDS) {
        this.#rows = kernel.allocate(words);
        copyWords(this.#rows, out);
      }
      return out;
    });
  }

  /** Forgets what was derived. */
  wipe(): void {
    this.#rows?.wipe();
    this.#rows = undefined;
    this.#weights = undefined;
  }

  /** Undefined where there is nothing to compare with. */
  #changes(weights: Int32Array, count: number): Changes | undefined {
    const before = this.#weights;
    const { length, weightBound } = this.#context.params;
    const fits =
      length >= LEAST_LENGTH && 2 * weightBound < LARGEST_WEIGHT && 2 * length * weightBound < LARGEST_NORM;
    if (!fits || before === undefined || before.length !== weights.length) return undefined;
    const columns: Uint32Array[] = [];
    let products = 0;
    const found = new Uint32Array(length);
    for (let from = 0; from < count; from += GROUP_ROWS) {
      const end = Math.min(from + GROUP_ROWS, count) * length;
      let differing = 0;
      for (let i = 0; i < length; i++) {
        let at = from * length + i;
        while (at < end && weights[at] === before[at]) at += length;
        if (at < end) found[differing++] = i;
      }
      columns.push(found.slice(0, differing));
      products += differing * (Math.min(from + GROUP_ROWS, count) - from);
    }
    return { columns, share: products / weights.length };
  }

  #applyChanges(rows: Words, weights: Int32Array, { columns }: Changes): void {
    const { kernel, keyRing, params } = this.#context;
    const { length, dimension } = params;
    const before = this.#weights as Int32Array;
    const count = weights.length / length;
    using sums = kernel.allocate(GROUP_ROWS * dimension);
    columns.forEach((changed, group) => {
      if (changed.length === 0) return;
      const from = group * GROUP_ROWS;
      const height = Math.min(GROUP_ROWS, count - from);
      const differences = new Int32Array(height * changed.length);
      for (let row = 0; row < height; row++) {
        changed.forEach((column, i) => {
          const at = (from + row) * length + column;
          differences[row * changed.length + i] = (weights[at] as number) - (before[at] as number);
        });
      }
      using prepared = kernel.prepareGemm(differences, height, changed.length);
      const part = sums.sub(0, height * dimension);
      kernel.gemm(keyRing, part, prepared, this.#secret, 1, [0], changed);
      const target = rows.sub(from * dimension, height * dimension);
      kernel.add(keyRing, target, target, part, [0]);
    });
    sums.wipe();
  }
}
