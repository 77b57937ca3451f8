/**
 * A circuit whose values have layouts: the same operations as in the batch layout, on elements in slots, with rotations and additions
 * where partial sums are added up or elements are copied. Nothing is said yet of levels and scales.
 */
import type { IntegerMap } from '../integer-map.ts';
import { type Layout, tracePeriod } from './layout.ts';

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
  /** The reply is the trace of the output, which may then be partial sums. */
  readonly isTraced: boolean;
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

/**
 * The circuit with a traced reply, where its output allows that: partial sums of the output are then not added up, for the mean over the
 * copies does it.
 */
export function withTracedReply(circuit: PackedCircuit): PackedCircuit {
  const { values, ops } = circuit;
  const readers = new Map<number, number>();
  for (const op of ops) for (const value of readsOf(op)) readers.set(value, (readers.get(value) ?? 0) + 1);
  const makerOf = (value: number): PackedOp | undefined => ops.find(({ to }) => to === value);
  /** Offsets of the output, and the sums before them. */
  const tail: PackedOp[] = [];
  let start = circuit.output;
  for (let op = makerOf(start); op !== undefined; op = makerOf(start)) {
    const isOffset = op.op === 'combine' && op.terms.length === 1 && op.terms[0]!.factors === undefined;
    const isSum = op.op === 'rotateAdd' && values[op.from]!.layout.sums > 1;
    const [from] = readsOf(op);
    if (!(isOffset || isSum) || readers.get(from!) !== 1) break;
    tail.unshift(op);
    start = from!;
  }
  const { layout } = values[start]!;
  if (tracePeriod(layout) === undefined)
    return tracePeriod(values[circuit.output]!.layout) === undefined
      ? circuit
      : { ...circuit, isTraced: true };
  const kept = tail.filter((op) => op.op === 'combine');
  const placed = new Set(kept.map(({ to }) => to));
  let last = start;
  const offsets = kept.map((op): PackedOp => {
    const made = { ...op, terms: [{ value: last }] };
    last = op.to;
    return made;
  });
  return {
    ...circuit,
    values: values.map((value, i) => (placed.has(i) ? { ...value, layout } : value)),
    ops: [...ops.filter((op) => !tail.includes(op)), ...offsets],
    output: last,
    isTraced: true,
  };
}

function readsOf(op: PackedOp): number[] {
  if (op.op === 'multiply') return [op.a, op.b];
  return op.op === 'combine' ? op.terms.map(({ value }) => value) : [op.from];
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
