/**
 * Parameters of the module-LWE inner-product scheme, derived from the vectors' length and bounds [MKMS22], generalised from
 * rank 1 to modules. Symbols: ring degree d, rank k, n = d k, l = length, K = 2 l Bx By + 1, kappa = 128.
 *
 *   sigma1 = sqrt(4 l) Bx                      secrets and errors of the master key
 *   sigma2 = sqrt(2 (l + 2) kappa) n sigma1    randomness of a ciphertext
 *   sigma3 = sqrt(2) sigma2                    errors that hide what the function keys tell about it
 *
 * The proof needs sigma2 to exceed the norm of r -> <e_i, r>, which is at most d sqrt(k) max|e| <= n sqrt(kappa) sigma1: the
 * rank-1 formula with n = d k covers every rank. It reduces to module-LWE of dimension n with secrets and errors of standard
 * deviation 1, whose security bounds log2 q: see {@link logQCeiling}.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { InsecureParamsError, InvalidParamsError } from '../../base/errors.ts';
import { primesBelow } from '../../ring/primes.ts';
import { UNIT_SIGMA } from '../../ring/samplers.ts';
import type { InnerProductSpec } from '../inner-product-scheme.ts';
import { checkInnerProductSpec, schemeIdOf } from '../object-header.ts';
import { LatticePrecision, ROUNDING_SHARE } from './precision.ts';

export interface LatticeSpec extends InnerProductSpec {
  /** Vectors per ciphertext: the ring degree d, a power of two from 8 to n. */
  readonly packing: number;
  /** n = d k, 4096 or 8192; by default the smaller one that is secure. */
  readonly dimension?: number;
}

const KAPPA = 128;
/** A Gaussian exceeds this many standard deviations with probability below 2^-128, over 2^15 coefficients. */
const TAIL = 13.88;
/** No sample of {@link Kernel.wideGaussian} reaches so many multipliers. */
const SECRET_MULTIPLES = 12;
/** ln(2^132): the norm of a key exceeds its bound with probability 2^-132. */
const NORM_TAIL = 91.5;
/** The kernel multiplies by weights below this. */
const WEIGHT_LIMIT = 2 ** 15;

/**
 * Largest log2 q for 128 bits with secrets and errors of standard deviation 1, all primes counted (MATZOV model, lattice
 * estimator commit 27a581b): n = 4096 gives 129.7 bits at 104 and 127 at 106; n = 8192 gives 132 at 206.
 */
const LOG_Q_CEILING: ReadonlyMap<number, number> = new Map([
  [4096, 104],
  [8192, 206],
]);

/** 0 where nothing is secure. */
export function logQCeiling(dimension: number): number {
  arg.checkArguments('logQCeiling', [dimension], { dimension: arg.number });
  return LOG_Q_CEILING.get(dimension) ?? 0;
}

/** The squared norm of `dimension` Gaussians exceeds its mean by this factor with probability 2^-132 (Laurent and Massart, 2000). */
function normSpread(dimension: number): number {
  return 1 + 2 * Math.sqrt(NORM_TAIL / dimension) + (2 * NORM_TAIL) / dimension;
}

function widths(length: number, inputBound: number, dimension: number) {
  const sigma1 = Math.sqrt(4 * length) * inputBound;
  const sigma2 = Math.sqrt(2 * (length + 2) * KAPPA) * dimension * sigma1;
  return [sigma1, sigma2, Math.SQRT2 * sigma2].map((sigma) => Math.ceil(sigma / UNIT_SIGMA)) as [
    number,
    number,
    number,
  ];
}

export class LatticeParams {
  readonly id: string;
  readonly length: number;
  readonly inputBound: number;
  readonly weightBound: number;
  readonly resultBound: number;
  /** d */
  readonly packing: number;
  /** n */
  readonly dimension: number;
  /** k */
  readonly rank: number;
  /** K, the number of possible results. */
  readonly results: number;
  readonly primes: readonly number[];
  readonly logQ: number;
  /** Sampler multipliers of sigma1, sigma2, sigma3, rounded up. */
  readonly multipliers: readonly [number, number, number];
  /** No coefficient of a function key is larger. */
  readonly keyBound: number;
  /**
   * Whether keys are taken to fit 32-bit integers. A sum y_i s_i of Gaussians has Gaussian tails of deviation |y| sigma1, so that a
   * coefficient is larger with probability below 2^-136 at the widest weights; the key would be wrong then, and its results refused.
   */
  readonly keysFitInt32: boolean;
  /** Prime above twice the key bound, for the arithmetic of function keys. */
  readonly keyPrime: number;
  readonly precision: LatticePrecision;

  /** @throws {InvalidParamsError} {@link InsecureParamsError} when no dimension is secure for these bounds. */
  constructor(spec: LatticeSpec) {
    arg.checkArguments('new LatticeParams', [spec], { spec: arg.options });
    checkInnerProductSpec(spec);
    const { length, inputBound, weightBound, packing } = spec;
    if (weightBound >= WEIGHT_LIMIT || length * weightBound >= 2 ** 28) {
      throw new InvalidParamsError(`weights of the lattice scheme stay below 2^15, not ${weightBound}`, {});
    }
    this.length = length;
    this.inputBound = inputBound;
    this.weightBound = weightBound;
    this.packing = packing;
    this.resultBound = length * inputBound * weightBound;
    this.results = 2 * this.resultBound + 1;
    this.dimension = spec.dimension ?? this.#secureDimension();
    this.rank = this.dimension / packing;
    if (!Number.isInteger(Math.log2(packing)) || packing < 8 || packing > this.dimension) {
      throw new InvalidParamsError(
        `the packing must be a power of two from 8 to ${this.dimension} but is ${packing}`,
        {},
      );
    }
    this.multipliers = widths(length, inputBound, this.dimension);
    const needed = this.#neededLogQ(this.dimension);
    this.#assertSecure(needed);
    const limbs = Math.ceil(needed / 49.99);
    this.primes = primesBelow(Math.min(50, needed / limbs + 0.001), packing, limbs);
    this.logQ = this.primes.reduce((sum, prime) => sum + Math.log2(prime), 0);
    this.#assertSecure(this.logQ);
    this.keyBound = length * weightBound * SECRET_MULTIPLES * this.multipliers[0];
    if (this.multipliers[2] >= 2 ** 46 || this.keyBound >= 2 ** 48) {
      throw new InvalidParamsError('the bounds need wider Gaussians than the samplers have', {});
    }
    const widestKey = Math.sqrt(length) * weightBound * this.multipliers[0] * UNIT_SIGMA;
    this.keysFitInt32 = Math.max(TAIL * widestKey, SECRET_MULTIPLES * this.multipliers[0]) < 2 ** 31;
    this.keyPrime = primesBelow(Math.max(30, Math.log2(this.keyBound) + 1.1), this.dimension, 1)[0] as number;
    this.precision = this.#precision();
    const { bodyBits, headWords } = this.precision;
    const sizes = [length, inputBound, weightBound, packing, this.dimension, bodyBits, headWords];
    this.id = schemeIdOf('lattice', ...sizes, ...this.primes);
  }

  /** q */
  get modulus(): bigint {
    return this.primes.reduce((product, prime) => product * BigInt(prime), 1n);
  }

  #precision(): LatticePrecision {
    const { length, weightBound, results, packing, rank, dimension, logQ, keysFitInt32 } = this;
    const sigma1 = this.multipliers[0] * UNIT_SIGMA;
    return new LatticePrecision({
      ...{ length, weightBound, results, packing, rank, logQ, keysFitInt32 },
      unitVariance: this.noiseVariance(1),
      keyVariance: dimension * sigma1 ** 2,
      keyNorm: Math.sqrt(normSpread(dimension) * dimension * length) * weightBound * sigma1,
    });
  }

  /**
   * Variance of one coefficient of the noise for a weight vector of squared norm `squaredNorm`, before anything is rounded:
   * |y|^2 (2 n sigma1^2 sigma2^2 + sigma3^2), over the choice of all keys and randomness.
   */
  noiseVariance(squaredNorm: number, dimension = this.dimension): number {
    const [s1, s2, s3] = widths(this.length, this.inputBound, dimension).map((k) => k * UNIT_SIGMA) as [
      number,
      number,
      number,
    ];
    return squaredNorm * (2 * dimension * s1 ** 2 * s2 ** 2 + s3 ** 2);
  }

  /**
   * No noise coefficient of a key of this squared norm exceeds this, but with probability 2^-128. Given the master key the noise is Gaussian;
   * what a ciphertext loses by rounding has Gaussian tails and a share of the variance ({@link LatticePrecision}).
   */
  noiseBound(squaredNorm = this.length * this.weightBound ** 2, dimension: number = this.dimension): number {
    const share = normSpread(dimension) + 2 * ROUNDING_SHARE;
    return TAIL * Math.sqrt(share * this.noiseVariance(squaredNorm, dimension));
  }

  /** Noise, the rounding of q / K, and the rounding of doubles in the decoder must stay below q / 2K together. */
  #neededLogQ(dimension: number): number {
    return (
      1.02 + Math.log2(this.results) + Math.log2(this.noiseBound(undefined, dimension) + this.results / 2)
    );
  }

  #secureDimension(): number {
    const found = [...LOG_Q_CEILING.keys()].find((n) => this.#neededLogQ(n) <= logQCeiling(n));
    return found ?? Math.max(...LOG_Q_CEILING.keys());
  }

  #assertSecure(logQ: number): void {
    const ceiling = logQCeiling(this.dimension);
    if (logQ > ceiling) throw new InsecureParamsError(Math.log2(this.dimension), logQ, ceiling);
  }
}

printOnOneLine(LatticeParams);
arg.guard('LatticeParams', LatticeParams.prototype, {
  noiseVariance: { squaredNorm: arg.number, dimension: arg.optional(arg.number) },
  noiseBound: { squaredNorm: arg.optional(arg.number), dimension: arg.optional(arg.number) },
});
