/** {@link Kernel.blindRotate} in WebAssembly: digits stay doubles between the transforms. */
import { checkBlindRotation } from '../preconditions.ts';
import type { Kernel } from '../kernel.ts';
import { LAZY, WORDS } from './wasm-exports.ts';
import type { WasmContext } from './wasm-switch.ts';
import type { WasmRing } from './wasm-ring.ts';

/** `acc` and `key` are the addresses of the operands of the same name. */
export function blindRotateInWasm(
  { exports, memory }: WasmContext,
  ring: WasmRing,
  acc: number,
  key: number,
  operands: Parameters<Kernel['blindRotate']>,
): void {
  const { count, steps } = checkBlindRotation(...operands);
  const exponents = operands[2];
  const scale = 2 ** -operands[4];
  const { n } = ring;
  const table = ring.table(0);
  const size = 8 * n;
  memory.borrow(3 * size, (work) => {
    const sums = [work + size, work + 2 * size] as const;
    for (let step = 0; step < steps; step++) {
      for (let c = 0; c < count; c++) {
        const exponent = exponents[c * steps + step]!;
        if (exponent === 0) continue;
        for (const part of [0, 1]) {
          exports.rotationDigits(work, acc + (2 * c + part) * size, exponent, scale, table, n);
          exports.forward(work, work, table, n, LAZY, LAZY);
          const row = key + (4 * step + 2 * part) * size;
          exports.accumulate(sums[0], sums[1], work, row, row + size, 0, part === 0 ? 1 : 0, table, n, LAZY);
        }
        sums.forEach((sum, part) => {
          const target = acc + (2 * c + part) * size;
          exports.inverse(sum, sum, table, n, LAZY, WORDS);
          exports.add(target, target, sum, table, n);
        });
      }
    }
  });
}
