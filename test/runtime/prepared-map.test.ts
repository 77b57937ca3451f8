import { expect, it } from 'vitest';
import type { IntegerMap } from '../../src/compiler/integer-map.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { PreparedMap } from '../../src/runtime/prepared-map.ts';

/** Five windows of one matrix, one of another, and a dense matrix. */
const matrices = [
  { rows: 3, cols: 2, weights: Int32Array.of(1, 2, 3, 4, 5, 6) },
  { rows: 1, cols: 2, weights: Int32Array.of(7, 8) },
  { rows: 5, cols: 1, weights: Int32Array.of(1, 2, 3, 4, 5) },
];
const map: IntegerMap = {
  ...{ name: 'windows', inputs: 6, outputs: 21, step: 1, bits: 8, matrices, offsets: new Float64Array(21) },
  blocks: [
    ...Array.from({ length: 5 }, (_, i) => ({ matrix: 0, first: 3 * i, inputs: Uint32Array.of(i, i + 1) })),
    { matrix: 1, first: 15, inputs: Uint32Array.of(0, 5) },
    { matrix: 2, first: 16 },
  ],
};

const kernel = {
  prepareGemm: (_: Int32Array, rows: number, cols: number) => ({ rows, cols, [Symbol.dispose]() {} }),
} as unknown as Kernel;

function tilesOf(tileRows: number) {
  using prepared = new PreparedMap(kernel, map, tileRows);
  return prepared.tiles.map(({ first, count, weights: { rows }, rowIndex }) => [
    first,
    count,
    rows,
    rowIndex && [...rowIndex],
  ]);
}

it('joins as many neighbours with the same matrix as a tile has outputs', () => {
  expect(tilesOf(7)).toEqual([
    [0, 6, 3, [0, 1, 1, 2]],
    [6, 6, 3, [2, 3, 3, 4]],
    [12, 3, 3, [4, 5]],
    [15, 1, 1, [0, 5]],
    [16, 5, 5, undefined],
  ]);
  expect(tilesOf(100).map(([first, count]) => [first, count])).toEqual([
    [0, 15],
    [15, 1],
    [16, 5],
  ]);
});

it('cuts a block that is larger than a tile', () => {
  expect(tilesOf(2).map(([first, count]) => [first, count])).toEqual([
    ...Array.from({ length: 5 }, (_, i) => [
      [3 * i, 2],
      [3 * i + 2, 1],
    ]).flat(),
    [15, 1],
    [16, 2],
    [18, 2],
    [20, 1],
  ]);
});
