/** {@link Kernel.blindRotate} made of the other methods, on integers of any size. */
import { centred } from '../tables/modular.ts';
import type { Kernel, RingTables } from '../kernel.ts';
import { checkBlindRotation } from '../preconditions.ts';

const FIRST: readonly number[] = [0];

type Parts = 'add' | 'allocate' | 'mul' | 'mulAdd' | 'nttForward' | 'nttInverse';

export function composedBlindRotation(
  kernel: Pick<Kernel, Parts>,
  ...operands: Parameters<Kernel['blindRotate']>
): void {
  const { count, steps } = checkBlindRotation(...operands);
  const [ring, acc, exponents, key, shift] = operands;
  const { n } = ring;
  using digits = kernel.allocate(2 * n);
  using sum = kernel.allocate(n);
  for (let c = 0; c < count; c++) {
    const ciphertext = acc.sub(2 * c * n, 2 * n);
    for (let step = 0; step < steps; step++) {
      const values = ciphertext.u64();
      const exponent = exponents[c * steps + step]!;
      digits.u64().set(rotationDigits(ring, values.subarray(0, n), exponent, shift));
      digits.u64().set(rotationDigits(ring, values.subarray(n), exponent, shift), n);
      for (const part of [0, 1]) kernel.nttForward(ring, digits.sub(part * n, n), FIRST);
      for (const part of [0, 1]) {
        const row = (digit: number) => key.sub((4 * step + 2 * digit + part) * n, n);
        kernel.mul(ring, sum, digits.sub(0, n), row(0), FIRST);
        kernel.mulAdd(ring, sum, digits.sub(n, n), row(1), FIRST);
        kernel.nttInverse(ring, sum, FIRST);
        const target = ciphertext.sub(part * n, n);
        kernel.add(ring, target, target, sum, FIRST);
      }
    }
  }
}

/** Residues of the digits of X^exponent a - a. */
function rotationDigits(
  ring: RingTables,
  a: BigUint64Array,
  exponent: number,
  shift: number,
): BigUint64Array {
  const { n } = ring;
  const q = BigInt(ring.moduli[0]!);
  const half = 1n << BigInt(shift - 1);
  return a.map((value, j) => {
    const from = j - exponent + 2 * n;
    const rotated = a[from % n]! * (from % (2 * n) < n ? 1n : -1n);
    const digit = (centred((((rotated - value) % q) + q) % q, q) + half) >> BigInt(shift);
    return digit < 0n ? digit + q : digit;
  });
}
