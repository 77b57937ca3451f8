/** The modular matrix product with 4-bit weights against the multiply-add peak of one core, measured in turn with it. */
import type { Kernel } from '../../src/kernel/kernel.ts';
import { nativeMultiplyAdds } from '../../src/kernel/native/native.ts';
import { primesBelow } from '../../src/ring/primes.ts';
import { type BenchClock, type Contender, timeInTurn } from '../in-turn.ts';
import type { BenchRow } from '../report.ts';

const LOG_N = 13;
const SIZE = 512;
const PEAK_TURNS = 200_000;

/**
 * 512 x 512 weights in [-7, 7] times 512 polynomials, for primes of 42 and of 48 bits. A sum of residues below 2^42 stays exact in
 * a double for hundreds of terms, one below 2^48 for nine: the wider prime needs reductions or twice the products there.
 */
export function gemmRows(
  kernels: readonly (Kernel & { readonly label: string })[],
  rounds: number,
  clock: BenchClock,
): BenchRow[] {
  const n = 2 ** LOG_N;
  const weights = Int32Array.from({ length: SIZE * SIZE }, (_, i) => ((i * 2654435761) % 15) - 7);
  return [42, 48].flatMap((bits) => {
    const moduli = primesBelow(bits, n, 1);
    const owned: Disposable[] = [];
    const contenders = kernels.flatMap((kernel): Contender[] => {
      const tables = kernel.openRing(n, moduli);
      const [input, output] = [kernel.allocate(SIZE * n), kernel.allocate(SIZE * n)];
      const prepared = kernel.prepareGemm(weights, SIZE, SIZE);
      owned.push(prepared, input, output, tables);
      kernel.uniform(tables, input, new Uint8Array(32), [0]);
      const product = { kernel: kernel.label, threads: 1 };
      const work = { ...product, run: () => kernel.gemm(tables, output, prepared, input, 1, [0]) };
      if (kernel.name !== 'native' || nativeMultiplyAdds(kernel.isa, 1) === 0) return [work];
      return [work, { ...product, run: () => void nativeMultiplyAdds(kernel.isa, PEAK_TURNS) }];
    });
    const times = timeInTurn(contenders, rounds, clock);
    for (const value of owned) value[Symbol.dispose]();
    const rows: BenchRow[] = [];
    contenders.forEach(({ kernel }, i) => {
      const { median, spread } = times[i]!;
      const isPeak = i > 0 && contenders[i - 1]!.kernel === kernel;
      const isa = kernel.slice('native/'.length);
      const multiplyAdds = isPeak ? nativeMultiplyAdds(isa, PEAK_TURNS) : SIZE * SIZE * n;
      const op = isPeak ? 'multiply-add-peak' : `gemm-4-bit-weights-${bits}-bit-prime`;
      const rate = multiplyAdds / median / 1000;
      const peak = isPeak ? rate : peakAfter(i);
      rows.push({
        ...{ op, scheme: 'ring', logN: LOG_N, limbs: 1, special: 0, threads: 1, kernel, us: median, spread },
        gigaMultiplyAdds: rate,
        shareOfPeak: peak === undefined ? 0 : rate / peak,
      });
    });
    return rows;

    function peakAfter(i: number): number | undefined {
      const next = contenders[i + 1];
      if (next === undefined || next.kernel !== contenders[i]!.kernel) return undefined;
      const isa = next.kernel.slice('native/'.length);
      return nativeMultiplyAdds(isa, PEAK_TURNS) / times[i + 1]!.median / 1000;
    }
  });
}
