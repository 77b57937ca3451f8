import type { Kernel } from '../../kernel/kernel.ts';
import { checkBound } from '../object-header.ts';
import type { LatticeParams } from './params.ts';

/** The squared norm of each row of weights into `norms`. @throws {OutOfRangeError} naming the index of the first over the bound. */
export function checkWeights(
  kernel: Pick<Kernel, 'squaredNorms'>,
  { weightBound }: LatticeParams,
  weights: Int32Array,
  norms: Float64Array,
): void {
  if (!kernel.squaredNorms(norms, weights, weightBound)) checkBound('a weight', weights, weightBound);
}
