import { afterAll, describe, expect, it } from 'vitest';
import type { RingTables } from '../../src/kernel/kernel.ts';
import { loadNativeKernel } from '../../src/kernel/native.ts';

const shape = { rows: 64, cols: 64, n: 1024, q: 4398042316801 };
const ring: RingTables = { n: shape.n, moduli: [shape.q], [Symbol.dispose]() {} };

/** The same modular and single-precision products, both large enough to be shared out, on so many threads. */
function products(threads: number) {
  const kernel = loadNativeKernel({ threads });
  using c = kernel.allocate(shape.cols * shape.n);
  using out = kernel.allocate(shape.rows * shape.n);
  c.u64().forEach((_, i, words) => {
    words[i] = (BigInt(i) * 0x9e3779b97f4a7c15n) % BigInt(shape.q);
  });
  using weights = kernel.prepareGemm(
    Int32Array.from({ length: shape.rows * shape.cols }, (_, i) => ((i * 37) % 255) - 127),
    shape.rows,
    shape.cols,
  );
  kernel.gemm(ring, out, weights, c, 1, [0]);
  const factor = (seed: number) => Float32Array.from({ length: 160 * 160 }, (_, i) => Math.sin(i * seed));
  const single = new Float32Array(160 * 160);
  kernel.sgemm(false, true, 160, 160, 160, 1, factor(1), factor(2), 0, single);
  return { threads: kernel.threads, modular: out.u64().slice(), single };
}

describe('the thread pool', () => {
  afterAll(() => {
    loadNativeKernel();
  });

  const alone = products(1);

  it.each([2, 3, 8, 2])('gives with %i threads the bits that one thread gives', (threads) => {
    const shared = products(threads);
    expect(shared.threads).toBe(threads);
    expect(shared.modular).toEqual(alone.modular);
    expect(shared.single).toEqual(alone.single);
  });

  it('survives many short loops', () => {
    for (let i = 0; i < 10; i++) expect(products(2).single[0]).toBe(alone.single[0]);
  });
});
