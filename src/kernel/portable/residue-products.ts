/** {@link Kernel.subtractProduct} as plain loops: the reference, and what serves where no kernel is open. */
import { nearestInteger } from '../../base/nearest-integer.ts';
import type { Kernel } from '../kernel.ts';
import { checkSubtractProduct } from '../preconditions.ts';

export type ResidueProducts = Pick<Kernel, 'subtractProduct'>;

/** So many products of two centred residues, each below 2^50, can be added to a residue before the sum is reduced. */
export const PRODUCTS_AT_ONCE = 7;
/** Rows that are subtracted in one pass over a row. */
const ROWS_AT_ONCE = 3;

/** x minus the nearest multiple of p, for |x| < 2^53: at most p / 2 + 2 in size, and the centred residue for |x| <= 2 p. */
export function centredResidue(x: number, p: number, inverse: number): number {
  return x - nearestInteger(x * inverse) * p;
}

/** {@link Kernel.subtractProduct}. */
export function subtractProductByLoops(...operands: Parameters<Kernel['subtractProduct']>): void {
  const [prime, out, rows, factors, stride, first] = operands;
  const { targets, sources } = checkSubtractProduct(...operands);
  const needed = new NeededRows(sources);
  for (let t = 0; t < targets; t++) {
    needed.count = needed.largest = 0;
    for (let k = 0; k < sources; k++) {
      const factor = factors[t * sources + k];
      if (factor !== 0) needed.push(factor, k * stride + first);
    }
    if (needed.count > 0) needed.subtract(prime, out, t * stride + first, rows, stride - first);
  }
}

/** Rows by where they start, each with its factor, which is not zero. */
class NeededRows {
  count = 0;
  /** Of the factors. */
  largest = 0;
  readonly #starts: Uint32Array;
  readonly #factors: Float64Array;

  constructor(most: number) {
    this.#starts = new Uint32Array(most);
    this.#factors = new Float64Array(most);
  }

  push(factor: number, start: number): void {
    this.#starts[this.count] = start;
    this.#factors[this.count++] = factor;
    this.largest = Math.max(this.largest, Math.abs(factor));
  }

  /** From the residues of `out` between two places. */
  subtract(p: number, out: Float64Array, from: number, rows: Float64Array, width: number): void {
    const [starts, factors, count] = [this.#starts, this.#factors, this.count];
    const inverse = 1 / p;
    const end = from + width;
    const productBound = (this.largest * (p - 1)) / 2;
    const most = Math.floor(2 ** 53 / productBound) - 1;
    let pending = 0;
    let i = 0;
    for (; i + ROWS_AT_ONCE <= count; i += ROWS_AT_ONCE) {
      let [a, b, c] = [starts[i], starts[i + 1], starts[i + 2]];
      const [f, g, h] = [factors[i], factors[i + 1], factors[i + 2]];
      if (pending + ROWS_AT_ONCE > most) {
        centreAll(out, from, end, p);
        pending = 0;
      }
      pending += ROWS_AT_ONCE;
      for (let j = from; j < end; j++) out[j] -= f * rows[a++] + g * rows[b++] + h * rows[c++];
    }
    for (; i < count; i++) {
      let a = starts[i];
      const f = factors[i];
      if (pending >= most) centreAll(out, from, end, p);
      pending = pending >= most ? 1 : pending + 1;
      if (i + 1 < count) for (let j = from; j < end; j++) out[j] -= f * rows[a++];
      else for (let j = from; j < end; j++) out[j] = centredResidue(out[j] - f * rows[a++], p, inverse);
    }
    if (count % ROWS_AT_ONCE === 0) centreAll(out, from, end, p);
    // Below this the quotients were off by less than 2^-27, so by less than half of 1 / p.
    if (pending * productBound >= (p - 4) * 2 ** 25) centreAll(out, from, end, p);
  }
}

function centreAll(values: Float64Array, from: number, end: number, p: number): void {
  const inverse = 1 / p;
  for (let j = from; j < end; j++) values[j] = centredResidue(values[j], p, inverse);
}

/** Loops for whoever has no kernel. */
export const PLAIN_RESIDUE_PRODUCTS: ResidueProducts = { subtractProduct: subtractProductByLoops };
