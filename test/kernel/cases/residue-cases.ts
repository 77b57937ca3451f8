/** Cases of products of residues modulo a small prime: rows of the table in cases.ts. */
import type { Bench, Row } from '../bench.ts';

/** A centred residue, the largest ones often. */
function centredResidue(bench: Bench, prime: number): number {
  const half = (prime - 1) / 2;
  const choice = bench.below(8);
  return choice < 2 ? half * (1 - 2 * choice) : bench.below(prime) - half;
}

/** `density`: how many of eight factors are not zero. */
const residueRow =
  (
    prime: number,
    [targets, sources]: readonly [number, number],
    stride: number,
    first: number,
    density = 8,
  ): Row =>
  (bench) => {
    const residues = (length: number) => Float64Array.from({ length }, () => centredResidue(bench, prime));
    const [out, rows] = [residues(targets * stride), residues(sources * stride)];
    const factors = residues(targets * sources);
    bench.kernel.subtractProduct(
      prime,
      out,
      rows,
      factors.map((factor) => (bench.below(8) < density ? factor : 0)),
      stride,
      first,
    );
    return [out];
  };

const [LARGEST, LARGE] = [2 ** 26 - 5, 2 ** 26 - 27];

export const RESIDUE_ROWS: readonly Row[] = [
  residueRow(LARGEST, [1, 1], 1, 0),
  residueRow(LARGEST, [3, 0], 9, 2),
  residueRow(LARGEST, [0, 4], 9, 2),
  residueRow(LARGEST, [3, 4], 9, 9),
  // Just as many products as are added up before they are reduced, and one more.
  residueRow(LARGEST, [2, 7], 33, 0),
  residueRow(LARGE, [5, 8], 40, 7),
  // More rows and columns than are worked on together.
  residueRow(LARGE, [35, 131], 70, 3),
  residueRow(LARGE, [33, 130], 64, 32, 1),
  residueRow(LARGE, [33, 130], 51, 4, 6),
  residueRow(5, [4, 70], 37, 1),
  residueRow(8191, [2, 65], 41, 0, 4),
];
