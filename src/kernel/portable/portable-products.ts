/** Methods of {@link Kernel} made of others or of plain loops, for the kernels that have none of their own. */
import { checkIntegerProduct, PANEL_COLUMNS } from '../tables/integer-panels.ts';
import { integerTerms } from '../tables/integer-terms.ts';
import type { Kernel, RingTables, Words } from '../kernel.ts';
import { checkSumProducts } from '../preconditions.ts';

/** {@link Kernel.sumProducts}, term by term. */
export function sumProductsByParts(
  kernel: Kernel,
  ring: RingTables,
  out: Words,
  a: Words,
  b: Words,
  mods: readonly number[],
): void {
  const terms = checkSumProducts(ring, out, a, b, mods);
  const size = mods.length * ring.n;
  kernel.mul(ring, out, a.sub(0, out.length), b.sub(0, size), mods);
  for (let t = 1; t < terms; t++)
    kernel.mulAdd(ring, out, a.sub(t * out.length, out.length), b.sub(t * size, size), mods);
}

/** {@link Kernel.updateIntegerProduct}. */
export function updateIntegerProductByLoops(
  out: Int32Array,
  panels: Int16Array | Int32Array,
  n: number,
  weights: Int32Array,
  before?: Int32Array,
): void {
  const { length } = checkIntegerProduct(out, panels, n, weights, before);
  const { terms, ends, areChanges } = integerTerms(weights, before, length);
  if (!areChanges) out.fill(0);
  for (let row = 0, at = 0; row < ends.length; row++) {
    for (const end = 2 * (ends[row] as number); at < end; at += 2) {
      const [j, factor] = [terms[at] as number, terms[at + 1] as number];
      for (let column = 0; column < n; column += PANEL_COLUMNS) {
        let from = column * length + j * PANEL_COLUMNS;
        let to = row * n + column;
        for (const stop = to + PANEL_COLUMNS; to < stop; to++, from++)
          out[to] += Math.imul(factor, panels[from] as number);
      }
    }
  }
}
