/** Affine maps: every form computes what its entries say, and products keep that. */
import { describe, expect, test } from 'vitest';
import { composeLinear } from '../../../src/nn/graph/linear-composition.ts';
import {
  DenseMap,
  DiagonalMap,
  GatherMap,
  SparseMap,
  toSparse,
  WindowMap,
} from '../../../src/nn/graph/linear-map.ts';
import { applyMatrix, MAP_KINDS, MapSource, matrixOf } from './random-maps.ts';

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  return Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
}

describe.each(MAP_KINDS)('a %s map', (kind) => {
  test('computes what its entries say, sample by sample', () => {
    const source = new MapSource(1);
    const map = source.map(kind);
    const x = source.values(3 * map.cols);
    const y = map.applyFloat64(x, 3);
    for (let sample = 0; sample < 3; sample++) {
      const one = x.subarray(sample * map.cols, (sample + 1) * map.cols);
      expect(
        largestDifference(applyMatrix(map, one), y.subarray(sample * map.rows, (sample + 1) * map.rows)),
      ).toBeLessThan(1e-12);
    }
    expect(() => map.applyFloat64(x, 2)).toThrow(/2 x 12/);
  });

  test('visits as many entries as it says, and norms are those of the visited ones', () => {
    const map = new MapSource(2).map(kind);
    let visited = 0;
    const [l1, l2] = [new Float64Array(map.rows), new Float64Array(map.rows)];
    map.forEachEntry((row, _, weight) => {
      visited++;
      l1[row] += Math.abs(weight);
      l2[row] += weight ** 2;
    });
    expect(map.entries).toBe(visited);
    expect(map.rowL1()).toEqual(l1);
    expect(map.rowL2()).toEqual(l2.map(Math.sqrt));
  });

  test('is the same map as rows of single entries', () => {
    const map = new MapSource(3).map(kind);
    expect(largestDifference(matrixOf(toSparse(map)), matrixOf(map))).toBeLessThan(1e-15);
    expect(toSparse(map).bias).toEqual(map.bias);
  });
});

test.each(MAP_KINDS.flatMap((outer) => MAP_KINDS.map((inner) => [outer, inner] as const)))(
  'a %s map after a %s map',
  (outerKind, innerKind) => {
    const source = new MapSource(4);
    const [outer, inner] = [source.map(outerKind), source.map(innerKind)];
    const product = composeLinear(outer, inner);
    const x = source.values(inner.cols);
    expect(
      largestDifference(product.applyFloat64(x), outer.applyFloat64(inner.applyFloat64(x))),
    ).toBeLessThan(1e-11);
  },
);

describe('products keep their form', () => {
  /** A valid 2 x 2 convolution of stride 1 over one 5 x 5 channel to `channels`, or a mean over 2 x 2 of stride 2. */
  function window(size: number, stride: number, channels: number, value: (i: number) => number): WindowMap {
    const places = Math.floor((size - 2) / stride) + 1;
    const inputs: number[] = [];
    for (let y = 0; y < places; y++)
      for (let x = 0; x < places; x++)
        for (const [dy, dx] of [
          [0, 0],
          [0, 1],
          [1, 0],
          [1, 1],
        ])
          inputs.push((y * stride + dy) * size + x * stride + dx);
    return new WindowMap({
      cols: size * size,
      groups: 1,
      channels,
      taps: 4,
      positions: places ** 2,
      matrix: Float64Array.from({ length: 4 * channels }, (_, i) => value(i)),
      inputs: Int32Array.from(inputs),
      bias: new Float64Array(channels * places ** 2),
    });
  }

  test('a convolution after a mean pool is one convolution of larger windows', () => {
    const product = composeLinear(
      window(4, 1, 3, (i) => 1 + i * i),
      window(8, 2, 1, () => 0.25),
    );
    expect(product).toBeInstanceOf(WindowMap);
    expect((product as WindowMap).taps).toBe(16);
  });

  test('factors per channel stay a convolution, other factors do not', () => {
    const convolution = window(5, 1, 2, (i) => i + 1);
    const perChannel = new DiagonalMap(Float64Array.from({ length: 32 }, (_, i) => (i < 16 ? 2 : 3)));
    expect(composeLinear(perChannel, convolution)).toBeInstanceOf(WindowMap);
    const perElement = new DiagonalMap(Float64Array.from({ length: 32 }, (_, i) => i));
    expect(composeLinear(perElement, convolution)).toBeInstanceOf(SparseMap);
  });

  test('a transposition around a convolution stays a convolution', () => {
    const convolution = window(5, 1, 2, (i) => i + 1);
    const turn = new GatherMap(
      Int32Array.from({ length: 32 }, (_, i) => (i % 2) * 16 + (i >> 1)),
      32,
    );
    expect(composeLinear(turn, convolution)).toBeInstanceOf(WindowMap);
    expect(composeLinear(new DenseMap(1, 32, new Float64Array(32).fill(1)), turn)).toBeInstanceOf(DenseMap);
  });
});

test('maps whose parts do not fit are refused', () => {
  expect(() => new DenseMap(2, 3, new Float64Array(5))).toThrow(/2 x 3/);
  expect(() => new GatherMap(Int32Array.of(0, 3), 3)).toThrow(/-1 to 2/);
  expect(() =>
    composeLinear(new DiagonalMap(new Float64Array(2)), new DiagonalMap(new Float64Array(3))),
  ).toThrow(/must be 3/);
  const fields = {
    cols: 2,
    groups: 1,
    channels: 1,
    taps: 1,
    positions: 2,
    matrix: new Float64Array(1),
    bias: new Float64Array(2),
  };
  expect(
    () => new WindowMap({ ...fields, inputs: Int32Array.of(0, 1), places: Int32Array.of(1, 1) }),
  ).toThrow(/each once/);
});
