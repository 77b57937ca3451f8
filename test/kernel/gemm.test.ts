import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DisposedError, OutOfRangeError, ShapeError } from '../../src/base/errors.ts';
import type { Kernel, RingTables } from '../../src/kernel/kernel.ts';
import { loadNativeKernel, nativeIsas } from '../../src/kernel/native/native.ts';
import { isPrime } from '../../src/kernel/tables/primitive-root.ts';

/** The largest primes below 2^bits that are 1 mod 2^17. */
function primesBelow(bits: number, count: number): number[] {
  const step = 2 ** 17;
  const found: number[] = [];
  for (let q = 2 ** bits - step + 1; found.length < count; q -= step) if (isPrime(q)) found.push(q);
  return found;
}

const moduli = [...primesBelow(30, 1), ...primesBelow(42, 2), ...primesBelow(49, 1), ...primesBelow(50, 1)];

/** The products read a ring's degree and primes only. */
function plainRing(n: number): RingTables {
  return { n, moduli, [Symbol.dispose]() {} };
}

/** Uniform 53-bit fractions from a seed (SplitMix64). */
function seeded(seed: bigint): () => number {
  let state = seed;
  return () => {
    state = (state + 0x9e3779b97f4a7c15n) & 0xffffffffffffffffn;
    let z = state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & 0xffffffffffffffffn;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & 0xffffffffffffffffn;
    return Number((z ^ (z >> 31n)) >> 11n) / 2 ** 53;
  };
}

interface Case {
  rows: number;
  cols: number;
  n: number;
  parts: number;
  mods: number[];
  maxAbs: number;
  seed: bigint;
  /** Rows of c beyond the columns of the weights; then the rows are taken through a row index. */
  extraRows?: number;
}

/** Weights and residues with many values at the edges of their ranges. */
function operands(shape: Case) {
  const random = seeded(shape.seed);
  const weights = Int32Array.from({ length: shape.rows * shape.cols }, () => {
    const edge = random();
    if (edge < 0.1) return 0;
    if (edge < 0.4) return edge < 0.25 ? shape.maxAbs : -shape.maxAbs;
    return Math.floor(random() * (2 * shape.maxAbs + 1)) - shape.maxAbs;
  });
  const size = shape.parts * shape.mods.length * shape.n;
  const c = BigUint64Array.from({ length: (shape.cols + (shape.extraRows ?? 0)) * size }, (_, at) => {
    const q = moduli[shape.mods[Math.floor(at / shape.n) % shape.mods.length]];
    const edges = [0, q - 1, (q - 1) / 2, (q + 1) / 2];
    const edge = Math.floor(random() * 8);
    return BigInt(edges[edge] ?? Math.floor(random() * q));
  });
  const rowIndex =
    shape.extraRows === undefined
      ? undefined
      : Uint32Array.from({ length: shape.cols }, () => Math.floor(random() * (c.length / size)));
  return { weights, c, rowIndex, size };
}

function expected(shape: Case, { weights, c, rowIndex, size }: ReturnType<typeof operands>): BigUint64Array {
  const signed = Array.from(weights, BigInt);
  return BigUint64Array.from({ length: shape.rows * size }, (_, at) => {
    const [row, x] = [Math.floor(at / size), at % size];
    const q = BigInt(moduli[shape.mods[Math.floor(x / shape.n) % shape.mods.length]]);
    let sum = 0n;
    for (let j = 0; j < shape.cols; j++)
      sum += signed[row * shape.cols + j] * c[(rowIndex?.[j] ?? j) * size + x];
    return ((sum % q) + q) % q;
  });
}

function product(kernel: Kernel, shape: Case, given: ReturnType<typeof operands>): BigUint64Array {
  using weights = kernel.prepareGemm(given.weights, shape.rows, shape.cols);
  using c = kernel.allocate(given.c.length);
  using out = kernel.allocate(shape.rows * given.size);
  c.u64().set(given.c);
  out.u64().fill(2n ** 64n - 1n);
  kernel.gemm(plainRing(shape.n), out, weights, c, shape.parts, shape.mods, given.rowIndex);
  return out.u64().slice();
}

const cases: Case[] = [
  { rows: 1, cols: 1, n: 8, parts: 1, mods: [0], maxAbs: 1, seed: 1n },
  { rows: 6, cols: 7, n: 8, parts: 2, mods: [0, 1, 2, 3], maxAbs: 1, seed: 2n },
  { rows: 7, cols: 513, n: 16, parts: 2, mods: [1, 3], maxAbs: 7, seed: 3n },
  { rows: 13, cols: 96, n: 32, parts: 3, mods: [2, 0], maxAbs: 127, seed: 4n },
  { rows: 5, cols: 200, n: 64, parts: 1, mods: [1, 4], maxAbs: 127, seed: 5n },
  { rows: 4, cols: 513, n: 8, parts: 1, mods: [0, 1, 2, 3, 4], maxAbs: 2 ** 15 - 1, seed: 6n },
  { rows: 2, cols: 5000, n: 8, parts: 1, mods: [1, 4], maxAbs: 2 ** 15 - 1, seed: 7n },
  { rows: 2, cols: 5000, n: 8, parts: 1, mods: [0], maxAbs: 7, seed: 8n },
  { rows: 9, cols: 33, n: 256, parts: 2, mods: [3, 1], maxAbs: 7, seed: 9n, extraRows: 0 },
  { rows: 3, cols: 40, n: 8, parts: 1, mods: [2], maxAbs: 300, seed: 10n, extraRows: 5 },
];

describe.each(nativeIsas())('modular matrix product, %s', (isa) => {
  const kernel = loadNativeKernel({ isa });

  it.each(cases)(
    'equals the sum of products in integers: $rows x $cols, n $n, limbs $mods, |w| <= $maxAbs',
    (shape) => {
      const given = operands(shape);
      expect(product(kernel, shape, given)).toEqual(expected(shape, given));
    },
  );

  it.each([1, 7, 127, 2 ** 15 - 1])(
    'equals it for residues at the ends of the range against weights of %i',
    (maxAbs) => {
      const shape = { rows: 2, cols: 600, n: 8, parts: 1, mods: [0, 1, 3, 4], maxAbs, seed: 0n };
      const given = operands(shape);
      for (const [residue, sign] of [
        [(q: number) => q - 1, 1],
        [(q: number) => (q - 1) / 2, -1],
      ] as const) {
        given.weights.fill(sign * maxAbs);
        given.c.forEach((_, at) => {
          given.c[at] = BigInt(residue(moduli[shape.mods[Math.floor(at / 8) % 4]]));
        });
        expect(product(kernel, shape, given)).toEqual(expected(shape, given));
      }
    },
  );

  it.each([
    { rows: 5, cols: 9, image: 34, window: 3, maxAbs: 127 },
    { rows: 6, cols: 25, image: 12, window: 5, maxAbs: 7 },
    { rows: 20, cols: 25, image: 7, window: 5, maxAbs: 127 },
    { rows: 7, cols: 4, image: 40, window: 2, maxAbs: 2 ** 15 - 1 },
  ])(
    'equals it for every window of a convolution: $rows maps of $window x $window over $image x $image, |w| <= $maxAbs',
    ({ rows, cols, image, window, maxAbs }) => {
      const places = image - window + 1;
      const windows = Uint32Array.from({ length: places ** 2 * cols }, (_, i) => {
        const [position, tap] = [Math.floor(i / cols), i % cols];
        const top = Math.floor(position / places) + Math.floor(tap / window);
        return top * image + (position % places) + (tap % window);
      });
      const n = 8;
      const one = { rows, cols, n, parts: 1, mods: [1, 3], maxAbs, seed: 5n, extraRows: image ** 2 - cols };
      const given = operands(one);
      using weights = kernel.prepareGemm(given.weights, rows, cols);
      using c = kernel.allocate(given.c.length);
      using out = kernel.allocate(places ** 2 * rows * given.size);
      c.u64().set(given.c);
      kernel.gemm(plainRing(n), out, weights, c, 1, one.mods, windows);
      const results = out.u64();
      for (let position = 0; position < places ** 2; position += 7) {
        const rowIndex = windows.slice(position * cols, (position + 1) * cols);
        const from = position * rows * given.size;
        expect(results.slice(from, from + rows * given.size)).toEqual(expected(one, { ...given, rowIndex }));
      }
    },
  );

  it('equals it in random shapes', () => {
    const shapes = fc.record({
      rows: fc.integer({ min: 1, max: 14 }),
      cols: fc.integer({ min: 1, max: 40 }),
      n: fc.constantFrom(8, 16, 32),
      parts: fc.integer({ min: 1, max: 3 }),
      mods: fc.uniqueArray(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 3 }),
      maxAbs: fc.integer({ min: 1, max: 2 ** 15 - 1 }),
      seed: fc.bigInt({ min: 0n, max: 2n ** 60n }),
    });
    fc.assert(
      fc.property(shapes, (shape) => {
        const given = operands(shape);
        expect(product(kernel, shape, given)).toEqual(expected(shape, given));
      }),
      { numRuns: 20 },
    );
  });

  it('notices a residue that is off by one', () => {
    const shape = cases[1];
    const given = operands(shape);
    const wanted = expected(shape, given);
    given.weights[0] = 1;
    given.c[0] = given.c[0] === 0n ? 1n : given.c[0] - 1n;
    expect(product(kernel, shape, given)).not.toEqual(wanted);
  });

  it('refuses shapes, weights and words that do not fit, and weights after their disposal', () => {
    const ring = plainRing(8);
    expect(() => kernel.prepareGemm(new Int32Array(5), 2, 3)).toThrow(ShapeError);
    expect(() => kernel.prepareGemm(Int32Array.of(2 ** 15), 1, 1)).toThrow(OutOfRangeError);
    const weights = kernel.prepareGemm(new Int32Array(6), 2, 3);
    using c = kernel.allocate(24);
    using out = kernel.allocate(16);
    expect(() => kernel.gemm(ring, out, weights, c.sub(0, 16), 1, [0])).toThrow(ShapeError);
    expect(() => kernel.gemm(ring, c, weights, c, 1, [0])).toThrow(ShapeError);
    expect(() => kernel.gemm(ring, out, weights, c, 1, [9])).toThrow(ShapeError);
    for (const index of [[0, 1, 3], [], [0, 1], [0, 1, 2, 0, 1, 2]])
      expect(() => kernel.gemm(ring, out, weights, c, 1, [0], Uint32Array.from(index))).toThrow(ShapeError);
    weights[Symbol.dispose]();
    weights[Symbol.dispose]();
    expect(() => kernel.gemm(ring, out, weights, c, 1, [0])).toThrow(DisposedError);
  });

  it('frees what it allocated and refuses words after that', () => {
    const before = kernel.liveWords;
    const words = kernel.allocate(1000);
    expect(words.u64().every((word) => word === 0n)).toBe(true);
    const part = words.sub(10, 20);
    words.u64()[10] = 5n;
    expect(part.u64()[0]).toBe(5n);
    expect(kernel.liveWords).toBe(before + 1000);
    words.wipe();
    words[Symbol.dispose]();
    expect(kernel.liveWords).toBe(before);
    expect(() => words.u64()).toThrow(DisposedError);
    expect(() => part.bytes()).toThrow(DisposedError);
  });
});

describe.each(nativeIsas())('single-precision matrix product, %s', (isa) => {
  const kernel = loadNativeKernel({ isa });
  const shapes = [
    [1, 1, 1],
    [7, 17, 5],
    [64, 33, 300],
    [130, 48, 513],
  ] as const;

  function multiply(
    transposeA: boolean,
    transposeB: boolean,
    beta: number,
    [m, n, k]: readonly [number, number, number],
  ) {
    const random = seeded(BigInt(m * 1000 + k));
    const draw = (length: number) => Float32Array.from({ length }, () => random() - 0.5);
    const [a, b] = [draw(m * k), draw(k * n)];
    const c = beta === 0 ? new Float32Array(m * n).fill(Number.NaN) : draw(m * n);
    const wanted = c.map((old, at) => {
      const [i, j] = [Math.floor(at / n), at % n];
      let sum = 0;
      for (let t = 0; t < k; t++)
        sum += a[transposeA ? t * m + i : i * k + t] * b[transposeB ? j * k + t : t * n + j];
      return 0.5 * sum + (beta === 0 ? 0 : beta * old);
    });
    kernel.sgemm(transposeA, transposeB, m, n, k, 0.5, a, b, beta, c);
    return { c, wanted };
  }

  it.each(shapes)('is within rounding of a sum in doubles, %i x %i x %i', (...shape) => {
    for (const transposeA of [false, true])
      for (const transposeB of [false, true])
        for (const beta of [0, 2]) {
          const { c, wanted } = multiply(transposeA, transposeB, beta, shape);
          const off = c.reduce((most, value, i) => Math.max(most, Math.abs(value - wanted[i])), 0);
          expect(off).toBeLessThan(1e-5);
        }
  });

  it('tells an operand from its transpose', () => {
    const a = Float32Array.of(1, 2, 3, 4);
    const c = new Float32Array(4);
    kernel.sgemm(true, false, 2, 2, 2, 1, a, Float32Array.of(1, 0, 0, 1), 0, c);
    expect([...c]).toEqual([1, 3, 2, 4]);
    expect(() => kernel.sgemm(false, false, 2, 3, 2, 1, a, a, 0, c)).toThrow(ShapeError);
  });
});
