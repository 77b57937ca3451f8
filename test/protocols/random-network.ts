import { PolynomialNetwork } from '../../src/nn/polynomial/polynomial-network.ts';
import type { PolynomialLayer } from '../../src/nn/polynomial/polynomial-layer.ts';
import { SeededGenerator } from '../../src/nn/tensor/generator.ts';

/** Standard normal inputs, row-major [samples, features]. */
export function randomInputs(samples: number, features: number, seed: number): Float32Array {
  const generator = new SeededGenerator(seed);
  return Float32Array.from({ length: samples * features }, () =>
    Math.max(-8, Math.min(8, generator.normal())),
  );
}

/** A network with random integer weights whose activations stay near 1, its ranges measured on random inputs. */
export function randomNetwork(widths: readonly number[], bits: number, seed: number): PolynomialNetwork {
  const generator = new SeededGenerator(seed);
  const largest = 2 ** (bits - 1) - 1;
  const layers: PolynomialLayer[] = [];
  for (let i = 0; i + 1 < widths.length; i++) {
    const [cols, rows] = [widths[i]!, widths[i + 1]!];
    const weights = Int32Array.from(
      { length: rows * cols },
      () => generator.below(2 * largest + 1) - largest,
    );
    layers.push({
      weights,
      rows,
      cols,
      step: 1 / (largest * Math.sqrt(cols)),
      offset: Float64Array.from({ length: rows }, () => 0.3 * generator.normal()),
      square: i + 2 < widths.length,
    });
  }
  return measureRanges(layers, widths[0]!, bits, seed + 1);
}

/** A convolution over 12 positions with 2 input channels, then dense layers. */
export function randomConvolution(bits: number, seed: number): PolynomialNetwork {
  const generator = new SeededGenerator(seed);
  const largest = 2 ** (bits - 1) - 1;
  const draw = (length: number) =>
    Int32Array.from({ length }, () => generator.below(2 * largest + 1) - largest);
  const [positions, rows, width, length] = [5, 3, 4, 12];
  const rowIndex = Uint32Array.from({ length: positions * 2 * width }, (_, at) => {
    const [p, j] = [Math.floor(at / (2 * width)), at % (2 * width)];
    return Math.floor(j / width) * length + 2 * p + (j % width);
  });
  const offsets = (count: number) => Float64Array.from({ length: count }, () => 0.2 * generator.normal());
  const layers: PolynomialLayer[] = [
    {
      weights: draw(rows * 2 * width),
      rows,
      cols: 2 * width,
      step: 1 / (largest * 2),
      offset: offsets(rows * positions),
      square: true,
      gather: { positions, rowIndex },
    },
    { weights: draw(7 * 15), rows: 7, cols: 15, step: 1 / (largest * 4), offset: offsets(7), square: true },
    { weights: draw(4 * 7), rows: 4, cols: 7, step: 1 / (largest * 2), offset: offsets(4), square: false },
  ];
  return measureRanges(layers, 2 * length, bits, seed + 1);
}

function measureRanges(
  layers: PolynomialLayer[],
  inputs: number,
  bits: number,
  seed: number,
): PolynomialNetwork {
  const network = new PolynomialNetwork(layers, inputs, bits);
  const wide = layers.map(() => [-1e-12, 1e-12] as const);
  const seen = network.withRanges(wide).checkRanges(randomInputs(200, inputs, seed));
  return network.withRanges(seen.map((violation) => violation.seen));
}
