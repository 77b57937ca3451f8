/**
 * subrosa/circuits: what is made of CKKS operations.
 *
 *   BootstrapPlan, Bootstrapper        levels back, and any function of a circle on the way
 *   identityFunction, bitFunction, tableFunction, smoothFunction   reals, bits, tables, activations
 *   ExactOperations                    operations with exact scales
 *   PolynomialBasis, evaluateSeries    polynomials, depth-optimal
 *   LinearMap, applyLinearMap          matrices by their diagonals
 *   BitGates, addNumbers, ...          binary arithmetic on encrypted bits
 */
export { Bootstrapper, type BootstrapKeys } from './bootstrap/bootstrapper.ts';
export { type BootstrapOptions, BootstrapPlan } from './bootstrap/plan.ts';
export {
  bitFunction,
  type CircleFunction,
  circleValue,
  identityFunction,
  rangeGuard,
  smoothFunction,
  tableFunction,
} from './circle/circle-function.ts';
export {
  costsFrom,
  type HomomorphicWork,
  type MachineCosts,
  predictedSeconds,
  referenceCosts,
} from './cost.ts';
export {
  addNumbers,
  chooseNumber,
  countThree,
  isGreater,
  largestNumber,
  largestOfSlots,
  multiplyNumbers,
  sumNumbers,
} from './discrete/arithmetic.ts';
export { BitGates, type BitGatesOptions, type BitNumber, type BitRefresh } from './discrete/bits.ts';
export { ExactOperations, type ExactTarget, type WeightedTerm } from './exact-operations.ts';
export { applyLinearMap, LinearMap } from './linear/linear-map.ts';
export { evaluateSeries, PolynomialBasis } from './polynomial/evaluate.ts';
export {
  chebyshevSeries,
  type PolynomialBasisKind,
  type Series,
  seriesOf,
  valueOf,
} from './polynomial/series.ts';
