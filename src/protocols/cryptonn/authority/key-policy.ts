/** What the authority decides about one axis of one data set: pure rules over vectors and the span issued so far. */
import { KeyRefusedError } from '../../../base/errors.ts';
import { indexBeyond } from '../../../base/integer-bound.ts';
import type { RandomSource } from '../../../base/random.ts';
import { squaredNormsByLoops } from '../../../kernel/portable/fraction-products.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { subtractProductByLoops } from '../../../kernel/portable/residue-products.ts';
import { axisSizes } from '../agreement/axis-sizes.ts';
import { batchAxes } from '../agreement/batch-bytes.ts';
import type { AxisName, DatasetSpec } from '../agreement/dataset-spec.ts';
import { projectionSpan } from '../agreement/projection.ts';
import { projectionKeys } from '../agreement/projection-noise.ts';
import { RankEchelon } from '../agreement/rank-echelon.ts';

/** What decisions are computed with: spans are eliminated, and entries measured. */
export type PolicyKernel = Pick<Kernel, 'subtractProduct' | 'squaredNorms'>;

export const PLAIN_POLICY_KERNEL: PolicyKernel = {
  subtractProduct: subtractProductByLoops,
  squaredNorms: squaredNormsByLoops,
};

/** A row with fewer nonzero entries isolates coordinates. */
const LEAST_NONZERO = 8;
/** A row whose largest entry is further above its median entry can carry coordinates as digits of a radix. */
const MAX_ABOVE_MEDIAN = 16;

export class AxisPolicy {
  readonly axis: AxisName;
  readonly length: number;
  readonly weightBound: number;
  /** What was issued, for the report and, after a restart, rebuilt from the log. */
  readonly issued: RankEchelon;
  /** The only span that keys may come from; undefined in faithful mode, which has no limit. */
  readonly #allowed: RankEchelon | undefined;
  readonly #kernel: PolicyKernel;

  constructor(
    axis: AxisName,
    length: number,
    weightBound: number,
    kernel: PolicyKernel,
    allowed?: RankEchelon,
  ) {
    this.axis = axis;
    this.length = length;
    this.weightBound = weightBound;
    this.issued = new RankEchelon(length, kernel);
    this.#kernel = kernel;
    this.#allowed = allowed;
  }

  /**
   * Changes nothing. Because what is allowed follows from the specification alone, an authority that lost or was robbed of its
   * history still issues nothing outside the budget.
   * @throws {KeyRefusedError} for the first row that the policy forbids.
   */
  check(weights: Int32Array): void {
    if (weights.length === 0 || weights.length % this.length !== 0) {
      throw new KeyRefusedError(
        'wrong-length',
        `key vectors of axis ${this.axis} have ${this.length} entries`,
      );
    }
    const beyond = this.#firstBeyond(weights);
    const bounded = beyond < 0 ? weights.length : beyond - (beyond % this.length);
    if (this.#allowed !== undefined) {
      for (let start = 0; start < bounded; start += this.length)
        this.#checkRow(weights.subarray(start, start + this.length), start / this.length, this.#allowed);
    }
    if (beyond < 0) return;
    const row = Math.floor(beyond / this.length);
    throw new KeyRefusedError('out-of-bound', `row ${row} has an entry above ${this.weightBound}`);
  }

  /** The index of the first entry over the bound, -1 when there is none. */
  #firstBeyond(weights: Int32Array): number {
    const norms = new Float64Array(weights.length / this.length);
    const areWithin = this.#kernel.squaredNorms(norms, weights, this.weightBound);
    return areWithin ? -1 : indexBeyond(weights, this.weightBound);
  }

  #checkRow(row: Int32Array, number: number, allowed: RankEchelon): void {
    const sizes = row
      .map(Math.abs)
      .filter((value) => value > 0)
      .sort();
    const median = sizes[sizes.length >> 1] ?? 0;
    if (sizes.length < LEAST_NONZERO || (sizes.at(-1) as number) > MAX_ABOVE_MEDIAN * median) {
      throw new KeyRefusedError(
        'isolates-coordinates',
        `row ${number} is a unit or radix vector, or nearly one`,
      );
    }
    if (!allowed.contains(row)) {
      throw new KeyRefusedError(
        'outside-span',
        `row ${number} is no combination of the data set's projection`,
      );
    }
  }

  /** Notes issued rows; returns those that raised the rank. */
  note(weights: Int32Array, random: RandomSource): Int32Array[] {
    return this.issued.addAll(weights, random);
  }

  /** Notes rows that each raised the rank when they were issued. */
  replay(weights: Int32Array): void {
    for (const row of this.#rows(weights)) this.issued.add(row);
  }

  #rows(weights: Int32Array): Int32Array[] {
    return Array.from({ length: weights.length / this.length }, (_, i) =>
      weights.subarray(i * this.length, (i + 1) * this.length),
    );
  }
}

/** The axes of a data set with their rules. */
export function axisPolicies(spec: DatasetSpec, kernel: PolicyKernel): Map<AxisName, AxisPolicy> {
  if (spec.projection !== undefined) {
    const { length, weightBound } = axisSizes(spec, 'projection');
    const span = projectionSpan(projectionKeys(spec), spec.projection.rank, length, kernel);
    return new Map([['projection', new AxisPolicy('projection', length, weightBound, kernel, span)]]);
  }
  return new Map(
    batchAxes(spec).map((axis) => {
      const { length, weightBound } = axisSizes(spec, axis);
      return [axis, new AxisPolicy(axis, length, weightBound, kernel)];
    }),
  );
}
