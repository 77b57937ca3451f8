/**
 * The encrypted layers of the sentence network's size, alone: what weight bits cost in the matrix product, and what a square
 * costs. Random weights; the work does not depend on values. What a whole request costs: speech-latency.ts.
 */
import type { Kernel } from '../src/kernel/kernel.ts';
import { openKernel } from '../src/kernel/open.ts';
import { primesBelow } from '../src/ring/primes.ts';
import { type Bench, type BenchRow, reportFor, timeMedian } from './report.ts';

const N = 2 ** 13;
const WIDTH = 512;

/** 512 x 512 weights on 512 two-part ciphertexts with three primes of 42 bits. */
function productRows(kernel: Kernel, bitsList: readonly number[], runs: number): BenchRow[] {
  const moduli = primesBelow(42, N, 3);
  const mods = [0, 1, 2];
  using tables = kernel.openRing(N, moduli);
  const words = WIDTH * 2 * mods.length * N;
  using input = kernel.allocate(words);
  using output = kernel.allocate(words);
  kernel.uniform(tables, input, new Uint8Array(32), mods);
  const rows = bitsList.map((bits) => {
    const largest = 2 ** (bits - 1) - 1;
    const weights = Int32Array.from(
      { length: WIDTH * WIDTH },
      (_, i) => ((i * 2654435761) % (2 * largest + 1)) - largest,
    );
    using prepared = kernel.prepareGemm(weights, WIDTH, WIDTH);
    const time = timeMedian(runs, () => kernel.gemm(tables, output, prepared, input, 2, mods));
    const multiplyAdds = WIDTH * words;
    return {
      op: 'linear 512x512',
      bits,
      ms: time.median,
      spread: time.spread,
      gigaMultiplyAdds: multiplyAdds / time.median / 1e6,
    };
  });
  const widest = rows[rows.length - 1]!.ms;
  return rows.map((row) => ({ ...row, speedupOver16: widest / row.ms }));
}

/** Squares with relinearisation and rescaling, per ciphertext, at four and three primes. */
function squareRows(kernel: Kernel, count: number, runs: number): BenchRow[] {
  const moduli = [...primesBelow(42, N, 4), ...primesBelow(44, N, 1)];
  using tables = kernel.openRing(N, moduli);
  return [4, 3].map((limbs) => {
    const q = Array.from({ length: limbs }, (_, i) => i);
    const shape = { q, p: [4], alpha: 1, keyLimbs: [...q, 4] };
    using key = kernel.allocate(limbs * 2 * (limbs + 1) * N);
    using input = kernel.allocate(count * 2 * limbs * N);
    using output = kernel.allocate(count * 2 * (limbs - 1) * N);
    kernel.uniform(tables, input, new Uint8Array(32), q);
    kernel.uniform(tables, key, new Uint8Array(32), shape.keyLimbs);
    const time = timeMedian(runs, () =>
      kernel.multiplyRelinearizeRescale(tables, output, input, input, key, shape),
    );
    return {
      op: 'square, relinearise, rescale',
      primes: limbs,
      msPerCiphertext: time.median / count,
      spread: time.spread,
    };
  });
}

export const layers: Bench = async ({ quick }) => {
  using kernel = await openKernel();
  const runs = quick ? 1 : 5;
  const rows = [...productRows(kernel, [2, 4, 8, 16], runs), ...squareRows(kernel, 64, runs)];
  return reportFor('layers', kernel, rows);
};
