/**
 * One mixture of diagonal Gaussians per acoustic state, with the accumulators of one EM step.
 *
 * Densities are held as quadratics, log N(x) = constant - sum_d precision/2 (x - mean)^2, the constant holding the
 * weight of the component as well.
 */
import type { FeatureMatrix } from '../features/features.ts';

export class GaussianMixtures {
  readonly stateCount: number;
  readonly dim: number;
  readonly maxComponents: number;
  /** Components in use, per state. */
  readonly #components: Uint8Array;
  /** [states, maxComponents, dim]. */
  readonly #mean: Float64Array;
  readonly #halfPrecision: Float64Array;
  /** [states, maxComponents]. */
  readonly #constant: Float64Array;
  readonly #weight: Float64Array;
  /** No variance may fall below this, per dimension: a fraction of the variance of all data. */
  readonly #varianceFloor: Float64Array;
  readonly #count: Float64Array;
  readonly #sum: Float64Array;
  readonly #squares: Float64Array;
  readonly #scores: Float64Array;

  /** All states start as one Gaussian with the mean and variance given. */
  constructor(stateCount: number, maxComponents: number, mean: Float64Array, variance: Float64Array) {
    this.stateCount = stateCount;
    this.maxComponents = maxComponents;
    this.dim = mean.length;
    const slots = stateCount * maxComponents;
    this.#components = new Uint8Array(stateCount).fill(1);
    this.#mean = new Float64Array(slots * this.dim);
    this.#halfPrecision = new Float64Array(slots * this.dim);
    this.#constant = new Float64Array(slots);
    this.#weight = new Float64Array(slots);
    this.#varianceFloor = variance.map((value) => Math.max(1e-6, 0.02 * value));
    this.#count = new Float64Array(slots);
    this.#sum = new Float64Array(slots * this.dim);
    this.#squares = new Float64Array(slots * this.dim);
    this.#scores = new Float64Array(maxComponents);
    for (let state = 0; state < stateCount; state++)
      this.#setComponent(state * maxComponents, 1, mean, variance);
  }

  /** log p(row | state) in nats. */
  logLikelihood(state: number, features: FeatureMatrix, frame: number): number {
    return this.#componentScores(state, features, frame);
  }

  /** Adds a frame to the statistics of `state`, shared among its components by their posteriors. Returns its log p. */
  accumulate(state: number, features: FeatureMatrix, frame: number): number {
    const dim = this.dim;
    const total = this.#componentScores(state, features, frame);
    const row = frame * dim;
    for (let c = 0; c < this.#components[state]; c++) {
      const share = Math.exp(this.#scores[c] - total);
      if (share < 1e-4) continue;
      const slot = state * this.maxComponents + c;
      this.#count[slot] += share;
      const base = slot * dim;
      for (let d = 0; d < dim; d++) {
        const x = features.data[row + d];
        this.#sum[base + d] += share * x;
        this.#squares[base + d] += share * x * x;
      }
    }
    return total;
  }

  /** Replaces every state by the maximum-likelihood fit of its statistics and clears them; unseen states stay. */
  update(): void {
    const dim = this.dim;
    const mean = new Float64Array(dim);
    const variance = new Float64Array(dim);
    for (let state = 0; state < this.stateCount; state++) {
      const first = state * this.maxComponents;
      let total = 0;
      for (let c = 0; c < this.#components[state]; c++) total += this.#count[first + c];
      if (total < 2) continue;
      let kept = 0;
      for (let c = 0; c < this.#components[state]; c++) {
        const slot = first + c;
        const count = this.#count[slot];
        // A component with fewer frames than this would fit noise.
        if (count < 10 && this.#components[state] > 1) continue;
        for (let d = 0; d < dim; d++) {
          mean[d] = this.#sum[slot * dim + d] / count;
          variance[d] = this.#squares[slot * dim + d] / count - mean[d] * mean[d];
        }
        this.#setComponent(first + kept, count / total, mean, variance);
        kept++;
      }
      if (kept > 0) this.#components[state] = kept;
    }
    this.#count.fill(0);
    this.#sum.fill(0);
    this.#squares.fill(0);
  }

  /** Splits the heaviest components of every state, means half a deviation apart, up to `target` per state. */
  split(target: number): void {
    const dim = this.dim;
    const mean = new Float64Array(dim);
    const variance = new Float64Array(dim);
    for (let state = 0; state < this.stateCount; state++) {
      const first = state * this.maxComponents;
      while (this.#components[state] < Math.min(target, this.maxComponents)) {
        const count = this.#components[state];
        let heaviest = first;
        for (let c = 1; c < count; c++)
          if (this.#weight[first + c] > this.#weight[heaviest]) heaviest = first + c;
        const weight = this.#weight[heaviest] / 2;
        for (const [slot, sign] of [
          [first + count, 0.25],
          [heaviest, -0.25],
        ]) {
          for (let d = 0; d < dim; d++) {
            variance[d] = 0.5 / this.#halfPrecision[heaviest * dim + d];
            mean[d] = this.#mean[heaviest * dim + d] + sign * Math.sqrt(variance[d]);
          }
          this.#setComponent(slot, weight, mean, variance);
        }
        this.#components[state]++;
      }
    }
  }

  /** Fills `#scores` for the components in use and returns the logarithm of their summed densities. */
  #componentScores(state: number, features: FeatureMatrix, frame: number): number {
    const { dim } = this;
    const { data } = features;
    const mean = this.#mean;
    const halfPrecision = this.#halfPrecision;
    const scores = this.#scores;
    const count = this.#components[state];
    const row = frame * dim;
    let best = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < count; c++) {
      const slot = state * this.maxComponents + c;
      const base = slot * dim;
      let score = this.#constant[slot];
      for (let d = 0; d < dim; d++) {
        const difference = data[row + d] - mean[base + d];
        score -= halfPrecision[base + d] * difference * difference;
      }
      scores[c] = score;
      if (score > best) best = score;
    }
    if (count === 1) return best;
    let sum = 0;
    for (let c = 0; c < count; c++) sum += Math.exp(scores[c] - best);
    return best + Math.log(sum);
  }

  #setComponent(slot: number, weight: number, mean: Float64Array, variance: Float64Array): void {
    let constant = Math.log(weight);
    for (let d = 0; d < this.dim; d++) {
      const floored = Math.max(this.#varianceFloor[d], variance[d]);
      this.#mean[slot * this.dim + d] = mean[d];
      this.#halfPrecision[slot * this.dim + d] = 0.5 / floored;
      constant -= 0.5 * Math.log(2 * Math.PI * floored);
    }
    this.#constant[slot] = constant;
    this.#weight[slot] = weight;
  }
}
