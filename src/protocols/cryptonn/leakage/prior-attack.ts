/**
 * What a trainer of projected mode makes of P x when it knows what such data looks like: P is public, so that it projects look-alike
 * samples of its own and compares.
 *
 * - Names of classes: the mean of P x over the samples that share a secret name lies near the mean over look-alikes of the true class.
 * - Inputs: the linear least squares estimate of x from P x (+ noise), with means and covariances of the look-alikes.
 *
 * Both are the simplest attacks of their kind. What they recover is a lower bound of what leaks: a trained decoder recovers more.
 */
import * as arg from '../../../base/arguments.ts';
import { printOnOneLine } from '../../../base/inspect.ts';
import { InvalidParamsError, ShapeError } from '../../../base/errors.ts';
import { type RandomSource, seedFromBytes } from '../../../base/random.ts';
import type { MatrixMultiply } from '../../../nn/tensor/matrix-multiply.ts';
import type { DatasetSpec } from '../agreement/dataset-spec.ts';
import { LabelPermutation } from '../owner/label-permutation.ts';
import { projectionMatrix } from '../agreement/projection.ts';
import { gaussianNoise, type NoiseSampler, scaledToNorm } from '../agreement/projection-noise.ts';

/** Samples as owners would encrypt them. */
export interface LabelledIntegers {
  /** `[samples, features]`, in the fixed point of the data set. */
  readonly inputs: Int32Array;
  readonly labels: ArrayLike<number>;
}

/** Of each standardised row, so that rows which hardly vary do no harm. */
const RIDGE = 1e-3;
/** Victims that the inputs are estimated of; more change no figure. */
const MAX_VICTIMS = 512;
/** Look-alikes beyond are left out: more teach nothing more. */
const MAX_LOOK_ALIKES = 8192;
/** Fewer than this many per row of P say more about themselves than about the data. */
const LEAST_PER_ROW = 4;

export class PriorAttack {
  readonly #rank: number;
  readonly #features: number;
  readonly #classes: number;
  readonly #multiply: MatrixMultiply;
  /** Of P x over the look-alikes, by row. */
  readonly #means: Float64Array;
  readonly #deviations: Float64Array;
  readonly #inputMeans: Float32Array;
  /** Standardised P x to inputs, `[rank, features]`. */
  readonly #estimate: Float32Array;
  /** `[classes, rank]`, standardised; undefined for a class without look-alikes. */
  readonly #classMeans: readonly (Float64Array | undefined)[];

  /** @throws {InvalidParamsError} for a data set without a projection, or too few look-alikes. {@link ShapeError} */
  constructor(spec: DatasetSpec, lookAlikes: LabelledIntegers, multiply: MatrixMultiply) {
    arg.checkArguments('new PriorAttack', [spec, lookAlikes, multiply], {
      spec: arg.options,
      lookAlikes: arg.like('a LabelledIntegers', 'inputs', 'labels'),
      multiply: arg.like('a MatrixMultiply', 'sgemm'),
    });
    const { projection, features, classes } = spec;
    if (projection === undefined)
      throw new InvalidParamsError(`"${spec.id}" has no projection to attack`, {});
    const { rank } = projection;
    const count = lookAlikes.labels.length;
    if (lookAlikes.inputs.length !== count * features)
      throw new ShapeError('look-alike samples', `${count} x ${features}`, lookAlikes.inputs.length);
    if (count < LEAST_PER_ROW * rank)
      throw new InvalidParamsError(
        `a projection of rank ${rank} is measured with ${LEAST_PER_ROW * rank} look-alike samples or more, there are ${count}`,
        { count },
      );
    this.#rank = rank;
    this.#features = features;
    this.#classes = classes;
    this.#multiply = multiply;
    const products = projectedSamples(spec, lookAlikes.inputs, multiply);
    this.#means = new Float64Array(rank);
    this.#deviations = new Float64Array(rank);
    for (let k = 0; k < rank; k++) {
      const row = products.subarray(k * count, (k + 1) * count);
      const mean = row.reduce((sum, value) => sum + value, 0) / count;
      this.#means[k] = mean;
      this.#deviations[k] = Math.sqrt(row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count) || 1;
    }
    const standard = this.#standardised(products);
    this.#inputMeans = columnMeans(lookAlikes.inputs, features);
    this.#estimate = this.#regression(standard, lookAlikes.inputs, projection.noise?.sigma ?? 0);
    this.#classMeans = this.#meansByClass(standard, lookAlikes.labels);
  }

  /**
   * The true class behind each secret name, -1 for a name without a sample, from `products` `[rank, samples]` and their renamed labels:
   * names and classes whose means are nearest first, each once.
   */
  names(products: Float32Array, labels: ArrayLike<number>): Int32Array {
    const secret = this.#meansByClass(this.#standardised(products), labels);
    const pairs = secret.flatMap((mean, name) =>
      this.#classMeans.flatMap((other, real) =>
        mean === undefined || other === undefined
          ? []
          : [{ name, real, distance: mean.reduce((sum, x, k) => sum + (x - (other[k] as number)) ** 2, 0) }],
      ),
    );
    pairs.sort((a, b) => a.distance - b.distance);
    const found = new Int32Array(this.#classes).fill(-1);
    const taken = new Set<number>();
    for (const { name, real } of pairs) {
      if (found[name] !== -1 || taken.has(real)) continue;
      found[name] = real;
      taken.add(real);
    }
    return found;
  }

  /** Estimates `[samples, features]` from `products` `[rank, samples]`. */
  inputs(products: Float32Array): Float32Array {
    const count = products.length / this.#rank;
    const out = new Float32Array(count * this.#features);
    for (let s = 0; s < count; s++) out.set(this.#inputMeans, s * this.#features);
    const standard = this.#standardised(products);
    this.#multiply.sgemm(
      ...([true, false, count, this.#features, this.#rank, 1, standard, this.#estimate, 1, out] as const),
    );
    return out;
  }

  #standardised(products: Float32Array): Float32Array {
    const count = products.length / this.#rank;
    const out = new Float32Array(products.length);
    for (let k = 0; k < this.#rank; k++) {
      const [mean, deviation] = [this.#means[k] as number, this.#deviations[k] as number];
      for (let s = k * count; s < (k + 1) * count; s++) out[s] = (products[s]! - mean) / deviation;
    }
    return out;
  }

  #regression(standard: Float32Array, inputs: Int32Array, sigma: number): Float32Array {
    const [rank, features] = [this.#rank, this.#features];
    const count = standard.length / rank;
    const gram = new Float32Array(rank * rank);
    this.#multiply.sgemm(false, true, rank, rank, count, 1 / count, standard, standard, 0, gram);
    const cross = new Float32Array(rank * features);
    const reals = Float32Array.from(inputs);
    this.#multiply.sgemm(false, false, rank, features, count, 1 / count, standard, reals, 0, cross);
    const matrix = Float64Array.from(gram);
    // Rows of the standardised products sum to zero: the means of the inputs drop out of `cross`.
    for (let k = 0; k < rank; k++)
      matrix[k * rank + k]! += RIDGE + (sigma / (this.#deviations[k] as number)) ** 2;
    return solvePositive(matrix, Float64Array.from(cross), rank);
  }

  #meansByClass(standard: Float32Array, labels: ArrayLike<number>): (Float64Array | undefined)[] {
    const count = labels.length;
    const sums = Array.from({ length: this.#classes }, () => new Float64Array(this.#rank));
    const sizes = new Int32Array(this.#classes);
    for (let s = 0; s < count; s++) {
      const label = labels[s] as number;
      const sum = sums[label];
      if (sum === undefined) throw new ShapeError('a label', `below ${this.#classes}`, 'larger');
      sizes[label]!++;
      for (let k = 0; k < this.#rank; k++) sum[k]! += standard[k * count + s] as number;
    }
    return sums.map((sum, c) =>
      sizes[c] === 0 ? undefined : sum.map((value) => value / (sizes[c] as number)),
    );
  }
}

/** P x of every sample, `[rank, samples]`, with the samples scaled down as owners do; without noise. */
export function projectedSamples(
  { projection, features }: DatasetSpec,
  inputs: Int32Array,
  multiply: MatrixMultiply,
): Float32Array {
  if (projection === undefined) throw new InvalidParamsError('a data set without a projection', {});
  const { rank, seed, noise } = projection;
  const count = inputs.length / features;
  const scaled = new Float32Array(inputs.length);
  for (let s = 0; s < count; s++) {
    const sample = inputs.subarray(s * features, (s + 1) * features);
    scaled.set(scaledToNorm(sample, noise?.largestNorm), s * features);
  }
  const out = new Float32Array(rank * count);
  const matrix = Float32Array.from(projectionMatrix(seed, rank, features));
  multiply.sgemm(false, true, rank, count, features, 1, matrix, scaled, 0, out);
  return out;
}

/** What the attack recovers of half of some data when the other half is what its trainer knows. */
export interface MeasuredLeak {
  readonly rank: number;
  /** Standard deviation of the noise in P x; 0 without. */
  readonly sigma: number;
  readonly classes: number;
  readonly namesRecovered: number;
  /** Share of the variance of the inputs, in [0, 1]: 1 is all of them. */
  readonly varianceExplained: number;
  /** Samples that were known to the attack, and samples that it was tried on. */
  readonly known: number;
  readonly victims: number;
  /** One of the victims as integers, and what the attack makes of it. */
  readonly sample: { readonly original: Int32Array; readonly estimate: Float32Array };
}

/**
 * Measures the leak of a projected data set on `samples`, every second of which the attack knows; the others are renamed, projected
 * and given noise as their owner would.
 * @throws {InvalidParamsError} when they are too few. {@link ShapeError}
 */
export function measureLeak(
  spec: DatasetSpec,
  samples: LabelledIntegers,
  multiply: MatrixMultiply,
  sampler: NoiseSampler,
  random: RandomSource,
): MeasuredLeak {
  arg.checkArguments('measureLeak', [spec, samples, multiply, sampler, random], {
    spec: arg.options,
    samples: arg.like('a LabelledIntegers', 'inputs', 'labels'),
    multiply: arg.like('a MatrixMultiply', 'sgemm'),
    sampler: arg.like('a NoiseSampler', 'wideGaussian'),
    random: arg.randomSource,
  });
  const { features, classes, projection } = spec;
  const { rank, noise } = projection ?? { rank: 0 };
  const known = everySecond(samples, features, 0, MAX_LOOK_ALIKES);
  const hidden = everySecond(samples, features, 1, MAX_LOOK_ALIKES);
  const attack = new PriorAttack(spec, known, multiply);
  const products = projectedSamples(spec, hidden.inputs, multiply);
  if (noise !== undefined) {
    const fresh = gaussianNoise(noise.sigma, products.length, sampler, random);
    for (let i = 0; i < products.length; i++) products[i]! += fresh[i] as number;
  }
  const permutation = new LabelPermutation(seedFromBytes(random.seed()), classes);
  const names = attack.names(products, permutation.rename(hidden.labels));
  const truth = permutation.restore(Int32Array.from({ length: classes }, (_, i) => i));
  const count = hidden.labels.length;
  const victims = Math.min(MAX_VICTIMS, count);
  const some = new Float32Array(rank * victims);
  for (let k = 0; k < rank; k++) some.set(products.subarray(k * count, k * count + victims), k * victims);
  const estimates = attack.inputs(some);
  const means = columnMeans(hidden.inputs, features);
  let [missed, total] = [0, 0];
  for (let i = 0; i < estimates.length; i++) {
    const value = hidden.inputs[i] as number;
    missed += (value - (estimates[i] as number)) ** 2;
    total += (value - (means[i % features] as number)) ** 2;
  }
  return {
    ...{ rank, sigma: noise?.sigma ?? 0, classes, known: known.labels.length, victims: count },
    namesRecovered: names.filter((name, i) => name === truth[i]).length,
    varianceExplained: total === 0 ? 1 : Math.max(0, 1 - missed / total),
    sample: { original: hidden.inputs.slice(0, features), estimate: estimates.slice(0, features) },
  };
}

function everySecond(
  { inputs, labels }: LabelledIntegers,
  features: number,
  first: number,
  most: number,
): LabelledIntegers {
  const count = Math.min(most, Math.floor((labels.length - first + 1) / 2));
  const out = { inputs: new Int32Array(count * features), labels: new Int32Array(count) };
  for (let i = 0; i < count; i++) {
    const at = 2 * i + first;
    out.inputs.set(inputs.subarray(at * features, (at + 1) * features), i * features);
    out.labels[i] = labels[at] as number;
  }
  return out;
}

function columnMeans(inputs: Int32Array, features: number): Float32Array {
  const sums = new Float64Array(features);
  for (let i = 0; i < inputs.length; i++) sums[i % features]! += inputs[i] as number;
  return Float32Array.from(sums, (sum) => (sum * features) / inputs.length);
}

/** Solves A X = B for a symmetric positive definite A `[size, size]` by Cholesky; B `[size, columns]` is overwritten. */
function solvePositive(a: Float64Array, b: Float64Array, size: number): Float32Array {
  const columns = b.length / size;
  for (let j = 0; j < size; j++) {
    for (let k = 0; k < j; k++) {
      const factor = a[j * size + k] as number;
      for (let i = j; i < size; i++) a[i * size + j]! -= (a[i * size + k] as number) * factor;
    }
    const pivot = Math.sqrt(a[j * size + j] as number);
    for (let i = j; i < size; i++) a[i * size + j]! /= pivot;
  }
  const eliminate = (row: number, from: number, factor: number) => {
    for (let c = 0; c < columns; c++) b[row * columns + c]! -= factor * (b[from * columns + c] as number);
  };
  const divide = (row: number) => {
    for (let c = 0; c < columns; c++) b[row * columns + c]! /= a[row * size + row] as number;
  };
  for (let i = 0; i < size; i++) {
    for (let k = 0; k < i; k++) eliminate(i, k, a[i * size + k] as number);
    divide(i);
  }
  for (let i = size - 1; i >= 0; i--) {
    for (let k = i + 1; k < size; k++) eliminate(i, k, a[k * size + i] as number);
    divide(i);
  }
  return Float32Array.from(b);
}

printOnOneLine(PriorAttack);
arg.guard('PriorAttack', PriorAttack.prototype, {
  names: { products: arg.typed('a Float32Array', Float32Array), labels: arg.numbers },
  inputs: { products: arg.typed('a Float32Array', Float32Array) },
});
