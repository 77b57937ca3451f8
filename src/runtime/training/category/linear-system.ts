/**
 * A w = b under encryption, A symmetric and of few rows. With E = I - A and S = [E b; 0 1] squared t times, the last column of S is the sum of
 * 2^t powers of E times b: the iterates of Newton and Schulz from X_0 = I, each squaring one product of matrices, and no inverse is formed.
 *
 * Matrices of `order` rows stand in slots (m, i, j), m outermost: one factor holds (i, m), the other (m, j), the sum over m goes round the
 * vector and leaves the product in every m. Errors of E do not correct themselves: one of the last bootstrap's size in A moves w by it times
 * the largest |A^-1| at most, which the ridge bounds by 2^10.
 */
import type { CkksCiphertext } from '../../../schemes/ckks/ciphertext.ts';
import type { Bootstrapper } from '../../../circuits/bootstrap/bootstrapper.ts';
import { LinearMap } from '../../../circuits/linear/linear-map.ts';
import { doublings, type PatternOperations } from '../../../circuits/pattern-operations.ts';
import { SQUARINGS } from './category-tables.ts';

interface MatrixMap {
  readonly map: LinearMap;
  readonly babySteps: number;
}

interface Place {
  readonly m: number;
  readonly i: number;
  readonly j: number;
}

function placeOf(order: number, slot: number): Place {
  return { m: Math.floor(slot / order ** 2) % order, i: Math.floor(slot / order) % order, j: slot % order };
}

/** From (i, j) in every m to (i, m) and to (m, j), the last column of the second times `lastColumn`. */
export function matrixMaps(order: number, lastColumn = 1): readonly [left: MatrixMap, right: MatrixMap] {
  const offsets = Array.from({ length: 2 * order - 1 }, (_, d) => d - order + 1);
  const period = order ** 3;
  const left = LinearMap.of(period, offsets, (step, slot) => {
    const { m, j } = placeOf(order, slot);
    return { re: m - j === step ? 1 : 0, im: 0 };
  });
  const strided = offsets.map((d) => d * order);
  const right = LinearMap.of(period, strided, (step, slot) => {
    const { m, i, j } = placeOf(order, slot);
    return { re: (m - i) * order === step ? (j === order - 1 ? lastColumn : 1) : 0, im: 0 };
  });
  const babies = 2 ** Math.ceil(Math.log2(order) / 2);
  return [
    { map: left, babySteps: babies },
    { map: right, babySteps: babies * order },
  ];
}

/**
 * The last column is halved in so many of the first squarings. |E| < 1 and |b| <= 1 / sqrt(size), so after t of them the sum is at most
 * 2^t |b|, and never above the inverse of the ridge, 2^10, times |b|: no entry exceeds 1.
 */
export function halvingsOf(size: number): number {
  return size >= 4 ? 9 : 10;
}

/**
 * From E and b (`state`, at the default scale, in every m, used up) to the sum of 2^14 powers of E times b, divided by 2^halvings, in the
 * last column.
 *
 * @throws {MissingKeyError}
 */
export function solveEncrypted(
  operations: PatternOperations,
  bootstrapper: Bootstrapper,
  order: number,
  size: number,
  state: CkksCiphertext,
): CkksCiphertext {
  const { plan } = bootstrapper;
  const { defaultScale } = plan.params;
  const period = order ** 3;
  let s = state;
  for (let t = 0; t < SQUARINGS; t++) {
    if (s.level - 2 < plan.inputLevel) {
      const fresh = bootstrapper.refresh(s, operations.arena);
      s[Symbol.dispose]();
      s = operations.restate(fresh, { maxAbs: 1 });
    }
    const factor = t < halvingsOf(size) ? 1 / 2 : 1;
    const [left, right] = matrixMaps(order, factor);
    const level = s.level - 1;
    // The product is divided by the prime at this level: it arrives at the default scale.
    using l = operations.mapped(s, left.map, left.babySteps, {
      level,
      scale: operations.prime(level),
      maxAbs: 1,
    });
    using r = operations.mapped(s, right.map, right.babySteps, { level, scale: defaultScale, maxAbs: 1 });
    operations.addPattern(r, {
      period,
      at: (slot) => {
        const { m, j } = placeOf(order, slot);
        return m === order - 1 && j === order - 1 ? factor : 0;
      },
    });
    const product = operations.restate(operations.multiply(l, r, 1), { scale: defaultScale });
    s[Symbol.dispose]();
    s = operations.rotateSum(product, doublings(order, order ** 2), 1);
  }
  return s;
}
