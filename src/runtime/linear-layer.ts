/**
 * One linear layer prepared for the kernel: the integer weights cut into tiles of rows, with their offsets.
 *
 * A convolution keeps its outputs position by position (output p * rows + r), so that each position writes one run of
 * ciphertexts; the next layer reads them through {@link PreparedLayer.orderOf}. The product itself is {@link Kernel.gemm}.
 */
import type { GemmWeights, Kernel } from '../kernel/kernel.ts';
import type { PolynomialLayer } from '../nn/polynomial/polynomial-layer.ts';

/** A run of outputs computed by one matrix product. */
export interface LinearTile {
  readonly weights: GemmWeights;
  /** Ciphertexts that are read, when they are not simply the first `weights.cols`. */
  readonly rowIndex: Uint32Array | undefined;
  /** First output of the run, in this layer's own order. */
  readonly first: number;
  readonly count: number;
  /** Real offset for each output of the run. */
  readonly offsets: Float64Array;
}

export interface PreparedLayer extends Disposable {
  readonly outputs: number;
  readonly tiles: readonly LinearTile[];
  /** Where output o of the network's order is kept. */
  readonly orderOf: (output: number) => number;
}

/** How a layer is cut. */
interface Tiling {
  /** Where input j of the network's order is kept by the layer before. */
  readonly inputOrder: (input: number) => number;
  /** Largest number of outputs per tile; bounds the memory between product and square. */
  readonly tileRows: number;
}

/** Packs the weights for the kernel; a tile covers outputs that one matrix product computes. */
export function prepareLayer(kernel: Kernel, layer: PolynomialLayer, tiling: Tiling): PreparedLayer {
  const cut = layer.gather === undefined ? denseTiles : convolutionTiles;
  const tiles: LinearTile[] = [];
  try {
    cut(tiles, kernel, layer, tiling);
  } catch (error) {
    disposeWeights(tiles);
    throw error;
  }
  const positions = layer.gather?.positions ?? 1;
  return {
    outputs: layer.rows * positions,
    tiles,
    orderOf: (output) => (output % positions) * layer.rows + Math.floor(output / positions),
    [Symbol.dispose]: () => {
      disposeWeights(tiles);
    },
  };
}

/** Tiles may share their weights. */
function disposeWeights(tiles: readonly LinearTile[]): void {
  for (const weights of new Set(tiles.map((tile) => tile.weights))) weights[Symbol.dispose]();
}

function denseTiles(
  tiles: LinearTile[],
  kernel: Kernel,
  layer: PolynomialLayer,
  { inputOrder, tileRows }: Tiling,
): void {
  const { rows, cols } = layer;
  for (let first = 0; first < rows; first += tileRows) {
    const count = Math.min(tileRows, rows - first);
    const weights = new Int32Array(count * cols);
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < cols; j++)
        weights[i * cols + inputOrder(j)] = layer.weights[(first + i) * cols + j]!;
    }
    tiles.push({
      weights: kernel.prepareGemm(weights, count, cols),
      rowIndex: undefined,
      first,
      count,
      offsets: layer.offset.slice(first, first + count),
    });
  }
}

function convolutionTiles(
  tiles: LinearTile[],
  kernel: Kernel,
  layer: PolynomialLayer,
  { inputOrder, tileRows }: Tiling,
): void {
  const { rows, cols } = layer;
  const { positions, rowIndex } = layer.gather!;
  for (let row = 0; row < rows; row += tileRows) {
    const count = Math.min(tileRows, rows - row);
    const weights = kernel.prepareGemm(layer.weights.slice(row * cols, (row + count) * cols), count, cols);
    for (let p = 0; p < positions; p++) {
      tiles.push({
        weights,
        rowIndex: rowIndex.slice(p * cols, (p + 1) * cols).map((input) => inputOrder(input)),
        first: p * rows + row,
        count,
        offsets: Float64Array.from({ length: count }, (_, i) => layer.offset[(row + i) * positions + p]!),
      });
    }
  }
}
