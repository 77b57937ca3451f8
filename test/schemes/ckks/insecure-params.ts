/** Tiny parameters for tests, and a context on the kernel that the environment names with reproducible randomness. */
import { seededRandom } from '../../../src/base/testing.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { CkksContext } from '../../../src/schemes/ckks/context.ts';
import { CkksParams, type CkksSpec } from '../../../src/schemes/ckks/params.ts';

export const INSECURE_TINY: CkksSpec = {
  logN: 6,
  logQ: [42, 34, 34],
  logP: [44],
  logScale: 34,
  security: 'insecure-for-tests',
};

/** Two special primes and two primes per digit, the last digit short. */
export const INSECURE_WIDE: CkksSpec = {
  logN: 7,
  logQ: [44, 36, 36, 36, 36],
  logP: [42, 42],
  logScale: 36,
  security: 'insecure-for-tests',
};

export async function openTestContext(spec: CkksSpec, name: string): Promise<CkksContext> {
  const kernel = await openKernel({ onFallback: () => undefined });
  const context = await CkksContext.open(CkksParams.create(spec), { kernel, random: seededRandom(name) });
  const dispose = context[Symbol.dispose].bind(context);
  context[Symbol.dispose] = () => {
    dispose();
    kernel[Symbol.dispose]();
  };
  return context;
}

/** Largest absolute difference over the shorter of the two. */
export function maxDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let max = 0;
  for (let i = 0; i < Math.min(a.length, b.length); i++) max = Math.max(max, Math.abs(a[i]! - b[i]!));
  return max;
}

/** A reproducible sequence in [-1, 1). */
export function testValues(length: number, salt: number): Float64Array {
  let state = (salt * 2654435761 + 1) >>> 0;
  return Float64Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}
