/** Every kernel and instruction set at hand against the reference kernel, bit for bit, over one table of cases. */
import { afterAll, describe, expect, it } from 'vitest';
import { KernelError } from '../../src/base/errors.ts';
import type { Kernel, RingTables } from '../../src/kernel/kernel.ts';
import { loadNativeKernel } from '../../src/kernel/native.ts';
import { loadReferenceKernel } from '../../src/kernel/reference.ts';
import { loadWasmKernel } from '../../src/kernel/wasm-node.ts';
import { Bench, CASES, PATTERNS, moduliFor } from './cases.ts';
import type { KernelMethod, Output, Pattern } from './cases.ts';

const reference = loadReferenceKernel();
const METHODS = Object.keys(CASES) as KernelMethod[];
const SMALL = [8, 16, 32, 64, 128, 256];

/** Opens a kernel, or says why it is not there. */
function tryOpen(name: string, open: () => Kernel): { name: string; kernel?: Kernel; reason?: string } {
  try {
    return { name, kernel: open() };
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    return { name, reason: error.message };
  }
}

const candidates = [
  ...['relaxed-simd', 'simd128'].map((isa) => tryOpen(`wasm ${isa}`, () => loadWasmKernel({ isa }))),
  ...['avx512ifma', 'avx512-emulated', 'avx2', 'scalar'].map((isa) =>
    tryOpen(`native ${isa}`, () => loadNativeKernel({ isa })),
  ),
];

/** Rings by kernel and degree, opened once. */
const rings = new Map<Kernel, Map<number, RingTables>>();
function ringOf(kernel: Kernel, n: number): RingTables {
  const known = rings.get(kernel) ?? new Map<number, RingTables>();
  rings.set(kernel, known);
  let ring = known.get(n);
  if (ring === undefined) {
    ring = kernel.openRing(n, moduliFor(n));
    known.set(n, ring);
  }
  return ring;
}

/** The bits of an output: -0 differs from 0, and NaN equals itself. */
function bitsOf(output: Output): string {
  if (typeof output === 'boolean' || Array.isArray(output)) return JSON.stringify(output);
  return Buffer.from(output.buffer, output.byteOffset, output.byteLength).toString('base64');
}

function run(kernel: Kernel, method: KernelMethod, n: number, pattern: Pattern): string[] {
  return CASES[method].flatMap((row) => {
    const bench = new Bench(kernel, ringOf(kernel, n), pattern, n);
    const outputs = row(bench).map(bitsOf);
    bench.release();
    return outputs;
  });
}

const expected = new Map<string, string[]>();
function expectedFor(method: KernelMethod, n: number, pattern: Pattern): string[] {
  const key = `${method} ${n} ${pattern}`;
  const known = expected.get(key) ?? run(reference, method, n, pattern);
  expected.set(key, known);
  return known;
}

/** The first case in which the kernel differs from the reference. */
function firstDifference(
  kernel: Kernel,
  method: KernelMethod,
  degrees: readonly number[],
): string | undefined {
  for (const n of degrees) {
    for (const pattern of n > 64 ? (['random', 'edges'] as const) : PATTERNS) {
      const outputs = run(kernel, method, n, pattern);
      const wrong = expectedFor(method, n, pattern).findIndex((bits, i) => bits !== outputs[i]);
      if (wrong >= 0) return `${method}, n = ${n}, ${pattern}, output ${wrong}`;
    }
  }
  return undefined;
}

describe('the table of cases', () => {
  it('has a row for every method of the kernel', () => {
    const methods = Object.getOwnPropertyNames(Object.getPrototypeOf(reference)).filter(
      (name) => name !== 'constructor' && name !== 'liveWords',
    );
    expect(methods.filter((name) => !(METHODS as string[]).includes(name))).toEqual([]);
    expect(METHODS.filter((name) => CASES[name].length === 0)).toEqual([]);
  });

  it('catches a kernel that is wrong in one word of one method', () => {
    const wrong: Kernel = Object.create(reference);
    wrong.rescale = (ring, out, a, mods) => {
      reference.rescale(ring, out, a, mods);
      const view = out.u64();
      view[view.length - 1] ^= 1n;
    };
    Object.defineProperty(wrong, 'allocate', { value: reference.allocate.bind(reference) });
    rings.set(wrong, rings.get(reference) ?? new Map());
    expect(firstDifference(wrong, 'rescale', [8])).toContain('rescale, n = 8, random');
  });
});

for (const { name, kernel, reason } of candidates) {
  describe.skipIf(kernel === undefined)(`the ${name} kernel${reason ? ` (not here: ${reason})` : ''}`, () => {
    const present = kernel as Kernel;

    it.each(METHODS)('equals the reference in %s', (method) => {
      expect(firstDifference(present, method, SMALL)).toBeUndefined();
    });

    it('equals the reference in the fused methods at n = 2048', () => {
      for (const method of ['nttForward', 'nttInverse', 'squareRelinearizeRescale'] as const) {
        const outputs = run(present, method, 2048, 'random');
        expect(outputs).toEqual(expectedFor(method, 2048, 'random'));
      }
    });

    it('has released every word', () => {
      expect(present.liveWords).toBe(0);
    });

    afterAll(() => {
      for (const ring of rings.get(present)?.values() ?? []) ring[Symbol.dispose]();
      present[Symbol.dispose]();
    });
  });
}
