/**
 * Calibrated noise in what a projected data set discloses. A trainer that holds a function key gets its product exactly, so the noise
 * must be in the data: owners append one fresh discrete Gaussian value per row of the projection to every sample and encrypt it
 * with it, and the only keys are combinations of (row k of P, unit vector k). Products are P x + e; asking again gives the same e.
 */
import * as arg from '../../../base/arguments.ts';
import { InvalidParamsError } from '../../../base/errors.ts';
import { Drbg, type RandomSource } from '../../../base/random.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import type { DatasetSpec } from './dataset-spec.ts';
import { analyticGaussianEpsilon, concentratedEpsilon, spectralNormBound } from './privacy-loss.ts';
import { projectionMatrix } from './projection.ts';

/** Draws for {@link gaussianNoise}. */
export type NoiseSampler = Pick<Kernel, 'wideGaussian'>;

/** The standard deviation of a sampler with multiplier 1, and what no value over its multiplier exceeds: see the kernel. */
const UNIT_DEVIATION = 1 / Math.sqrt(2 * Math.LN2);
const LARGEST_MULTIPLE = 12;
/** Statistical distance of a value from the exact distribution. */
const SAMPLER_DISTANCE = 2 ** -55;

const multiplierFor = (sigma: number) => Math.ceil(sigma / UNIT_DEVIATION);

/** No noise value is larger. */
export function noiseBound(sigma: number): number {
  return LARGEST_MULTIPLE * multiplierFor(sigma);
}

/** `count` values of standard deviation `sigma`, or up to one part in `sigma` more. Secret. */
export function gaussianNoise(
  sigma: number,
  count: number,
  sampler: NoiseSampler,
  random: RandomSource,
): Int32Array {
  const values = new Float64Array(count);
  using drbg = new Drbg(random.seed());
  const key = drbg.nextKey('e');
  try {
    sampler.wideGaussian(values, multiplierFor(sigma), key, 0);
    return Int32Array.from(values);
  } finally {
    key.fill(0);
    values.fill(0);
  }
}

/** Noise values that each sample of the data set carries: one per row of P, or none. */
export function noiseCoordinates({ projection }: DatasetSpec): number {
  return projection?.noise === undefined ? 0 : projection.rank;
}

/**
 * The rows that the authority issues keys for and the trainer asks for, `[rank, features + noise coordinates]`: P, or [P | I].
 * @throws {InvalidParamsError} for a data set without a projection.
 */
export function projectionKeys(spec: DatasetSpec): Int32Array {
  arg.checkArguments('projectionKeys', [spec], { spec: arg.options });
  const { projection, features } = spec;
  if (projection === undefined) throw new InvalidParamsError(`"${spec.id}" has no projection`, {});
  const { rank, seed } = projection;
  const matrix = projectionMatrix(seed, rank, features);
  if (projection.noise === undefined) return matrix;
  const length = features + rank;
  const rows = new Int32Array(rank * length);
  for (let k = 0; k < rank; k++) {
    rows.set(matrix.subarray(k * features, (k + 1) * features), k * length);
    rows[k * length + features + k] = 1;
  }
  return rows;
}

/**
 * Samples `[count, features]` as they are encrypted under noise, `[count, features + rank]`: those of a larger Euclidean norm than the
 * specification allows scaled down to it, rounded towards zero; then fresh noise.
 */
export function noisySamples(
  spec: DatasetSpec,
  integers: Int32Array,
  sampler: NoiseSampler,
  random: RandomSource,
): Int32Array {
  const { features, projection } = spec;
  if (projection?.noise === undefined) return integers;
  const { rank, noise } = projection;
  const count = integers.length / features;
  const length = features + rank;
  const fresh = gaussianNoise(noise.sigma, count * rank, sampler, random);
  const out = new Int32Array(count * length);
  for (let s = 0; s < count; s++) {
    const sample = integers.subarray(s * features, (s + 1) * features);
    out.set(scaledToNorm(sample, noise.largestNorm), s * length);
    out.set(fresh.subarray(s * rank, (s + 1) * rank), s * length + features);
  }
  fresh.fill(0);
  return out;
}

/** The sample, scaled down to a Euclidean norm where it exceeds that, rounded towards zero. */
export function scaledToNorm(sample: Int32Array, largest: number | undefined): Int32Array {
  if (largest === undefined) return sample;
  const norm = Math.hypot(...sample);
  return norm <= largest ? sample : sample.map((value) => Math.trunc((value * largest) / norm));
}

/** One notion of neighbouring data sets. */
export interface PrivacyGuarantee {
  /** Largest Euclidean distance of P x between neighbours. */
  readonly sensitivity: number;
  readonly epsilon: number;
  /** The specification's, plus (1 + e^epsilon) rank 2^-55 for the sampler; over 1 nothing is promised. */
  readonly delta: number;
  /** What continuous noise of the same deviation would give: a lower bound in practice. */
  readonly continuousEpsilon: number;
}

export interface ProjectionPrivacy {
  readonly sigma: number;
  /** Neighbours differ in one whole sample. */
  readonly sample: PrivacyGuarantee;
  /** Neighbours differ in one value of one sample. */
  readonly value: PrivacyGuarantee;
}

/**
 * What the noise promises about the inputs, for a trainer with all keys, one encryption of each sample, and labels left aside.
 * Undefined without noise.
 */
export function projectionPrivacy(spec: DatasetSpec): ProjectionPrivacy | undefined {
  arg.checkArguments('projectionPrivacy', [spec], { spec: arg.options });
  const { projection, features, inputBound } = spec;
  if (projection?.noise === undefined) return undefined;
  const { rank, seed, noise } = projection;
  const matrix = projectionMatrix(seed, rank, features);
  const largestNorm = Math.min(
    noise.largestNorm ?? Number.POSITIVE_INFINITY,
    inputBound * Math.sqrt(features),
  );
  const columnNorm = Math.sqrt(
    Math.max(
      ...Array.from({ length: features }, (_, j) => {
        let sum = 0;
        for (let k = 0; k < rank; k++) sum += (matrix[k * features + j] as number) ** 2;
        return sum;
      }),
    ),
  );
  const guarantee = (sensitivity: number): PrivacyGuarantee => {
    const ratio = sensitivity / noise.sigma;
    const epsilon = concentratedEpsilon(ratio ** 2 / 2, noise.delta);
    return {
      ...{ sensitivity, epsilon, delta: noise.delta + (1 + Math.exp(epsilon)) * rank * SAMPLER_DISTANCE },
      continuousEpsilon: analyticGaussianEpsilon(ratio, noise.delta),
    };
  };
  const stretch = spectralNormBound(matrix, rank);
  // Inputs run from -inputBound: neighbours may lie on both sides.
  const ofSample = 2 * largestNorm * stretch;
  // Scaling down is the projection onto a ball, which moves no two points apart, but it turns a change of one value into one of all;
  // rounding towards zero then moves each of the others by less than 1 against its neighbour, the changed one by less than 2.
  const ofScaledValue = stretch * (2 * inputBound + Math.sqrt(features + 3));
  const ofValue = noise.largestNorm === undefined ? 2 * inputBound * columnNorm : ofScaledValue;
  return {
    sigma: noise.sigma,
    sample: guarantee(ofSample),
    value: guarantee(Math.min(ofValue, ofSample)),
  };
}
