/** Cases of integer maps: rows of the table in cases.ts. */
import { inputSize, integerConvolution, outputSize } from '../../../src/kernel/integer-linear-map.ts';
import type { IntegerConvolution, IntegerLinearMap } from '../../../src/kernel/integer-linear-map.ts';
import { integerPanels, PANEL_COLUMNS } from '../../../src/kernel/tables/integer-panels.ts';
import type { Bench, Row } from '../bench.ts';

/** Any 32-bit word, the extremes often. */
function anyWord(bench: Bench): number {
  const edges = [-(2 ** 31), 2 ** 31 - 1, -1, 0x7fff8000, -0x8000, 0x8000];
  const choice = bench.below(12);
  return choice < edges.length ? edges[choice] : bench.below(2 ** 32) | 0;
}

function integerRow(
  makeMap: (weights: (length: number) => Int8Array) => IntegerLinearMap,
  batch: number,
): Row {
  return (bench) => {
    const map = makeMap((length) =>
      Int8Array.from({ length }, () => (bench.below(5) === 0 ? -128 : bench.below(256))),
    );
    using prepared = bench.kernel.prepareIntegerLinear(map);
    const x = Int32Array.from({ length: batch * inputSize(map) }, () => anyWord(bench));
    const out = new Int32Array(batch * outputSize(map)).fill(-1);
    bench.kernel.integerLinear(out, prepared, x, batch);
    return [out];
  };
}

export const denseRow = (inputs: number, outputs: number, batch: number): Row =>
  integerRow((weights) => ({ kind: 'dense', inputs, outputs, weights: weights(inputs * outputs) }), batch);

function convolutionRow(
  extents: readonly [channels: number, height: number, width: number],
  channels: number,
  kernel: readonly [number, number],
  options: Partial<Pick<IntegerConvolution, 'stride' | 'padding' | 'dilation' | 'groups'>>,
  batch = 1,
): Row {
  return integerRow((weights) => {
    const [inChannels, height, width] = extents;
    const count = (channels * inChannels * kernel[0] * kernel[1]) / (options.groups ?? 1);
    return integerConvolution(
      { channels: inChannels, height, width },
      channels,
      kernel,
      weights(count),
      options,
    );
  }, batch);
}

export const INTEGER_ROWS: readonly Row[] = [
  denseRow(1, 1, 1),
  denseRow(40, 7, 2),
  denseRow(97, 35, 7),
  convolutionRow([1, 1, 1], 1, [1, 1], {}),
  convolutionRow([3, 9, 11], 5, [3, 3], { padding: [1, 1] }, 2),
  convolutionRow([2, 13, 10], 7, [5, 3], { stride: [4, 3], padding: [2, 0] }),
  convolutionRow([4, 12, 12], 6, [3, 3], { groups: 2, dilation: [2, 3], padding: [2, 3] }, 3),
  convolutionRow([6, 5, 6], 6, [2, 2], { groups: 6 }),
  // More terms than one pass over them takes, and an odd number.
  convolutionRow([33, 6, 7], 13, [3, 3], { padding: [1, 1] }),
];

/** Weights that become others in a few places, in all of them, in none: products of rows that fit 16 bits and of any. */
export const productRow: Row = (bench) => {
  const [count, length, n] = [5, 37, 3 * PANEL_COLUMNS];
  const ends = [2 ** 15 - 1, -(2 ** 15), 2 ** 31 - 1, -(2 ** 31)];
  const integers = (size: number, bound: number) =>
    Int32Array.from({ length: size }, () =>
      bench.below(6) === 0
        ? Math.max(-bound, Math.min(bound - 1, ends[bench.below(4)]))
        : bench.below(2 * bound) - bound,
    );
  const outputs: Int32Array[] = [];
  for (const rowBound of [2 ** 15, 2 ** 31]) {
    const panels = integerPanels(integers(length * n, rowBound), n);
    let before: Int32Array | undefined;
    const out = integers(count * n, 2 ** 31);
    for (const bound of [2 ** 15, 2 ** 14, 2 ** 31]) {
      const fresh = integers(count * length, bound);
      // The first row stays, and so do most entries of the others.
      const few = fresh.map((value, i) =>
        i < length || bench.below(8) > 0 ? value : value + bench.below(9) - 4,
      );
      for (const weights of [fresh, few, few, few.map((value, i) => (i % 5 === 0 ? value : 0))]) {
        bench.kernel.updateIntegerProduct(out, panels, n, weights, before);
        outputs.push(out.slice());
        before = weights;
      }
    }
  }
  return outputs;
};
