/**
 * What a holder of function keys computes: powers of a ciphertext's elements by public numbers, then logarithms. Done with the
 * curve library everywhere, or with the loops of the native kernel, to the same results.
 */
import { normalizeZ } from '@noble/curves/abstract/curve.js';
import { ed25519 } from '@noble/curves/ed25519.js';
import { numberToBytesLE } from '@noble/curves/utils.js';
import type { EdwardsLoops, Kernel } from '../../kernel/kernel.ts';
import { DiscreteLog } from './discrete-log.ts';
import { encodeScalar, type GroupElement, IDENTITY, SCALAR_BYTES } from './group.ts';
import type { DdhCiphertext } from './objects.ts';

export interface DdhEvaluator {
  /**
   * For each key, [keys] lists of one scalar per head: the logarithm of product(elements^weights) / product(heads^scalars), undefined
   * where none is within the bound. `weights` are [keys, length].
   */
  logarithmsVarTime(
    ciphertext: DdhCiphertext,
    scalars: readonly (readonly bigint[])[],
    weights: Int32Array,
  ): (number | undefined)[];
  /** The logarithm of each element, undefined where none is within the bound. */
  solveVarTime(elements: readonly GroupElement[]): (number | undefined)[];
}

/** With the native kernel's loops where there are any. */
export function evaluatorFor(bound: number, kernel: Pick<Kernel, 'edwards'> | undefined): DdhEvaluator {
  return kernel?.edwards === undefined
    ? new LibraryEvaluator(bound)
    : new KernelEvaluator(kernel.edwards, bound);
}

/** Runs wherever JavaScript runs. */
class LibraryEvaluator implements DdhEvaluator {
  readonly #bound: number;
  #logarithm: DiscreteLog | undefined;

  constructor(bound: number) {
    this.#bound = bound;
  }

  logarithmsVarTime(
    ciphertext: DdhCiphertext,
    scalars: readonly (readonly bigint[])[],
    weights: Int32Array,
  ): (number | undefined)[] {
    const { heads, elements } = ciphertext.tables;
    const length = ciphertext.elements.length;
    const powers = scalars.map((list, key) =>
      list.reduce(
        (sum, scalar, h) => sum.subtract(heads[h]?.powerVarTime(scalar) ?? IDENTITY),
        elements.productVarTime(weights.subarray(key * length, (key + 1) * length)),
      ),
    );
    return this.solveVarTime(powers);
  }

  solveVarTime(elements: readonly GroupElement[]): (number | undefined)[] {
    this.#logarithm ??= new DiscreteLog(this.#bound);
    return this.#logarithm.solveVarTime(elements);
  }
}

const COORDINATE_BYTES = 32;
const [LEAST_STEPS, MAX_STEPS] = [2 ** 6, 2 ** 18];
/** Baby steps per square root of the bound: a step costs as much as a giant step, and tables serve thousands of products. */
const STEPS_PER_ROOT = 16;

/** x and y of each element, as the kernel takes them. */
function affineBytes(elements: readonly GroupElement[]): Uint8Array {
  const out = new Uint8Array(2 * COORDINATE_BYTES * elements.length);
  normalizeZ(ed25519.Point, [...elements]).forEach(({ x, y }, i) => {
    out.set(numberToBytesLE(x, COORDINATE_BYTES), 2 * i * COORDINATE_BYTES);
    out.set(numberToBytesLE(y, COORDINATE_BYTES), (2 * i + 1) * COORDINATE_BYTES);
  });
  return out;
}

/** The native kernel's loops, on all its threads. */
class KernelEvaluator implements DdhEvaluator {
  readonly #loops: EdwardsLoops;
  readonly #bound: number;
  /** Converted once, for all keys. */
  readonly #points = new WeakMap<DdhCiphertext, { heads: Uint8Array; smalls: Uint8Array }>();
  #logarithms: ((points: Uint8Array) => Float64Array) | undefined;

  constructor(loops: EdwardsLoops, bound: number) {
    this.#loops = loops;
    this.#bound = bound;
  }

  logarithmsVarTime(
    ciphertext: DdhCiphertext,
    scalars: readonly (readonly bigint[])[],
    weights: Int32Array,
  ): (number | undefined)[] {
    const { heads, smalls } = this.#pointsOf(ciphertext);
    const perKey = ciphertext.heads.length;
    const bytes = new Uint8Array(scalars.length * perKey * SCALAR_BYTES);
    scalars.forEach((list, key) => {
      list.forEach((scalar, h) => {
        bytes.set(encodeScalar(scalar), (key * perKey + h) * SCALAR_BYTES);
      });
    });
    return this.#solve(this.#loops.products(heads, smalls, bytes, weights, scalars.length));
  }

  solveVarTime(elements: readonly GroupElement[]): (number | undefined)[] {
    return this.#solve(affineBytes(elements));
  }

  #solve(points: Uint8Array): (number | undefined)[] {
    const steps = Math.ceil(STEPS_PER_ROOT * Math.sqrt(this.#bound));
    this.#logarithms ??= this.#loops.logarithms(
      this.#bound,
      Math.min(MAX_STEPS, Math.max(LEAST_STEPS, steps)),
    );
    return Array.from(this.#logarithms(points), (value) => (Number.isNaN(value) ? undefined : value));
  }

  #pointsOf(ciphertext: DdhCiphertext): { heads: Uint8Array; smalls: Uint8Array } {
    let points = this.#points.get(ciphertext);
    if (points === undefined) {
      points = { heads: affineBytes(ciphertext.heads), smalls: affineBytes(ciphertext.elements) };
      this.#points.set(ciphertext, points);
    }
    return points;
  }
}
