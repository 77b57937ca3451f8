/** {@link Kernel.subtractProduct} against integers of any size, on every kernel and instruction set. */
import { describe, expect, it } from 'vitest';
import { KernelError, OutOfRangeError, ShapeError } from '../../src/base/errors.ts';
import { loadReferenceKernel } from '../../src/kernel/reference/reference.ts';
import { WasmMemory } from '../../src/kernel/wasm/wasm-memory.ts';
import { loadWasmKernel } from '../../src/kernel/wasm/wasm-node.ts';
import { seededGenerator } from './bench.ts';
import { openCandidates } from './cases/differential.ts';

const PRIME = 2 ** 26 - 45;
const HALF = (PRIME - 1) / 2;

/** The centred residue of out - factors rows, by BigInt. */
function exactly(
  out: Float64Array,
  rows: Float64Array,
  factors: Float64Array,
  [t, j]: readonly [number, number],
  stride: number,
): number {
  const sources = rows.length / stride;
  let sum = BigInt(out[t * stride + j]);
  for (let k = 0; k < sources; k++) sum -= BigInt(factors[t * sources + k]) * BigInt(rows[k * stride + j]);
  const p = BigInt(PRIME);
  const residue = Number(((sum % p) + p) % p);
  return residue > HALF ? residue - PRIME : residue;
}

const kernels = [{ name: 'reference', kernel: loadReferenceKernel() }, ...openCandidates()];

for (const { name, kernel } of kernels) {
  describe.skipIf(kernel === undefined)(`products of residues of the ${name} kernel`, () => {
    it.each([
      // All of the largest size and of one sign: sums of seven and more before they are reduced.
      ['the largest', () => HALF],
      ['the largest of any sign', (random: () => number) => (random() % 2 === 0 ? HALF : -HALF)],
      ['any', (random: () => number) => (random() % PRIME) - HALF],
    ])('are exact for %s residues, and leave other columns alone', (_, residue) => {
      const random = seededGenerator(3);
      const [targets, sources, stride, first] = [20, 150, 77, 5];
      const filled = (length: number) => Float64Array.from({ length }, () => residue(random));
      const [rows, factors] = [filled(sources * stride), filled(targets * sources)];
      factors.fill(0, sources, 2 * sources);
      const out = Float64Array.from({ length: targets * stride }, (__, i) => (i % 2 === 0 ? HALF : -HALF));
      const before = out.slice();
      kernel!.subtractProduct(PRIME, out, rows, factors, stride, first);
      const expected = before.map((value, i) => {
        const place = [Math.floor(i / stride), i % stride] as const;
        return place[1] < first ? value : exactly(before, rows, factors, place, stride);
      });
      expect(out).toEqual(expected);
      expect(out.every((value, i) => i % stride < first || Math.abs(value) <= HALF)).toBe(true);
    });

    it('takes the rows of one array apart from each other, and many of them', () => {
      const random = seededGenerator(4);
      // More than the smallest loop that is shared between threads.
      const [targets, sources, stride] = [64, 96, 128];
      const all = Float64Array.from(
        { length: (targets + sources) * stride },
        () => (random() % PRIME) - HALF,
      );
      const factors = Float64Array.from({ length: targets * sources }, () => (random() % PRIME) - HALF);
      const [out, rows] = [all.subarray(sources * stride), all.subarray(0, sources * stride)];
      const before = out.slice();
      kernel!.subtractProduct(PRIME, out, rows, factors, stride, 0);
      for (let i = 0; i < 200; i++) {
        const [t, j] = [random() % targets, random() % stride] as const;
        expect(out[t * stride + j]).toBe(exactly(before, rows, factors, [t, j], stride));
      }
    });

    it('refuses other primes, shapes and shared memory', () => {
      const doubles = (length: number) => new Float64Array(length);
      const call = (prime: number, sizes: readonly [number, number, number], stride: number, first: number) =>
        kernel!.subtractProduct(
          prime,
          doubles(sizes[0]),
          doubles(sizes[1]),
          doubles(sizes[2]),
          stride,
          first,
        );
      for (const prime of [3, 2 ** 26 - 4, 2 ** 26 + 1, 7.5, Number.NaN])
        expect(() => call(prime, [4, 4, 4], 2, 0)).toThrow(OutOfRangeError);
      expect(() => call(PRIME, [5, 4, 4], 2, 0)).toThrow(ShapeError);
      expect(() => call(PRIME, [4, 5, 4], 2, 0)).toThrow(ShapeError);
      expect(() => call(PRIME, [4, 4, 5], 2, 0)).toThrow(ShapeError);
      expect(() => call(PRIME, [4, 4, 4], 2, 3)).toThrow(ShapeError);
      expect(() => call(PRIME, [4, 4, 4], 2, -1)).toThrow(ShapeError);
      expect(() => call(PRIME, [0, 0, 0], 0, 0)).toThrow(ShapeError);
      const all = doubles(8);
      expect(() =>
        kernel!.subtractProduct(PRIME, all.subarray(0, 4), all.subarray(2, 6), doubles(4), 2, 0),
      ).toThrow(ShapeError);
      expect(() =>
        kernel!.subtractProduct(PRIME, all.subarray(0, 4), doubles(4), all.subarray(3, 7), 2, 0),
      ).toThrow(ShapeError);
    });
  });
}

it('needs no memory of the WebAssembly kernel', () => {
  const kernel = loadWasmKernel();
  const memory: unknown = Reflect.get(kernel, 'memory');
  if (!(memory instanceof WasmMemory)) throw new Error('the kernel has no memory');
  const [m, k, stride] = [40, 60, 80];
  const random = seededGenerator(5);
  const residues = (length: number) => Float64Array.from({ length }, () => (random() % PRIME) - HALF);
  const [out, rows, factors] = [residues(m * stride), residues(k * stride), residues(m * k)];
  const expected = out.slice();
  kernel.subtractProduct(PRIME, expected, rows, factors, stride, 0);
  let refused = 0;
  memory.allocate = () => {
    refused++;
    throw new KernelError('wasm', 'memory is exhausted, says the test');
  };
  kernel.subtractProduct(PRIME, out, rows, factors, stride, 0);
  expect(refused).toBe(1);
  expect(out).toEqual(expected);
});
