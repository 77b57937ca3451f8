/** What a row of the table in cases.ts works on: operands from a seeded generator and a fill pattern. */
import type { Kernel, RingTables, Words } from '../../src/kernel/kernel.ts';

export const PATTERNS = ['random', 'zero', 'one', 'top', 'edges'] as const;
export type Pattern = (typeof PATTERNS)[number];

/** mulberry32: 32 bits from a 32-bit counter. */
export function seededGenerator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
}

/** A kernel with a ring open, and operands for it. */
export class Bench {
  readonly kernel: Kernel;
  readonly ring: RingTables;
  readonly n: number;
  /** Operand polynomials made so far, of one limb each. */
  made = 0;
  readonly #random: () => number;
  readonly #pattern: Pattern;
  readonly #words: Words[] = [];

  constructor(kernel: Kernel, ring: RingTables, pattern: Pattern, seed: number) {
    this.kernel = kernel;
    this.ring = ring;
    this.n = ring.n;
    this.#pattern = pattern;
    this.#random = seededGenerator(seed);
  }

  /** In [0, bound), bound <= 2^53. */
  below(bound: number): number {
    return (this.#random() * 2 ** 21 + (this.#random() >>> 11)) % bound;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }

  zeros(words: number): Words {
    const run = this.kernel.allocate(words);
    this.#words.push(run);
    return run;
  }

  #residue(i: number, q: number): number {
    switch (this.#pattern) {
      case 'random':
        return this.below(q);
      case 'zero':
        return 0;
      case 'one':
        return 1;
      case 'top':
        return q - 1;
      case 'edges':
        return [0, q - 1, (q - 1) / 2, (q + 1) / 2, 1, this.below(q)][i % 6];
    }
  }

  /** A batch of polynomials over mods, filled by the pattern. */
  polynomials(count: number, mods: readonly number[]): Words {
    const run = this.zeros(count * mods.length * this.n);
    this.made += count * mods.length;
    const halves = run.u32();
    for (let i = 0; i < run.length; i++) {
      const limb = mods[Math.floor(i / this.n) % mods.length];
      const residue = this.#residue(i + Math.floor(i / this.n), this.ring.moduli[limb]);
      halves[2 * i] = residue % 2 ** 32;
      halves[2 * i + 1] = Math.floor(residue / 2 ** 32);
    }
    return run;
  }

  copy(words: Words): Words {
    const run = this.zeros(words.length);
    run.u64().set(words.u64());
    return run;
  }

  release(): void {
    for (const run of this.#words) run[Symbol.dispose]();
  }
}

export type Output =
  | BigUint64Array
  | Float64Array
  | Float32Array
  | Int8Array
  | Int32Array
  | Uint32Array
  | Uint8Array
  | boolean
  | number[];
export type Row = (bench: Bench) => readonly Output[];
