/** Affine maps of every form, from a seed. */
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import {
  DenseMap,
  DiagonalMap,
  GatherMap,
  sparseFromRows,
  WindowMap,
} from '../../../src/nn/graph/linear-map.ts';
import type { LinearMap } from '../../../src/nn/graph/linear-map.ts';

export const MAP_KINDS = ['dense', 'window', 'grouped', 'placed', 'diagonal', 'gather', 'sparse'] as const;

export class MapSource {
  readonly generator: SeededGenerator;

  constructor(seed: number) {
    this.generator = new SeededGenerator(seed);
  }

  integer(below: number): number {
    return Math.floor(this.generator.uniform() * below);
  }

  values(length: number): Float64Array {
    return Float64Array.from({ length }, () => this.generator.normal());
  }

  /** A map of 12 columns; a `diagonal` has as many rows. */
  map(kind: (typeof MAP_KINDS)[number], cols = 12): LinearMap {
    const rows = kind === 'diagonal' ? cols : 12;
    const bias = this.values(rows);
    switch (kind) {
      case 'dense':
        return new DenseMap(rows, cols, this.values(rows * cols), bias);
      case 'diagonal':
        return new DiagonalMap(this.values(cols), bias);
      case 'gather':
        return new GatherMap(
          Int32Array.from({ length: rows }, () => this.integer(cols + 1) - 1),
          cols,
          bias,
        );
      case 'sparse':
        return sparseFromRows(cols, bias, () => ({
          columns: Array.from({ length: 3 }, () => this.integer(cols)),
          weights: this.values(3),
        }));
      default: {
        const groups = kind === 'grouped' ? 2 : 1;
        const [channels, positions, taps] = [4, 3, 5];
        const places = Int32Array.from({ length: rows }, (_, i) => (i * 5) % rows);
        return new WindowMap({
          cols,
          groups,
          channels,
          taps,
          positions,
          matrix: this.values(channels * taps),
          inputs: Int32Array.from({ length: groups * positions * taps }, () => this.integer(cols + 1) - 1),
          bias,
          ...(kind === 'placed' ? { places } : {}),
        });
      }
    }
  }
}

/** The matrix, by the entries. */
export function matrixOf(map: LinearMap): Float64Array {
  const matrix = new Float64Array(map.rows * map.cols);
  map.forEachEntry((row, col, weight) => {
    matrix[row * map.cols + col] += weight;
  });
  return matrix;
}

/** W x + bias by the matrix. */
export function applyMatrix(map: LinearMap, x: Float64Array): Float64Array {
  const matrix = matrixOf(map);
  return map.bias.map((bias, row) =>
    x.reduce((sum, value, col) => sum + matrix[row * map.cols + col] * value, bias),
  );
}
