/** Methods of {@link Kernel} made of others or of plain loops, for the kernels that have none of their own. */
import type { Kernel, RingTables, Words } from './kernel.ts';
import { checkMultiples, checkSumProducts, checkTransformDot } from './preconditions.ts';

/** {@link Kernel.transformDot}, row by row. */
export function transformDotByParts(
  kernel: Kernel,
  ring: RingTables,
  out: Words,
  values: Int32Array | Float64Array,
  b: Words,
  mods: readonly number[],
): void {
  const { rows, terms } = checkTransformDot(ring, out, values, b, mods);
  const size = mods.length * ring.n;
  const transforms = kernel.allocate(terms * size);
  try {
    for (let row = 0; row < rows; row++) {
      const own = values.subarray(row * terms * ring.n, (row + 1) * terms * ring.n);
      kernel.transformDoubles(ring, transforms, Float64Array.from(own), mods);
      const sum = out.sub(row * size, size);
      kernel.mul(ring, sum, transforms.sub(0, size), b.sub(0, size), mods);
      for (let t = 1; t < terms; t++)
        kernel.mulAdd(ring, sum, transforms.sub(t * size, size), b.sub(t * size, size), mods);
    }
  } finally {
    transforms.wipe();
  }
}

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

/** {@link Kernel.addMultiples}. */
export function addMultiplesByLoops(out: Int32Array, rows: Int32Array, n: number, updates: Int32Array): void {
  checkMultiples(out, rows, n, updates);
  for (let i = 0; i < updates.length; i += 3) {
    let [to, from] = [(updates[i] as number) * n, (updates[i + 1] as number) * n];
    const factor = updates[i + 2] as number;
    for (const end = to + n; to < end; to++, from++) out[to] += Math.imul(factor, rows[from]);
  }
}
