/** Methods of {@link Kernel} made of others or of plain loops, for the kernels that have none of their own. */
import { checkIntegerProduct, PANEL_COLUMNS } from './integer-panels.ts';
import type { Kernel, RingTables, Words } from './kernel.ts';
import { checkSumProducts } from './preconditions.ts';

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
  const { count, length } = checkIntegerProduct(out, panels, n, weights, before);
  let saved = 0;
  if (before !== undefined) {
    for (let i = 0; i < weights.length; i++)
      saved += (weights[i] === 0 ? 0 : 1) - (weights[i] === before[i] ? 0 : 1);
  }
  const known = saved > 0 ? before : undefined;
  if (known === undefined) out.fill(0);
  for (let row = 0; row < count; row++) {
    for (let j = 0; j < length; j++) {
      const factor = (weights[row * length + j] as number) - (known?.[row * length + j] ?? 0);
      if (factor === 0) continue;
      for (let column = 0; column < n; column += PANEL_COLUMNS) {
        let from = column * length + j * PANEL_COLUMNS;
        let to = row * n + column;
        for (const end = to + PANEL_COLUMNS; to < end; to++, from++)
          out[to] += Math.imul(factor, panels[from] as number);
      }
    }
  }
}
