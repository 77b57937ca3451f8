/** {@link Kernel.subtractProduct} of the WebAssembly kernel, a block of rows at a time; see assembly/residue.ts. */
import { KernelError } from '../../base/errors.ts';
import type { Kernel } from '../kernel.ts';
import { checkSubtractProduct } from '../preconditions.ts';
import { PRODUCTS_AT_ONCE, subtractProductByLoops } from '../portable/residue-products.ts';
import type { WasmContext } from './wasm-switch.ts';

/** Rows that are in its memory at once: changed ones, and those that are subtracted from them. */
const TARGETS = 32;
const SOURCES = 64;
/** Doubles that assembly/residue.ts works on together. */
const COLUMNS = 8;
const TERM_BYTES = 16;
/** Multiplications for each row that is copied; with fewer, plain loops are done sooner. */
const LEAST_PRODUCTS = 512;

type Operands = Parameters<Kernel['subtractProduct']>;

export function subtractProductInWasm(context: WasmContext, ...operands: Operands): void {
  const [, , , factors, stride, first] = operands;
  const { targets, sources } = checkSubtractProduct(...operands);
  const copied = 2 * targets + sources;
  if (hasMoreNonzero(factors, (LEAST_PRODUCTS * copied) / (stride - first))) {
    try {
      subtractBlocks(context, operands, targets, sources);
      return;
    } catch (error) {
      // Memory was asked for before anything was done.
      if (!(error instanceof KernelError)) throw error;
    }
  }
  subtractProductByLoops(...operands);
}

function subtractBlocks(
  { exports, memory }: WasmContext,
  [prime, out, rows, factors, stride, first]: Operands,
  targets: number,
  sources: number,
): void {
  const rowBytes = 8 * COLUMNS * Math.ceil((stride - first) / COLUMNS);
  const rowOf = (all: Float64Array, i: number) => all.subarray(i * stride + first, (i + 1) * stride);
  const size = (TARGETS + SOURCES) * rowBytes + SOURCES * (8 * TARGETS + TERM_BYTES);
  memory.borrow(size, (to) => {
    const from = to + TARGETS * rowBytes;
    const factorsAt = from + SOURCES * rowBytes;
    const terms = factorsAt + 8 * TARGETS * SOURCES;
    /** Subtracts the rows from `source` on from the `here` targets in memory, those from `begin` on. */
    const subtract = (begin: number, here: number, source: number) => {
      const now = Math.min(SOURCES, sources - source);
      for (let k = 0; k < now; k++) {
        let t = 0;
        while (t < here && factors[(begin + t) * sources + source + k] === 0) t++;
        if (t < here) memory.write(from + k * rowBytes, rowOf(rows, source + k));
      }
      for (let t = 0; t < here; t++) {
        const start = (begin + t) * sources + source;
        memory.write(factorsAt + 8 * now * t, factors.subarray(start, start + now));
      }
      exports.subtractProduct(to, from, factorsAt, here, now, rowBytes, terms, prime, PRODUCTS_AT_ONCE);
    };
    for (let begin = 0; begin < targets; begin += TARGETS) {
      const here = Math.min(TARGETS, targets - begin);
      for (let t = 0; t < here; t++) memory.write(to + t * rowBytes, rowOf(out, begin + t));
      for (let source = 0; source < sources; source += SOURCES) subtract(begin, here, source);
      for (let t = 0; t < here; t++) memory.read(rowOf(out, begin + t), to + t * rowBytes);
    }
  });
}

/** Whether more than `bound` values are not zero. */
function hasMoreNonzero(values: Float64Array, bound: number): boolean {
  if (values.length <= bound) return false;
  let count = 0;
  for (let i = 0; i < values.length; i++) if (values[i] !== 0) count++;
  return count > bound;
}
