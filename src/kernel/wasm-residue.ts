/** {@link Kernel.subtractProduct} of the WebAssembly kernel, a block of rows at a time; see assembly/residue.ts. */
import { KernelError } from '../base/errors.ts';
import { checkSubtractProduct } from './preconditions.ts';
import { PRODUCTS_AT_ONCE, subtractProductByLoops } from './residue-products.ts';
import type { WasmContext } from './wasm-switch.ts';

/** Rows that are in its memory at once: changed ones, and those that are subtracted from them. */
const TARGETS = 32;
const SOURCES = 64;
/** Doubles that assembly/residue.ts works on together. */
const COLUMNS = 8;
const TERM_BYTES = 16;
/** Multiplications for each row that is copied; with fewer, plain loops are done sooner. */
const LEAST_PRODUCTS = 512;

export function subtractProductInWasm(
  context: WasmContext,
  prime: number,
  out: Float64Array,
  rows: Float64Array,
  factors: Float64Array,
  stride: number,
  first: number,
): void {
  const { targets, sources } = checkSubtractProduct(prime, out, rows, factors, stride, first);
  const copied = 2 * targets + sources;
  const isWorthCopies = hasMoreNonzero(factors, (LEAST_PRODUCTS * copied) / (stride - first));
  try {
    if (isWorthCopies) {
      new ResidueBlocks(context, prime, rows, factors, stride, first).subtractFrom(out);
      return;
    }
  } catch (error) {
    // Memory was asked for before anything was done.
    if (!(error instanceof KernelError)) throw error;
  }
  subtractProductByLoops(prime, out, rows, factors, stride, first);
}

class ResidueBlocks {
  readonly #context: WasmContext;
  readonly #prime: number;
  readonly #rows: Float64Array;
  readonly #factors: Float64Array;
  readonly #stride: number;
  readonly #first: number;
  readonly #sources: number;
  readonly #rowBytes: number;

  constructor(
    context: WasmContext,
    prime: number,
    rows: Float64Array,
    factors: Float64Array,
    stride: number,
    first: number,
  ) {
    this.#context = context;
    this.#prime = prime;
    this.#rows = rows;
    this.#factors = factors;
    this.#stride = stride;
    this.#first = first;
    this.#sources = rows.length / stride;
    this.#rowBytes = 8 * COLUMNS * Math.ceil((stride - first) / COLUMNS);
  }

  subtractFrom(out: Float64Array): void {
    const { memory } = this.#context;
    const rowBytes = this.#rowBytes;
    const targets = out.length / this.#stride;
    const size = (TARGETS + SOURCES) * rowBytes + SOURCES * (8 * TARGETS + TERM_BYTES);
    memory.borrow(size, (at) => {
      for (let begin = 0; begin < targets; begin += TARGETS) {
        const here = Math.min(TARGETS, targets - begin);
        for (let t = 0; t < here; t++) memory.write(at + t * rowBytes, this.#row(out, begin + t));
        for (let source = 0; source < this.#sources; source += SOURCES)
          this.#subtractBlock(at, begin, here, source);
        for (let t = 0; t < here; t++) memory.read(this.#row(out, begin + t), at + t * rowBytes);
      }
    });
  }

  #row(all: Float64Array, i: number): Float64Array {
    return all.subarray(i * this.#stride + this.#first, (i + 1) * this.#stride);
  }

  /** Subtracts the rows from `source` on from `here` targets, those from `begin` on, which are in memory at `to`. */
  #subtractBlock(to: number, begin: number, here: number, source: number): void {
    const { exports, memory } = this.#context;
    const [factors, sources, rowBytes] = [this.#factors, this.#sources, this.#rowBytes];
    const from = to + TARGETS * rowBytes;
    const factorsAt = from + SOURCES * rowBytes;
    const terms = factorsAt + 8 * TARGETS * SOURCES;
    const now = Math.min(SOURCES, sources - source);
    for (let k = 0; k < now; k++) {
      let t = 0;
      while (t < here && factors[(begin + t) * sources + source + k] === 0) t++;
      if (t < here) memory.write(from + k * rowBytes, this.#row(this.#rows, source + k));
    }
    for (let t = 0; t < here; t++) {
      const first = (begin + t) * sources + source;
      memory.write(factorsAt + 8 * now * t, factors.subarray(first, first + now));
    }
    exports.subtractProduct(to, from, factorsAt, here, now, rowBytes, terms, this.#prime, PRODUCTS_AT_ONCE);
  }
}

/** Whether more than `bound` values are not zero. */
function hasMoreNonzero(values: Float64Array, bound: number): boolean {
  if (values.length <= bound) return false;
  let count = 0;
  for (let i = 0; i < values.length; i++) if (values[i] !== 0) count++;
  return count > bound;
}
