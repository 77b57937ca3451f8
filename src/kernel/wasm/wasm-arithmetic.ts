/** Words, residues and transforms of the WebAssembly kernel. */
import { ShapeError } from '../../base/errors.ts';
import type { Kernel, RingTables, Words } from '../kernel.ts';
import * as check from '../preconditions.ts';
import { WORDS } from './wasm-exports.ts';
import type { WasmExports } from './wasm-exports.ts';
import {
  fractionDotInWasm,
  fractionSumsInWasm,
  roundFractionsInWasm,
  squaredNormsInWasm,
} from './wasm-fraction.ts';
import { WasmMemory, WasmWords } from './wasm-memory.ts';
import { WasmRing } from './wasm-ring.ts';

type LimbLoop = (out: number, a: number, b: number, table: number, n: number) => void;

/** The half of the kernel that knows words, residues and transforms; WasmKernel adds embedding, samplers, key switching and products. */
export abstract class WasmArithmetic {
  readonly name = 'wasm';
  readonly isa: string;
  readonly threads = 1;
  readonly exports: WasmExports;
  readonly memory: WasmMemory;

  constructor(isa: string, exports: WasmExports, memory: WasmMemory) {
    this.isa = isa;
    this.exports = exports;
    this.memory = memory;
  }

  get liveWords(): number {
    return this.memory.liveWords;
  }

  allocate(words: number): Words {
    return this.memory.words(words);
  }

  openRing(n: number, moduli: readonly number[]): RingTables {
    return new WasmRing(this.exports, this.memory, n, moduli);
  }

  protected own(ring: RingTables): WasmRing {
    if (!(ring instanceof WasmRing) || ring.memory !== this.memory) {
      throw new ShapeError('the ring', 'of this kernel', 'of another');
    }
    return ring;
  }

  protected at(words: Words): number {
    if (!(words instanceof WasmWords) || words.memory !== this.memory) {
      throw new ShapeError('the words', 'of this kernel', 'of another');
    }
    return words.address;
  }

  /** Calls `loop` with the byte offset, the table and the position of each limb of a batch. */
  protected eachLimb(
    ring: RingTables,
    words: number,
    mods: readonly number[],
    loop: (at: number, table: number, position: number) => void,
  ): void {
    const own = this.own(ring);
    const limbs = words / ring.n;
    for (let i = 0; i < limbs; i++) loop(8 * ring.n * i, own.table(mods[i % mods.length]), i % mods.length);
  }

  nttForward(ring: RingTables, x: Words, mods: readonly number[]): void {
    check.checkUnary(ring, x, x, mods);
    const to = this.at(x);
    this.eachLimb(ring, x.length, mods, (at, table) => {
      this.exports.forward(to + at, to + at, table, ring.n, WORDS, WORDS);
    });
  }

  nttInverse(ring: RingTables, x: Words, mods: readonly number[]): void {
    check.checkUnary(ring, x, x, mods);
    const to = this.at(x);
    this.eachLimb(ring, x.length, mods, (at, table) => {
      this.exports.inverse(to + at, to + at, table, ring.n, WORDS, WORDS);
    });
  }

  #binary(ring: RingTables, out: Words, a: Words, b: Words, mods: readonly number[], loop: LimbLoop): void {
    check.checkBinary(ring, out, a, b, mods);
    const [to, x, y] = [this.at(out), this.at(a), this.at(b)];
    const period = 8 * b.length;
    this.eachLimb(ring, out.length, mods, (at, table) => {
      loop(to + at, x + at, y + (at % period), table, ring.n);
    });
  }

  add(ring: RingTables, out: Words, a: Words, b: Words, mods: readonly number[]): void {
    this.#binary(ring, out, a, b, mods, this.exports.add);
  }

  sub(ring: RingTables, out: Words, a: Words, b: Words, mods: readonly number[]): void {
    this.#binary(ring, out, a, b, mods, this.exports.sub);
  }

  mul(ring: RingTables, out: Words, a: Words, b: Words, mods: readonly number[]): void {
    this.#binary(ring, out, a, b, mods, this.exports.mul);
  }

  mulAdd(ring: RingTables, out: Words, a: Words, b: Words, mods: readonly number[]): void {
    check.checkDisjoint('a', out, a);
    check.checkDisjoint('b', out, b);
    this.#binary(ring, out, a, b, mods, this.exports.mulAdd);
  }

  negate(ring: RingTables, out: Words, a: Words, mods: readonly number[]): void {
    check.checkUnary(ring, out, a, mods);
    const [to, x] = [this.at(out), this.at(a)];
    this.eachLimb(ring, out.length, mods, (at, table) => this.exports.negate(to + at, x + at, table, ring.n));
  }

  mulScalar(
    ring: RingTables,
    out: Words,
    a: Words,
    scalars: readonly number[],
    mods: readonly number[],
  ): void {
    check.checkUnary(ring, out, a, mods);
    check.checkScalars(ring, scalars, mods);
    const [to, x] = [this.at(out), this.at(a)];
    const centred = scalars.map((s, i) => (s > ring.moduli[mods[i]] / 2 ? s - ring.moduli[mods[i]] : s));
    this.eachLimb(ring, out.length, mods, (at, table, position) => {
      this.exports.mulScalar(to + at, x + at, centred[position], table, ring.n);
    });
  }

  addScalar(
    ring: RingTables,
    out: Words,
    a: Words,
    scalars: readonly number[],
    mods: readonly number[],
  ): void {
    check.checkUnary(ring, out, a, mods);
    check.checkScalars(ring, scalars, mods);
    const [to, x] = [this.at(out), this.at(a)];
    this.eachLimb(ring, out.length, mods, (at, table, position) => {
      this.exports.addScalar(to + at, x + at, scalars[position], table, ring.n);
    });
  }

  automorphism(ring: RingTables, out: Words, a: Words, galois: number, mods: readonly number[]): void {
    check.checkUnary(ring, out, a, mods);
    check.checkGalois(ring, galois);
    check.checkDisjoint('a', out, a);
    const [to, x] = [this.at(out), this.at(a)];
    this.memory.borrow(4 * ring.n, (index) => {
      this.exports.automorphismIndex(index, this.own(ring).reversal, ring.n, galois);
      this.eachLimb(ring, out.length, mods, (at) => this.exports.gather(to + at, x + at, index, ring.n));
    });
  }

  fromSigned(ring: RingTables, out: Words, small: Int8Array, mods: readonly number[]): void {
    const count = check.batchCount('out', out.length, check.polynomialWords(ring, mods));
    check.checkLength('the values', small.length, count * ring.n);
    this.memory.borrowSecret(small.length, (values) => {
      this.memory.write(values, small);
      const to = this.at(out);
      const polynomial = 8 * ring.n * mods.length;
      this.eachLimb(ring, out.length, mods, (at, table) => {
        const from = values + ring.n * Math.floor(at / polynomial);
        this.exports.fromBytes(to + at, from, table, ring.n);
      });
    });
  }

  fromDoubles(ring: RingTables, out: Words, values: Float64Array, mods: readonly number[]): void {
    const count = check.batchCount('out', out.length, check.polynomialWords(ring, mods));
    check.checkLength('the values', values.length, count * ring.n);
    check.checkIntegers(values);
    this.memory.borrowSecret(values.byteLength, (copy) => {
      this.memory.write(copy, values);
      const to = this.at(out);
      const polynomial = 8 * ring.n * mods.length;
      this.eachLimb(ring, out.length, mods, (at, table, position) => {
        const from = copy + 8 * ring.n * Math.floor(at / polynomial);
        const high = this.own(ring).powerOfTwo(50, mods[position]);
        this.exports.fromDoubles(to + at, from, high, table, ring.n);
      });
    });
  }

  transformSigned(ring: RingTables, out: Words, small: Int8Array, mods: readonly number[]): void {
    this.fromSigned(ring, out, small, mods);
    this.nttForward(ring, out, mods);
  }

  transformDoubles(ring: RingTables, out: Words, values: Float64Array, mods: readonly number[]): void {
    this.fromDoubles(ring, out, values, mods);
    this.nttForward(ring, out, mods);
  }

  sumProducts(ring: RingTables, out: Words, a: Words, b: Words, mods: readonly number[]): void {
    const terms = check.checkSumProducts(ring, out, a, b, mods);
    const [to, x, y] = [this.at(out), this.at(a), this.at(b)];
    const [size, step] = [8 * out.length, (8 * b.length) / terms];
    this.eachLimb(ring, out.length, mods, (at, table) => {
      this.exports.sumProducts(to + at, x + at, size, y + (at % step), step, terms, table, ring.n);
    });
  }

  fractionDot(...operands: Parameters<Kernel['fractionDot']>): void {
    fractionDotInWasm(this, ...operands);
  }

  roundFractions(...operands: Parameters<Kernel['roundFractions']>): void {
    roundFractionsInWasm(this, ...operands);
  }

  squaredNorms(...operands: Parameters<Kernel['squaredNorms']>): boolean {
    return squaredNormsInWasm(this, ...operands);
  }

  fractionSums(ring: RingTables, out: Uint32Array, a: Words, words: number, mods: readonly number[]): void {
    fractionSumsInWasm(this, this.at(a), ring, out, a, words, mods);
  }

  toDoubles(ring: RingTables, out: Float64Array, a: Words, mods: readonly number[]): void {
    const size = check.polynomialWords(ring, mods);
    const count = check.batchCount('a', a.length, size);
    check.checkLength('out', out.length, count * ring.n);
    const own = this.own(ring);
    const limb = 8 * ring.n;
    this.memory.borrowSecret(limb * mods.length, (digits) => {
      const from = this.at(a);
      for (let i = 0; i < count; i++) {
        mods.forEach((m, l) => {
          const [x, table] = [digits + l * limb, own.table(m)];
          this.exports.wordsToDoubles(x, from + 8 * (i * size + l * ring.n), ring.n);
          for (let j = 0; j < l; j++) {
            this.exports.garner(x, digits + j * limb, own.inverseOf([mods[j]], m), table, ring.n);
          }
          this.exports.centre(x, x, table, ring.n);
        });
        const top = digits + (mods.length - 1) * limb;
        for (let l = mods.length - 2; l >= 0; l--) {
          this.exports.horner(top, digits + l * limb, ring.moduli[mods[l]], ring.n);
        }
        this.memory.read(out.subarray(i * ring.n, (i + 1) * ring.n), top);
      }
    });
  }
}
