import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OutOfRangeError, ShapeError } from '../../../src/base/errors.ts';
import { systemRandom } from '../../../src/base/random.ts';
import { PLAIN_RESIDUE_PRODUCTS } from '../../../src/kernel/portable/residue-products.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import {
  rankBudget,
  solvableUnknowns,
  uniqueSolutionRank,
} from '../../../src/protocols/cryptonn/agreement/leak-budget.ts';
import { RankEchelon } from '../../../src/protocols/cryptonn/agreement/rank-echelon.ts';
import { openUserKernels } from '../../kernel/cases/differential.ts';

/** Rank over the rationals by fractions of BigInt (Bareiss), independent of the class under test. */
function exactRank(rows: readonly (readonly number[])[]): number {
  const m = rows.map((row) => row.map(BigInt));
  let rank = 0;
  let previous = 1n;
  for (let column = 0; column < (m[0]?.length ?? 0); column++) {
    const pivot = m.findIndex((row, i) => i >= rank && row[column] !== 0n);
    if (pivot < 0) continue;
    [m[rank], m[pivot]] = [m[pivot]!, m[rank]!];
    for (let i = rank + 1; i < m.length; i++) {
      for (let j = m[0]!.length - 1; j >= column; j--) {
        m[i]![j] = (m[i]![j]! * m[rank]![column]! - m[i]![column]! * m[rank]![j]!) / previous;
      }
    }
    previous = m[rank]![column]!;
    rank++;
  }
  return rank;
}

/** Elimination row by row modulo the Mersenne prime 2^61 - 1, by BigInt. */
class SlowEchelon {
  readonly #prime = 2n ** 61n - 1n;
  readonly #rows: { readonly pivot: number; readonly row: readonly bigint[] }[] = [];

  get rank(): number {
    return this.#rows.length;
  }

  #mod(x: bigint): bigint {
    return ((x % this.#prime) + this.#prime) % this.#prime;
  }

  #inverse(x: bigint): bigint {
    let [result, square] = [1n, x];
    for (let e = this.#prime - 2n; e > 0n; e >>= 1n) {
      if (e & 1n) result = this.#mod(result * square);
      square = this.#mod(square * square);
    }
    return result;
  }

  add(vector: Int32Array): boolean {
    let row = Array.from(vector, (value) => this.#mod(BigInt(value)));
    for (const { pivot, row: known } of this.#rows) {
      const factor = row[pivot]!;
      if (factor !== 0n) row = row.map((value, j) => this.#mod(value - factor * known[j]!));
    }
    const pivot = row.findIndex((value) => value !== 0n);
    if (pivot < 0) return false;
    const scale = this.#inverse(row[pivot]!);
    this.#rows.push({ pivot, row: row.map((value) => this.#mod(value * scale)) });
    return true;
  }
}

const flat = (rows: readonly Int32Array[]) => Int32Array.from(rows.flatMap((row) => [...row]));

test('the rank is that of exact elimination, and the span contains exactly the combinations', () => {
  const entry = fc.integer({ min: -3, max: 3 });
  const matrix = fc
    .integer({ min: 1, max: 7 })
    .chain((n) => fc.array(fc.array(entry, { minLength: n, maxLength: n }), { minLength: 1, maxLength: 9 }));
  fc.assert(
    fc.property(matrix, fc.array(entry, { minLength: 9, maxLength: 9 }), (rows, factors) => {
      const echelon = new RankEchelon(rows[0]!.length);
      rows.forEach((row, i) => {
        expect(echelon.add(row)).toBe(exactRank(rows.slice(0, i + 1)) > exactRank(rows.slice(0, i)));
      });
      expect(echelon.rank).toBe(exactRank(rows));
      const sum = rows[0]!.map((_, j) => rows.reduce((s, row, i) => s + factors[i]! * row[j]!, 0));
      expect(echelon.contains(sum)).toBe(true);
      const other = sum.map((value, j) => (j === 0 ? value + 1 : value));
      expect(echelon.contains(other)).toBe(exactRank([...rows, other]) === echelon.rank);
    }),
  );
});

test('large random vectors: dependent after the last free one, in and out of the span', () => {
  const generator = new SeededGenerator(5);
  const length = 60;
  const echelon = new RankEchelon(length);
  const rows = Array.from({ length: 40 }, () => Array.from({ length }, () => generator.below(4001) - 2000));
  for (const row of rows) expect(echelon.add(row)).toBe(true);
  const inside = rows[3]!.map((value, j) => 2 * value - 3 * rows[39]![j]!);
  expect(echelon.contains(inside)).toBe(true);
  expect(echelon.add(inside)).toBe(false);
  inside[7]!++;
  expect(echelon.contains(inside)).toBe(false);
  expect(echelon.rank).toBe(40);
});

test('many vectors at once raise the rank as one after another, whether none, some or all of them do', () => {
  const generator = new SeededGenerator(5);
  const vector = () => Int32Array.from({ length: 60 }, () => generator.below(2 ** 16) - 2 ** 15);
  const [together, apart] = [new RankEchelon(60), new RankEchelon(60)];
  const known = Array.from({ length: 8 }, vector);
  const sum = Int32Array.from(known[0]!, (value, j) => (value - known[1]![j]!) >> 1);
  const even = known.map((row) => row.map((value) => 2 * (value >> 2)));
  for (const rows of [known, [sum, ...even], known, [known[3]!, vector(), known[5]!], known]) {
    const raised = together.addAll(flat(rows), systemRandom);
    expect(raised).toEqual(rows.filter((row) => apart.add(row)));
    expect(together.rank).toBe(apart.rank);
  }
  expect(() => together.addAll(new Int32Array(59), systemRandom)).toThrow(ShapeError);
});

test('a slowly changing matrix raises the rank as its rows do by themselves', () => {
  const generator = new SeededGenerator(6);
  const [together, apart] = [new RankEchelon(40), new RankEchelon(40)];
  let rows = Array.from({ length: 6 }, () =>
    Int32Array.from({ length: 40 }, () => generator.below(255) - 127),
  );
  for (let step = 0; step < 30; step++) {
    expect(together.addAll(flat(rows), systemRandom)).toEqual(rows.filter((row) => apart.add(row)));
    rows = rows.map((row) => {
      const next = row.slice();
      // Rows that stay the same and rows that come back are among them.
      if (generator.below(3) === 0) next[generator.below(40)] = generator.below(255) - 127;
      return generator.below(20) === 0 ? new Int32Array(40) : next;
    });
  }
  expect(together.rank).toBe(apart.rank);
  expect(together.rank).toBeGreaterThan(20);
});

test('more vectors at once than are eliminated together, up to the full rank and beyond', () => {
  const generator = new SeededGenerator(7);
  for (const length of [97, 130]) {
    const [together, apart] = [new RankEchelon(length), new RankEchelon(length)];
    // Zeros, copies and what is nearly a sum in between; wide entries and narrow ones.
    let rows = Array.from({ length: 50 }, (_, i) =>
      Int32Array.from({ length }, () => generator.below(i % 2 ? 9 : 2 ** 15) - (i % 2 ? 4 : 2 ** 14)),
    );
    for (let step = 0; together.rank < length; step++) {
      expect(together.addAll(flat(rows), systemRandom)).toEqual(rows.filter((row) => apart.add(row)));
      expect(together.rank).toBe(apart.rank);
      expect(together.contains(rows[3]!)).toBe(true);
      rows = rows.map((row, i) =>
        Int32Array.from(row, (value, j) => {
          if (i === 9) return 0;
          if (i === 11) return rows[2]![j]!;
          if (i === 40) return (rows[5]![j]! - rows[7]![j]!) >> 2;
          return generator.below(6) === 0 ? generator.below(255) - 127 : value;
        }),
      );
    }
    expect(together.addAll(flat(rows), systemRandom)).toEqual([]);
    expect(apart.add(rows[0]!)).toBe(false);
  }
});

const PRODUCTS = [
  { name: 'plain loops', kernel: PLAIN_RESIDUE_PRODUCTS },
  ...openUserKernels().filter(({ kernel }) => kernel !== undefined),
];

describe.each(PRODUCTS)('by $name', ({ kernel }) => {
  test.each([31, 32, 33, 64, 65])('%i vectors at once raise the rank as they do exactly', (count) => {
    const generator = new SeededGenerator(count);
    const [length, slow] = [70, new SlowEchelon()];
    const echelon = new RankEchelon(length, kernel);
    const rows = Array.from({ length: count }, () =>
      Int32Array.from({ length }, () => generator.below(2 ** 16) - 2 ** 15),
    );
    // Dependent ones beside the ends of blocks; one that starts with zeros, so that columns are swapped.
    rows[7]!.fill(0, 0, 40);
    rows[29] = Int32Array.from(rows[3]!, (value, j) => (value >> 1) - (rows[8]![j]! >> 1));
    rows[30] = rows[3]!.map((value) => value >> 1);
    for (const i of [31, 32, 63]) if (i < count) rows[i] = rows[i - 12]!.map((value) => -value);
    expect(echelon.addAll(flat(rows), systemRandom)).toEqual(rows.filter((row) => slow.add(row)));
    expect(echelon.rank).toBe(slow.rank);
    expect(rows.every((row) => echelon.contains(row))).toBe(true);
    expect(echelon.contains(rows[7]!.map((value, j) => (j === 69 ? value ^ 1 : value)))).toBe(false);
  });

  test('the full rank inside a block', () => {
    const generator = new SeededGenerator(8);
    for (const length of [1, 20, 32, 33, 50]) {
      const [echelon, slow] = [new RankEchelon(length, kernel), new SlowEchelon()];
      const rows = Array.from({ length: 64 }, () =>
        Int32Array.from({ length }, () => generator.below(7) - 3),
      );
      const raised = rows.filter((row) => slow.add(row));
      expect(raised).toHaveLength(length);
      expect(echelon.addAll(flat(rows), systemRandom)).toEqual(raised);
      expect(echelon.rank).toBe(length);
      expect(echelon.contains(rows[0]!.map((value) => value + 1))).toBe(true);
      expect(echelon.add(rows[1]!)).toBe(false);
    }
  });

  test('sparse vectors, until few columns are left', () => {
    const generator = new SeededGenerator(9);
    const length = 160;
    const [echelon, slow] = [new RankEchelon(length, kernel), new SlowEchelon()];
    let rows = Array.from({ length: 40 }, () => new Int32Array(length));
    const outside = new Int32Array(length);
    outside[97] = 1;
    for (let step = 0; step < 30; step++) {
      // Of the last columns but one the rows know nothing.
      rows = rows.map((row) => {
        const next = row.slice();
        for (let i = 0; i < 3; i++) {
          const column = generator.below(step < 3 ? 40 : length);
          if (column !== 97) next[column] = generator.below(255) - 127;
        }
        return next;
      });
      expect(echelon.addAll(flat(rows), systemRandom)).toEqual(rows.filter((row) => slow.add(row)));
      expect(echelon.rank).toBe(slow.rank);
      expect(echelon.contains(rows[5]!)).toBe(true);
      expect(echelon.contains(outside)).toBe(false);
    }
    expect(echelon.rank).toBe(length - 1);
    expect(echelon.add(outside)).toBe(true);
    expect(echelon.rank).toBe(length);
  });
});

test('refuses other lengths and entries that are no bounded integers, naming the index', () => {
  const echelon = new RankEchelon(3);
  expect(() => echelon.add([1, 2])).toThrow(ShapeError);
  expect(() => echelon.add([1, 0.5, 0])).toThrow(OutOfRangeError);
  expect(() => echelon.contains([0, 0, 2 ** 16])).toThrow(/entry 2/);
});

test('thresholds: 25 bytes under 8-bit keys have one bounded solution from 10.9 keys on', () => {
  // The formula counts 8 bits for a bound of 255; the measured figures of lattice reduction: 10 keys fail, 12 succeed.
  expect(uniqueSolutionRank(25, 255, 255)).toBeCloseTo(10.93, 1);
  expect(uniqueSolutionRank(64, 255, 255)).toBeCloseTo(26.9, 0);
  expect(rankBudget(784, 100, 1, 0.25)).toBe(104);
});

test('solvable unknowns: two axes overlap, a full axis is everything', () => {
  const ranks = { features: 784, batch: 64, forward: 10, gradient: 3 };
  expect(solvableUnknowns(ranks, 128)).toBe(2 * (10 * 64 + 3 * 784 - 30));
  expect(solvableUnknowns({ ...ranks, forward: 784 }, 128)).toBe(784 * 128);
  expect(solvableUnknowns({ ...ranks, gradient: 64 }, 128)).toBe(784 * 128);
});
