/**
 * Gates on encrypted bits: real numbers 0 and 1 in slots, one ciphertext per bit of a number, so that a gate works on as many numbers as
 * there are slots. A product costs a level; where none is left, bits are bootstrapped, which also cleans them.
 *
 * At every level bits have one scale, that which repeated squaring from the top gives: bits of different history meet at the lower level.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { LevelExhaustedError, OutOfRangeError } from '../../base/errors.ts';
import type { CkksCiphertext } from '../../schemes/ckks/ciphertext.ts';
import type { ExactOperations } from '../exact-operations.ts';

/** Bits with their noise. */
const BIT_BOUND = 1.01;

/** Makes a fresh bit of one that has no level left, at the top level and scale of the gates; owned by their arena. */
export type BitRefresh = (bit: CkksCiphertext) => CkksCiphertext;

export interface BitGatesOptions {
  /** Where bits start: the level of encryptions, or of refreshed bits. */
  readonly top: number;
  /** The lowest level that a refresh takes; default 0. */
  readonly floor?: number;
  readonly refresh?: BitRefresh;
}

/** Results belong to the arena of `operations`; arguments are borrowed. */
export class BitGates {
  readonly operations: ExactOperations;
  #scales: readonly number[];
  #floor: number;
  #refresh: BitRefresh | undefined;
  /** Products so far: a measure of cost. */
  products = 0;
  /** Refreshes so far. */
  refreshes = 0;

  /** Bits at the top have the default scale. */
  constructor(operations: ExactOperations, options: BitGatesOptions) {
    arg.checkArguments('new BitGates', [operations, options], {
      operations: arg.like('an ExactOperations', 'prime', 'restate'),
      options: arg.options,
    });
    const { top, floor = 0, refresh } = options;
    this.operations = operations;
    this.#floor = floor;
    this.#refresh = refresh;
    const scales: number[] = [];
    scales[top] = operations.context.params.defaultScale;
    for (let level = top; level > 0; level--)
      scales[level - 1] = scales[level]! ** 2 / operations.prime(level);
    this.#scales = scales;
  }

  /** Both at one level that allows a product: the lower one, or refreshed. */
  #factors(a: CkksCiphertext, b: CkksCiphertext): [CkksCiphertext, CkksCiphertext] {
    const fit = (bit: CkksCiphertext): CkksCiphertext => {
      if (bit.level > this.#floor) return bit;
      if (this.#refresh === undefined) throw new LevelExhaustedError('a gate', bit.level, this.#floor + 1);
      this.refreshes++;
      return this.#refresh(bit);
    };
    const [x, y] = [fit(a), a === b ? undefined : fit(b)];
    if (y === undefined) return [x, x];
    const level = Math.min(x.level, y.level);
    return [this.#at(x, level), this.#at(y, level)];
  }

  /** The bit itself or, at a lower level, one product with a constant. */
  #at(bit: CkksCiphertext, level: number): CkksCiphertext {
    if (bit.level === level) return bit;
    return this.operations.brought(bit, { level, scale: this.#scales[level]!, maxAbs: BIT_BOUND });
  }

  #product(a: CkksCiphertext, b: CkksCiphertext): CkksCiphertext {
    this.products++;
    return this.operations.multiply(a, b, BIT_BOUND);
  }

  #copy(a: CkksCiphertext): CkksCiphertext {
    return this.operations.lowered(a, a.level);
  }

  /** A bit that everybody knows, as a ciphertext at the level of `like`: its noise is that of `like`. */
  constant(like: CkksCiphertext, bit: 0 | 1): CkksCiphertext {
    const zero = this.#copy(like);
    this.operations.subtractFrom(zero, like);
    if (bit === 1) this.operations.addConstant(zero, 1);
    return zero;
  }

  /** 1 - a: no level. */
  not(a: CkksCiphertext): CkksCiphertext {
    const out = this.#copy(a);
    this.operations.multiplyInteger(out, -1);
    this.operations.addConstant(out, 1);
    return out;
  }

  /** a b: one level. */
  and(a: CkksCiphertext, b: CkksCiphertext): CkksCiphertext {
    return this.#product(...this.#factors(a, b));
  }

  /** (a - b)^2 = a + b - 2 a b for bits: one level. */
  xor(a: CkksCiphertext, b: CkksCiphertext): CkksCiphertext {
    const [x, y] = this.#factors(a, b);
    const difference = this.#copy(x);
    this.operations.subtractFrom(difference, y);
    return this.#product(difference, difference);
  }

  /** 1 - (1 - a)(1 - b): one level. */
  or(a: CkksCiphertext, b: CkksCiphertext): CkksCiphertext {
    return this.not(this.and(this.not(a), this.not(b)));
  }

  /** a + b of bits that are never both 1: no level where both are at one. */
  either(a: CkksCiphertext, b: CkksCiphertext): CkksCiphertext {
    const level = Math.min(a.level, b.level);
    const [x, y] = [this.#at(a, level), this.#at(b, level)];
    return this.operations.addUp(this.#copy(x), this.#copy(y), BIT_BOUND);
  }

  /** a where s is 1, else b: b + s (a - b), one level. */
  choose(s: CkksCiphertext, a: CkksCiphertext, b: CkksCiphertext): CkksCiphertext {
    const [x, y] = this.#factors(a, b);
    const difference = this.#copy(x);
    this.operations.subtractFrom(difference, y);
    const product = this.#product(...this.#factors(s, difference));
    const kept = y.level > product.level ? y : this.#factors(y, y)[0];
    return this.operations.addUp(product, this.#copy(this.#at(kept, product.level)), BIT_BOUND);
  }

  /** The majority of three bits: a b + c (a xor b), whose terms are never both 1. Two levels. */
  majority(a: CkksCiphertext, b: CkksCiphertext, c: CkksCiphertext): CkksCiphertext {
    return this.either(this.and(a, b), this.and(c, this.xor(a, b)));
  }
}

/** Bits of a number, the lowest first, all in the same slots. */
export type BitNumber = readonly CkksCiphertext[];

/** @throws {OutOfRangeError} unless both have as many bits, at least one. */
export function assertSameWidth(a: BitNumber, b: BitNumber): void {
  if (a.length !== b.length || a.length === 0)
    throw new OutOfRangeError('bits of the second number', `as many as of the first, ${a.length}`, b.length);
}

printOnOneLine(BitGates);
arg.guard('BitGates', BitGates.prototype, {
  constant: { like: arg.like('a CkksCiphertext', 'toBytes', 'at'), bit: arg.number },
  not: { a: arg.like('a CkksCiphertext', 'toBytes', 'at') },
  and: { a: arg.like('a CkksCiphertext', 'toBytes', 'at'), b: arg.like('a CkksCiphertext', 'toBytes', 'at') },
  xor: { a: arg.like('a CkksCiphertext', 'toBytes', 'at'), b: arg.like('a CkksCiphertext', 'toBytes', 'at') },
  or: { a: arg.like('a CkksCiphertext', 'toBytes', 'at'), b: arg.like('a CkksCiphertext', 'toBytes', 'at') },
  either: {
    a: arg.like('a CkksCiphertext', 'toBytes', 'at'),
    b: arg.like('a CkksCiphertext', 'toBytes', 'at'),
  },
  choose: {
    s: arg.like('a CkksCiphertext', 'toBytes', 'at'),
    a: arg.like('a CkksCiphertext', 'toBytes', 'at'),
    b: arg.like('a CkksCiphertext', 'toBytes', 'at'),
  },
  majority: {
    a: arg.like('a CkksCiphertext', 'toBytes', 'at'),
    b: arg.like('a CkksCiphertext', 'toBytes', 'at'),
    c: arg.like('a CkksCiphertext', 'toBytes', 'at'),
  },
});
