/** Fractions of the WebAssembly kernel: see assembly/fraction.ts and assembly/fraction-dot.ts. */
import { ShapeError } from '../../base/errors.ts';
import type { CanonicalEmbedding } from '../tables/canonical-embedding.ts';
import { REST_BITS } from '../portable/fraction-products.ts';
import type { FractionParts, RingTables, Words } from '../kernel.ts';
import {
  checkFractionDot,
  checkFractionSums,
  checkRoundFractions,
  checkSquaredNorms,
} from '../preconditions.ts';
import type { WasmContext } from './wasm-switch.ts';

/** Of sums and of their factors; DIGIT_BITS of assembly/fraction.ts. */
const DIGIT_BITS = 28;
/** Behind the bits that are kept; GUARD_BITS there. */
const GUARD_BITS = 75;
/** So many products of 2^56 and of 2^50 are below 2^64. */
const MAX_LIMBS = 250;

/** Lends runs of so many bytes each, back to back, and overwrites them afterwards. */
function withRuns(
  { memory }: WasmContext,
  sizes: readonly number[],
  use: (...starts: readonly number[]) => void,
): void {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  memory.borrowSecret(total, (start) => {
    let next = start;
    const starts = sizes.map((size) => {
      next += size;
      return next - size;
    });
    use(...starts);
  });
}

/** 2^(32 words + guard bits) / q, rounded down, as assembly/fraction.ts multiplies by it. */
function reciprocalDigits(q: number, words: number, count: number): Int32Array {
  let rest = (1n << BigInt(32 * words + GUARD_BITS)) / BigInt(q);
  const out = new Int32Array(4 * count);
  for (let k = 0, below = 0; k < count; k++, rest >>= BigInt(DIGIT_BITS)) {
    const digit = Number(BigInt.asUintN(DIGIT_BITS, rest));
    out.set([digit, digit, below, below], 4 * k);
    below = digit;
  }
  return out;
}

/** `address` is that of a. */
export function fractionSumsInWasm(
  context: WasmContext,
  address: number,
  ring: RingTables,
  out: Uint32Array,
  a: Words,
  words: number,
  mods: readonly number[],
): void {
  const { exports, memory } = context;
  const count = checkFractionSums(ring, out, a, words, mods);
  const { length } = mods;
  if (length > MAX_LIMBS) throw new ShapeError('the limbs', `at most ${MAX_LIMBS}`, length);
  const digits = Math.ceil((32 * words + GUARD_BITS) / DIGIT_BITS);
  const sizes = [16 * digits * length, 16 * (length + digits + 1), out.byteLength];
  withRuns(context, sizes, (factors, space, sums) => {
    mods.forEach((limb, l) => {
      memory.write(factors + 16 * digits * l, reciprocalDigits(ring.moduli[limb], words, digits));
    });
    for (let i = 0; i < count; i++) {
      const [to, from] = [sums + 4 * words * ring.n * i, address + 8 * length * ring.n * i];
      exports.fractionSums(to, from, ring.n, length, words, factors, digits, space);
    }
    memory.read(out, sums);
  });
}

export function fractionDotInWasm(
  context: WasmContext,
  embedding: CanonicalEmbedding,
  out: Float64Array,
  values: Int32Array,
  b: Uint32Array,
  words: number,
  parts: FractionParts,
): void {
  const { exports, memory } = context;
  const { rows, terms } = checkFractionDot(embedding, out, values, b, words, parts);
  const { slots, cos, sin } = embedding;
  const { bits, exact } = parts;
  const [n, length] = [2 * slots, 2 * slots * terms];
  const restFactor = 2 ** (REST_BITS - 64) / slots;
  const spaceBytes = terms * (16 * n + 64) + (exact + 2) * 16 * n;
  const sizes = [spaceBytes, 8 * length * (exact + 1), 16 * n, 4 * length, 4 * length, b.byteLength];
  const rootSizes = [8 * slots, 8 * slots, 4 * slots];
  withRuns(context, [...sizes, ...rootSizes], (space, factors, to, first, second, fractions, ...roots) => {
    const [c, s, reversal] = roots;
    memory.write(c, cos);
    memory.write(s, sin);
    exports.fillBitReversal(reversal, slots);
    memory.write(fractions, b);
    exports.fractionFactors(
      factors,
      space,
      fractions,
      words,
      terms,
      BigInt(bits),
      BigInt(exact),
      slots,
      c,
      s,
      reversal,
    );
    for (let row = 0; row < rows; row += 2) {
      const here = Math.min(2, rows - row);
      memory.write(first, values.subarray(row * length, (row + here) * length));
      // The last of an odd number goes with itself.
      exports.fractionRows(
        to,
        first,
        here === 2 ? second : first,
        terms,
        factors,
        bits,
        exact,
        slots,
        restFactor,
        2 ** -REST_BITS,
        c,
        s,
        reversal,
        space,
      );
      memory.read(out.subarray(row * n, (row + here) * n), to);
    }
  });
}

export function roundFractionsInWasm(
  context: WasmContext,
  out: Float64Array,
  distances: Float64Array,
  digits: Int32Array,
  masks: Float64Array,
  n: number,
  digitBits: number,
  results: number,
): void {
  const { exports, memory } = context;
  const { steps, count } = checkRoundFractions(out, distances, digits, masks, n, digitBits);
  withRuns(context, [8 * n, 8 * n, 4 * steps * n], (to, subtracted, from) => {
    for (let row = 0; row < distances.length; row++) {
      memory.write(from, digits.subarray(row * steps * n, (row + 1) * steps * n));
      memory.write(subtracted, masks.subarray(row * n, (row + 1) * n));
      distances[row] = exports.roundFractions(to, from, subtracted, n, steps, 2 ** -digitBits, results);
      memory.read(out.subarray(row * count, (row + 1) * count), to);
    }
  });
}

/** Values that are in the memory at a time. */
const NORM_VALUES = 2 ** 14;

export function squaredNormsInWasm(
  context: WasmContext,
  out: Float64Array,
  values: Int32Array,
  bound: number,
): boolean {
  const { exports, memory } = context;
  const length = checkSquaredNorms(out, values, bound);
  let isWithin = true;
  out.fill(0);
  withRuns(context, [4 * NORM_VALUES], (from) => {
    for (let row = 0; row < out.length; row++) {
      for (let first = 0; first < length && isWithin; first += NORM_VALUES) {
        const count = Math.min(NORM_VALUES, length - first);
        memory.write(from, values.subarray(row * length + first, row * length + first + count));
        const sum = exports.squaredNorm(from, count, bound);
        isWithin = sum >= 0;
        out[row] += sum;
      }
    }
  });
  return isWithin;
}
