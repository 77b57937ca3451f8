/** An encoded polynomial over Z_t: it has no level. Wiped when disposed: it may hold a decrypted value. */
import type { ParamsId } from '../../base/brand.ts';
import type { Words } from '../../kernel/kernel.ts';
import { copyWords } from '../../ring/poly.ts';
import { Owned } from '../../ring/arena.ts';
import type { BgvContextBase } from './context-base.ts';

/** The only limb of the plaintext ring. */
export const PLAIN_LIMB: readonly number[] = [0];

export class BgvPlaintext extends Owned {
  readonly context: BgvContextBase;
  #words: Words;

  /** Takes ownership of `words`, the N coefficients modulo t. */
  constructor(context: BgvContextBase, words: Words) {
    super();
    this.context = context;
    this.#words = words;
  }

  get paramsId(): ParamsId {
    return this.context.params.id;
  }

  /** The coefficients modulo t, borrowed. @throws {DisposedError} */
  get coefficients(): Words {
    this.assertLive('a plaintext');
    return this.#words;
  }

  /**
   * log2 of a bound on the canonical norm of the centred polynomial, the sum of its absolute coefficients, rounded up to whole
   * bits: a product with this plaintext carries it, so more digits would tell more of the plaintext.
   */
  get normBits(): number {
    const sum = this.centred().reduce((total, value) => total + Math.abs(value), 0);
    return Math.ceil(Math.log2(Math.max(1, sum)));
  }

  /** factor * m mod t as centred integers. The caller wipes them. */
  centred(factor = 1): Float64Array {
    const { kernel, plainRing, params } = this.context;
    const scaled = kernel.allocate(params.n);
    const out = new Float64Array(params.n);
    try {
      copyWords(scaled, this.coefficients);
      if (factor !== 1) kernel.mulScalar(plainRing.tables, scaled, scaled, [factor], PLAIN_LIMB);
      kernel.toDoubles(plainRing.tables, out, scaled, PLAIN_LIMB);
    } finally {
      scaled.wipe();
    }
    return out;
  }

  /** Writes [factor * m]_t, centred, to `out` over q_0 .. q_level, NTT domain; `out` may be a secret then. */
  liftInto(out: Words, level: number, factor = 1): void {
    const { kernel, ring } = this.context;
    const mods = this.context.qMods(level);
    const values = this.centred(factor);
    try {
      kernel.fromDoubles(ring.tables, out, values, mods);
      kernel.nttForward(ring.tables, out, mods);
    } finally {
      values.fill(0);
    }
  }

  /** Decrypted values may not outlive their owner: they print as nothing. */
  toJSON(): string {
    return '[plaintext]';
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return 'BgvPlaintext';
  }

  protected override free(): void {
    this.#words.wipe();
  }
}
