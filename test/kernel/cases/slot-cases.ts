/** Integers at places of a transform, there and back: the ends of the range, fewer values than slots, values that do not fit. */
import type { Output, Row } from '../bench.ts';

export const SLOT_ROWS: readonly Row[] = [
  (bench) => {
    const { kernel, ring, n } = bench;
    const q = ring.moduli[0]!;
    const places = Uint32Array.from({ length: n }, (_, i) => (i * 5 + 3) % n);
    const most = Math.min(q - 1, 2 ** 31 - 1);
    const edges = [0, 1, -1, q - 1, 1 - q, (q - 1) / 2, -(q - 1) / 2, (q + 1) / 2];
    const given = [
      Float64Array.from({ length: n }, (_, i) => edges[i % 8]!),
      Float64Array.from({ length: n - 3 }, () => bench.below(2 ** 30) - 2 ** 29),
      Int32Array.from({ length: n }, (_, i) => [0, -1, most, -most][i % 4]!),
      new Int32Array(0),
      ...[q, -q, 0.5, Number.NaN, Number.POSITIVE_INFINITY, -1e300, -0].map((value) =>
        Float64Array.of(1, value),
      ),
    ];
    const outputs: Output[] = [];
    for (const values of given) {
      const [polynomial, out] = [bench.zeros(n), new Float64Array(n)];
      polynomial.u64().fill(1n);
      const fits = kernel.encodeSlots(ring, polynomial, values, places);
      outputs.push([Number(fits)]);
      if (!fits) continue;
      kernel.decodeSlots(ring, out, polynomial, places);
      outputs.push(polynomial.u64().slice(), out);
    }
    return outputs;
  },
];
