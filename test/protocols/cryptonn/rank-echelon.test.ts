import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OutOfRangeError, ShapeError } from '../../../src/base/errors.ts';
import { systemRandom } from '../../../src/base/random.ts';
import { SeededGenerator } from '../../../src/nn/generator.ts';
import {
  rankBudget,
  solvableUnknowns,
  uniqueSolutionRank,
} from '../../../src/protocols/cryptonn/leak-budget.ts';
import { RankEchelon } from '../../../src/protocols/cryptonn/rank-echelon.ts';

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
