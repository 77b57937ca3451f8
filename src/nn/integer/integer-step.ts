/**
 * The steps of an integer network. Every value is an int32; activations are int8 after each requantisation. All rounding is
 * half up, floor(v + 1/2), and is defined on integers, so every machine gets the same bits.
 */
import type { ImageShape, IntegerLinearMap } from '../../kernel/integer-linear-map.ts';

/** An index of an earlier step, or -1 for the input of the network. */
export type StepIndex = number;

/**
 * y = clamp(floor((x * multiplier + 2^(shift-1)) / 2^shift), low, high), multiplier and shift integers: a product with a
 * positive real number in fixed point. Multipliers are one for the tensor or one per channel (per feature of a flat
 * tensor). Exact in doubles as long as |x| * multiplier + 2^(shift-1) <= 2^53, which networks check against the bound
 * of x when they are built.
 */
export interface Requantisation {
  /** Positive integers: one value, or one per channel. */
  readonly multipliers: Float64Array;
  /** 1 to 52. */
  readonly shift: number;
}

interface ReadsOne {
  /** Where x comes from: the step before by default. */
  readonly from?: StepIndex;
}

interface Clamps {
  /** int8 by default: -128 and 127. */
  readonly low?: number;
  readonly high?: number;
}

interface Window {
  readonly size: readonly [vertical: number, horizontal: number];
  readonly stride: readonly [vertical: number, horizontal: number];
}

export type IntegerStep =
  /** W x + bias, one bias per row of the weight matrix (feature or output channel). The only outsourced step. */
  | ({ readonly kind: 'linear'; readonly map: IntegerLinearMap; readonly bias: Int32Array } & ReadsOne)
  | ({ readonly kind: 'relu' } & ReadsOne)
  /** x^2, for |x| < 2^15.5. */
  | ({ readonly kind: 'square' } & ReadsOne)
  /** Largest value of each window. Padding never wins: it is left out. */
  | ({ readonly kind: 'max-pool'; readonly padding?: readonly [number, number] } & Window & ReadsOne)
  /** floor((2 * window sum + divisor) / (2 * divisor)), without padding; divisor 1 leaves the exact sum. */
  | ({ readonly kind: 'sum-pool'; readonly divisor: number } & Window & ReadsOne)
  | ({ readonly kind: 'requantise' } & Requantisation & Clamps & ReadsOne)
  /**
   * Of two tensors of one shape: clamp(floor((x * a + y * b + 2^(shift-1)) / 2^shift), low, high), a and b multipliers as in
   * {@link Requantisation} for x (`from`) and y (`other`). The same range condition holds for the whole sum.
   */
  | ({
      readonly kind: 'add';
      readonly other: StepIndex;
      readonly multipliers: Float64Array;
      readonly otherMultipliers: Float64Array;
      readonly shift: number;
    } & Clamps &
      ReadsOne)
  /** Zero channels after the last, zero rows below, zero columns to the right, up to the shape. */
  | ({ readonly kind: 'zero-extend'; readonly to: ImageShape } & ReadsOne)
  /** The same values as a flat tensor. */
  | ({ readonly kind: 'flatten' } & ReadsOne);

export type IntegerStepOf<K extends IntegerStep['kind']> = Extract<IntegerStep, { readonly kind: K }>;

export const LOWEST_INT8 = -128;
export const HIGHEST_INT8 = 127;
