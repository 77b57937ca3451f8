/** An integer map made ready for the kernel: weights packed, rows cut into tiles. The product itself is {@link Kernel.gemm}. */
import type { IntegerMap } from '../compiler/integer-map.ts';
import type { GemmWeights, Kernel } from '../kernel/kernel.ts';

/** A run of outputs computed by one matrix product. */
export interface MapTile {
  readonly weights: GemmWeights;
  /** Ciphertexts that are read, when they are not simply the first `weights.cols`. */
  readonly rowIndex: Uint32Array | undefined;
  /** First output of the run. */
  readonly first: number;
  readonly count: number;
}

export class PreparedMap implements Disposable {
  readonly tiles: readonly MapTile[];

  /** `tileRows`: the largest number of outputs per tile; bounds the memory between a map and its product. */
  constructor(kernel: Kernel, map: IntegerMap, tileRows: number) {
    const tiles: MapTile[] = [];
    try {
      const packed = new Map<string, GemmWeights>();
      for (const block of map.blocks) {
        const { rows, cols, weights } = map.matrices[block.matrix]!;
        for (let row = 0; row < rows; row += tileRows) {
          const count = Math.min(tileRows, rows - row);
          const key = `${block.matrix}:${row}`;
          let some = packed.get(key);
          if (some === undefined) {
            some = kernel.prepareGemm(weights.slice(row * cols, (row + count) * cols), count, cols);
            packed.set(key, some);
          }
          tiles.push({ weights: some, rowIndex: block.inputs, first: block.first + row, count });
        }
      }
    } catch (error) {
      disposeWeights(tiles);
      throw error;
    }
    this.tiles = tiles;
  }

  [Symbol.dispose](): void {
    disposeWeights(this.tiles);
  }
}

/** Tiles may share their weights. */
function disposeWeights(tiles: readonly MapTile[]): void {
  for (const weights of new Set(tiles.map((tile) => tile.weights))) weights[Symbol.dispose]();
}
