/** Runs the table of cases on kernels and finds the first output that is not the reference's, bit for bit. */
import { KernelError } from '../../../src/base/errors.ts';
import type { Kernel, RingTables } from '../../../src/kernel/kernel.ts';
import { loadNativeKernel } from '../../../src/kernel/native/native.ts';
import { loadReferenceKernel } from '../../../src/kernel/reference/reference.ts';
import { loadWasmKernel } from '../../../src/kernel/wasm/wasm-node.ts';
import { overrideMethods } from './override-methods.ts';
import { CASES, moduliFor } from './cases.ts';
import { Bench } from '../bench.ts';
import type { KernelMethod } from './cases.ts';
import type { Output, Pattern } from '../bench.ts';

export const METHODS = Object.keys(CASES) as KernelMethod[];

export interface Candidate {
  readonly name: string;
  readonly kernel?: Kernel;
  /** Why it is not here. */
  readonly reason?: string;
}

/** The kernel, or why it is not here. */
export function tryOpen(name: string, open: () => Kernel): Candidate {
  try {
    return { name, kernel: open() };
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    return { name, reason: error.message };
  }
}

/** The two kernels of users, each as it opens by default. */
export function openUserKernels(): Candidate[] {
  return [tryOpen('native', loadNativeKernel), tryOpen('wasm', loadWasmKernel)];
}

/** Every kernel and instruction set that there is, with the reason where this machine or build lacks it. */
export function openCandidates(): Candidate[] {
  return [
    ...['relaxed-simd', 'simd128'].map((isa) => tryOpen(`wasm ${isa}`, () => loadWasmKernel({ isa }))),
    ...['avx512ifma', 'avx512-emulated', 'avx2', 'scalar'].map((isa) =>
      tryOpen(`native ${isa}`, () => loadNativeKernel({ isa })),
    ),
  ];
}

/** The bits of an output: -0 differs from 0, and NaN equals itself. */
function bitsOf(output: Output): string {
  if (typeof output === 'boolean' || Array.isArray(output)) return JSON.stringify(output);
  return Buffer.from(output.buffer, output.byteOffset, output.byteLength).toString('base64');
}

function valuesIn(outputs: readonly Output[]): number {
  return outputs.reduce((sum, output) => sum + (typeof output === 'boolean' ? 1 : output.length), 0);
}

export interface Sweep {
  readonly degrees: readonly number[];
  readonly patterns: readonly Pattern[];
  readonly seeds: readonly number[];
}

/** The reference with rings and expected outputs kept between kernels. */
export class Differential {
  readonly reference = loadReferenceKernel();
  /** Operand polynomials that the reference has worked on; where a method takes none, its output values, n for one polynomial. */
  polynomials = 0;
  readonly #rings = new Map<Kernel, Map<number, RingTables>>();
  readonly #expected = new Map<string, string[]>();

  #ringOf(kernel: Kernel, n: number): RingTables {
    const known = this.#rings.get(kernel) ?? new Map<number, RingTables>();
    this.#rings.set(kernel, known);
    let ring = known.get(n);
    if (ring === undefined) {
      ring = kernel.openRing(n, moduliFor(n));
      known.set(n, ring);
    }
    return ring;
  }

  #run(kernel: Kernel, method: KernelMethod, n: number, pattern: Pattern, seed: number): string[] {
    return CASES[method].flatMap((row) => {
      const bench = new Bench(kernel, this.#ringOf(kernel, n), pattern, seed);
      const outputs = row(bench);
      const bits = outputs.map(bitsOf);
      bench.release();
      if (kernel === this.reference) this.polynomials += bench.made || valuesIn(outputs) / n;
      return bits;
    });
  }

  /** The first case in which the kernel differs. */
  firstDifference(kernel: Kernel, method: KernelMethod, sweep: Sweep): string | undefined {
    for (const n of sweep.degrees) {
      for (const pattern of sweep.patterns) {
        for (const seed of sweep.seeds) {
          const key = `${method}, n = ${n}, ${pattern}, seed ${seed}`;
          const expected = this.#expected.get(key) ?? this.#run(this.reference, method, n, pattern, seed);
          this.#expected.set(key, expected);
          const outputs = this.#run(kernel, method, n, pattern, seed);
          const wrong = expected.findIndex((bits, i) => bits !== outputs[i]);
          if (wrong >= 0 || outputs.length !== expected.length) return `${key}, output ${wrong}`;
        }
      }
    }
    return undefined;
  }

  /** Drops what is kept for the comparison of one method, when no kernel needs it any more. */
  forget(): void {
    this.#expected.clear();
  }

  close(kernel: Kernel): void {
    for (const ring of this.#rings.get(kernel)?.values() ?? []) ring[Symbol.dispose]();
    this.#rings.delete(kernel);
    kernel[Symbol.dispose]();
  }

  /** A kernel like the reference but for one bit in the last word that `rescale` writes. */
  wrongKernel(): Kernel {
    const { reference } = this;
    return overrideMethods(reference, {
      rescale(ring, out, a, mods) {
        reference.rescale(ring, out, a, mods);
        const view = out.u64();
        view[view.length - 1] ^= 1n;
      },
    });
  }
}
