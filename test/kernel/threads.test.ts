import { afterAll, describe, expect, it } from 'vitest';
import type { RingTables } from '../../src/kernel/kernel.ts';
import { loadNativeKernel } from '../../src/kernel/native/native.ts';
import { primesBelow } from '../../src/ring/primes.ts';

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

const switched = { n: 4096, q: [0, 1, 2, 3, 4], bits: 43 };

/** A rotation and a square, with one and with two special primes, whose limbs are worth sharing. */
function keySwitches(threads: number): string[] {
  const { n, q, bits } = switched;
  const kernel = loadNativeKernel({ threads });
  using tables = kernel.openRing(n, primesBelow(bits, n, q.length + 2));
  return [1, 2].flatMap((specials) => {
    const p = [q.length, q.length + 1].slice(0, specials);
    const shape = { q, p, alpha: specials, keyLimbs: [...q, ...p] };
    using a = kernel.allocate(2 * q.length * n);
    kernel.uniform(tables, a, new Uint8Array(32).fill(1), q);
    using key = kernel.allocate(2 * Math.ceil(q.length / specials) * shape.keyLimbs.length * n);
    kernel.uniform(tables, key, new Uint8Array(32).fill(2), shape.keyLimbs);
    using rotated = kernel.allocate(a.length);
    using square = kernel.allocate(a.length - 2 * n);
    kernel.rotate(tables, rotated, a, key, 5, shape);
    kernel.multiplyRelinearizeRescale(tables, square, a, a, key, shape);
    return [rotated, square].map((words) => Buffer.from(words.bytes()).toString('base64'));
  });
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

  it('switches keys on any number of threads as on one', () => {
    const expected = keySwitches(1);
    for (const threads of [2, 3, 8, 2, 2, 2]) expect(keySwitches(threads)).toEqual(expected);
  });

  it('survives many short loops', () => {
    for (let i = 0; i < 10; i++) expect(products(2).single[0]).toBe(alone.single[0]);
  });
});
