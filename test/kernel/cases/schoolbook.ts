/** Products in Z_q[X]/(X^n + 1) from their definition, and the same product through the transforms of a kernel. */
import type { Kernel, RingTables } from '../../../src/kernel/kernel.ts';
import type { Candidate } from './differential.ts';
import { moduliFor } from './cases.ts';
import { seededGenerator } from '../bench.ts';

/** The sum over i + j = k, less the sum over i + j = k + n, modulo q. O(n^2). */
export function negacyclicProduct(a: readonly bigint[], b: readonly bigint[], q: bigint): bigint[] {
  const n = a.length;
  return Array.from({ length: n }, (_, k) => {
    let sum = 0n;
    for (let i = 0; i <= k; i++) sum += a[i]! * b[k - i]!;
    for (let i = k + 1; i < n; i++) sum -= a[i]! * b[n + k - i]!;
    return ((sum % q) + q) % q;
  });
}

export type Operands = readonly [bigint[], bigint[]];

/** Zero, one, all q - 1, X^(n-1) twice, alternating extremes. */
export function edgeOperands(n: number, q: bigint): Operands[] {
  const all = (value: bigint): bigint[] => Array.from({ length: n }, () => value);
  const monomial = (at: number, value: bigint): bigint[] => all(0n).with(at, value);
  const alternating = Array.from({ length: n }, (_, i) => [0n, q - 1n, (q - 1n) / 2n, (q + 1n) / 2n][i % 4]!);
  return [
    [all(0n), all(q - 1n)],
    [monomial(0, 1n), alternating],
    [all(q - 1n), all(q - 1n)],
    [monomial(n - 1, 1n), monomial(n - 1, q - 1n)],
    [alternating, alternating.toReversed()],
  ];
}

export function randomOperands(n: number, q: bigint, seed: number): Operands {
  const next = seededGenerator(seed);
  const draw = (): bigint[] =>
    Array.from({ length: n }, () => ((BigInt(next()) << 32n) | BigInt(next())) % q);
  return [draw(), draw()];
}

/** Multiplies over the limb `limb` by transform, word product and inverse transform. */
export function transformProduct(kernel: Kernel, ring: RingTables, [a, b]: Operands, limb: number): bigint[] {
  using x = kernel.allocate(ring.n);
  using y = kernel.allocate(ring.n);
  x.u64().set(a);
  y.u64().set(b);
  kernel.nttForward(ring, x, [limb]);
  kernel.nttForward(ring, y, [limb]);
  kernel.mul(ring, x, x, y, [limb]);
  kernel.nttInverse(ring, x, [limb]);
  return [...x.u64()];
}

export const SCHOOLBOOK_DEGREES = [8, 16, 32, 64, 128, 256, 512, 1024];

/** Multiplies `random` pairs and the edges on every candidate; names the first product that is wrong. `wrong` spoils the oracle. */
export function compareProducts(
  candidates: readonly Candidate[],
  n: number,
  random: number,
  wrong = 0n,
): string | undefined {
  const moduli = moduliFor(n);
  const open = candidates.flatMap(({ name, kernel }) =>
    kernel === undefined ? [] : [{ name, kernel, ring: kernel.openRing(n, moduli) }],
  );
  const limbs = moduli.map((_, i) => i);
  const tasks = [
    ...edgeOperands(n, BigInt(moduli[0]!)).map((_, edge) => ({ limb: edge % limbs.length, edge, seed: 0 })),
    ...Array.from({ length: random }, (_, i) => ({ limb: i % limbs.length, edge: -1, seed: 7000 + i })),
  ];
  try {
    for (const { limb, edge, seed } of tasks) {
      const q = BigInt(moduli[limb]!);
      const operands = edge >= 0 ? edgeOperands(n, q)[edge]! : randomOperands(n, q, seed);
      const expected = negacyclicProduct(...operands, q);
      expected[n - 1] = (expected[n - 1]! + wrong) % q;
      for (const { name, kernel, ring } of open) {
        const product = transformProduct(kernel, ring, operands, limb);
        if (product.some((value, i) => value !== expected[i]))
          return `${name}, n = ${n}, limb ${limb}, seed ${seed}`;
      }
    }
    return undefined;
  } finally {
    for (const { ring } of open) ring[Symbol.dispose]();
  }
}
