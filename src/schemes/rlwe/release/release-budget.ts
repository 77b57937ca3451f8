/**
 * How often results under one secret key may be published, and how well each hides the key.
 *
 * The mechanism is that of [LMSS22]: a discrete Gaussian of standard deviation sigma on every coefficient of the decrypted polynomial.
 * Let B bound the Euclidean norm of its noise. Two Gaussians a distance B apart have the divergence B^2 / (2 sigma^2) (Kullback and
 * Leibler), and divergences of results that are chosen one after the other add up. With
 *
 *   sigma = sqrt(12 tau) 2^(s/2) B
 *
 * tau results together have at most 2^-s / 24, so by Pinsker's inequality they are within the statistical distance 2^-(s/2 + 2.7) of
 * results with no noise of the scheme in them at all. That is what s bits of statistical security mean in [LMSS22], where an advantage is
 * squared; for a distance of 2^-40 itself ask for 2 (40 - 2.7) = 75 bits.
 */
import { OutOfRangeError, ReleaseRefusedError } from '../../../base/errors.ts';
import type { SecretKey } from '../keys/secret-key.ts';
import { secretName } from '../keys/secret-name.ts';

/** Below this a release hides too little to be called one. */
const LEAST_SECURITY_BITS = 40;
/** The sampler is within 2^-55 of its distribution for each coefficient, which bounds what can be promised. */
const MAX_SECURITY_BITS = 80;
const MAX_RELEASES = 2 ** 30;

export interface ReleaseTerms {
  /** Results that will ever be published under the key, in this process and others. */
  readonly releases: number;
  /** s, from 40 to 80; default 40. */
  readonly securityBits?: number;
  /** How many were published before this process began: kept beside the key by whoever keeps the key. Default 0. */
  readonly alreadyReleased?: number;
}

/** One for each secret key in a thread of a process, whatever object holds the key: found by a hash of it. */
const budgets = new Map<string, ReleaseBudget>();

export class ReleaseBudget {
  /** tau. */
  readonly releases: number;
  /** s. */
  readonly securityBits: number;
  #released: number;

  private constructor(releases: number, securityBits: number, released: number) {
    this.releases = releases;
    this.securityBits = securityBits;
    this.#released = released;
  }

  /**
   * The budget of `key`: asked for again, the same one with what was spent of it.
   *
   * @throws {OutOfRangeError} {@link ReleaseRefusedError} when the key has a budget on other terms. {@link DisposedError}
   */
  static of(
    key: SecretKey,
    { releases, securityBits = 40, alreadyReleased = 0 }: ReleaseTerms,
  ): ReleaseBudget {
    assertWholeNumber('releases', releases, 1, MAX_RELEASES);
    assertWholeNumber('alreadyReleased', alreadyReleased, 0, releases);
    if (!(securityBits >= LEAST_SECURITY_BITS && securityBits <= MAX_SECURITY_BITS)) {
      const allowed = `from ${LEAST_SECURITY_BITS} to ${MAX_SECURITY_BITS}`;
      throw new OutOfRangeError('securityBits', allowed, securityBits);
    }
    const name = secretName(key);
    const known = budgets.get(name);
    if (known === undefined) {
      const budget = new ReleaseBudget(releases, securityBits, alreadyReleased);
      budgets.set(name, budget);
      return budget;
    }
    if (known.releases !== releases || known.securityBits !== securityBits) {
      throw new ReleaseRefusedError(
        'terms',
        `this key already has a budget of ${known.releases} releases at ${known.securityBits} bits; noise that was drawn for those terms cannot serve others: make a new key`,
      );
    }
    known.#released = Math.max(known.#released, alreadyReleased);
    return known;
  }

  /** Results published so far: to be stored with the key, for `alreadyReleased` of the next process. */
  get released(): number {
    return this.#released;
  }

  /** The standard deviation of the noise for a result whose own noise has at most the Euclidean norm 2^noiseBits, in bits. */
  floodBits(noiseBits: number): number {
    return noiseBits + this.securityBits / 2 + 0.5 * Math.log2(12 * this.releases);
  }

  /** Takes one release, before anything is decrypted: a release that fails afterwards is spent as well. @throws {ReleaseRefusedError} */
  spend(): void {
    if (this.#released >= this.releases) {
      throw new ReleaseRefusedError(
        'budget',
        `all ${this.releases} releases of this key are spent: make a new key, and declare as many as are needed`,
      );
    }
    this.#released++;
  }
}

function assertWholeNumber(what: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new OutOfRangeError(what, `an integer from ${least} to ${most}`, value);
  }
}
