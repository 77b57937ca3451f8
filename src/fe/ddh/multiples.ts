/**
 * Products of powers where the exponents may show in the timing: function keys and weights, which the evaluator knows. Tables of
 * one ciphertext serve all its keys.
 */
import { GROUP_ORDER, type GroupElement, IDENTITY } from './group.ts';

const SCALAR_BITS = 253;
const COMB_BITS = 5;
const SMALL_WINDOW = 5;

/** Multiples j * 2^(5 i) * base, 1 <= j <= 16: a power by any scalar in at most 51 additions. */
export class FixedBase {
  readonly #rows: GroupElement[][] = [];

  constructor(base: GroupElement) {
    let step = base;
    // One row more for the carry of the signed digits.
    for (let bit = 0; bit <= SCALAR_BITS; bit += COMB_BITS) {
      const row = [step];
      for (let j = 1; j < 1 << (COMB_BITS - 1); j++) row.push((row[j - 1] as GroupElement).add(step));
      this.#rows.push(row);
      step = (row[row.length - 1] as GroupElement).double();
    }
  }

  /** `scalar` in [0, order). */
  powerVarTime(scalar: bigint): GroupElement {
    let sum = IDENTITY;
    let left = scalar % GROUP_ORDER;
    const [full, half] = [1 << COMB_BITS, 1 << (COMB_BITS - 1)];
    for (const row of this.#rows) {
      let digit = Number(left & BigInt(full - 1));
      left >>= BigInt(COMB_BITS);
      if (digit > half) {
        digit -= full;
        left += 1n;
      }
      if (digit > 0) sum = sum.add(row[digit - 1] as GroupElement);
      if (digit < 0) sum = sum.subtract(row[-digit - 1] as GroupElement);
    }
    return sum;
  }
}

/** The signed digits of width 5, least significant first: zero or odd, at most 15 in size. */
function windowDigits(exponent: number): number[] {
  const digits: number[] = [];
  const full = 1 << SMALL_WINDOW;
  for (let left = exponent; left !== 0; left = Math.floor(left / 2)) {
    let digit = 0;
    if (left % 2 !== 0) {
      digit = ((left % full) + full) % full;
      if (digit >= full / 2) digit -= full;
      left -= digit;
    }
    digits.push(digit);
  }
  return digits;
}

/** Odd multiples 1, 3, .. 15 of several bases, for products of their small powers (Straus). */
export class SmallPowers {
  readonly #tables: GroupElement[][];

  constructor(bases: readonly GroupElement[]) {
    this.#tables = bases.map((base) => {
      const twice = base.double();
      const table = [base];
      for (let j = 1; j < 1 << (SMALL_WINDOW - 2); j++) table.push((table[j - 1] as GroupElement).add(twice));
      return table;
    });
  }

  productVarTime(exponents: Int32Array): GroupElement {
    const digits = Array.from(exponents, windowDigits);
    const longest = Math.max(...digits.map((list) => list.length));
    let sum = IDENTITY;
    for (let bit = longest - 1; bit >= 0; bit--) {
      sum = sum.double();
      digits.forEach((list, i) => {
        const digit = list[bit] ?? 0;
        const table = this.#tables[i] as GroupElement[];
        if (digit > 0) sum = sum.add(table[(digit - 1) / 2] as GroupElement);
        if (digit < 0) sum = sum.subtract(table[(-digit - 1) / 2] as GroupElement);
      });
    }
    return sum;
  }
}
