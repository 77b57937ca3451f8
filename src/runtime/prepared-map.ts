/** An integer map made ready for the kernel: weights packed, rows cut into tiles. The product itself is {@link Kernel.gemm}. */
import type { IntegerMap, MapBlock } from '../compiler/integer-map.ts';
import type { GemmWeights, Kernel } from '../kernel/kernel.ts';

/** A run of outputs computed by one matrix product: rows of one block, or whole blocks that share their matrix. */
export interface MapTile {
  readonly weights: GemmWeights;
  /** Ciphertexts that are read, block after block, when they are not simply the first `weights.cols`. */
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
      for (const { matrix, first, inputs } of joinBlocks(map, tileRows)) {
        const { rows, cols, weights } = map.matrices[matrix]!;
        const positions = inputs === undefined ? 1 : inputs.length / cols;
        for (let row = 0; row < rows; row += tileRows) {
          const count = Math.min(tileRows, rows - row);
          const key = `${matrix}:${row}`;
          let some = packed.get(key);
          if (some === undefined) {
            some = kernel.prepareGemm(weights.slice(row * cols, (row + count) * cols), count, cols);
            packed.set(key, some);
          }
          tiles.push({ weights: some, rowIndex: inputs, first: first + row, count: positions * count });
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

/** Neighbours with the same matrix, as in a convolution, become one block with the inputs of all, of at most `tileRows` outputs. */
function joinBlocks({ matrices, blocks }: IntegerMap, tileRows: number): MapBlock[] {
  const runs: MapBlock[][] = [];
  for (const block of blocks) {
    const run = runs.at(-1);
    const isNext = run !== undefined && run[0]!.matrix === block.matrix;
    const hasInputs = block.inputs !== undefined && run?.[0]!.inputs !== undefined;
    if (isNext && hasInputs && (run.length + 1) * matrices[block.matrix]!.rows <= tileRows) run.push(block);
    else runs.push([block]);
  }
  return runs.map((run) => {
    if (run.length === 1) return run[0]!;
    const { cols } = matrices[run[0]!.matrix]!;
    const inputs = new Uint32Array(run.length * cols);
    run.forEach((block, position) => {
      inputs.set(block.inputs!, position * cols);
    });
    return { ...run[0]!, inputs };
  });
}

/** Tiles may share their weights. */
function disposeWeights(tiles: readonly MapTile[]): void {
  for (const weights of new Set(tiles.map((tile) => tile.weights))) weights[Symbol.dispose]();
}
