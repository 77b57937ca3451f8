/** Cases of fractions modulo 1: rows of the table in cases.ts. */
import { CanonicalEmbedding } from '../../../src/kernel/tables/canonical-embedding.ts';
import type { FractionParts } from '../../../src/kernel/kernel.ts';
import type { Bench, Row } from '../bench.ts';

export const fractionSumsRow =
  (words: number): Row =>
  (bench) =>
    [[0], [2, 1], [0, 1, 2, 3], [3, 2, 0]].map((mods) => {
      const out = new Uint32Array(2 * bench.n * words).fill(7);
      bench.kernel.fractionSums(bench.ring, out, bench.polynomials(2, mods), words, mods);
      return out;
    });

/** Any word, the ends of the range often. */
function anyWord(bench: Bench): number {
  const edges = [0, 1, 2 ** 31, 2 ** 31 - 1, 2 ** 32 - 1];
  const choice = bench.below(12);
  return choice < edges.length ? (edges[choice] as number) : bench.below(2 ** 32);
}

/** Rows of integers below 2^bits, also such that the exact parts are none any more: the doubles must be the same all the same. */
const fractionDotRow =
  (rows: number, slots: number, terms: number, words: number, parts: FractionParts, bits: number): Row =>
  (bench) => {
    const values = Int32Array.from({ length: 2 * slots * rows * terms }, () =>
      bench.below(9) === 0 ? -(2 ** (bits - 1)) : bench.below(2 ** bits) - 2 ** (bits - 1),
    );
    // Nothing is computed of zeros; one value that is not is found wherever it is.
    if (rows > 1 && bench.below(3) === 0) values.fill(0, 0, 2 * slots * terms);
    if (rows > 1 && bench.below(3) === 0) values.fill(0, 0, 2 * slots * terms - 1);
    const b = Uint32Array.from({ length: 2 * slots * terms * words }, () => anyWord(bench));
    const out = new Float64Array(2 * slots * rows).fill(7);
    bench.kernel.fractionDot(new CanonicalEmbedding(slots), out, values, b, words, parts);
    return [out];
  };

export const FRACTION_DOT_ROWS: readonly Row[] = [
  fractionDotRow(2, 1, 1, 2, { bits: 8, exact: 3 }, 20),
  fractionDotRow(3, 2, 3, 2, { bits: 12, exact: 2 }, 32),
  fractionDotRow(2, 4, 7, 3, { bits: 11, exact: 4 }, 24),
  fractionDotRow(1, 16, 5, 4, { bits: 1, exact: 1 }, 8),
  fractionDotRow(2, 32, 64, 2, { bits: 8, exact: 3 }, 30),
  fractionDotRow(5, 128, 3, 3, { bits: 16, exact: 3 }, 12),
  fractionDotRow(2, 64, 2, 2, { bits: 9, exact: 0 }, 30),
];

/** Digits and masks of any size; the first values alone are wanted. */
const roundFractionsRow =
  (n: number, steps: number, count: number, digitBits: number, results: number): Row =>
  (bench) => {
    const rows = 3;
    const digits = Int32Array.from({ length: rows * steps * n }, () => anyWord(bench));
    const masks = Float64Array.from({ length: rows * n }, () => bench.below(2 ** 48 + 1) * 2 ** -48 - 0.5);
    masks[1] = -0;
    const [out, distances] = [new Float64Array(rows * count).fill(7), new Float64Array(rows).fill(7)];
    bench.kernel.roundFractions(out, distances, digits, masks, n, digitBits, results);
    return [out, distances];
  };

/** Within the bound, with its ends, or with one value just beyond it: then only the answer is compared. */
const squaredNormsRow =
  (rows: number, length: number, bound: number, extra?: number): Row =>
  (bench) => {
    const values = Int32Array.from({ length: rows * length }, () =>
      bench.below(7) === 0 ? bound * (2 * bench.below(2) - 1) : bench.below(2 * bound + 1) - bound,
    );
    if (extra !== undefined) values[bench.below(values.length)] = extra;
    const out = new Float64Array(rows).fill(7);
    return bench.kernel.squaredNorms(out, values, bound) ? [Int32Array.of(1), out] : [Int32Array.of(0)];
  };

export const SQUARED_NORMS_ROWS: readonly Row[] = [
  squaredNormsRow(3, 1, 127),
  squaredNormsRow(2, 784, 127),
  squaredNormsRow(5, 67, 2 ** 23),
  squaredNormsRow(1, 2 ** 14 + 5, 2 ** 19),
  squaredNormsRow(4, 35, 127, 128),
  squaredNormsRow(4, 35, 127, -128),
  squaredNormsRow(2, 33, 127, -(2 ** 31)),
  squaredNormsRow(2, 33, 0, 2 ** 31 - 1),
];

export const ROUND_FRACTIONS_ROWS: readonly Row[] = [
  roundFractionsRow(4, 2, 4, 0, 3),
  roundFractionsRow(8, 3, 3, 12, 2 ** 24 + 1),
  roundFractionsRow(64, 4, 64, 9, 2 ** 35 + 7),
  roundFractionsRow(128, 5, 90, 16, 2 ** 41 + 1),
];
