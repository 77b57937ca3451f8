/**
 * How precisely a ciphertext is kept. Decryption reads sum y_i c_i / q - <c_0 / q, key> modulo 1 at a resolution of 1 / K, so the low bits of
 * what it adds, far below the noise, need not be stored, sent or computed with. A ciphertext holds fractions: entries of the body as 32
 * bits and a few digits behind them, those of the head as words. Dropping bits is a public function of the ciphertext.
 *
 * Rounding c_i to F bits adds errors of variance (q / 2^F)^2 / 12 per unit of |y|^2 to the noise, rounding c_0 to H bits n sigma1^2
 * (q / 2^H)^2 / 12: each is kept below ROUNDING_SHARE of the variance that is there. The errors are taken as uniform and independent, as
 * the low bits of a pseudo-random ciphertext are.
 */
import { printOnOneLine } from '../../base/inspect.ts';
import { InvalidParamsError } from '../../base/errors.ts';
import { PANEL_COLUMNS } from '../../kernel/tables/integer-panels.ts';
import type { FractionParts } from '../../kernel/kernel.ts';
import { MAX_SPLIT_BITS } from '../../kernel/preconditions.ts';

/** Of the variance of the noise: what each of the two roundings may add. */
export const ROUNDING_SHARE = 2 ** -8;
/** Of 1 / K: what the products of keys and head may be off at the largest weights, where the noise leaves no more. */
export const PRODUCT_ERROR = 2 ** -9;
/** Of 1: what the product of an exact part may be off and still be rounded to the right integer. */
const PART_ERROR = 0.49;
/** Integer products of the kernel: sums of 32 bits, entries of 16. */
const WORD_BITS = 32;
const MAX_DIGIT_BITS = 16;
/** A body entry is rounded from a fraction of 64 bits. */
const MAX_BODY_BITS = 63;
const MAX_HEAD_WORDS = 4;
/** Of keys that do not fit 32 bits. */
export const KEY_DIGIT_BITS = 24;
/** Smaller shares of the largest weights are not told apart. */
const LEAST_SHARE = 2 ** -10;
/** Of one part of {@link Kernel.fractionDot}, for which integers are small. */
const MAX_PART_BITS = 24;

export interface PrecisionNeeds {
  readonly length: number;
  readonly weightBound: number;
  /** K */
  readonly results: number;
  readonly packing: number;
  readonly rank: number;
  readonly logQ: number;
  readonly keysFitInt32: boolean;
  /** Of the noise for |y| = 1, and of a key's squared norm. */
  readonly unitVariance: number;
  readonly keyVariance: number;
  /** No key's Euclidean norm is larger. */
  readonly keyNorm: number;
}

export class LatticePrecision {
  /** F: 32 bits, then `lowDigits` signed digits of `digitBits` bits, whose sums over any weights are exact in 32 bits. */
  readonly bodyBits: number;
  readonly digitBits: number;
  readonly lowDigits: number;
  /** H / 32 */
  readonly headWords: number;
  /** Polynomials of an entry in memory: the halves of a word, the digits, and zeros up to whole panels of the kernel. */
  readonly planes: number;
  /** Keys are multiplied as so many integers of 32 bits. */
  readonly keyDigits: number;
  /** What the product of the largest keys with fractions up to 1/2 may be off. */
  readonly #error: number;
  readonly #results: number;

  /** @throws {InvalidParamsError} where no such split is exact. */
  constructor(needs: PrecisionNeeds) {
    const { length, packing, weightBound, logQ, unitVariance, keyVariance, keysFitInt32 } = needs;
    const room = Math.log2(12 * ROUNDING_SHARE * unitVariance) / 2;
    const exactBits = Math.min(MAX_DIGIT_BITS, WORD_BITS - Math.ceil(Math.log2(length * weightBound + 1)));
    const lowBits = Math.max(0, logQ - room - WORD_BITS);
    this.lowDigits = Math.ceil(lowBits / exactBits);
    this.digitBits = this.lowDigits === 0 ? 0 : Math.ceil(lowBits / this.lowDigits);
    this.bodyBits = WORD_BITS + this.lowDigits * this.digitBits;
    const headBits = logQ - room + Math.log2(keyVariance) / 2;
    this.headWords = Math.max(2, Math.ceil(headBits / WORD_BITS));
    this.planes = (Math.ceil(((2 + this.lowDigits) * packing) / PANEL_COLUMNS) * PANEL_COLUMNS) / packing;
    this.keyDigits = keysFitInt32 ? 1 : 2;
    this.#error = this.#largestError(needs);
    this.#results = needs.results;
    this.partsFor(1, PRODUCT_ERROR);
    if (this.bodyBits > MAX_BODY_BITS || this.headWords > MAX_HEAD_WORDS)
      throw new InvalidParamsError('the bounds need ciphertexts of more bits than the kernels work with', {
        bodyBits: this.bodyBits,
        headWords: this.headWords,
      });
  }

  /**
   * How to multiply keys with the head, for weights of at most `share` times the largest norm, so that results are off by less than `room` in units
   * of 1 / K: exact parts as wide as rounding to integers allows, as many as the rest needs.
   * @throws {InvalidParamsError} when no split does, which the constructor rules out for all shares and rooms from PRODUCT_ERROR on.
   */
  partsFor(share: number, room: number): FractionParts {
    // Digits of keys are as large for small weights.
    const error = this.#error * (this.keyDigits === 1 ? Math.max(share, LEAST_SHARE) : 1);
    const bits = Math.min(MAX_PART_BITS, Math.floor(Math.log2(PART_ERROR / error)));
    const exact = Math.max(0, Math.ceil(Math.log2((error * this.keyDigits * this.#results) / room) / bits));
    if (bits < 1 || bits * exact > MAX_SPLIT_BITS)
      throw new InvalidParamsError('the keys are too large for exact products', { bits, exact });
    return { bits, exact };
  }

  /** By the bound of {@link FractionParts}. */
  #largestError({ packing, rank, keyNorm }: PrecisionNeeds): number {
    const dimension = packing * rank;
    const digitNorm = Math.sqrt(dimension) * 2 ** (KEY_DIGIT_BITS - 1);
    const norm =
      this.keyDigits === 1
        ? keyNorm
        : Math.max(digitNorm, keyNorm / 2 ** KEY_DIGIT_BITS + digitNorm / 2 ** 22);
    const operations = 13 * Math.log2(packing / 2) + 2 * rank + 8;
    return (norm * Math.sqrt(dimension) * operations) / 2 ** 54;
  }
}

printOnOneLine(LatticePrecision);
