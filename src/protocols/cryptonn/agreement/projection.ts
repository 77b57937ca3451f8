/** The public projection of a data set: r x d entries -1, 0 and 1, expanded from a public seed that was chosen before the data was seen. */
import * as arg from '../../../base/arguments.ts';
import { shake128 } from '@noble/hashes/sha3.js';
import { hexToBytes } from '@noble/hashes/utils.js';
import { InvalidParamsError, ShapeError } from '../../../base/errors.ts';
import type { ResidueProducts } from '../../../kernel/portable/residue-products.ts';
import { RankEchelon } from './rank-echelon.ts';

/** Four entries per byte of SHAKE128(seed): of the two-bit values, 0 is -1, 1 is 1, and 2 and 3 are 0 [Achlioptas 2003, sparse form]. */
export function projectionMatrix(seed: string, rank: number, features: number): Int32Array {
  arg.checkArguments('projectionMatrix', [seed, rank, features], {
    seed: arg.text,
    rank: arg.number,
    features: arg.number,
  });
  const stream = shake128(hexToBytes(seed), { dkLen: Math.ceil((rank * features) / 4) });
  return Int32Array.from({ length: rank * features }, (_, i) => {
    const bits = ((stream[i >> 2] as number) >> (2 * (i & 3))) & 3;
    return bits === 0 ? -1 : bits === 1 ? 1 : 0;
  });
}

/** The span of the rows. @throws {InvalidParamsError} when they are dependent: then another seed is needed. */
export function projectionSpan(
  matrix: Int32Array,
  rank: number,
  features: number,
  products: ResidueProducts,
): RankEchelon {
  if (matrix.length !== rank * features)
    throw new ShapeError('a projection', `${rank} x ${features} entries`, matrix.length);
  const span = new RankEchelon(features, products);
  for (let row = 0; row < rank; row++) span.add(matrix.subarray(row * features, (row + 1) * features));
  if (span.rank !== rank)
    throw new InvalidParamsError('the rows of the projection are dependent: choose another seed', {
      rank: span.rank,
    });
  return span;
}
