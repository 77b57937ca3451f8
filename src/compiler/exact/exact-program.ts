/**
 * A program on integers: BGV in the batch layout, one ciphertext per feature and one sample per slot, over several plaintext moduli
 * t_1 t_2 ... whose product no value reaches. Every modulus is a channel of its own that runs the same steps with the same keys.
 *
 * A value's `scale` is what one stands for: integer = real value times scale. So maps, squares and constants follow the rules of
 * approximate programs; only `rescale` leaves the scale as it is, for it switches the modulus and keeps the message.
 */
import type { RlweSpec } from '../../schemes/rlwe/params.ts';
import type { Bucket, ModelDescription } from '../offer.ts';
import type { Program, StepList } from '../program.ts';

/** Ring and primes of an exact program; nothing that marks a set as insecure fits in. */
export type ExactRing = Pick<RlweSpec, 'logN' | 'logQ' | 'logP'>;

/** Frozen. Only the compiler and the reader of program files make exact programs. */
export interface ExactProgram extends StepList {
  readonly version: 1;
  readonly scheme: 'bgv';
  /** ^[a-z0-9][a-z0-9_-]{0,63}$ */
  readonly name: string;
  readonly params: ExactRing;
  /** The plaintext moduli: different primes 1 mod 2N. */
  readonly moduli: readonly number[];
  /** One: as many samples as slots, one feature per ciphertext. */
  readonly buckets: readonly Bucket[];
  readonly inputs: number;
  readonly outputs: number;
  /** Inputs are clipped to this interval, then rounded to integers of value 0's scale. */
  readonly inputRange: readonly [low: number, high: number];
  /** Interval of the scores over the calibration data, real. */
  readonly outputRange: readonly [low: number, high: number];
  /** Bits of statistical security with which a reply hides how it came about; see exact-noise.ts. */
  readonly hiding: number;
  readonly about?: ModelDescription;
}

export type AnyProgram = Program | ExactProgram;

export function isExact(program: AnyProgram): program is ExactProgram {
  return 'scheme' in program;
}

/** The integers that inputs may be. */
export function inputIntegers({
  inputRange,
  values,
}: Pick<ExactProgram, 'inputRange' | 'values'>): readonly [low: number, high: number] {
  const { scale } = values[0]!;
  return [Math.round(inputRange[0] * scale), Math.round(inputRange[1] * scale)];
}
