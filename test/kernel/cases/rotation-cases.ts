/** Blind rotations: exponents at the ends of the range and odd ones, digits of one bit and of many, a batch. */
import type { Row } from '../bench.ts';

export const ROTATION_ROWS: readonly Row[] = [1, 2].flatMap((count) =>
  [1, 13, 27, 49].map(
    (shift): Row =>
      (bench) => {
        const { kernel, ring, n } = bench;
        const edges = [0, 1, n - 1, n, n + 1, 2 * n - 1, bench.below(2 * n), bench.below(n) | 1];
        const acc = bench.polynomials(2 * count, [0]);
        const out = bench.zeros(acc.length);
        out.u64().set(acc.u64());
        const exponents = Uint32Array.from(
          { length: count * edges.length },
          (_, i) => edges[i % edges.length]!,
        );
        kernel.blindRotate(ring, out, exponents, bench.polynomials(4 * edges.length, [0]), shift);
        return [out.u64().slice()];
      },
  ),
);
