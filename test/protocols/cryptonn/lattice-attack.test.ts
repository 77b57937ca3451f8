import { expect, test } from 'vitest';
import { SeededGenerator } from '../../../src/nn/generator.ts';
import { recoverBounded } from '../../../src/protocols/cryptonn/lattice-attack.ts';
import { reduceBasis } from '../../../src/protocols/cryptonn/lattice-reduction.ts';
import { uniqueSolutionRank } from '../../../src/protocols/cryptonn/leak-budget.ts';

const big = (rows: number[][]) => rows.map((row) => row.map(BigInt));

test('reduces a published example, and refuses dependent rows', () => {
  // Wikipedia, "Lenstra-Lenstra-Lovasz lattice basis reduction algorithm", example in Z^3.
  const reduced = reduceBasis(
    big([
      [1, 1, 1],
      [-1, 0, 2],
      [3, 5, 6],
    ]),
  );
  expect(reduced).toEqual(
    big([
      [0, 1, 0],
      [1, 0, 1],
      [-1, 0, 2],
    ]),
  );
  expect(() =>
    reduceBasis(
      big([
        [1, 2],
        [2, 4],
      ]),
    ),
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
    const [first] = reduceBasis(big([row, ...rest]));
    const length = first!.reduce((sum, value) => sum + Number(value * value), 0);
    expect(length).toBeLessThanOrEqual(short.reduce((sum, value) => sum + value * value, 0));
    expect(length).toBeGreaterThan(0);
  }
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
