/** The integer network of a polynomial network, from its layers and nothing of the compiler: what exact programs are compared with. */
import type { PolynomialNetwork } from '../../src/nn/polynomial/polynomial-network.ts';

export interface IntegerScores {
  /** Row-major [samples, outputs]. */
  readonly scores: bigint[];
  /** Score = integer / scale. */
  readonly scale: number;
}

/** `inputs`: integers, row-major [samples, features], that stand for real values times `inputScale`. */
export function integerScores(
  network: PolynomialNetwork,
  inputs: ArrayLike<number>,
  inputScale: number,
): IntegerScores {
  const samples = inputs.length / network.inputs;
  const scores: bigint[] = [];
  let scale = inputScale;
  for (let t = 0; t < samples; t++) {
    let row: (number | bigint)[] = Array.from(
      { length: network.inputs },
      (_, i) => inputs[t * network.inputs + i]!,
    );
    scale = inputScale;
    for (const layer of network.layers) {
      scale /= layer.step;
      row = linear(layer, row, scale);
      if (!layer.square) continue;
      scale *= scale;
      row = row.map((value) => exact(BigInt(value) * BigInt(value)));
    }
    for (const value of row) scores.push(BigInt(value));
  }
  return { scores, scale };
}

function linear(
  { weights, rows, cols, gather, offset }: PolynomialNetwork['layers'][number],
  row: readonly (number | bigint)[],
  scale: number,
): (number | bigint)[] {
  const positions = gather?.positions ?? 1;
  const out = new Array<number | bigint>(rows * positions);
  for (let p = 0; p < positions; p++) {
    const read = Array.from({ length: cols }, (_, c) => row[gather?.rowIndex[p * cols + c] ?? c]!);
    const most = read.reduce<number>((largest, value) => Math.max(largest, Math.abs(Number(value))), 1);
    for (let r = 0; r < rows; r++) {
      const bias = Math.round(offset[r * positions + p]! * scale);
      const own = weights.subarray(r * cols, (r + 1) * cols);
      out[r * positions + p] =
        most * cols * 2 ** 15 + Math.abs(bias) < 2 ** 53
          ? own.reduce((sum, weight, c) => sum + weight * (read[c] as number), bias)
          : exact(own.reduce((sum, weight, c) => sum + BigInt(weight) * BigInt(read[c]!), BigInt(bias)));
    }
  }
  return out;
}

/** A double where it holds the value: much faster. */
function exact(value: bigint): number | bigint {
  return value > -(2n ** 52n) && value < 2n ** 52n ? Number(value) : value;
}
