/** Z_q[X]/(X^n + 1) in BigInt, straight from the definitions; the oracle of the fast kernels. */
import { printOnOneLine } from '../../base/inspect.ts';
import type { RingTables } from '../kernel.ts';
import { inverseMod } from '../tables/modular.ts';
import { checkRing } from '../preconditions.ts';
import { primitiveRoot2N } from '../tables/primitive-root.ts';

export function bitReverse(i: number, bits: number): number {
  let reversed = 0;
  for (let b = 0; b < bits; b++) reversed |= ((i >> b) & 1) << (bits - 1 - b);
  return reversed;
}

/** One prime: powers of psi in the order in which the NTT reads them. */
export interface ReferenceLimb {
  readonly q: bigint;
  /** psi^bitrev(i) and its inverse, i < n. */
  readonly roots: readonly bigint[];
  readonly inverseRoots: readonly bigint[];
  readonly nInverse: bigint;
}

function openLimb(n: number, modulus: number): ReferenceLimb {
  const q = BigInt(modulus);
  const psi = BigInt(primitiveRoot2N(n, modulus));
  const logN = Math.log2(n);
  const powers: bigint[] = [1n];
  for (let i = 1; i < 2 * n; i++) powers.push((powers[i - 1] * psi) % q);
  const order = Array.from({ length: n }, (_, i) => bitReverse(i, logN));
  return {
    q,
    roots: order.map((i) => powers[i]),
    inverseRoots: order.map((i) => powers[(2 * n - i) % (2 * n)]),
    nInverse: inverseMod(BigInt(n), q),
  };
}

export class ReferenceRing implements RingTables {
  readonly n: number;
  readonly moduli: readonly number[];
  readonly limbs: readonly ReferenceLimb[];

  constructor(n: number, moduli: readonly number[]) {
    checkRing(n, moduli);
    this.n = n;
    this.moduli = [...moduli];
    this.limbs = moduli.map((q) => openLimb(n, q));
  }

  [Symbol.dispose](): void {}
}

/** In place: x(X) to x(psi^(2 bitrev(i) + 1)), the decimation of [LN16, algorithm 1]. */
export function forward(x: BigUint64Array, { q, roots }: ReferenceLimb): void {
  for (let groups = 1, half = x.length / 2; half >= 1; groups *= 2, half /= 2) {
    for (let g = 0; g < groups; g++) {
      const root = roots[groups + g];
      for (let j = 2 * g * half; j < (2 * g + 1) * half; j++) {
        const u = x[j];
        const v = (x[j + half] * root) % q;
        const sum = u + v;
        x[j] = sum >= q ? sum - q : sum;
        x[j + half] = u >= v ? u - v : u + q - v;
      }
    }
  }
}

/** The inverse of {@link forward}, in place [LN16, algorithm 2]. */
export function inverse(x: BigUint64Array, { q, inverseRoots, nInverse }: ReferenceLimb): void {
  for (let groups = x.length / 2, half = 1; groups >= 1; groups /= 2, half *= 2) {
    for (let g = 0; g < groups; g++) {
      const root = inverseRoots[groups + g];
      for (let j = 2 * g * half; j < (2 * g + 1) * half; j++) {
        const u = x[j];
        const v = x[j + half];
        const sum = u + v;
        x[j] = sum >= q ? sum - q : sum;
        x[j + half] = ((u >= v ? u - v : u + q - v) * root) % q;
      }
    }
  }
  for (let j = 0; j < x.length; j++) x[j] = (x[j] * nInverse) % q;
}

/** Where the NTT value at psi^((2 bitrev(i) + 1) galois) stands, for each i: X -> X^galois is this gather. */
export function automorphismIndex(n: number, galois: number): Uint32Array {
  const logN = Math.log2(n);
  return Uint32Array.from({ length: n }, (_, i) => {
    const exponent = Number((BigInt(2 * bitReverse(i, logN) + 1) * BigInt(galois)) % BigInt(2 * n));
    return bitReverse((exponent - 1) / 2, logN);
  });
}

printOnOneLine(ReferenceRing);
