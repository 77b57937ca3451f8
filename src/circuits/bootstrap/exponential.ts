/** E = exp(2 pi i x) of arguments u = x / K in [-1, 1]: exp(2 pi i K u / 4) by its Chebyshev series, squared twice. */
import type { CkksCiphertext } from '../../schemes/ckks/ciphertext.ts';
import type { ExactOperations } from '../exact-operations.ts';
import { evaluateSeries, PolynomialBasis } from '../polynomial/evaluate.ts';
import { chebyshevSeries, depthOf, type Series } from '../polynomial/series.ts';
import { DOUBLINGS, EXPONENTIAL_DEGREE } from './plan.ts';

/** A point of the unit circle, noise included. */
const CIRCLE_BOUND = 1.01;

/** Even coefficients are real, odd ones imaginary: what rounding left of the others is dropped. */
export function turningSeries(range: number): Series {
  const a = (2 * Math.PI * range) / 2 ** DOUBLINGS;
  const { re, im } = chebyshevSeries(
    (u) => ({ re: Math.cos(a * u), im: Math.sin(a * u) }),
    EXPONENTIAL_DEGREE,
  );
  return {
    kind: 'chebyshev',
    re: re.map((value, k) => (k % 2 === 0 ? value : 0)),
    im: im.map((value, k) => (k % 2 === 0 ? 0 : value)),
  };
}

/**
 * E at exactly `scale`, six levels and the doublings below `argument`: the scales of the squarings are planned backwards.
 *
 * - noise: 2 pi K times that of the argument, and roundings inside, most near u = 0
 */
export function exponential(
  operations: ExactOperations,
  argument: CkksCiphertext,
  series: Series,
  scale: number,
): CkksCiphertext {
  let level = argument.level - depthOf(EXPONENTIAL_DEGREE) - DOUBLINGS;
  let planned = scale;
  for (let i = 0; i < DOUBLINGS; i++) planned = Math.sqrt(planned * operations.prime(++level));
  using basis = new PolynomialBasis(operations, 'chebyshev', argument, CIRCLE_BOUND);
  let e = evaluateSeries(basis, series, { level, scale: planned, maxAbs: CIRCLE_BOUND });
  for (let i = 0; i < DOUBLINGS; i++) {
    const squared = operations.multiply(e, e, CIRCLE_BOUND);
    e[Symbol.dispose]();
    e = squared;
  }
  return operations.restate(e, { scale });
}
