/**
 * A network as operations on lists of ciphertexts, before anybody says where they are relinearised, rescaled, and at which level and
 * scale they run. Values are numbered in the order in which they are made; value 0 is the input.
 */
import type { IntegerMap } from './integer-map.ts';

export interface CircuitValue {
  /** For people. */
  readonly name: string;
  /** Ciphertexts. */
  readonly count: number;
  /** Largest |value| over the calibration data; the proven bound where there is none. */
  readonly trained: number;
  /** Bounds of |value| per ciphertext for every input within its bound. */
  readonly proven: Float64Array;
}

/** One summand of a {@link CombineOp}. */
export interface CombinedTerm {
  readonly value: number;
  /** One real number per ciphertext of the result; 1 when absent. */
  readonly factors?: Float64Array;
  /** Ciphertext i of the result takes ciphertext order[i] of the value; i when absent. */
  readonly order?: Uint32Array;
}

interface LinearOp {
  readonly op: 'linear';
  readonly from: number;
  readonly to: number;
  readonly map: IntegerMap;
  /**
   * Of a map of windows: the element of `from` that each position stands at, group after group; element (position, row) of the result is
   * number position * rows + row.
   */
  readonly anchors?: Uint32Array;
}

/** a b, ciphertext by ciphertext; a = b is a square. */
interface MultiplyOp {
  readonly op: 'multiply';
  readonly a: number;
  readonly b: number;
  readonly to: number;
}

/** The sum of one or two terms and a constant per ciphertext. */
export interface CombineOp {
  readonly op: 'combine';
  readonly terms: readonly CombinedTerm[];
  readonly constants?: Float64Array;
  readonly to: number;
}

export type CircuitOp = LinearOp | MultiplyOp | CombineOp;

export interface Circuit {
  readonly values: readonly CircuitValue[];
  readonly ops: readonly CircuitOp[];
  /** The value that holds the outputs, and the ciphertext of each output in it. */
  readonly output: { readonly value: number; readonly places: Uint32Array };
  /** Interval of the outputs over the calibration data. */
  readonly outputRange: readonly [low: number, high: number];
  readonly inputBound: number;
}

/** The values that an operation reads, without repetition. */
export function valuesOf(op: CircuitOp): number[] {
  if (op.op === 'linear') return [op.from];
  if (op.op === 'multiply') return op.a === op.b ? [op.a] : [op.a, op.b];
  return [...new Set(op.terms.map((term) => term.value))];
}
