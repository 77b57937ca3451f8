/**
 * The lattice attack: bounded data needs far fewer keys than unknowns. Of all integer solutions of Y x = z, the data is usually the
 * only one within its bounds from {@link uniqueSolutionRank} keys on, and for some tens of unknowns reduction finds it.
 */
import { ShapeError } from '../../base/errors.ts';
import { reduceBasis } from './lattice-reduction.ts';

/** What a violated equation costs, over the largest distance from the centre: more than any vector of the reduced part. */
const EQUATION_WEIGHT = 2 ** 16;

/**
 * x in [0, bound]^unknowns with Y x = z, or null when reduction does not find one. `keys` `[rows, unknowns]`, `products` `[rows]`.
 * Embedding [Kannan 1987]: rows (e_i, c Y_i, 0) and (0, -c z, m); the data minus the centre is a short vector of theirs.
 * @throws {ShapeError}
 */
export function recoverBounded(
  keys: Int32Array,
  products: ArrayLike<number>,
  unknowns: number,
  bound: number,
): Int32Array | null {
  const rows = keys.length / unknowns;
  if (rows !== products.length) throw new ShapeError('the products of an attack', rows, products.length);
  const centre = Math.round(bound / 2);
  const key = (row: number, i: number) => keys[row * unknowns + i] as number;
  const weight = BigInt(EQUATION_WEIGHT * bound);
  // About the size of one centred uniform value, so that the marker costs as much as one of the unknowns.
  const marker = BigInt(Math.max(1, Math.round(bound / Math.sqrt(12))));
  const basis = Array.from({ length: unknowns }, (_, i) => [
    ...Array.from({ length: unknowns }, (_, j) => (i === j ? 1n : 0n)),
    ...Array.from({ length: rows }, (_, row) => weight * BigInt(key(row, i))),
    0n,
  ]);
  const target = Array.from({ length: rows }, (_, row) => {
    let shifted = products[row] as number;
    for (let i = 0; i < unknowns; i++) shifted -= centre * key(row, i);
    return -weight * BigInt(shifted);
  });
  basis.push([...Array.from({ length: unknowns }, () => 0n), ...target, marker]);
  for (const vector of reduceBasis(basis)) {
    const last = vector.at(-1) as bigint;
    if (last !== marker && last !== -marker) continue;
    const sign = last === marker ? 1 : -1;
    const x = Int32Array.from({ length: unknowns }, (_, i) => sign * Number(vector[i]) + centre);
    if (isSolution(x)) return x;
  }
  return null;

  function isSolution(x: Int32Array): boolean {
    if (x.some((value) => value < 0 || value > bound)) return false;
    return Array.from({ length: rows }).every((_, row) => {
      let sum = 0;
      for (let i = 0; i < unknowns; i++) sum += key(row, i) * (x[i] as number);
      return sum === products[row];
    });
  }
}
