/** Convolutions of ciphertexts as one matrix product over all positions, against a dense layer in the same run. */
import type { Kernel } from '../../src/kernel/kernel.ts';
import { primesBelow } from '../../src/ring/primes.ts';
import { type BenchClock, type Contender, timeInTurn } from '../in-turn.ts';
import type { BenchRow } from '../report.ts';

const LOG_N = 13;
const LIMBS = 2;
const PARTS = 2;

/** A square image in `maps` channels, read through windows of 5 x 5 by `rows` filters; the first is the network CryptoNets'. */
const CONVOLUTIONS = [
  { rows: 5, image: 28, maps: 1, stride: 2 },
  { rows: 20, image: 28, maps: 1, stride: 2 },
  { rows: 16, image: 12, maps: 6, stride: 1 },
] as const;
const WINDOW = 5;
const DENSE = { rows: 100, cols: 720 };

function windows({ image, maps, stride }: (typeof CONVOLUTIONS)[number]): Uint32Array {
  const side = Math.floor((image - WINDOW) / stride) + 1;
  const index: number[] = [];
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++)
      for (let map = 0; map < maps; map++)
        for (let tap = 0; tap < WINDOW ** 2; tap++) {
          const row = map * image + y * stride + Math.floor(tap / WINDOW);
          index.push(row * image + x * stride + (tap % WINDOW));
        }
  return Uint32Array.from(index);
}

/** 8-bit weights, primes of 42 bits; `shareOfDense` is the rate of multiply-adds over that of the dense layer of the same kernel. */
export function convolutionRows(
  kernels: readonly (Kernel & { readonly label: string })[],
  rounds: number,
  clock: BenchClock,
): BenchRow[] {
  const n = 2 ** LOG_N;
  const mods = [...Array(LIMBS).keys()];
  const run = PARTS * LIMBS * n;
  const shapes = [
    { ...DENSE, op: `dense-${DENSE.rows}x${DENSE.cols}`, index: undefined, inputs: DENSE.cols },
    ...CONVOLUTIONS.map((shape) => ({
      op: `convolution-${shape.rows}x${shape.maps * WINDOW ** 2}`,
      rows: shape.rows,
      cols: shape.maps * WINDOW ** 2,
      index: windows(shape),
      inputs: shape.maps * shape.image ** 2,
    })),
  ];
  return kernels.flatMap((kernel) => {
    using tables = kernel.openRing(n, primesBelow(42, n, LIMBS));
    const owned: Disposable[] = [];
    const work = shapes.map(({ rows, cols, index, inputs }) => {
      const weights = Int32Array.from({ length: rows * cols }, (_, i) => ((i * 2654435761) % 255) - 127);
      const positions = (index?.length ?? cols) / cols;
      const [input, output] = [kernel.allocate(inputs * run), kernel.allocate(positions * rows * run)];
      const prepared = kernel.prepareGemm(weights, rows, cols);
      owned.push(prepared, input, output);
      kernel.uniform(tables, input, new Uint8Array(32), mods);
      const product = () => kernel.gemm(tables, output, prepared, input, PARTS, mods, index);
      return { multiplyAdds: positions * rows * cols * run, product };
    });
    const contenders = work.map(
      ({ product }): Contender => ({ kernel: kernel.label, threads: 1, run: product }),
    );
    const times = timeInTurn(contenders, rounds, clock);
    for (const value of owned) value[Symbol.dispose]();
    const rates = work.map(({ multiplyAdds }, i) => multiplyAdds / times[i]!.median / 1000);
    return shapes.map(({ op }, i) => ({
      ...{ op, scheme: 'ring', logN: LOG_N, limbs: LIMBS, special: 0, threads: 1, kernel: kernel.label },
      ...{ us: times[i]!.median, spread: times[i]!.spread },
      gigaMultiplyAdds: rates[i]!,
      shareOfDense: rates[i]! / rates[0]!,
    }));
  });
}
