/** The tables of one ring in WebAssembly memory. */
import { printOnOneLine } from '../../base/inspect.ts';
import { DisposedError } from '../../base/errors.ts';
import type { RingTables } from '../kernel.ts';
import { centred, inverseMod, residue } from '../tables/modular.ts';
import { checkRing } from '../preconditions.ts';
import { primitiveRoot2N } from '../tables/primitive-root.ts';
import type { WasmExports } from './wasm-exports.ts';
import type { WasmMemory } from './wasm-memory.ts';

export class WasmRing implements RingTables {
  readonly n: number;
  readonly moduli: readonly number[];
  readonly memory: WasmMemory;
  /** Address of the bit reversal of 0 .. n-1, as 32-bit integers. */
  readonly reversal: number;
  readonly #start: number;
  readonly #tableBytes: number;
  readonly #constants = new Map<string, number>();
  #isLive = true;

  constructor(exports: WasmExports, memory: WasmMemory, n: number, moduli: readonly number[]) {
    checkRing(n, moduli);
    this.n = n;
    this.moduli = [...moduli];
    this.memory = memory;
    // A multiple of 64 plus 64: the same offset in two tables must not fall on the same cache set.
    this.#tableBytes = exports.tableBytes(n) + 64;
    this.#start = memory.allocate(moduli.length * this.#tableBytes + 4 * n);
    this.reversal = this.#start + moduli.length * this.#tableBytes;
    moduli.forEach((modulus, limb) => {
      const q = BigInt(modulus);
      const psi = primitiveRoot2N(n, modulus);
      const psiInverse = Number(inverseMod(BigInt(psi), q));
      exports.fillTable(this.table(limb), n, modulus, psi, psiInverse, Number(inverseMod(BigInt(n), q)));
    });
    exports.fillBitReversal(this.reversal, n);
  }

  table(limb: number): number {
    if (!this.#isLive) throw new DisposedError('a ring');
    return this.#start + limb * this.#tableBytes;
  }

  #constant(name: string, limb: number, value: (q: bigint) => bigint): number {
    const key = `${name}/${limb}`;
    let constant = this.#constants.get(key);
    if (constant === undefined) {
      const q = BigInt(this.moduli[limb]);
      constant = Number(centred(residue(value(q), q), q));
      this.#constants.set(key, constant);
    }
    return constant;
  }

  /** (product of the primes of `limbs`)^-1 mod the prime of `limb`, centred. */
  inverseOf(limbs: readonly number[], limb: number): number {
    return this.#constant(`1/${limbs.join()}`, limb, (q) => inverseMod(this.#product(limbs), q));
  }

  /** The product of the primes of `limbs` mod the prime of `limb`, centred. */
  productOf(limbs: readonly number[], limb: number): number {
    return this.#constant(limbs.join(), limb, () => this.#product(limbs));
  }

  /** 2^exponent mod the prime of `limb`, centred. */
  powerOfTwo(exponent: number, limb: number): number {
    return this.#constant(`2^${exponent}`, limb, () => 1n << BigInt(exponent));
  }

  #product(limbs: readonly number[]): bigint {
    return limbs.reduce((product, limb) => product * BigInt(this.moduli[limb]), 1n);
  }

  [Symbol.dispose](): void {
    if (!this.#isLive) return;
    this.#isLive = false;
    this.memory.release(this.#start);
  }
}

printOnOneLine(WasmRing);
