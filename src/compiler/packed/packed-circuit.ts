/**
 * A circuit whose values have layouts: the same operations as in the batch layout, on elements in slots, with rotations and additions
 * where partial sums are added up or elements are copied. Nothing is said yet of levels and scales.
 */
import type { IntegerMap } from '../integer-map.ts';
import type { Layout } from './layout.ts';

export interface PackedValue {
  readonly name: string;
  readonly layout: Layout;
  /** Largest |element|, partial sums included. */
  readonly trained: number;
}

/** One summand; factors are one real number per element. */
interface PackedTerm {
  readonly value: number;
  readonly factors?: Float64Array;
}

export type PackedOp =
  /** W a, between layouts; the map's offsets come later, when partial sums have been added up. */
  | { readonly op: 'transform'; readonly from: number; readonly to: number; readonly map: IntegerMap }
  /** a + a rotated by `step`. */
  | { readonly op: 'rotateAdd'; readonly from: number; readonly to: number; readonly step: number }
  | { readonly op: 'multiply'; readonly a: number; readonly b: number; readonly to: number }
  | {
      readonly op: 'combine';
      readonly terms: readonly PackedTerm[];
      readonly constants?: Float64Array;
      readonly to: number;
    };

export interface PackedCircuit {
  /** Value 0 is the query. */
  readonly values: readonly PackedValue[];
  readonly ops: readonly PackedOp[];
  /** Of the last value: element o is output o. */
  readonly output: number;
  readonly outputRange: readonly [low: number, high: number];
  readonly inputBound: number;
}

/** The layout behind a + rotate(a, step): half as many sums, or twice as many copies. Undefined where it is neither. */
export function afterRotateAdd(from: Layout, step: number): Layout | undefined {
  const { slots, period, copies, sums, rest } = from;
  if (sums > 1) {
    if (step !== (sums / 2) * period || copies * period !== slots) return undefined;
    return { ...from, sums: sums / 2 };
  }
  // A copy is made by rotating to the right, into slots that are zero.
  const distance = (slots - step) % slots;
  if (rest !== 'zero' || distance < 1 || step < 1) return undefined;
  if (copies === 1) return { ...from, copies: 2, period: distance };
  if (distance === copies * period) return { ...from, copies: 2 * copies };
  return undefined;
}

/** Elements of `count` in the order `order`, as a map. */
export function orderMap(name: string, order: Uint32Array, inputs: number): IntegerMap {
  return {
    name,
    inputs,
    outputs: order.length,
    step: 1,
    bits: 2,
    matrices: [{ rows: 1, cols: 1, weights: Int32Array.of(1) }],
    blocks: Array.from(order, (input, first) => ({ matrix: 0, first, inputs: Uint32Array.of(input) })),
    offsets: new Float64Array(order.length),
  };
}
