import { expect, test } from 'vitest';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { BoundedSolver, recoverBounded } from '../../../src/protocols/cryptonn/leakage/lattice-attack.ts';
import { inner, LatticeBasis } from '../../../src/algebra/lattice-reduction.ts';
import { coordinatesOf, OrthogonalLattice } from '../../../src/algebra/orthogonal-lattice.ts';
import { uniqueSolutionRank } from '../../../src/protocols/cryptonn/agreement/leak-budget.ts';

const basisOf = (rows: number[][]) => new LatticeBasis(rows.map((row) => Float64Array.from(row)));
const length = (row: ArrayLike<number>) => inner(row, row);

test('reduces a published example, and refuses dependent rows', () => {
  // Wikipedia, "Lenstra-Lenstra-Lovasz lattice basis reduction algorithm", example in Z^3: (0, 1, 0), (1, 0, 1), (-1, 0, 2).
  const basis = basisOf([
    [1, 1, 1],
    [-1, 0, 2],
    [3, 5, 6],
  ]);
  basis.reduce();
  expect(basis.rows.map((row) => Array.from(row, Math.abs))).toEqual([
    [0, 1, 0],
    [1, 0, 1],
    [1, 0, 2],
  ]);
  expect(() =>
    basisOf([
      [1, 2],
      [2, 4],
    ]).reduce(),
  ).toThrow(/dependent/);
});

test('finds the short vector that was hidden in random bases', () => {
  const generator = new SeededGenerator(4);
  for (let round = 0; round < 10; round++) {
    const modulus = 10_007;
    const short = Array.from({ length: 6 }, () => generator.below(7) - 3);
    if (short[0] === 0) short[0] = 1;
    const inverse = Number(
      power(BigInt((short[0]! + modulus) % modulus), BigInt(modulus - 2), BigInt(modulus)),
    );
    const row = short.map((value) => (((value * inverse) % modulus) + modulus) % modulus);
    const rest = Array.from({ length: 5 }, (_, i) => short.map((_, j) => (j === i + 1 ? modulus : 0)));
    const basis = basisOf([row, ...rest]);
    basis.reduceBlocks(6);
    expect(length(basis.rows[0]!)).toBeLessThanOrEqual(length(short));
    expect(length(basis.rows[0]!)).toBeGreaterThan(0);
  }
});

test('blocks as large as the lattice give its shortest vector, and reduction alone may not', () => {
  const generator = new SeededGenerator(8);
  let shorter = 0;
  for (let round = 0; round < 20; round++) {
    const rows = Array.from({ length: 20 }, (_, i) =>
      Array.from({ length: 20 }, (_, j) =>
        i === j ? (i === 0 ? 1_000_003 : 1) : j === 0 ? generator.below(1_000_003) : 0,
      ),
    );
    const [reduced, blocks] = [basisOf(rows), basisOf(rows)];
    reduced.reduce();
    blocks.reduceBlocks(20);
    const [first, best] = [length(reduced.rows[0]!), length(blocks.rows[0]!)];
    expect(best).toBeLessThanOrEqual(first);
    if (best < first) shorter++;
    // Both span the same lattice: the product of the orthogonalised lengths is its volume.
    for (const { lengths } of [reduced, blocks])
      expect(lengths.reduce((sum, value) => sum + Math.log(value) / 2, 0)).toBeCloseTo(
        Math.log(1_000_003),
        6,
      );
  }
  expect(shorter).toBeGreaterThan(0);
});

/** Squared length of what is left of a vector less the nearest combination; 0 exactly for vectors of the lattice. */
function remainder(vector: Float64Array, basis: LatticeBasis): number {
  const left = Float64Array.from(vector);
  for (let i = basis.rows.length - 1; i >= 0; i--) {
    const factor = Math.round(coordinatesOf(left, basis)[i]!);
    for (let j = 0; j < left.length; j++) left[j] = left[j]! - factor * basis.rows[i]![j]!;
  }
  return length(left);
}

test('the orthogonal lattice is orthogonal and whole; solutions of the rows are exact, also of dependent ones', () => {
  const generator = new SeededGenerator(6);
  const [unknowns, independent] = [9, 4];
  const keys = Array.from({ length: independent * unknowns }, () => generator.below(21) - 10);
  keys.push(...keys.slice(0, unknowns).map((value, i) => 2 * value - keys[unknowns + i]!));
  const lattice = new OrthogonalLattice(keys, unknowns);
  const { rows } = lattice.basis;
  expect(lattice.keys).toHaveLength(independent);
  expect(rows).toHaveLength(unknowns - independent);
  const key = (row: number) => keys.slice(row * unknowns, (row + 1) * unknowns);
  for (let row = 0; row < 5; row++) for (const vector of rows) expect(inner(vector, key(row))).toBe(0);
  const halved = basisOf(rows.map((row, i) => (i === 0 ? [...row].map((value) => 2 * value) : [...row])));
  halved.rows.forEach((_, i) => halved.orthogonalise(i));
  let missed = 0;
  for (let round = 0; round < 10; round++) {
    const x = Int32Array.from({ length: unknowns }, () => generator.below(101));
    const products = [0, 1, 2, 3, 4].map((row) => inner(key(row), x));
    const any = lattice.solution(products, 50)!;
    expect(lattice.isSolution(any, products)).toBe(true);
    expect(lattice.isSolution(any, [...products.slice(0, 4), products[4]! + 1])).toBe(false);
    // Whole: all solutions differ by integer combinations of the basis.
    const difference = any.map((value, i) => value - x[i]!);
    expect(remainder(difference, lattice.basis)).toBe(0);
    if (remainder(difference, halved) > 0) missed++;
  }
  expect(missed).toBeGreaterThan(0);
  expect(new OrthogonalLattice([2, 4], 2).solution([3], 0)).toBeNull();
});

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  for (let e = exponent, square = base; e > 0n; e >>= 1n, square = (square * square) % modulus)
    if (e & 1n) result = (result * square) % modulus;
  return result;
}

/** A random window of bytes, random keys of 8 bits, and what they open. */
function opened(seed: number, unknowns: number, rows: number) {
  const generator = new SeededGenerator(seed);
  const x = Int32Array.from({ length: unknowns }, () => generator.below(256));
  const keys = Int32Array.from({ length: rows * unknowns }, () => generator.below(255) - 127);
  const products = Array.from({ length: rows }, (_, row) =>
    x.reduce((sum, value, i) => sum + value * keys[row * unknowns + i]!, 0),
  );
  return { x, keys, products };
}

test('25 bytes under 13 keys of 8 bits are found; under 6 keys, below the threshold, they are not', () => {
  const threshold = uniqueSolutionRank(25, 255, 127);
  expect(threshold).toBeGreaterThan(10);
  expect(threshold).toBeLessThan(12);
  for (const seed of [1, 2]) {
    const { x, keys, products } = opened(seed, 25, 13);
    expect(recoverBounded(keys, products, 25, 255)).toEqual(x);
  }
  const few = opened(3, 25, 6);
  expect(recoverBounded(few.keys, few.products, 25, 255)).not.toEqual(few.x);
});

test('64 bytes under 34 keys are found by one reduction for all; wrong products give nothing', () => {
  const { keys } = opened(5, 64, 34);
  const solver = new BoundedSolver(keys, 64, 255);
  expect(solver.spareBits).toBeGreaterThan(30);
  expect(new BoundedSolver(keys.subarray(0, 64 * 24), 64, 255).spareBits).toBeLessThan(0);
  expect(new BoundedSolver(opened(5, 64, 60).keys, 64, 255).spareBits).toBe(Number.POSITIVE_INFINITY);
  const generator = new SeededGenerator(9);
  for (let column = 0; column < 5; column++) {
    const isSparse = column % 2 === 1;
    const x = Int32Array.from({ length: 64 }, () =>
      isSparse && generator.below(4) > 0 ? 0 : generator.below(256),
    );
    const products = Array.from({ length: 34 }, (_, row) => inner(x, keys.subarray(row * 64, row * 64 + 64)));
    expect(solver.solve(products)).toEqual(x);
    products[7] = products[7]! + 1;
    expect(solver.solve(products)).toBeNull();
  }
  expect(() => solver.solve([1])).toThrow(/34/);
});
